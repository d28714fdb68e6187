// Classic BPF as far as podium writes it itself (linux/filter.h, linux/bpf_common.h): struct sock_filter is
// { u16 code; u8 jt; u8 jf; u32 k }, jumps count instructions forward, data is struct seccomp_data.

export const bpf = {
  loadWord: 0x20,
  jump: 0x05,
  jumpIfEqual: 0x15,
  jumpIfGreater: 0x25,
  jumpIfGreaterOrEqual: 0x35,
  return: 0x06,
} as const;

/** Offsets in struct seccomp_data. */
export const seccompData = { number: 0, architecture: 4 } as const;

export const instructionBytes = 8;
/** BPF_MAXINSNS: the kernel takes no longer programs. */
export const mostInstructions = 4096;

export function instruction(code: number, k: number, jumpTrue = 0, jumpFalse = 0): Buffer {
  const bytes = Buffer.alloc(instructionBytes);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(jumpTrue, 2);
  bytes.writeUInt8(jumpFalse, 3);
  bytes.writeUInt32LE(k, 4);
  return bytes;
}
