// Closes a sealed box (libsodium's crypto_box_seal), which only the holder of the secret key can open:
//   box = ephemeral public key 32 ‖ tag 16 ‖ ciphertext; nonce = BLAKE2b-192(ephemeral ‖ recipient);
//   key = HSalsa20(X25519, 16 zero bytes); tag and ciphertext = XSalsa20-Poly1305 (NaCl's secretbox).
// X25519 is node:crypto's; the rest is not there, so it is here: RFC 7693, "Extending the Salsa20 nonce", RFC 8439 §2.5.
// tests/data/sealing has vectors.
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from "node:crypto";

const KEY = 32;
const TAG = 16;

/** The box of `plain`. `ephemeral`, a secret X25519 key, is for tests: each box must have one of its own. */
export function seal(recipient: Uint8Array, plain: Uint8Array, ephemeral?: Uint8Array): Uint8Array {
  if (recipient.length !== KEY) throw new TypeError("A public key has 32 bytes.");
  const own = ephemeral === undefined ? generateKeyPairSync("x25519").privateKey : privateKey(ephemeral);
  const ownPublic = rawPublic(createPublicKey(own));
  const shared = diffieHellman({ privateKey: own, publicKey: publicKey(recipient) });
  const nonce = blake2b(24, concat(ownPublic, recipient));
  const first = hsalsa20(shared, new Uint8Array(16));
  const key = hsalsa20(first, nonce.subarray(0, 16));
  const stream = salsa20(key, nonce.subarray(16), 32 + plain.length);
  const text = new Uint8Array(plain.length);
  for (let i = 0; i < text.length; i++) text[i] = plain[i]! ^ stream[32 + i]!;
  const box = concat(ownPublic, poly1305(stream.subarray(0, 32), text), text);
  for (const secret of [shared, first, key, stream]) secret.fill(0);
  return box;
}

export const OVERHEAD = KEY + TAG;

/* ---- X25519 keys: the fixed heads of RFC 8410 */

const SPKI = Uint8Array.from([0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00]);
const PKCS8 = Uint8Array.from([0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20]);

function publicKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(concat(SPKI, raw)), format: "der", type: "spki" });
}

function privateKey(raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.from(concat(PKCS8, raw)), format: "der", type: "pkcs8" });
}

function rawPublic(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: "der", type: "spki" })).slice(SPKI.length);
}

function concat(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/* ---- BLAKE2b (RFC 7693), without a key, of at most one block */

const IV = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const SIGMA = [
  "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8", "905724afe1bc683d",
  "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5", "a2847615fb9e3cd0",
].map((row) => [...row].map((digit) => Number.parseInt(digit, 16)));
const MASK64 = (1n << 64n) - 1n;

export function blake2b(size: number, input: Uint8Array): Uint8Array {
  if (input.length > 128) throw new RangeError("One block is all that is needed here.");
  const block = new DataView(new ArrayBuffer(128));
  input.forEach((byte, i) => block.setUint8(i, byte));
  const m = Array.from({ length: 16 }, (_, i) => block.getBigUint64(i * 8, true));
  const h = IV.map((x, i) => (i === 0 ? x ^ 0x01010000n ^ BigInt(size) : x));
  const v = [...h, ...IV];
  v[12]! ^= BigInt(input.length);
  v[14]! ^= MASK64;
  const rotate = (x: bigint, n: bigint) => ((x >> n) | (x << (64n - n))) & MASK64;
  const mix = (a: number, b: number, c: number, d: number, x: bigint, y: bigint) => {
    v[a] = (v[a]! + v[b]! + x) & MASK64;
    v[d] = rotate(v[d]! ^ v[a]!, 32n);
    v[c] = (v[c]! + v[d]!) & MASK64;
    v[b] = rotate(v[b]! ^ v[c]!, 24n);
    v[a] = (v[a]! + v[b]! + y) & MASK64;
    v[d] = rotate(v[d]! ^ v[a]!, 16n);
    v[c] = (v[c]! + v[d]!) & MASK64;
    v[b] = rotate(v[b]! ^ v[c]!, 63n);
  };
  for (let round = 0; round < 12; round++) {
    const s = SIGMA[round % 10]!;
    const at = (i: number) => m[s[i]!]!;
    for (let i = 0; i < 4; i++) mix(i, i + 4, i + 8, i + 12, at(2 * i), at(2 * i + 1));
    for (let i = 0; i < 4; i++) mix(i, ((i + 1) & 3) + 4, ((i + 2) & 3) + 8, ((i + 3) & 3) + 12, at(2 * i + 8), at(2 * i + 9));
  }
  const out = new DataView(new ArrayBuffer(64));
  h.forEach((x, i) => out.setBigUint64(i * 8, x ^ v[i]! ^ v[i + 8]!, true));
  return new Uint8Array(out.buffer).slice(0, size);
}

/* ---- Salsa20 and HSalsa20 */

const SIGMA32 = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

function words(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true));
}

function bytesOf(all: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(all.length * 4));
  all.forEach((x, i) => view.setUint32(i * 4, x >>> 0, true));
  return new Uint8Array(view.buffer);
}

/** The state of 16 words: constants on the diagonal, the key's halves around the 16 bytes of input. */
function state(key: Uint8Array, input: number[]): number[] {
  const k = words(key);
  return [SIGMA32[0]!, ...k.slice(0, 4), SIGMA32[1]!, ...input, SIGMA32[2]!, ...k.slice(4), SIGMA32[3]!];
}

function twentyRounds(start: number[]): number[] {
  const x = [...start];
  const step = (to: number, a: number, b: number, n: number) => {
    const sum = (x[a]! + x[b]!) | 0;
    x[to] = x[to]! ^ ((sum << n) | (sum >>> (32 - n)));
  };
  const quarter = (a: number, b: number, c: number, d: number) => {
    step(b, a, d, 7);
    step(c, b, a, 9);
    step(d, c, b, 13);
    step(a, d, c, 18);
  };
  for (let i = 0; i < 10; i++) {
    quarter(0, 4, 8, 12);
    quarter(5, 9, 13, 1);
    quarter(10, 14, 2, 6);
    quarter(15, 3, 7, 11);
    quarter(0, 1, 2, 3);
    quarter(5, 6, 7, 4);
    quarter(10, 11, 8, 9);
    quarter(15, 12, 13, 14);
  }
  return x;
}

function hsalsa20(key: Uint8Array, input: Uint8Array): Uint8Array {
  const x = twentyRounds(state(key, words(input)));
  return bytesOf([0, 5, 10, 15, 6, 7, 8, 9].map((i) => x[i]!));
}

function salsa20(key: Uint8Array, nonce: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let block = 0; block * 64 < length; block++) {
    const start = state(key, [...words(nonce), block, 0]);
    const x = twentyRounds(start);
    out.set(bytesOf(x.map((word, i) => (word + start[i]!) | 0)).subarray(0, Math.min(64, length - block * 64)), block * 64);
  }
  return out;
}

/* ---- Poly1305, of a key that is used once */

function poly1305(key: Uint8Array, text: Uint8Array): Uint8Array {
  const number = (bytes: Uint8Array) => bytes.reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n);
  const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  const p = (1n << 130n) - 5n;
  let sum = 0n;
  for (let at = 0; at < text.length; at += 16) {
    const block = text.subarray(at, at + 16);
    sum = ((sum + number(block) + (1n << BigInt(8 * block.length))) * r) % p;
  }
  sum += number(key.subarray(16, 32));
  return Uint8Array.from({ length: TAG }, (_, i) => Number((sum >> BigInt(8 * i)) & 0xffn));
}
