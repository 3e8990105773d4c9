// Cloudflare R2: one account, by the API (v4) and by S3, on one port. Written from Cloudflare's documentation of both and of R2's error codes; who
// may do what is judged as in r2.mjs, whose judges of signatures and of temporary credentials these are.
//
//   parent: { account, id, secret } of an R2 token;  api: [token, …] with "Workers R2 Storage Write";  buckets: ['org-bucket']
//
// Settings: lag (ms for which a new bucket is not there yet on the S3 side), most (buckets that the account may have).
// Acts: delete { bucket }, put { bucket, key, body }, cors { bucket, rules }: behind our back.
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { Refused as NoS3, judgePresigned, judgeSignature, judgeToken, keysOf } from './r2.mjs'
import { Refused, Stand, exactly, program } from './stand.mjs'

const API = '/client/v4'
const CODES = { NoSuchBucket: [404, 10006, 'The specified bucket does not exist.'], BucketExists: [409, 10004, 'The bucket you tried to create already exists, and you own it.'], NotEmpty: [409, 10008, 'The bucket you tried to delete is not empty.'], NoCors: [404, 10059, 'The CORS configuration does not exist.'], Name: [400, 10005, 'The specified bucket name is not valid.'], TooMany: [400, 10009, 'The account has too many buckets.'], Malformed: [400, 10040, 'The JSON you provided was not well formed.'] }
const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD']
const md5 = (b) => createHash('md5').update(b).digest('hex')
const sha256 = (b) => createHash('sha256').update(b).digest('hex')
const esc = (s) => s.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`)
const unesc = (s) => s.replace(/&#x([0-9a-f]+);/gi, (_, n) => String.fromCodePoint(parseInt(n, 16))).replace(/&#(\d+);/g, (_, n) => String.fromCodePoint(Number(n))).replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&apos;', "'").replaceAll('&amp;', '&')
const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))
const XML = '<?xml version="1.0" encoding="UTF-8"?>\n'

export class R2Account extends Stand {
  constructor({ parent, api = [], buckets = [], ...rest }) {
    super(rest)
    Object.assign(this, { parent, api: new Set(api), buckets: new Map(), refusals: [], direct: [] })
    for (const name of buckets) this.add(name)
    this.lines()
    this.acts = {
      delete: ({ bucket }) => this.buckets.delete(bucket),
      put: ({ bucket, key, body = '' }) => void this.buckets.get(bucket).objects.set(key, object(Buffer.from(body), {})),
      cors: ({ bucket, rules }) => void (this.buckets.get(bucket).cors = rules),
    }
  }

  add(name) {
    this.buckets.set(name, { name, created: new Date().toISOString(), since: Date.now(), objects: new Map(), uploads: new Map(), cors: undefined })
  }
  state() {
    return { buckets: [...this.buckets.values()].map((b) => ({ name: b.name, keys: [...b.objects.keys()].sort(byBytes), uploads: [...b.uploads.values()].map((u) => u.key), cors: b.cors ?? null })) }
  }

  // ---- the API

  refused(status, why) {
    return { success: false, errors: [{ code: status === 429 ? 10429 : 10000 + (status % 100), message: why }], messages: [], result: null }
  }
  no(name) {
    const [status, code, message] = CODES[name]
    throw new Refused(status, message, { body: { success: false, errors: [{ code, message }], messages: [], result: null } })
  }
  judge(ask) {
    if (!ask.path.startsWith(API)) return
    const token = /^Bearer (\S+)$/.exec(ask.headers.authorization ?? '')?.[1]
    if (!token) throw new Refused(400, 'Unable to authenticate request', { body: { success: false, errors: [{ code: 10001, message: 'Unable to authenticate request' }], messages: [], result: null } })
    if (!this.api.has(token)) throw new Refused(403, 'Authentication error', { body: { success: false, errors: [{ code: 10000, message: 'Authentication error' }], messages: [], result: null } })
    if (!ask.path.startsWith(`${API}/accounts/${this.parent.account}/`)) throw new Refused(403, 'Authentication error', { body: { success: false, errors: [{ code: 10000, message: 'Authentication error' }], messages: [], result: null } })
  }
  yes(result, more) {
    return { body: { success: true, errors: [], messages: [], result, ...more } }
  }
  bucket(ask) {
    return this.buckets.get(ask.params.name) ?? this.no('NoSuchBucket')
  }
  shown(b) {
    return { name: b.name, creation_date: b.created, location: 'WEUR', jurisdiction: 'default', storage_class: 'Standard' }
  }

  lines() {
    const at = `${API}/accounts/{account}/r2`
    const malformed = () => this.no('Malformed')
    this.route('POST', `${at}/buckets`, (ask) => {
      const { name } = exactly(ask.body, { name: 'string', 'locationHint?': (v) => ['apac', 'eeur', 'enam', 'weur', 'wnam', 'oc'].includes(v), 'storageClass?': (v) => ['Standard', 'InfrequentAccess'].includes(v) }, malformed)
      if (!/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(name)) this.no('Name')
      if (this.buckets.has(name)) this.no('BucketExists')
      if (this.settings.most && this.buckets.size >= this.settings.most) this.no('TooMany')
      this.add(name)
      return this.yes(this.shown(this.buckets.get(name)))
    })
    this.route('GET', `${at}/buckets`, (ask) => {
      for (const name of ask.query.keys()) if (!['cursor', 'direction', 'name_contains', 'order', 'per_page', 'start_after'].includes(name)) this.no('Malformed')
      const most = Number(ask.query.get('per_page') ?? 20)
      if (!(most >= 1 && most <= 1000)) this.no('Malformed')
      const from = ask.query.get('cursor') ? Buffer.from(ask.query.get('cursor'), 'base64').toString() : ''
      const all = [...this.buckets.values()].filter((b) => b.name.includes(ask.query.get('name_contains') ?? '') && b.name > from).sort((a, b) => byBytes(a.name, b.name))
      const some = all.slice(0, this.settings.page ?? most)
      const cursor = all.length > some.length ? Buffer.from(some.at(-1).name).toString('base64') : undefined
      return this.yes({ buckets: some.map((b) => this.shown(b)) }, { result_info: { per_page: most, ...(cursor ? { cursor } : {}) } })
    })
    this.route('GET', `${at}/buckets/{name}`, (ask) => this.yes(this.shown(this.bucket(ask))))
    this.route('DELETE', `${at}/buckets/{name}`, (ask) => {
      const b = this.bucket(ask)
      if (b.objects.size || b.uploads.size) this.no('NotEmpty')
      this.buckets.delete(b.name)
      return this.yes({})
    })
    this.route('GET', `${at}/buckets/{name}/cors`, (ask) => this.yes({ rules: this.bucket(ask).cors ?? this.no('NoCors') }))
    this.route('PUT', `${at}/buckets/{name}/cors`, (ask) => {
      const b = this.bucket(ask)
      const texts = (v) => Array.isArray(v) && v.every((t) => typeof t === 'string')
      for (const rule of exactly(ask.body, { 'rules?': 'array' }, malformed).rules ?? []) {
        exactly(rule, { allowed: 'object', 'id?': 'string', 'exposeHeaders?': texts, 'maxAgeSeconds?': (n) => n >= 0 && n <= 86400 }, malformed)
        exactly(rule.allowed, { methods: (m) => texts(m) && m.every((one) => METHODS.includes(one)), origins: texts, 'headers?': texts }, malformed)
      }
      b.cors = ask.body.rules ?? []
      return this.yes({})
    })
    this.route('DELETE', `${at}/buckets/{name}/cors`, (ask) => {
      this.bucket(ask).cors = undefined
      return this.yes({})
    })
    this.route('POST', `${at}/temp-access-credentials`, (ask) => {
      const a = exactly(ask.body, { bucket: 'string', parentAccessKeyId: (v) => v === this.parent.id, permission: (v) => ['admin-read-write', 'admin-read-only', 'object-read-write', 'object-read-only'].includes(v), ttlSeconds: (n) => n > 0 && n <= 604800, 'prefixes?': 'array', 'objects?': 'array' }, malformed)
      return this.yes(this.lend(a))
    })
    this.route('GET', `${at}/metrics`, () => {
      const bytes = [...this.buckets.values()].reduce((n, b) => n + [...b.objects.values()].reduce((m, o) => m + o.body.length, 0), 0)
      const objects = [...this.buckets.values()].reduce((n, b) => n + b.objects.size, 0)
      const none = { metadataSize: 0, objects: 0, payloadSize: 0 }
      return this.yes({ standard: { published: { metadataSize: 0, objects, payloadSize: bytes }, uploaded: none }, infrequentAccess: { published: none, uploaded: none } })
    })
  }

  lend({ bucket, permission, ttlSeconds, prefixes = [], objects = [] }) {
    const b64 = (v) => Buffer.from(JSON.stringify(v)).toString('base64url')
    const iat = Math.floor(Date.now() / 1000)
    const first = `${b64({ alg: 'HS256', typ: 'JWT' })}.${b64({ bucket, scope: permission, ...(prefixes.length || objects.length ? { paths: { prefixPaths: prefixes, objectPaths: objects } } : {}), sub: this.parent.account, iss: this.parent.id, aud: `${this.parent.account}.r2.cloudflarestorage.com`, iat, exp: iat + ttlSeconds })}`
    const jws = `${first}.${createHmac('sha256', this.parent.secret).update(first).digest('base64url')}`
    return { accessKeyId: this.parent.id, secretAccessKey: sha256(jws), sessionToken: Buffer.from(`jwt/${jws}`).toString('base64') }
  }

  // ---- S3

  notFound(ask) {
    if (ask.path.startsWith(API)) return super.notFound(ask)
    try {
      if (ask.method === 'OPTIONS') return this.preflight(ask)
      const answer = this.s3(ask)
      return { ...answer, headers: { ...answer.headers, ...this.shared(ask, ask.method) } }
    } catch (e) {
      if (!(e instanceof NoS3)) throw e
      this.refusals.push({ method: ask.method, url: ask.req.url, why: e.message })
      return { status: e.status, headers: { 'Content-Type': 'application/xml', ...this.shared(ask, ask.method) }, body: `${XML}<Error><Code>${e.code}</Code><Message>${esc(e.message)}</Message></Error>` }
    }
  }

  // What a page may do, by the bucket's rules: headers for its browser.
  shared({ headers, path }, method) {
    const { origin } = headers
    const rules = this.buckets.get(decodeURIComponent(path.split('/')[1]))?.cors ?? []
    const asked = (headers['access-control-request-headers'] ?? '').toLowerCase().split(',').map((name) => name.trim()).filter(Boolean)
    const rule = origin && rules.find((r) => (r.allowed.origins.includes(origin) || r.allowed.origins.includes('*')) && r.allowed.methods.includes(method) && asked.every((name) => (r.allowed.headers ?? []).some((h) => h === '*' || h.toLowerCase() === name)))
    if (!rule) return {}
    return { 'Access-Control-Allow-Origin': origin, Vary: 'Origin', ...(rule.exposeHeaders?.length ? { 'Access-Control-Expose-Headers': rule.exposeHeaders.join(',') } : {}) }
  }
  preflight(ask) {
    const method = ask.headers['access-control-request-method'] ?? ''
    const allowed = this.shared(ask, method)
    if (!allowed['Access-Control-Allow-Origin']) throw new NoS3(403, 'Unauthorized', `no rule for ${method} from ${ask.headers.origin}`)
    return { status: 204, headers: { ...allowed, 'Access-Control-Allow-Methods': method, 'Access-Control-Allow-Headers': ask.headers['access-control-request-headers'] ?? '' } }
  }

  // Whether the signature is right, and all keys that are named lie where its credential is good.
  judgeS3(ask, bucket, keys) {
    const presigned = ask.query.has('X-Amz-Signature')
    const judgeSign = presigned ? judgePresigned : judgeSignature
    const token = presigned ? ask.query.get('X-Amz-Security-Token') : ask.headers['x-amz-security-token']
    if (!token) {
      judgeSign(ask.req, (id) => (id === this.parent.id ? this.parent.secret : (() => { throw new NoS3(401, 'Unauthorized', 'no such key') })()))
      return undefined
    }
    const { claims, secret } = judgeToken(token, this.parent)
    judgeSign(ask.req, (id) => (id === this.parent.id ? secret : ''))
    if (claims.bucket !== bucket) throw new NoS3(403, 'AccessDenied', `a credential for ${claims.bucket}, not for ${bucket}`)
    if (claims.scope === 'object-read-only' && !['GET', 'HEAD'].includes(ask.method)) throw new NoS3(403, 'AccessDenied', 'read only')
    if (!claims.scope.startsWith('object-') && !claims.scope.startsWith('admin-')) throw new NoS3(403, 'AccessDenied', claims.scope)
    if (!claims.paths) return claims
    const { prefixPaths = [], objectPaths = [] } = claims.paths
    for (const key of keys ?? keysOf(ask.req, bucket)) if (!objectPaths.includes(key) && !prefixPaths.some((p) => key.startsWith(p))) throw new NoS3(403, 'AccessDenied', `${key} is outside of ${prefixPaths}`)
    return claims
  }

  s3(ask) {
    const path = decodeURIComponent(ask.req.url.split('?')[0])
    const [, name, key] = /^\/([^/]*)(?:\/(.*))?$/s.exec(path)
    const many = ask.method === 'POST' && ask.query.has('delete') ? [...ask.raw.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map((m) => unesc(m[1])) : undefined
    if (!name) {
      this.judgeS3(ask, '', [])
      return xml('ListAllMyBucketsResult', `<Buckets>${[...this.buckets.keys()].map((n) => `<Bucket><Name>${n}</Name></Bucket>`).join('')}</Buckets>`)
    }
    ask.claims = this.judgeS3(ask, name, many)
    const b = this.buckets.get(name)
    if (!b || Date.now() - b.since < (this.settings.lag ?? 0)) throw new NoS3(404, 'NoSuchBucket')
    if (!key) return many ? this.deleteMany(b, many, ask) : this.ofBucket(b, ask)
    return ask.query.has('uploadId') || ask.query.has('uploads') ? this.ofUpload(b, key, ask) : this.ofObject(b, key, ask)
  }

  deleteMany(b, keys, ask) {
    if (keys.length > 1000) throw new NoS3(400, 'MalformedXML')
    if (ask.headers['content-md5'] ? ask.headers['content-md5'] !== createHash('md5').update(ask.raw).digest('base64') : !Object.keys(ask.headers).some((n) => n.startsWith('x-amz-checksum-'))) throw new NoS3(400, 'InvalidDigest')
    const fail = this.settings.undeletable ?? []
    for (const k of keys) if (!fail.includes(k)) b.objects.delete(k)
    return xml('DeleteResult', keys.filter((k) => fail.includes(k)).map((k) => `<Error><Key>${esc(k)}</Key><Code>InternalError</Code></Error>`).join(''))
  }

  ofBucket(b, { method, query }) {
    if (method === 'HEAD') return { status: 200 }
    if (method !== 'GET') throw new NoS3(501, 'NotImplemented')
    const prefix = query.get('prefix') ?? '', url = query.get('encoding-type') === 'url'
    const out = (s) => (url ? encodeURIComponent(s).replaceAll('%2F', '/') : esc(s))
    if (query.has('uploads')) {
      const all = [...b.uploads.entries()].filter(([, u]) => u.key.startsWith(prefix)).sort(([, x], [, y]) => byBytes(x.key, y.key))
      const some = all.slice(0, Number(query.get('max-uploads') ?? 1000))
      return xml('ListMultipartUploadsResult', `<IsTruncated>${all.length > some.length}</IsTruncated>${url ? '<EncodingType>url</EncodingType>' : ''}${some.map(([id, u]) => `<Upload><Key>${out(u.key)}</Key><UploadId>${id}</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>`).join('')}`)
    }
    const two = query.get('list-type') === '2', delimiter = query.get('delimiter') ?? ''
    const after = two ? (query.get('continuation-token') ? Buffer.from(query.get('continuation-token'), 'base64').toString() : (query.get('start-after') ?? '')) : (query.get('marker') ?? '')
    const most = Math.min(1000, Number(query.get('max-keys') ?? 1000))
    const found = new Map()
    for (const k of [...b.objects.keys()].filter((n) => n.startsWith(prefix)).sort(byBytes)) {
      const cut = delimiter ? k.indexOf(delimiter, prefix.length) : -1
      const shown = cut < 0 ? k : k.slice(0, cut + delimiter.length)
      if (byBytes(shown, after) > 0 && !found.has(shown)) found.set(shown, cut < 0)
    }
    const all = [...found], some = all.slice(0, most), more = all.length > some.length
    const last = some.at(-1)?.[0] ?? ''
    return xml('ListBucketResult', `<Name>${b.name}</Name><Prefix>${out(prefix)}</Prefix><MaxKeys>${most}</MaxKeys><IsTruncated>${more}</IsTruncated>${url ? '<EncodingType>url</EncodingType>' : ''}${two ? `<KeyCount>${some.length}</KeyCount>` : ''}${more ? (two ? `<NextContinuationToken>${Buffer.from(last).toString('base64')}</NextContinuationToken>` : `<NextMarker>${out(last)}</NextMarker>`) : ''}${some.map(([k, whole]) => (whole ? `<Contents><Key>${out(k)}</Key><LastModified>${b.objects.get(k).at.toISOString()}</LastModified><ETag>&quot;${b.objects.get(k).etag}&quot;</ETag><Size>${b.objects.get(k).body.length}</Size><StorageClass>STANDARD</StorageClass></Contents>` : `<CommonPrefixes><Prefix>${out(k)}</Prefix></CommonPrefixes>`)).join('')}`)
  }

  ofObject(b, key, ask) {
    const o = b.objects.get(key)
    switch (ask.method) {
      case 'PUT': {
        if (ask.headers['if-none-match'] === '*' && o) throw new NoS3(412, 'PreconditionFailed')
        const from = ask.headers['x-amz-copy-source']
        if (from) {
          const source = b.objects.get(decodeURIComponent(from).replace(/^\//, '').slice(b.name.length + 1))
          if (!source) throw new NoS3(404, 'NoSuchKey')
          const made = object(source.body, ask.headers['x-amz-metadata-directive'] === 'REPLACE' ? kept(ask.headers) : source.headers)
          b.objects.set(key, made)
          return xml('CopyObjectResult', `<ETag>&quot;${made.etag}&quot;</ETag><LastModified>${made.at.toISOString()}</LastModified>`)
        }
        if (ask.headers['content-md5'] && ask.headers['content-md5'] !== createHash('md5').update(ask.raw).digest('base64')) throw new NoS3(400, 'BadDigest')
        const made = object(ask.raw, kept(ask.headers))
        b.objects.set(key, made)
        return { status: 200, headers: { ETag: `"${made.etag}"` } }
      }
      case 'GET':
      case 'HEAD': {
        if (!o) throw new NoS3(404, 'NoSuchKey')
        const asked = Object.fromEntries(['content-type', 'content-disposition', 'cache-control'].filter((n) => ask.query.has(`response-${n}`)).map((n) => [n, ask.query.get(`response-${n}`)]))
        const headers = { ...o.headers, ...asked, ETag: `"${o.etag}"`, 'Last-Modified': o.at.toUTCString(), 'Accept-Ranges': 'bytes' }
        const range = /^bytes=(\d+)-(\d*)$/.exec(ask.headers.range ?? '')
        if (ask.method === 'HEAD') return { status: 200, headers: { ...headers, 'Content-Length': String(o.body.length) } }
        if (!range) return { status: 200, headers, body: o.body }
        const end = Math.min(o.body.length - 1, range[2] ? Number(range[2]) : Infinity)
        return { status: 206, headers: { ...headers, 'Content-Range': `bytes ${range[1]}-${end}/${o.body.length}` }, body: o.body.subarray(Number(range[1]), end + 1) }
      }
      case 'DELETE':
        b.objects.delete(key)
        return { status: 204 }
      default:
        throw new NoS3(501, 'NotImplemented')
    }
  }

  ofUpload(b, key, ask) {
    const id = ask.query.get('uploadId')
    if (ask.query.has('uploads')) {
      const made = randomBytes(16).toString('hex')
      b.uploads.set(made, { key, parts: new Map(), headers: kept(ask.headers) })
      return xml('InitiateMultipartUploadResult', `<Bucket>${b.name}</Bucket><Key>${esc(key)}</Key><UploadId>${made}</UploadId>`)
    }
    const u = b.uploads.get(id)
    if (!u || u.key !== key) throw new NoS3(404, 'NoSuchUpload')
    if (ask.method === 'PUT') {
      u.parts.set(Number(ask.query.get('partNumber')), ask.raw)
      return { status: 200, headers: { ETag: `"${md5(ask.raw)}"` } }
    }
    if (ask.method === 'DELETE') {
      b.uploads.delete(id)
      return { status: 204 }
    }
    if (ask.method === 'GET') return xml('ListPartsResult', `<IsTruncated>false</IsTruncated>${[...u.parts].sort(([x], [y]) => x - y).map(([n, p]) => `<Part><PartNumber>${n}</PartNumber><ETag>&quot;${md5(p)}&quot;</ETag><Size>${p.length}</Size></Part>`).join('')}`)
    const named = [...ask.raw.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map((m) => Number(m[1]))
    if (!named.length || named.some((n) => !u.parts.has(n))) throw new NoS3(400, 'InvalidPart')
    const parts = named.map((n) => u.parts.get(n))
    const made = object(Buffer.concat(parts), u.headers)
    made.etag = `${createHash('md5').update(Buffer.concat(parts.map((p) => createHash('md5').update(p).digest()))).digest('hex')}-${parts.length}`
    b.objects.set(key, made)
    b.uploads.delete(id)
    return xml('CompleteMultipartUploadResult', `<Bucket>${b.name}</Bucket><Key>${esc(key)}</Key><ETag>&quot;${made.etag}&quot;</ETag>`)
  }
}

const object = (body, headers) => ({ body, headers, etag: md5(body), at: new Date() })
const kept = (headers) => Object.fromEntries(Object.entries(headers).filter(([n]) => n.startsWith('x-amz-meta-') || ['content-type', 'cache-control', 'content-disposition', 'content-encoding', 'content-language', 'expires'].includes(n)))
const xml = (root, inner) => ({ status: 200, headers: { 'Content-Type': 'application/xml' }, body: `${XML}<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</${root}>` })

await program(import.meta, (o) => new R2Account(o))
