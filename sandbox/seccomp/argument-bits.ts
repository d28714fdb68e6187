// How wide the arguments of each system call are, from the prototypes of linux/syscalls.h on 64-bit machines. One
// letter an argument: `i` 32 bits (int, unsigned int, uid_t, …), `w` 64 bits (pointers, size_t, long, loff_t), `m` 16
// bits (umode_t). The kernel ignores the register's bits above that, so a filter has to as well, or
// `socket(40 | 1<<32)` is another number to the filter and the same to the kernel. The flags of clone are declared
// long, but only their lower half counts (lower_32_bits in kernel/fork.c).

const callsBySignature = {
  "":
    "fork getegid geteuid getgid getpgrp getpid getppid gettid getuid inotify_init munlockall pause " +
    "restart_syscall rt_sigreturn sched_yield setsid sync uprobe uretprobe vfork vhangup",
  i:
    "alarm close dup epoll_create epoll_create1 eventfd exit exit_group fchdir fdatasync fsync getpgid getsid " +
    "inotify_init1 iopl memfd_secret mlockall personality pkey_free sched_get_priority_max sched_get_priority_min " +
    "sched_getscheduler setfsgid setfsuid setgid setuid syncfs timer_delete timer_getoverrun umask userfaultfd",
  w:
    "acct adjtimex brk chdir chroot io_destroy mq_unlink pipe rmdir set_tid_address shmdt swapoff sysinfo time " +
    "times uname unlink unshare uselib",
  ii:
    "dup2 eventfd2 fanotify_init flock getpriority inotify_rm_watch ioprio_get kill landlock_restrict_self listen " +
    "msgget pidfd_open process_mrelease setns setpgid setregid setreuid shutdown timerfd_create tkill",
  im: "fchmod",
  iw:
    "arch_prctl clock_adjtime clock_getres clock_gettime clock_settime fremovexattr fstat fstatfs ftruncate " +
    "getgroups getitimer getrlimit getrusage io_setup io_uring_setup mq_notify sched_getparam " +
    "sched_rr_get_interval sched_setparam setgroups setrlimit timer_gettime timerfd_gettime ustat",
  wi: "access delete_module fsopen memfd_create pipe2 setdomainname sethostname swapon umount2",
  wm: "chmod creat mkdir",
  ww:
    "capget capset clone3 getcwd gettimeofday link lremovexattr lstat mlock munlock munmap nanosleep pivot_root " +
    "pkey_alloc removexattr rename rt_sigpending rt_sigsuspend set_robust_list settimeofday sigaltstack stat " +
    "statfs symlink truncate utime utimes",
  iii:
    "close_range dup3 fchown fsmount ioprio_set membarrier pidfd_getfd semget setpriority setresgid setresuid " +
    "socket tgkill",
  iiw: "fcntl ioctl msgctl rt_sigqueueinfo sched_getaffinity sched_setaffinity sched_setscheduler seccomp shmctl",
  iwi:
    "bind bpf connect faccessat finit_module fspick getdents getdents64 inotify_add_watch lseek open_by_handle_at " +
    "open_tree recvmsg sched_setattr semop sendmsg shmat shmget syslog unlinkat",
  iwm: "fchmodat mkdirat",
  iww:
    "accept flistxattr futimesat get_robust_list getpeername getsockname modify_ldt mq_getsetattr read readahead " +
    "set_mempolicy setitimer signalfd sysfs timer_create write",
  wii: "chown lchown poll",
  wim: "open",
  wiw: "symlinkat",
  wmi: "mknod",
  wwi: "getrandom ioperm landlock_create_ruleset lsm_list_modules madvise map_shadow_stack mlock2 msync readlink",
  www:
    "execve getcpu getresgid getresuid init_module io_cancel io_submit listxattr llistxattr lookup_dcookie " +
    "mincore mprotect mseal readv writev",
  iiiw: "epoll_ctl quotactl_fd reboot rt_tgsigqueueinfo semctl socketpair",
  iiwi: "io_uring_register landlock_add_rule pidfd_send_signal tee",
  iiww: "clock_nanosleep fallocate prlimit64 sendfile timer_settime timerfd_settime",
  iwii: "epoll_wait faccessat2 lsm_set_self_attr sched_getattr sendmmsg",
  iwim: "openat",
  iwiw: "quotactl removexattrat renameat semtimedop wait4",
  iwmi: "fchmodat2 mknodat",
  iwwi:
    "accept4 cachestat fadvise64 lsm_get_self_attr msgsnd newfstatat readlinkat signalfd4 sync_file_range " +
    "utimensat vmsplice",
  iwww: "fgetxattr migrate_pages openat2 pread64 pwrite64 rt_sigaction rt_sigprocmask",
  wiii: "futex_requeue rseq",
  wimw: "mq_open",
  wwii: "futex_wake",
  wwwi: "listmount listns pkey_mprotect request_key statmount",
  wwww: "getxattr kexec_load lgetxattr ptrace rt_sigtimedwait set_mempolicy_home_node",
  iiiwi: "setsockopt",
  iiiww: "getsockopt kcmp",
  iiwiw: "waitid",
  iiwwi: "fsconfig",
  iiwww: "kexec_file_load",
  iwiii: "fchownat",
  iwiiw: "recvmmsg statx",
  iwiwi: "linkat move_mount renameat2",
  iwiww: "listxattrat mount_setattr open_tree_attr",
  iwwii: "process_madvise",
  iwwiw: "mq_timedsend",
  iwwwi: "execveat file_getattr file_setattr fsetxattr msgrcv name_to_handle_at",
  iwwww: "clone keyctl mq_timedreceive prctl select",
  wiiiw: "perf_event_open",
  wiiwi: "futex_waitv",
  wiwww: "ppoll",
  wwwwi: "add_key lsetxattr setxattr",
  wwwww: "get_mempolicy io_getevents mount mremap preadv pwritev remap_file_pages",
  iiiiiw: "fanotify_mark",
  iiiiww: "io_uring_enter",
  iwiiww: "epoll_pwait",
  iwiwwi: "copy_file_range splice",
  iwiwww: "epoll_pwait2 getxattrat setxattrat",
  iwwiwi: "sendto",
  iwwiww: "recvfrom",
  iwwwwi: "move_pages",
  iwwwww: "process_vm_readv process_vm_writev pselect6",
  wiiwwi: "futex",
  wwwiwi: "futex_wait",
  wwwwwi: "mbind preadv2 pwritev2",
  wwwwww: "io_pgetevents mmap",
} as const;

const bitsOf = { i: 32, w: 64, m: 16 } as const;
export type ArgumentBits = 16 | 32 | 64;

function widthsByCall(): Map<string, readonly ArgumentBits[]> {
  const widths = new Map<string, readonly ArgumentBits[]>();
  for (const [signature, calls] of Object.entries(callsBySignature)) {
    const bits = [...signature].map((letter) => bitsOf[letter as keyof typeof bitsOf]);
    for (const call of calls.split(" ")) widths.set(call, bits);
  }
  return widths;
}

const widths = widthsByCall();

/** Widths of a call's arguments in order; undefined for a call that is not in the table. */
export function argumentBits(call: string): readonly ArgumentBits[] | undefined {
  return widths.get(call);
}
