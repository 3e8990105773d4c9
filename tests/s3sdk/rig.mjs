// What all parts of the suite need: clients of the SDK in both checksum modes, and words for what is expected.
import { createHash } from 'node:crypto'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { assert, assertSame } from '../lib/tap.mjs'

export const MiB = 1024 * 1024
export const md5 = (data) => createHash('md5').update(data).digest('hex')
export const quoted = (text) => `"${text}"`

// How the SDK is set up by default, and as a build's environment asks for.
export const MODES = {
  'SDK defaults': { requestChecksumCalculation: 'WHEN_SUPPORTED', responseChecksumValidation: 'WHEN_SUPPORTED' },
  WHEN_REQUIRED: { requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
}

const clients = []
// One attempt, so that what a retry would hide is seen.
export function client(env, options = {}) {
  const c = new S3Client({
    endpoint: env.R2_ENDPOINT,
    region: env.AWS_REGION ?? 'auto',
    credentials: { accessKeyId: env.R2_ACCESS_KEY_ID, secretAccessKey: env.R2_SECRET_ACCESS_KEY },
    maxAttempts: 1,
    forcePathStyle: true,
    ...options,
  })
  clients.push(c)
  return c
}
export const endClients = () => clients.forEach((c) => c.destroy())

// The error that `promise` must end with: its name and HTTP status. `name` undefined: any (answers without a body have none).
export async function fails(promise, status, name) {
  let e
  try {
    const r = await promise
    throw Object.assign(new Error(`done, with HTTP ${r?.$metadata?.httpStatusCode}; ${status} ${name ?? ''} was expected`), { unexpected: true })
  } catch (error) {
    e = error
  }
  if (e.unexpected) throw e
  const got = [e.$metadata?.httpStatusCode, name === undefined ? undefined : e.name]
  assertSame(got, [status, name], `the error "${e.name}: ${e.message}"`)
  if (name !== undefined) assert(e.$metadata.requestId, `the error ${e.name} has no request id`)
  return e
}

// The same for an answer of fetch or request(): its status and the Code of its XML.
export async function refused(answer, status, code) {
  const r = await answer
  const body = typeof r.text === 'function' ? await r.text() : r.text
  assertSame([r.status, /<Code>([^<]*)<\/Code>/.exec(body)?.[1]], [status, code], body.slice(0, 600))
  return body
}

// The body of a GetObject is read at once: one that nobody reads keeps its connection.
export async function read(s3, input) {
  const r = await s3.send(new GetObjectCommand(input))
  r.bytes = Buffer.from(await r.Body.transformToByteArray())
  return r
}
export const bodyOf = (output) => output.bytes

export function sameBytes(got, want, what = 'the body') {
  if (Buffer.compare(got, want) === 0) return
  let at = 0
  while (at < Math.min(got.length, want.length) && got[at] === want[at]) at++
  throw new Error(`${what}: ${got.length} bytes, ${want.length} expected; first difference at ${at}`)
}

// Keys that file systems, URLs and XML have trouble with; all are legal. At a vendor a prefix stands in front of them.
export const ODD_KEYS = [
  'a b', ' both ends ', 'a+b', 'a%20b', 'a%2Fb', '%', '100%', 'a&b<c>"d\'', 'q?x=1&y#z', 'back\\slash', "!*'()~-_.", 'colon:semi;comma,at@dollar$eq=', '[{}]|^`',
  'dir/', 'a//b', '/leading', '//', 'ü/ß/é', 'e\u0301', '日本語/ファイル.txt', '😀.png', '\u{10ffff}', '...', '.hidden', 'a..b', 'a/..b/c..', 'x'.repeat(process.env.VALETKEY_TEST_S3_BEHIND ? 950 : 1000), `long/${'ö'.repeat(400)}`, 'tab\there', 'new\nline', 'return\rhere', 'bell\u0007', '\u0001', '\u007f', '\u0085', '\u2028', '\ufeff', '\ufffd', 'NUL', 'con.txt', 'Case', 'case',
]
