// Seals a value to keeper's public key, with nothing but the language: for a browser, or any program that has no
// libsodium. It is libsodium's crypto_box_seal (docs/SEALING.md says the format, tests/data/sealing has vectors):
//   box = ephemeral public key 32 ‖ tag 16 ‖ ciphertext
// X25519 is RFC 7748, BLAKE2b RFC 7693, Poly1305 RFC 8439; Salsa20, HSalsa20 and their use here are NaCl's.
// The arithmetic is BigInt's, so its time depends on the ephemeral key: that key lives for one box, on the machine that
// has the value in clear anyway.

export type Random = (bytes: Uint8Array) => Uint8Array;

/** The box of `plain` for the holder of `recipient`'s secret key. `random` fills an array: crypto.getRandomValues. */
export function seal(recipient: Uint8Array, plain: Uint8Array, random: Random): Uint8Array {
  const secret = random(new Uint8Array(32));
  const own = x25519(secret, BASE);
  const shared = x25519(secret, recipient);
  if (shared.every((byte) => byte === 0)) throw new Error("That is no public key.");
  const nonce = blake2b(join(own, recipient), 24);
  const key = hsalsa20(hsalsa20(shared, new Uint8Array(16)), nonce.subarray(0, 16));
  const stream = salsa20(key, nonce.subarray(16), 32 + plain.length);
  const text = plain.map((byte, i) => byte ^ (stream[32 + i] as number));
  const tag = poly1305(stream.subarray(0, 32), text);
  secret.fill(0);
  shared.fill(0);
  key.fill(0);
  stream.fill(0);
  return join(own, tag, text);
}

/** The entry for POST /api/v1/keys: base64 of the box of its JSON object. */
export function entry(recipient: Uint8Array, vendor: string, build: string, fields: Record<string, string>, random: Random): string {
  const json = JSON.stringify({ vendor, build, at: Date.now(), fields });
  return btoa(String.fromCharCode(...seal(recipient, new TextEncoder().encode(json), random)));
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function number(bytes: Uint8Array): bigint {
  return bytes.reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n);
}

function bytes(n: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Number((n >> BigInt(8 * i)) & 255n));
}

// ---- X25519

const BASE = bytes(9n, 32);
const P = (1n << 255n) - 19n;

function x25519(secret: Uint8Array, point: Uint8Array): Uint8Array {
  const k = (number(secret) & ((1n << 254n) - 8n)) | (1n << 254n);
  const x1 = (number(point) & ((1n << 255n) - 1n)) % P;
  const mod = (n: bigint) => ((n % P) + P) % P;
  let [x2, z2, x3, z3, swap] = [1n, 0n, x1, 1n, 0n];
  for (let t = 254n; t >= 0n; t--) {
    const bit = (k >> t) & 1n;
    if (swap !== bit) [x2, x3, z2, z3] = [x3, x2, z3, z2];
    swap = bit;
    const [a, b, c, d] = [mod(x2 + z2), mod(x2 - z2), mod(x3 + z3), mod(x3 - z3)];
    const [aa, bb, da, cb] = [mod(a * a), mod(b * b), mod(d * a), mod(c * b)];
    const e = mod(aa - bb);
    x3 = mod((da + cb) ** 2n);
    z3 = mod(x1 * mod((da - cb) ** 2n));
    x2 = mod(aa * bb);
    z2 = mod(e * (aa + 121665n * e));
  }
  if (swap) [x2, z2] = [x3, z3];
  let inverse = 1n;
  for (let power = P - 2n, square = z2; power > 0n; power >>= 1n, square = mod(square * square))
    if (power & 1n) inverse = mod(inverse * square);
  return bytes(mod(x2 * inverse), 32);
}

// ---- BLAKE2b, without a key, of less than a block

const IV = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n, 0x510e527fade682d1n, 0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const ORDER = [
  "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8", "905724afe1bc683d",
  "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5", "a2847615fb9e3cd0",
];
const WORD = (1n << 64n) - 1n;

function blake2b(input: Uint8Array, size: number): Uint8Array {
  const m = Array.from({ length: 16 }, (_, i) => number(input.subarray(8 * i, 8 * i + 8)));
  const h = IV.map((word, i) => (i ? word : word ^ 0x01010000n ^ BigInt(size)));
  const v = [...h, ...IV].map((word, i) => (i === 12 ? word ^ BigInt(input.length) : i === 14 ? word ^ WORD : word));
  const turn = (n: bigint, by: bigint) => ((n >> by) | (n << (64n - by))) & WORD;
  const get = (i: number) => v[i] as bigint;
  const mix = (a: number, b: number, c: number, d: number, words: string) => {
    const by = [32n, 24n, 16n, 63n];
    for (const half of [0, 1]) {
      v[a] = (get(a) + get(b) + (m[Number.parseInt(words.charAt(half), 16)] as bigint)) & WORD;
      v[d] = turn(get(d) ^ get(a), by[2 * half] as bigint);
      v[c] = (get(c) + get(d)) & WORD;
      v[b] = turn(get(b) ^ get(c), by[2 * half + 1] as bigint);
    }
  };
  for (let round = 0; round < 12; round++)
    for (let i = 0; i < 8; i++) {
      const s = i < 4 ? 0 : 1;
      const at = (row: number) => 4 * row + ((i + row * s) % 4);
      mix(at(0), at(1), at(2), at(3), (ORDER[round % 10] as string).slice(2 * i));
    }
  const all = h.map((word, i) => word ^ get(i) ^ get(i + 8));
  return join(...all.map((word) => bytes(word, 8))).subarray(0, size);
}

// ---- Salsa20

function words(from: Uint8Array): number[] {
  return Array.from({ length: from.length / 4 }, (_, i) => Number(number(from.subarray(4 * i, 4 * i + 4))));
}

/** The 16 words in front of and after twenty rounds. */
function core(key: Uint8Array, input: number[]): [number[], number[]] {
  const k = words(key);
  const c = words(new TextEncoder().encode("expand 32-byte k"));
  const start = [c.slice(0, 1), k.slice(0, 4), c.slice(1, 2), input, c.slice(2, 3), k.slice(4), c.slice(3)].flat();
  const x = Int32Array.from(start);
  const get = (i: number) => x[i] as number;
  for (let round = 0; round < 20; round++)
    for (let i = 0; i < 4; i++) {
      // a column that begins on the diagonal; in odd rounds a row
      const at = (n: number) => (round % 2 ? 4 * i + ((i + n) % 4) : (5 * i + 4 * n) % 16);
      for (const [n, by] of [[1, 7], [2, 9], [3, 13], [4, 18]] as const) {
        const sum = (get(at(n - 1)) + get(at((n + 2) % 4))) | 0;
        x[at(n % 4)] = get(at(n % 4)) ^ ((sum << by) | (sum >>> (32 - by)));
      }
    }
  return [start, [...x]];
}

function out(all: number[]): Uint8Array {
  return join(...all.map((word) => bytes(BigInt(word >>> 0), 4)));
}

function hsalsa20(key: Uint8Array, input: Uint8Array): Uint8Array {
  const [, x] = core(key, words(input));
  return out([0, 5, 10, 15, 6, 7, 8, 9].map((i) => x[i] as number));
}

function salsa20(key: Uint8Array, nonce: Uint8Array, length: number): Uint8Array {
  const blocks = Array.from({ length: Math.ceil(length / 64) }, (_, i) => {
    const [start, x] = core(key, [...words(nonce), i, 0]);
    return out(x.map((word, k) => word + (start[k] as number)));
  });
  return join(...blocks).subarray(0, length);
}

// ---- Poly1305

function poly1305(key: Uint8Array, text: Uint8Array): Uint8Array {
  const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < text.length; at += 16) {
    const block = text.subarray(at, at + 16);
    sum = ((sum + number(block) + (1n << BigInt(8 * block.length))) * r) % ((1n << 130n) - 5n);
  }
  return bytes(sum + number(key.subarray(16)), 16);
}
