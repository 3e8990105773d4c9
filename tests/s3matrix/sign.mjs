// A signer for everything that is allowed and most of what is not: "Signature Version 4" in Amazon's S3 API reference, with each of its
// parts open to be made wrong. A request is as wire.mjs has it; a key is { id, secret }.
import { createHash, createHmac } from 'node:crypto'

export const sha256 = (data) => createHash('sha256').update(Buffer.isBuffer(data) ? data : Buffer.from(data, 'latin1')).digest('hex')
const hmac = (key, text) => createHmac('sha256', key).update(text, 'latin1').digest()
const EMPTY = sha256('')

export const encode = (s) => s.replace(/[^A-Za-z0-9\-._~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
export const decode = (s) => s.replace(/%([0-9A-Fa-f]{2})/g, (_, h) => String.fromCharCode(parseInt(h, 16)))
export const stamp = (date) => date.toISOString().replace(/[-:]|\.\d+/g, '')

const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
const canonicalPath = (path) => path.split('/').map((s) => encode(decode(s))).join('/')
const canonicalQuery = (query) => !query ? '' : query.split('&').filter(Boolean).map((p) => {
  const at = p.indexOf('=')
  const part = (s) => encode(decode(s.replaceAll('+', ' ')))
  return at < 0 ? [part(p), ''] : [part(p.slice(0, at)), part(p.slice(at + 1))]
}).sort((a, b) => order(a[0], b[0]) || order(a[1], b[1])).map((p) => p.join('=')).join('&')

export function keyOf(secret, day, region = 'auto', service = 's3', end = 'aws4_request') {
  return hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), service), end)
}

function canonical(r, query, names, payload) {
  const lines = names.map((n) => `${n}:${r.headers.filter(([k]) => k.toLowerCase() === n).map(([, v]) => String(v).trim().replace(/[ \t]+/g, ' ')).join(',')}`)
  return [r.method, canonicalPath(r.path), canonicalQuery(query), ...lines, '', names.join(';'), payload].join('\n')
}

const parts = (o) => {
  const time = o.time ?? stamp(o.date ?? new Date())
  const { region = 'auto', service = 's3', end = 'aws4_request', day = time.slice(0, 8) } = o
  return { time, day, region, service, end, scope: `${day}/${region}/${service}/${end}` }
}
const namesOf = (r, o, but = () => true) => o.names ?? [...new Set(r.headers.map(([n]) => n.toLowerCase()))].filter((n) => !(o.unsigned ?? ['content-length', 'expect', 'connection', 'transfer-encoding', 'content-type']).includes(n) && but(n)).sort()

// Adds x-amz-date, x-amz-content-sha256 and Authorization. `o`: date, region, service, end, day (of the scope), payload, names (the signed
// ones), unsigned, algorithm. The seed and the signing key come back for bodies that go on from there.
export function inHeader(key, r, o = {}) {
  const p = parts(o)
  const payload = o.payload ?? sha256(r.body ?? '')
  const out = { ...r, headers: [...r.headers, ['x-amz-date', p.time], ...(o.noPayloadHeader ? [] : [['x-amz-content-sha256', payload]])] }
  const names = namesOf(out, o)
  const k = keyOf(key.secret, p.day, p.region, p.service, p.end)
  const signature = hmac(k, ['AWS4-HMAC-SHA256', p.time, p.scope, sha256(canonical(out, r.query, names, payload))].join('\n')).toString('hex')
  out.headers.push(['Authorization', `${o.algorithm ?? 'AWS4-HMAC-SHA256'} Credential=${key.id}/${p.scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`])
  return Object.assign(out, { seed: signature, signing: k, ...p })
}

// A presigned request: the signature in the query.
export function inQuery(key, r, o = {}) {
  const p = parts(o)
  const names = namesOf(r, o)
  const query = [r.query, `X-Amz-Algorithm=${o.algorithm ?? 'AWS4-HMAC-SHA256'}`, `X-Amz-Credential=${encode(`${key.id}/${p.scope}`)}`, `X-Amz-Date=${p.time}`, ...(o.expires === null ? [] : [`X-Amz-Expires=${o.expires ?? 300}`]), `X-Amz-SignedHeaders=${encode(names.join(';'))}`, ...(o.more ?? [])].filter(Boolean).join('&')
  const k = keyOf(key.secret, p.day, p.region, p.service, p.end)
  const signature = hmac(k, ['AWS4-HMAC-SHA256', p.time, p.scope, sha256(canonical(r, query, names, o.payload ?? r.headers.find(([n]) => n.toLowerCase() === 'x-amz-content-sha256')?.[1] ?? 'UNSIGNED-PAYLOAD'))].join('\n')).toString('hex')
  return { ...r, query: `${query}&X-Amz-Signature=${signature}`, seed: signature, signing: k, ...p }
}

// ---- aws-chunked

// [{ line, data }] of a body in signed chunks, the last one empty. `s` is what inHeader gave.
export function signedChunks(s, pieces) {
  let before = s.seed
  return [...pieces, ''].map((data) => {
    before = hmac(s.signing, ['AWS4-HMAC-SHA256-PAYLOAD', s.time, s.scope, before, EMPTY, sha256(data)].join('\n')).toString('hex')
    return { line: `${data.length.toString(16)};chunk-signature=${before}\r\n`, data, signature: before }
  })
}
export const joined = (chunks) => chunks.map((c) => c.line + (c.data.length ? `${c.data}\r\n` : '')).join('')
export function signedTrailer(s, last, lines) {
  const text = lines.map(([n, v]) => `${n}:${v}\n`).join('')
  return `${lines.map(([n, v]) => `${n}:${v}\r\n`).join('')}x-amz-trailer-signature:${hmac(s.signing, ['AWS4-HMAC-SHA256-TRAILER', s.time, s.scope, last, sha256(text)].join('\n')).toString('hex')}\r\n\r\n`
}
export const plainChunks = (pieces) => `${pieces.map((d) => `${d.length.toString(16)}\r\n${d}\r\n`).join('')}0\r\n`

// ---- forms

// A browser's form: [[name, value]] in front of the file.
export function form(fields, file = 'bytes of a form', name = 'file.txt', boundary = 'b0undary') {
  const part = (disposition, value) => `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${value}\r\n`
  return { type: `multipart/form-data; boundary=${boundary}`, body: `${fields.map(([n, v]) => part(`name="${n}"`, v)).join('')}${file === null ? '' : part(`name="file"; filename="${name}"`, file)}--${boundary}--\r\n` }
}

// Its fields with a policy that allows exactly them, signed. `o`: date, expires (s), conditions beside, policy (the text), key left out.
export function signedFields(key, fields, o = {}) {
  const p = parts(o)
  const all = [...fields, ['x-amz-algorithm', 'AWS4-HMAC-SHA256'], ['x-amz-credential', `${key.id}/${p.scope}`], ['x-amz-date', p.time]]
  const text = o.policy ?? JSON.stringify({ expiration: new Date(Date.now() + 1000 * (o.expires ?? 600)).toISOString().replace(/\.\d+/, ''), conditions: [...(o.conditions ?? []), ...all.filter(([n]) => !(o.free ?? []).includes(n)).map(([n]) => ['starts-with', `$${n}`, ''])] })
  const policy = Buffer.from(text, 'utf8').toString('base64')
  return [...all, ['policy', policy], ['x-amz-signature', hmac(keyOf(key.secret, p.day, p.region, p.service, p.end), policy).toString('hex')]]
}
