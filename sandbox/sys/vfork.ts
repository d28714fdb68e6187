// A child in this process's own memory, as vfork(2) makes it: no page table is copied, no page is faulted in twice, and none
// has to go again at exec. vfork itself cannot be used: its child returns into the frames of its parent, and a parent that waits
// for long counts in the host's load average. This one runs a JavaScript function on a stack of its own, which returns before
// anything is exec'd, so that V8 finds its frames in order when the parent goes on. All around it are contexts of libc
// (makecontext(3)), which run no JavaScript, and two futexes (futex(2)):
//
//   child   clone ─▶ wait for `go` ─▶ become() ─▶ execve ─▶ memcpy(refused, &errno, 4) ─▶ _exit
//   parent  clone ─▶ memset(go, 0, 4) ─▶ wake `go` ─▶ wait for `lives`, which the kernel clears when the child has another memory or none ─▶ on, or _exit
import { constants } from "node:os";
import { addressOf, callbackAddress, check, functionAddress, libc } from "./ffi.ts";
import { unshare } from "./namespaces.ts";
import { sysno } from "./numbers.ts";
import { waitFor } from "./process.ts";

const c = {
  getcontext: libc("int getcontext(uint8_t*)"),
  swapcontext: libc("int swapcontext(uint8_t*, const uint8_t*)"),
  makecontext: libc(
    "void makecontext(uint8_t*, uintptr_t, int, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t)",
  ),
  clone: libc("int clone(uintptr_t, uintptr_t, int, uintptr_t, uintptr_t, uintptr_t, uintptr_t)"),
  errnoLocation: libc("uintptr_t __errno_location()"),
};

const CLONE_VM = 0x100;
const CLONE_FILES = 0x400;
const CLONE_CHILD_CLEARTID = 0x200000;
const { SIGCHLD } = constants.signals;
const FUTEX_WAIT = 0n;
const FUTEX_WAKE = 1n;

/** ucontext_t of glibc: x86-64 has 968 bytes, aarch64 4,560. */
const contextBytes = 8 << 10;
const linkAt = 8;
const stackAt = 16;
const stackSizeAt = 32;
/** Where the stack pointer is in it: gregs[REG_RSP], or uc_mcontext.sp. */
const stackPointerAt = process.arch === "arm64" ? 432 : 160;
const smallStackBytes = 32 << 10;
/** koffi runs calls on a stack of 1 MiB; its callbacks must come from the same one, well below the frames of the call itself. */
const below = 128n << 10n;
const jsStackBytes = 512n << 10n;
const alignment = 16n;
const failureExit = 125n;

/** What the child becomes when its function has returned. */
export interface Program {
  readonly path: string;
  readonly argv: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
}

export interface Spawned {
  readonly pid: number;
  /** errno of an execve that came back; 0: it did not, or there was none. */
  readonly refused: number;
}

/** One context of the child's way; `link` is the next, 0 ends the process. */
class Context {
  readonly #bytes = Buffer.alloc(contextBytes);
  readonly #stack = Buffer.alloc(smallStackBytes);

  get address(): bigint {
    return addressOf(this.#bytes);
  }

  /** Goes on there, and comes back at the end of what is linked from it to this one. */
  go(first: Context): void {
    check(c.swapcontext(this.#bytes, first.#bytes), "swapcontext");
  }

  /** From now on whoever goes on here goes on where `other` was left instead. */
  lead(other: Context): void {
    this.#bytes.set(other.#bytes);
  }

  /** Where the caller's own stack is. */
  stackPointer(): bigint {
    c.getcontext(this.#bytes);
    return this.#bytes.readBigUInt64LE(stackPointerAt);
  }

  /** Calls `fn` with up to five arguments. */
  make(fn: bigint, args: readonly bigint[], link: bigint): void {
    this.#make(addressOf(this.#stack), BigInt(smallStackBytes), fn, args, link);
  }

  makeAt(stackTop: bigint, size: bigint, fn: bigint, link: bigint): void {
    this.#make((stackTop & -alignment) - size, size, fn, [], link);
  }

  #make(stack: bigint, size: bigint, fn: bigint, args: readonly bigint[], link: bigint): void {
    c.getcontext(this.#bytes);
    this.#bytes.writeBigUInt64LE(link, linkAt);
    this.#bytes.writeBigUInt64LE(stack, stackAt);
    this.#bytes.writeBigUInt64LE(size, stackSizeAt);
    const [a1 = 0n, a2 = 0n, a3 = 0n, a4 = 0n, a5 = 0n] = args;
    c.makecontext(this.#bytes, fn, args.length, a1, a2, a3, a4, a5);
  }
}

/** 32 bits that one of two waits for to change. */
class Futex {
  readonly #word = Buffer.alloc(4);

  set(value: number): void {
    this.#word.writeInt32LE(value);
  }

  get address(): bigint {
    return addressOf(this.#word);
  }

  /** Arguments of syscall(2): waits while the word is 1. Nothing else ends it: all signals are blocked. */
  get wait(): bigint[] {
    return [BigInt(sysno.futex), this.address, FUTEX_WAIT, 1n, 0n];
  }

  get wake(): bigint[] {
    return [BigInt(sysno.futex), this.address, FUTEX_WAKE, 1n];
  }
}

/** Everything that parent and child walk through, used again and again and, like all memory, there in each forked process. */
class Path {
  readonly #start = Buffer.alloc(smallStackBytes);
  readonly #go = new Futex();
  readonly #lives = new Futex();
  readonly #refused = Buffer.alloc(4);
  readonly #child = {
    hold: new Context(),
    become: new Context(),
    exec: new Context(),
    mark: new Context(),
    exit: new Context(),
  };
  readonly #parent = {
    let: new Context(),
    wake: new Context(),
    wait: new Context(),
    end: new Context(),
    on: new Context(),
  };
  readonly #functions = {
    setcontext: functionAddress("setcontext"),
    syscall: functionAddress("syscall"),
    execve: functionAddress("execve"),
    memcpy: functionAddress("memcpy"),
    memset: functionAddress("memset"),
    exit: functionAddress("_exit"),
    becoming: callbackAddress(() => this.#obey()),
  };
  /** What execve is given the addresses of. */
  readonly #kept: Buffer[] = [];
  #task: () => Program | null = () => null;
  #thrown: unknown = null;

  run(flags: number, task: () => Program | null): Spawned {
    this.#task = task;
    this.#thrown = null;
    this.#refused.fill(0);
    this.#lay();
    const top = (addressOf(this.#start) + BigInt(smallStackBytes)) & -alignment;
    const kinds = CLONE_VM | CLONE_CHILD_CLEARTID | flags | SIGCHLD;
    const { setcontext } = this.#functions;
    const pid = check(c.clone(setcontext, top, kinds, this.#child.hold.address, 0n, 0n, this.#lives.address), "clone");
    this.#parent.on.go(this.#parent.let);
    this.#kept.length = 0;
    if (this.#thrown !== null) {
      waitFor(pid);
      throw this.#thrown;
    }
    return { pid, refused: this.#refused.readInt32LE(0) };
  }

  #lay(): void {
    const { syscall, memcpy, memset, exit, becoming } = this.#functions;
    const [child, parent] = [this.#child, this.#parent];
    this.#go.set(1);
    this.#lives.set(1);
    child.exit.make(exit, [failureExit], 0n);
    child.mark.make(memcpy, [addressOf(this.#refused), c.errnoLocation(), 4n].map(BigInt), child.exit.address);
    child.become.makeAt(child.become.stackPointer() - below, jsStackBytes, becoming, child.exec.address);
    child.hold.make(syscall, this.#go.wait, child.become.address);
    parent.end.make(exit, [1n], 0n); // unless the child has said otherwise
    parent.wait.make(syscall, this.#lives.wait, parent.end.address);
    parent.wake.make(syscall, this.#go.wake, parent.wait.address);
    parent.let.make(memset, [this.#go.address, 0n, 4n], parent.wake.address); // no sooner: two must not run JavaScript at a time
  }

  /** In the child. It must return whatever happens: an exception would leave V8 with frames that are not there any more. */
  #obey(): void {
    try {
      const program = this.#task();
      if (program === null) this.#child.exec.make(this.#functions.exit, [0n], 0n);
      else this.#child.exec.make(this.#functions.execve, this.#point(program), this.#child.mark.address);
    } catch (error) {
      this.#thrown = error;
      this.#child.exec.make(this.#functions.exit, [failureExit], 0n);
    }
    this.#parent.end.lead(this.#parent.on);
  }

  #point({ path, argv, env }: Program): bigint[] {
    const file = Buffer.from(`${path}\0`);
    const vectors = [argv, env].map(vectorOf);
    this.#kept.push(file, ...vectors.flat());
    return [file, ...vectors.map(([pointers]) => pointers)].map(addressOf);
  }
}

/** `char *const []`: the pointers, and the bytes that they point to. */
function vectorOf(strings: readonly string[]): [pointers: Buffer, bytes: Buffer] {
  const bytes = Buffer.from([...strings, ""].map((string) => `${string}\0`).join(""));
  const pointers = Buffer.alloc(8 * (strings.length + 1));
  let at = addressOf(bytes);
  for (const [i, string] of strings.entries()) {
    pointers.writeBigUInt64LE(at, 8 * i);
    at += BigInt(Buffer.byteLength(string) + 1);
  }
  return [pointers, bytes];
}

/** A child may have children of this kind itself. */
const unused: Path[] = [];

function run(flags: number, become: () => Program | null): Spawned {
  const path = unused.pop() ?? new Path();
  try {
    return path.run(flags, become);
  } finally {
    unused.push(path);
  }
}

/**
 * clone(CLONE_VM | flags | SIGCHLD); clone(2). Runs `become` in a child, with this process's memory and a copy of its descriptors, and returns when the
 * child has exec'd what it returned, or ended (null). What `become` throws is thrown here, the child reaped. All signals must be blocked. This process
 * ends, with 1, when somebody kills the child before `become` has returned: its V8 would be left in the middle of it.
 */
export function spawn(become: () => Program | null, flags = 0): Spawned {
  return run(flags, become);
}

/** The same with one table of descriptors for both (CLONE_FILES): what the child opens is open here. */
export function spawnWithFiles(become: () => Program | null): Spawned {
  return run(CLONE_FILES, become);
}

/** unshare(CLONE_FILES); unshare(2): from here on the child's descriptors are a copy. */
export function unshareFiles(): void {
  unshare(CLONE_FILES);
}
