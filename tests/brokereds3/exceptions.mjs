// What suites of the embedded driver find different at a vendor: parts of names of their tests. Each stands in docs/SUPPORTED-CALLS.md, "Storage at
// R2 or S3". One that passes after all is an error too.
const SDK = [
  'conditional deletes', // R2 has none
  'DeleteObjects: what was there, what was not, odd keys, a condition',
  'conditions on the target', // of copies
  'checksums stay with the copy, or are made when asked for',
  'conditions hold at complete',
  'PUT of a stream without a length', // 411, as S3 answers
  'CRC32 COMPOSITE: parts, whole, attributes',
  'CRC32 FULL_OBJECT: combined from the parts, and checked when the app says it',
  'SHA256 COMPOSITE',
  'CRC64NVME is of the whole object only, SHA-1 and SHA-256 of parts only',
  'a part with a wrong checksum, a complete that names a wrong one',
  'a checksum of the whole that nothing can be compared with is not passed over', // refused, by another error
  'keys of 1,024 bytes are taken, longer ones are not', // the prefix counts
]
const MATRIX = [
  'pieces of HTTP: sizes, line ends, extensions, trailers', // all bodies without a length
  'every framing of HTTP around every framing inside is read the same',
  'what a build may store is counted while it comes, and given back when it does not stay',
]
// s3rver has no conditions, no copies of parts and no key that begins with a slash, and takes an upload's id for any key.
const S3RVER = [
  'prefixes: with R2_PREFIX and without it is the same object',
  'prefixes: copies, uploads and deletes across the two forms',
  'prefixes: what begins with builds/ and is not the own prefix is refused',
  'prefixes: a key may begin with a slash',
  'neighbours: one build\'s upload, token and prefix',
]
export const EXCEPTIONS = { r2: { s3sdk: SDK, s3matrix: MATRIX }, s3: { s3sdk: S3RVER } }
