// Runs a seccomp filter the way the kernel does, on a made-up call: classic BPF over struct seccomp_data. It knows the
// instructions that libseccomp and podium write and throws on every other one.

export interface SeccompCall {
  readonly number: number;
  /** AUDIT_ARCH_* */
  readonly architecture: number;
  /** 64-bit registers; missing ones are 0. */
  readonly args?: readonly bigint[];
}

/** struct seccomp_data { int nr; u32 arch; u64 instruction_pointer; u64 args[6]; } */
function seccompData(call: SeccompCall): Buffer {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call.number, 0);
  data.writeUInt32LE(call.architecture, 4);
  for (const [i, value] of (call.args ?? []).entries()) data.writeBigUInt64LE(value, 16 + i * 8);
  return data;
}

const jumps: Readonly<Record<number, (accumulator: number, k: number) => boolean>> = {
  21: (accumulator, k) => accumulator === k,
  37: (accumulator, k) => accumulator > k,
  53: (accumulator, k) => accumulator >= k,
  69: (accumulator, k) => (accumulator & k) !== 0,
};

/** The filter's return value (SECCOMP_RET_*) for one call. Throws where the kernel would refuse the program. */
export function runFilter(program: Uint8Array, call: SeccompCall): number {
  const code = Buffer.from(program.buffer, program.byteOffset, program.byteLength);
  const data = seccompData(call);
  let accumulator = 0;
  for (let at = 0; at * 8 < code.length; at++) {
    const operation = code.readUInt16LE(at * 8);
    const k = code.readUInt32LE(at * 8 + 4);
    const jump = jumps[operation];
    if (operation === 0x06) return k;
    else if (operation === 0x20) accumulator = data.readUInt32LE(k);
    else if (operation === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (operation === 0x05) at += k;
    else if (jump !== undefined) at += code.readUInt8(at * 8 + (jump(accumulator, k) ? 2 : 3));
    else throw new Error(`instruction ${at} has the unknown operation ${operation}`);
  }
  throw new Error("the program ends without an answer");
}
