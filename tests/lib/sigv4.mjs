// AWS Signature Version 4 for S3, by hand: for requests that no SDK makes, or not fast enough (the rules: "Signature Version 4" in
// Amazon's S3 API reference). `env` is a build's environment.
import { createHash, createHmac } from 'node:crypto'

const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const hmac = (key, text) => createHmac('sha256', key).update(text).digest()
export const encoded = (text) => [...Buffer.from(text)].map((b) => (/[A-Za-z0-9\-._~]/.test(String.fromCharCode(b)) ? String.fromCharCode(b) : `%${b.toString(16).toUpperCase().padStart(2, '0')}`)).join('')
export const encodedPath = (text) => text.split('/').map(encoded).join('/')
const stamp = (date) => date.toISOString().replace(/[-:]|\.\d+/g, '')

const keys = new Map()
function signingKey(secret, day, region) {
  const name = `${secret} ${day} ${region}`
  if (!keys.has(name)) keys.set(name, hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), 's3'), 'aws4_request'))
  return keys.get(name)
}

// The value as it stands in a header of node's http, which writes one byte a character.
const wire = (value) => Buffer.from(String(value)).toString('latin1')

// { url, headers } of a request that is signed in its header. `path` is encoded already and begins with a slash; `query` is a list of
// [name, value], not encoded. `payload`: the text of x-amz-content-sha256, else the digest of `body`.
export function signed(env, { method = 'GET', path, query = [], headers = {}, body = '', payload, date = new Date(), region = env.AWS_REGION ?? 'auto' }) {
  const url = new URL(env.R2_ENDPOINT)
  const time = stamp(date)
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`
  const all = { host: url.host, 'x-amz-date': time, 'x-amz-content-sha256': payload ?? sha256(body) }
  for (const [k, v] of Object.entries(headers)) all[k.toLowerCase()] = v
  const names = Object.keys(all).sort()
  const search = query.map(([k, v]) => [encoded(k), encoded(v)]).sort(([a, b], [c, d]) => (a === c ? (b < d ? -1 : 1) : a < c ? -1 : 1)).map((p) => p.join('=')).join('&')
  // S3 decodes each segment once and encodes it again; nothing else of a path is changed.
  const canonical = [method, path.split('/').map((s) => encoded(decodeURIComponent(s))).join('/'), search, ...names.map((n) => `${n}:${String(all[n]).trim().replace(/ +/g, ' ')}`), '', names.join(';'), all['x-amz-content-sha256']].join('\n')
  const signature = createHmac('sha256', signingKey(env.R2_SECRET_ACCESS_KEY, time.slice(0, 8), region)).update(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`).digest('hex')
  const out = Object.fromEntries(names.map((n) => [n, wire(all[n])]))
  out.authorization = `AWS4-HMAC-SHA256 Credential=${env.R2_ACCESS_KEY_ID}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  return { url: `${url.origin}${path}${search ? `?${search}` : ''}`, headers: out }
}
