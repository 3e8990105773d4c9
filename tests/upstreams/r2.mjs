// R2's side of temporary credentials: a server that takes only what a credential made locally may do, judged anew and by nothing of valetkey's,
// and gives the rest to an S3 server behind it, signed with that one's own key. What it has let through and refused it remembers.
// Source: Cloudflare, "R2: temporary credentials".
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import http from 'node:http'


const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const hmac = (key, text) => createHmac('sha256', key).update(text).digest()
const same = (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

export class Refused extends Error {
  constructor(status, code, why) {
    super(why ?? code)
    Object.assign(this, { status, code })
  }
}

// The signature over a request, of the header form. `secret` may be asked for.
export function judgeSignature(req, secretOf, now = Date.now()) {
  const said = /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(req.headers.authorization ?? '')
  if (!said) throw new Refused(401, 'Unauthorized', 'no signature')
  const [credential, names, signature] = said.slice(1)
  const [id, day, region, ...rest] = credential.split('/')
  const time = req.headers['x-amz-date'] ?? ''
  if (rest.join('/') !== 's3/aws4_request' || !time.startsWith(day)) throw new Refused(400, 'InvalidRequest', 'the scope of the credential')
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(Math.abs(now - at) < 15 * 60_000)) throw new Refused(403, 'RequestTimeTooSkewed')
  const signed = names.split(';')
  for (const name of ['host', ...Object.keys(req.headers).filter((n) => n.startsWith('x-amz-'))]) if (!signed.includes(name)) throw new Refused(403, 'SignatureDoesNotMatch', `${name} is not signed`)
  const [path, search = ''] = req.url.split('?')
  const pairs = search.split('&').filter(Boolean).map((p) => (p.includes('=') ? p : `${p}=`)).sort()
  const headers = signed.map((name) => `${name}:${String(req.headers[name] ?? '').trim().replace(/ +/g, ' ')}`)
  const canonical = Buffer.from([req.method, path, pairs.join('&'), ...headers, '', names, req.headers['x-amz-content-sha256']].join('\n'), 'latin1')
  const key = [day, region, 's3', 'aws4_request'].reduce(hmac, `AWS4${secretOf(id)}`)
  const right = createHmac('sha256', key).update(`AWS4-HMAC-SHA256\n${time}\n${day}/${region}/s3/aws4_request\n${sha256(canonical)}`).digest('hex')
  if (!same(right, signature)) throw new Refused(403, 'SignatureDoesNotMatch')
  return { id, region }
}

// The same of an address that was signed for somebody else to use, which has it in its query.
export function judgePresigned(req, secretOf, now = Date.now()) {
  const [path, search = ''] = req.url.split('?')
  const query = new URLSearchParams(search)
  const [id, day, region, ...rest] = (query.get('X-Amz-Credential') ?? '').split('/')
  const time = query.get('X-Amz-Date') ?? '', life = Number(query.get('X-Amz-Expires'))
  if (query.get('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256' || rest.join('/') !== 's3/aws4_request' || !time.startsWith(day)) throw new Refused(400, 'AuthorizationQueryParametersError')
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(life >= 1 && life <= 604800)) throw new Refused(400, 'AuthorizationQueryParametersError', 'X-Amz-Expires')
  if (!(at < now + 15 * 60_000 && now < at + life * 1000)) throw new Refused(403, 'AccessDenied', 'Request has expired')
  const names = query.get('X-Amz-SignedHeaders') ?? '', signed = names.split(';')
  if (!signed.includes('host')) throw new Refused(403, 'SignatureDoesNotMatch', 'host is not signed')
  const pairs = search.split('&').filter((p) => !p.startsWith('X-Amz-Signature=')).map((p) => (p.includes('=') ? p : `${p}=`)).sort()
  const headers = signed.map((name) => `${name}:${String(req.headers[name] ?? '').trim().replace(/ +/g, ' ')}`)
  const canonical = Buffer.from([req.method, path, pairs.join('&'), ...headers, '', names, 'UNSIGNED-PAYLOAD'].join('\n'), 'latin1')
  const key = [day, region, 's3', 'aws4_request'].reduce(hmac, `AWS4${secretOf(id)}`)
  const right = createHmac('sha256', key).update(`AWS4-HMAC-SHA256\n${time}\n${day}/${region}/s3/aws4_request\n${sha256(canonical)}`).digest('hex')
  if (!same(right, query.get('X-Amz-Signature') ?? '')) throw new Refused(403, 'SignatureDoesNotMatch')
  return { id, region }
}

// What a session token says, once its own signature holds.
export function judgeToken(token, parent) {
  const jws = Buffer.from(token, 'base64').toString()
  if (!jws.startsWith('jwt/')) throw new Refused(400, 'InvalidToken', 'no token of R2')
  const [header, payload, mac] = jws.slice(4).split('.')
  if (!same(createHmac('sha256', parent.secret).update(`${header}.${payload}`).digest('base64url'), mac ?? '')) throw new Refused(403, 'InvalidToken', 'signed by somebody else')
  if (JSON.parse(Buffer.from(header, 'base64url')).alg !== 'HS256') throw new Refused(403, 'InvalidToken', 'alg')
  const claims = JSON.parse(Buffer.from(payload, 'base64url'))
  const now = Date.now() / 1000
  if (claims.sub !== parent.account || claims.iss !== parent.id || claims.aud !== `${parent.account}.r2.cloudflarestorage.com`) throw new Refused(403, 'InvalidToken', 'of another account')
  if (!(claims.iat <= now + 60 && claims.exp > now) || claims.exp - claims.iat > 604800) throw new Refused(403, 'ExpiredToken')
  return { claims, secret: sha256(jws.slice(4)) }
}

// Every key that a request names, decoded; listings count by their prefix.
export function keysOf(req, bucket) {
  const [path, search = ''] = req.url.split('?')
  const query = new URLSearchParams(search)
  const own = decodeURIComponent(path)
  const keys = []
  if (own !== `/${bucket}` && own !== `/${bucket}/` && !own.startsWith(`/${bucket}/`)) throw new Refused(403, 'AccessDenied', `another bucket: ${own}`)
  if (own.length > bucket.length + 2) keys.push(own.slice(bucket.length + 2))
  else if (req.method === 'GET' && query.has('prefix')) keys.push(query.get('prefix'))
  else if (req.method === 'POST' && search === 'delete=') return [] // they are in the body: deletedIn
  else throw new Refused(403, 'AccessDenied', `${req.method} of the bucket`)
  const source = req.headers['x-amz-copy-source']
  if (source) {
    const from = decodeURIComponent(source).replace(/^\//, '')
    if (!from.startsWith(`${bucket}/`)) throw new Refused(403, 'AccessDenied', `copied from ${from}`)
    keys.push(from.slice(bucket.length + 1))
  }
  return keys
}

// The keys that a DeleteObjects names.
export const deletedIn = (body) => [...body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map((m) => m[1].replace(/&#(\d+);/g, (_, n) => String.fromCodePoint(Number(n))))

export class R2 {
  // `parent`: { account, id, secret } of the organisation. `behind`: { endpoint, bucket, key, secret, region } of the server that has the objects.
  constructor({ parent, bucket, behind }) {
    Object.assign(this, { parent, bucket, behind, seen: [], refused: [], trick: undefined })
  }

  async start() {
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 64 })
    this.server = http.createServer((req, res) => this.serve(req, res))
    this.server.keepAliveTimeout = 30_000
    await new Promise((r) => this.server.listen(0, '127.0.0.1', r))
    this.endpoint = `http://127.0.0.1:${this.server.address().port}`
    return this
  }

  async stop() {
    this.agent.destroy()
    this.server.closeAllConnections()
    await new Promise((r) => this.server.close(r))
  }

  judge(req) {
    const token = req.headers['x-amz-security-token']
    if (!token) { // the organisation's own key: only what `keys check` asks about the account
      judgeSignature(req, (id) => (id === this.parent.id ? this.parent.secret : (() => { throw new Refused(401, 'Unauthorized', 'no such key') })()))
      if (req.method !== 'GET' || req.url !== '/') throw new Refused(403, 'AccessDenied', 'the key itself, and not one made of it')
      throw new Refused(403, 'AccessDenied', 'may not list buckets')
    }
    const { claims, secret } = judgeToken(token, this.parent)
    judgeSignature(req, (id) => (id === this.parent.id ? secret : ''))
    if (claims.bucket !== this.bucket || claims.scope !== 'object-read-write') throw new Refused(403, 'AccessDenied', 'bucket or scope')
    const prefixes = claims.paths?.prefixPaths ?? []
    if (!prefixes.length || claims.paths.objectPaths?.length) throw new Refused(403, 'AccessDenied', 'a credential without a prefix')
    for (const key of keysOf(req, this.bucket)) if (!prefixes.some((p) => key.startsWith(p))) throw new Refused(403, 'AccessDenied', `${key} is outside of ${prefixes}`)
    if (req.headers['transfer-encoding'] || (['PUT', 'POST'].includes(req.method) && req.headers['content-length'] === undefined)) throw new Refused(411, 'MissingContentLength')
    if (/^STREAMING-/.test(req.headers['x-amz-content-sha256'])) throw new Refused(501, 'NotImplemented', 'aws-chunked')
    for (const name of ['x-amz-acl', 'x-amz-storage-class', 'x-amz-tagging', 'cookie', 'x-forwarded-for', 'valetkey-order']) if (req.headers[name] !== undefined) throw new Refused(501, 'NotImplemented', name)
    return { prefix: prefixes[0], claims }
  }

  serve(req, res) {
    const note = { method: req.method, url: req.url, headers: req.headers }
    try {
      Object.assign(note, this.judge(req))
      this.seen.push(note)
    } catch (e) {
      if (!(e instanceof Refused)) throw e
      this.refused.push({ ...note, why: e.message })
      const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${e.code}</Code><Message>${e.message} (${this.parent.id})</Message></Error>`
      res.writeHead(e.status, { 'Content-Type': 'application/xml', 'Content-Length': Buffer.byteLength(text), Connection: 'close' })
      return res.end(req.method === 'HEAD' ? undefined : text)
    }
    if (this.trick?.(req, res, note)) return undefined
    return req.method === 'POST' && req.url.endsWith('?delete=') ? void this.deletes(req, res, note) : this.pass(req, res)
  }

  async deletes(req, res, note) {
    const chunks = []
    for await (const chunk of req) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const outside = deletedIn(body).filter((key) => !key.startsWith(note.prefix))
    if (!outside.length) return this.pass(req, res, body)
    this.refused.push({ ...note, why: `${outside[0]} is outside of ${note.prefix}` })
    res.writeHead(403, { 'Content-Type': 'application/xml' })
    return res.end('<Error><Code>AccessDenied</Code></Error>')
  }

  // The same to the server behind, signed with its key.
  pass(req, res, body) {
    const b = this.behind
    const [path, search = ''] = req.url.split('?')
    const to = `/${b.bucket}${path.slice(this.bucket.length + 1)}`
    const headers = Object.fromEntries(Object.entries(req.headers).filter(([n]) => !['host', 'connection', 'authorization', 'x-amz-security-token', 'x-amz-date'].includes(n)))
    if (headers['x-amz-copy-source']) headers['x-amz-copy-source'] = headers['x-amz-copy-source'].replace(`/${this.bucket}/`, `/${b.bucket}/`)
    const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
    const host = new URL(b.endpoint).host
    const signed = { host, 'x-amz-date': time, ...Object.fromEntries(Object.entries(headers).filter(([n]) => n.startsWith('x-amz-'))) }
    const names = Object.keys(signed).sort()
    const pairs = search.split('&').filter(Boolean).map((p) => (p.includes('=') ? p : `${p}=`)).sort()
    const canonical = Buffer.from([req.method, to, pairs.join('&'), ...names.map((n) => `${n}:${String(signed[n]).trim().replace(/ +/g, ' ')}`), '', names.join(';'), headers['x-amz-content-sha256']].join('\n'), 'latin1')
    const scope = `${time.slice(0, 8)}/${b.region ?? 'auto'}/s3/aws4_request`
    const key = scope.split('/').reduce(hmac, `AWS4${b.secret}`)
    const signature = createHmac('sha256', key).update(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`).digest('hex')
    const out = http.request(`${b.endpoint}${to}${search ? `?${search}` : ''}`, {
      agent: this.agent,
      method: req.method,
      path: `${to}${search ? `?${search}` : ''}`,
      headers: { ...headers, ...signed, authorization: `AWS4-HMAC-SHA256 Credential=${b.key}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}` },
    }, (answer) => {
      // Node takes a content-disposition behind a content-length for latin1 and makes other bytes of it.
      const kept = Object.entries(answer.headers).filter(([n]) => !['connection', 'keep-alive', 'transfer-encoding'].includes(n)).sort(([n], [m]) => (m === 'content-disposition') - (n === 'content-disposition'))
      res.writeHead(answer.statusCode, { ...Object.fromEntries(kept), 'cf-ray': 'an-account', server: 'cloudflare' })
      answer.pipe(res)
      answer.on('error', () => res.destroy())
    })
    out.on('error', () => res.destroy())
    req.on('aborted', () => out.destroy())
    if (body) out.end(body)
    else req.pipe(out)
  }
}

