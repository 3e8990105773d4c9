// Builds that have their services from accounts that the organisation shares between them. What plays the vendors here keeps nothing apart by
// itself: one bucket, one table of idempotency keys, any account that is named. So whatever of alpha's beta can see or change is valetkey's to
// prevent, and what reaches the account is looked at as well as the answer. (tests/brokeredstripe goes through all calls of Stripe,
// tests/brokereds3 through those of S3.)
import { createHmac, randomBytes } from 'node:crypto'
import http from 'node:http'
import { Daemon, request } from '../lib/daemon.mjs'
import { encodedPath, signed } from '../lib/sigv4.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'

const letters = (n) => [...randomBytes(n)].map((b) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'[b % 62]).join('')
const BUCKET = 'org-bucket'
const MARK = 'alphas-own'
const word = (text) => JSON.stringify(text)

// ---- the accounts

class Accounts {
  objects = new Map()
  uploads = new Map()
  customers = [] // of all accounts, with the account as it was said
  idempotent = new Map()
  streams = new Map() // batons, each a database's: its token says which
  seen = []

  async open() {
    this.server = http.createServer((req, res) => {
      const parts = []
      req.on('data', (d) => parts.push(d))
      req.on('end', () => {
        const ask = { method: req.method, url: req.url, headers: req.headers, raw: req.rawHeaders, body: Buffer.concat(parts).toString() }
        this.seen.push(ask)
        if (req.url.startsWith('/v1/')) this.stripe(ask, res)
        else if (/^\/v[23]\/pipeline/.test(req.url)) this.turso(ask, res)
        else this.s3(ask, res)
      })
    })
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done))
    this.url = `http://127.0.0.1:${this.server.address().port}`
    return this
  }

  close() {
    this.server.closeAllConnections()
    return new Promise((done) => this.server.close(done))
  }

  // All of alpha's, as it lies there.
  state() {
    return JSON.stringify([[...this.objects].filter(([k]) => k.startsWith('builds/alpha/')), [...this.uploads].filter(([, u]) => u.key.startsWith('builds/alpha/')), this.customers.filter((c) => c.of === this.account), [...this.streams].filter(([, s]) => s.token === this.token)])
  }

  stripe({ method, url, headers, body }, res) {
    const send = (status, value) => {
      const text = JSON.stringify(value)
      res.writeHead(status, { 'Content-Type': 'application/json', 'Request-Id': 'req_1', 'Content-Length': Buffer.byteLength(text) }).end(text)
    }
    const of = headers['stripe-account'] ?? ''
    const [path] = url.split('?')
    const key = headers['idempotency-key']
    if (method === 'POST' && key && this.idempotent.has(key)) return send(200, this.idempotent.get(key))
    if (method === 'POST' && path === '/v1/customers') {
      const fields = Object.fromEntries(new URLSearchParams(body))
      const metadata = Object.fromEntries(Object.entries(fields).filter(([k]) => k.startsWith('metadata[')).map(([k, v]) => [k.slice(9, -1), v]))
      const made = { id: `cus_${letters(14)}`, object: 'customer', created: Math.floor(Date.now() / 1000), name: fields.name ?? null, metadata, livemode: false }
      this.customers.push({ of, ...made })
      if (key) this.idempotent.set(key, made)
      return send(200, made)
    }
    const shown = ({ of: _, ...rest }) => rest
    if (method === 'GET' && path === '/v1/customers') return send(200, { object: 'list', url: path, has_more: false, data: this.customers.filter((c) => c.of === of).map(shown) })
    const one = this.customers.find((c) => c.of === of && path === `/v1/customers/${c.id}`)
    return one ? send(200, shown(one)) : send(404, { error: { type: 'invalid_request_error', code: 'resource_missing', message: 'No such customer' } })
  }

  turso({ headers, body }, res) {
    const { baton, requests } = JSON.parse(body)
    const token = headers.authorization
    const stream = baton ? this.streams.get(baton) : { token, did: [] }
    const send = (status, value) => {
      const text = JSON.stringify(value)
      res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }).end(text)
    }
    if (!stream || stream.token !== token) return send(400, { message: 'The stream has expired', code: 'STREAM_EXPIRED' })
    this.streams.delete(baton)
    stream.did.push(...requests.map((r) => r.stmt?.sql ?? r.type))
    const next = requests.some((r) => r.type === 'close') ? null : letters(20)
    if (next) this.streams.set(next, stream)
    send(200, { baton: next, base_url: null, results: requests.map((r) => ({ type: 'ok', response: r.type === 'execute' ? { type: 'execute', result: { cols: [{ name: 'v' }], rows: [[{ type: 'text', value: stream.did.join() }]], affected_row_count: 0, last_insert_rowid: null } } : { type: r.type } })) })
  }

  s3({ method, url, headers, body }, res) {
    const at = new URL(url, this.url)
    const q = at.searchParams
    const xml = (status, text, more = {}) => res.writeHead(status, { 'Content-Type': 'application/xml', 'x-amz-request-id': 'R', 'Content-Length': Buffer.byteLength(text), ...more }).end(method === 'HEAD' ? undefined : text)
    const no = (status, code) => xml(status, `<?xml version="1.0"?><Error><Code>${code}</Code><Message>x</Message></Error>`)
    const parts = decodeURIComponent(at.pathname).split('/').slice(1)
    if (parts[0] !== BUCKET) return no(404, 'NoSuchBucket')
    const key = parts.slice(1).join('/')
    const etag = { ETag: '"0123456789abcdef0123456789abcdef"' }
    if (!key && q.has('uploads')) return xml(200, `<?xml version="1.0"?><ListMultipartUploadsResult><Bucket>${BUCKET}</Bucket><Prefix>${q.get('prefix') ?? ''}</Prefix><MaxUploads>1000</MaxUploads><IsTruncated>false</IsTruncated>${[...this.uploads].filter(([, u]) => u.key.startsWith(q.get('prefix') ?? '')).map(([id, u]) => `<Upload><Key>${u.key}</Key><UploadId>${id}</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>`).join('')}</ListMultipartUploadsResult>`)
    if (!key) {
      const keys = [...this.objects.keys()].filter((k) => k.startsWith(q.get('prefix') ?? '')).sort()
      return xml(200, `<?xml version="1.0"?><ListBucketResult><Name>${BUCKET}</Name><Prefix>${q.get('prefix') ?? ''}</Prefix><KeyCount>${keys.length}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>${keys.map((k) => `<Contents><Key>${k}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>${`<ETag>"0123456789abcdef0123456789abcdef"</ETag>`}<Size>1</Size></Contents>`).join('')}</ListBucketResult>`)
    }
    if (q.has('uploads')) {
      const id = letters(30)
      this.uploads.set(id, { key, parts: [] })
      return xml(200, `<?xml version="1.0"?><InitiateMultipartUploadResult><Bucket>${BUCKET}</Bucket><Key>${key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
    }
    const upload = q.has('uploadId') ? this.uploads.get(q.get('uploadId')) : undefined
    if (q.has('uploadId') && upload?.key !== key) return no(404, 'NoSuchUpload')
    const source = headers['x-amz-copy-source'] && decodeURIComponent(headers['x-amz-copy-source']).replace(/^\//, '')
    const from = source?.startsWith(`${BUCKET}/`) ? this.objects.get(source.slice(BUCKET.length + 1)) : undefined
    if (source && from === undefined) return no(404, 'NoSuchKey')
    if (method === 'PUT' && upload) {
      upload.parts.push(source ? from : body)
      return source ? xml(200, `<?xml version="1.0"?><CopyPartResult><ETag>${etag.ETag}</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></CopyPartResult>`) : xml(200, '', etag)
    }
    if (method === 'POST' && upload) {
      this.objects.set(key, upload.parts.join(''))
      this.uploads.delete(q.get('uploadId'))
      return xml(200, `<?xml version="1.0"?><CompleteMultipartUploadResult><Bucket>${BUCKET}</Bucket><Key>${key}</Key><ETag>${etag.ETag}</ETag></CompleteMultipartUploadResult>`)
    }
    if (method === 'DELETE') {
      if (upload) this.uploads.delete(q.get('uploadId'))
      else this.objects.delete(key)
      return res.writeHead(204, { 'x-amz-request-id': 'R' }).end()
    }
    if (method === 'PUT') {
      this.objects.set(key, source ? from : body)
      return source ? xml(200, `<?xml version="1.0"?><CopyObjectResult><ETag>${etag.ETag}</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></CopyObjectResult>`) : xml(200, '', etag)
    }
    if (!this.objects.has(key)) return no(404, 'NoSuchKey')
    const text = this.objects.get(key)
    res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': text.length, 'Last-Modified': 'Thu, 01 Jan 2026 00:00:00 GMT', ...etag }).end(method === 'HEAD' ? undefined : text)
  }
}

// ---- the table: what beta does with what it may know of alpha's

// Each is given { a, b, up } and asks as beta; what it returns are answers of which none may tell anything of alpha's.
const ROWS = [
  // idempotency keys
  ['Stripe: alpha\'s idempotency key', 'served', ({ b }) => [b.customer('order-1'), b.customer('order-1')]],
  ['Stripe: an idempotency key as alpha\'s goes out', 'served', ({ a, b }) => [b.customer(a.idempotency), b.customer(`${a.idempotency} `.trim()), b.customer(a.idempotency.replace('order-1', '../alpha/order-1'))]],
  ['Stripe: idempotency keys in soft mode', 'served', ({ b, up }) => [...up.idempotent.keys()].slice(0, 4).map((key) => b.soft.customer(key))],
  // listings
  ['Stripe: lists and ids', 'any', ({ a, b }) => [b.pay('GET', '/v1/customers?limit=100'), b.pay('GET', `/v1/customers/${a.cus}`), b.pay('GET', `/v1/customers?starting_after=${a.cus}`), b.soft.pay('GET', '/v1/customers?limit=100'), b.soft.pay('GET', `/v1/customers/${a.soft.cus}`)]],
  ['S3: lists', 'any', ({ a, b }) => [{}, { prefix: '' }, { prefix: 'builds/alpha/' }, { prefix: a.place }, { prefix: '../' }, { prefix: `../../../${a.place}` }, { delimiter: '/' }, { 'start-after': a.place }, { 'continuation-token': a.place }, { prefix: '\0' }]
    .flatMap((q) => [b.s3('GET', '', { query: [['list-type', '2'], ...Object.entries(q)] }), b.s3('GET', '', { query: Object.entries(q) })])],
  ['S3: lists of uploads', 'any', ({ a, b }) => [b.s3('GET', '', { query: [['uploads', '']] }), b.s3('GET', '', { query: [['uploads', ''], ['prefix', a.place]] }), b.s3('GET', '', { query: [['uploads', ''], ['key-marker', a.place]] })]],
  ['S3: alpha\'s bucket', 'refused', ({ a, b }) => [b.s3('GET', '', { path: `/${a.env.R2_BUCKET}`, query: [['list-type', '2']] }), b.s3('GET', '', { path: `/${a.env.R2_BUCKET}/secret` }), b.s3('PUT', '', { path: `/${a.env.R2_BUCKET}/secret`, body: 'x' }), b.s3('GET', '', { path: `/${BUCKET}/${a.place}secret` }), b.s3('GET', '', { path: `/${BUCKET}` })]],
  // webhooks
  ['Stripe: an event of alpha\'s that beta signs', 'refused', ({ a, b }) => [b.env.STRIPE_WEBHOOK_SECRET, b.env.STRIPE_SECRET_KEY, ''].map((secret) => b.event(secret, { account: a.account, data: { object: { id: a.cus, object: 'customer', name: 'forged' } } }))],
  ['Stripe: events', 'any', ({ a, b }) => [b.pay('GET', '/v1/events?limit=100'), b.pay('GET', `/v1/events/${a.evt}`), b.pay('GET', '/v1/webhook_endpoints'), b.soft.pay('GET', '/v1/events?limit=100')]],
  // the source of a copy
  ['S3: copies', 'refused', ({ a, b }) => [`/${a.env.R2_BUCKET}/secret`, `${a.env.R2_BUCKET}/secret`, `/${BUCKET}/${a.place}secret`, `/${b.env.R2_BUCKET}/../${a.env.R2_BUCKET}/secret`, `/${b.env.R2_BUCKET}/%2e%2e/%2e%2e/alpha/${a.generation}/secret`, `/${b.env.R2_BUCKET}/${a.place}secret`, `%2F${BUCKET}%2F${encodeURIComponent(a.place)}secret`, `/${b.env.R2_BUCKET}/x?versionId=../../${a.place}secret`]
    .flatMap((source) => [b.s3('PUT', 'stolen', { headers: { 'x-amz-copy-source': source } }), b.s3('PUT', 'mine', { query: [['partNumber', '1'], ['uploadId', b.upload]], headers: { 'x-amz-copy-source': source } })])],
  // uploads
  ['S3: alpha\'s upload', 'refused', ({ a, b }) => ['up', `${a.place}up`, '../up'].flatMap((key) => [b.s3('PUT', key, { query: [['partNumber', '1'], ['uploadId', a.upload]], body: 'x' }), b.s3('DELETE', key, { query: [['uploadId', a.upload]] }), b.s3('GET', key, { query: [['uploadId', a.upload]] }), b.s3('POST', key, { query: [['uploadId', a.upload]], body: '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"0123456789abcdef0123456789abcdef"</ETag></Part></CompleteMultipartUpload>' })])],
  // names of accounts
  ['Stripe: alpha\'s account in a header', 'any', ({ a, b }) => ['Stripe-Account', 'stripe-account', 'Stripe-Context', 'STRIPE-ACCOUNT'].flatMap((name) => [b.pay('GET', '/v1/customers', undefined, { [name]: a.account }), b.pay('GET', `/v1/customers/${a.cus}`, undefined, { [name]: a.account }), b.pay('POST', '/v1/customers', 'name=x', { [name]: a.account }), b.soft.pay('GET', '/v1/customers', undefined, { [name]: a.account })])],
  ['Stripe: alpha\'s account in the form and in the query', 'refused', ({ a, b }) => ['on_behalf_of', 'transfer_data[destination]', 'issuer[account]', 'account'].map((field) => b.pay('POST', '/v1/customers', `${encodeURIComponent(field)}=${a.account}`)).concat(['stripe_account', 'account', '_stripe_account'].map((field) => b.pay('GET', `/v1/customers?${field}=${a.account}`)))],
  ['S3: headers that name an account or a key', 'any', ({ a, b }) => [['x-amz-expected-bucket-owner', '1'], ['x-amz-security-token', a.env.R2_SECRET_ACCESS_KEY], ['x-amz-source-expected-bucket-owner', '1'], ['x-amz-website-redirect-location', `/${a.place}secret`], ['x-amz-request-payer', 'requester'], ['x-amz-acl', 'public-read']].flatMap(([k, v]) => [b.s3('GET', 'secret', { headers: { [k]: v } }), b.s3('PUT', 'own', { body: 'b', headers: { [k]: v } })])],
  // prefixes
  ['S3: keys that lead elsewhere', 'any', ({ a, b }) => [`/${b.env.R2_BUCKET}/../${a.env.R2_BUCKET}/secret`, `/${b.env.R2_BUCKET}/../../${a.place}secret`, `/${b.env.R2_BUCKET}/%2e%2e/%2e%2e/%2e%2e/${a.place}secret`, `/${b.env.R2_BUCKET}/..%2f..%2f..%2f${encodeURIComponent(a.place)}secret`, `/${b.env.R2_BUCKET}//${a.place}secret`, `/${b.env.R2_BUCKET}/./secret`, `/${b.env.R2_BUCKET}/${a.place}secret`, `//${a.env.R2_BUCKET}/secret`,
    `/${b.env.R2_BUCKET}%2f..%2f${a.env.R2_BUCKET}/secret`].flatMap((path) => ['GET', 'HEAD', 'PUT', 'DELETE'].map((method) => b.s3(method, '', { path, ...(method === 'PUT' ? { body: 'overwritten' } : {}) })))],
  ['S3: many deletions', 'any', ({ a, b }) => ['../../secret', `${a.place}secret`, `../../../${a.place}secret`, `/${BUCKET}/${a.place}secret`].map((key) => b.s3('POST', '', { query: [['delete', '']], body: `<Delete><Object><Key>${key}</Key></Object></Delete>` }))],
  // batons
  ['Turso: alpha\'s baton', 'refused', ({ a, b }) => [b.sql(a.baton, 'COMMIT'), b.sql(a.baton, 'SELECT 1', { 'x-turso-database': 'alpha' })]],
  ['Turso: other ways to say which database', 'served', ({ a, b }) => [['Host', 'alpha-acme.turso.io'], ['X-Forwarded-Host', 'alpha'], ['X-Namespace', 'alpha'], ['X-Turso-Token', a.token], ['Cookie', `token=${a.token}`]].map(([k, v]) => b.sql(null, 'SELECT 2', k === 'Host' ? {} : { [k]: v }))],
]

// What reached the accounts: nothing but beta's place, account, token.
function judge({ a, b, up }, seen) {
  for (const ask of seen) {
    const text = `${ask.method} ${ask.url} ${JSON.stringify(ask.headers)}`
    const names = ask.raw.filter((_, i) => i % 2 === 0).map((n) => n.toLowerCase())
    assertSame(names.filter((n, i) => names.indexOf(n) !== i), [], `lines that stand twice: ${text}`)
    assert(!Object.entries(ask.headers).some(([k, v]) => /^(x-(turso|namespace|forwarded)|cookie|stripe-context|x-amz-security-token|x-amz-acl|x-amz-expected)/.test(k) && v), text)
    if (ask.url.startsWith('/v1/')) {
      assert([b.account, undefined].includes(ask.headers['stripe-account']), `another's account: ${text}`)
      assertSame(ask.headers.authorization, `Bearer ${up.keys.secret_key}`)
      assert(!(ask.url + ask.body).includes(a.account), `another's account: ${text} ${ask.body}`)
    } else if (ask.url.includes('/pipeline')) assertSame(ask.headers.authorization, `Bearer ${b.token}`, text)
    else {
      const at = decodeURIComponent(ask.url.split('?')[0])
      const query = new URLSearchParams(ask.url.split('?')[1] ?? '')
      assert(at.startsWith(`/${BUCKET}/${b.place}`) || ((at === `/${BUCKET}` || at === `/${BUCKET}/`) && query.get('prefix')?.startsWith(b.place)), `another's place: ${text}`)
      assert(!at.includes('/../') && !at.includes('/./'), text)
      const source = ask.headers['x-amz-copy-source']
      assert(source === undefined || decodeURIComponent(source).replace(/^\//, '').startsWith(`${BUCKET}/${b.place}`), `another's source: ${text}`)
    }
  }
}

// ---- the builds

function app(daemon, base, build, soft) {
  const { env } = build
  const pay = (env_) => (method, path, body, headers = {}) => request(`http://127.0.0.1:${base + 4}${path}`, { method, body, headers: { Authorization: `Bearer ${env_.STRIPE_SECRET_KEY}`, ...(body === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' }), ...headers } })
  const customer = (ask) => (key) => ask('POST', '/v1/customers', 'name=Ann', { 'Idempotency-Key': key })
  const softly = pay(soft.env)
  return {
    env, pay: pay(env), customer: customer(pay(env)), soft: { env: soft.env, pay: softly, customer: customer(softly) },
    s3: (method, key, { path, query, headers, body = '' } = {}) => {
      const r = signed(env, { method, path: path ?? `/${env.R2_BUCKET}${key ? `/${encodedPath(key)}` : ''}`, query, headers, body })
      return request(r.url, { path: r.url.slice(r.url.indexOf('/', 8)), method, headers: r.headers, body })
    },
    sql: (baton, sql, headers = {}) => request(`http://127.0.0.1:${base + 2}/v2/pipeline`, { method: 'POST', body: JSON.stringify({ baton, requests: [{ type: 'execute', stmt: { sql } }] }), headers: { Authorization: `Bearer ${env.TURSO_AUTH_TOKEN}`, 'Content-Type': 'application/json', ...headers } }),
    event: (secret, more) => {
      const body = JSON.stringify({ id: `evt_${letters(24)}`, object: 'event', api_version: '2026-10-28.endive', created: 1764400000, livemode: false, type: 'customer.updated', pending_webhooks: 1, request: null, ...more })
      const at = Math.floor(Date.now() / 1000)
      return request(`http://127.0.0.1:${base + 4}/webhooks/stripe`, { method: 'POST', body, headers: { 'Content-Type': 'application/json', 'Stripe-Signature': `t=${at},v1=${createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')}` } })
    },
  }
}

async function keys(daemon, vendor, fields) {
  const r = await daemon.cli(['keys', 'set', vendor], { input: Object.entries(fields).map(([k, v]) => `${k}=${v}\n`).join('') })
  assert(r.code === 0, `keys set ${vendor}: ${r.stderr}${r.stdout}`)
}

async function bound(daemon, up, base, name) {
  const account = `acct_1${letters(15)}`
  const token = ['eyJhbGciOiJFZERTQSJ9', letters(40), letters(40)].join('.')
  await daemon.createBuild(name)
  await daemon.createBuild(`${name}soft`)
  await daemon.mustCli(['build', 'use', name, 'payments', 'stripe', `account=${account}`])
  await daemon.mustCli(['build', 'use', `${name}soft`, 'payments', 'stripe', 'soft=yes'])
  await daemon.mustCli(['build', 'use', name, 'storage', 's3'])
  const r = await daemon.cli(['build', 'use', name, 'database', 'turso', `hostname=${up.url}`], { input: `database_token=${token}\n` })
  assert(r.code === 0, r.stderr)
  const build = async (id) => JSON.parse((await daemon.mustCli(['build', 'create', id, '--json'])))
  return Object.assign(app(daemon, base, await build(name), await build(`${name}soft`)), { account, token })
}

export async function run(base) {
  const up = await new Accounts().open()
  const daemon = new Daemon({ portBase: base, args: ['--limit', 'bad_key_rate=0'] })
  await daemon.start()
  const ctx = { up }
  up.keys = { secret_key: `sk_test_51${letters(60)}`, webhook_secret: `whsec_${letters(32)}` }
  const good = await check('two builds with accounts that they share', async () => {
    await keys(daemon, 'stripe', { ...up.keys, publishable_key: `pk_test_51${letters(60)}`, api_base: up.url })
    await keys(daemon, 's3', { endpoint: up.url, region: 'us-east-1', access_key_id: `AKIA${'ABCDEFGHIJKLMNOP'}`, secret_access_key: letters(40), bucket: BUCKET })
    for (const name of ['alpha', 'beta']) ctx[name[0]] = await bound(daemon, up, base, name)
    const { a, b } = ctx
    for (const [x, text] of [[a, MARK], [b, 'betas-own']]) {
      assertSame((await x.s3('PUT', 'secret', { body: text })).status, 200)
      x.place = [...up.objects].find(([, v]) => v === text)[0].replace(/secret$/, '')
      x.generation = x.place.split('/')[2]
      x.upload = /<UploadId>(.*?)</.exec((await x.s3('POST', x === a ? 'up' : 'mine', { query: [['uploads', '']] })).text)[1]
      const made = await x.pay('POST', '/v1/customers', `name=${text}`, { 'Idempotency-Key': 'order-1' })
      assertSame(made.status, 200, made.text)
      x.cus = made.json().id
      x.soft.cus = (await x.soft.pay('POST', '/v1/customers', `name=${text}`, { 'Idempotency-Key': 'order-1' })).json().id
      x.idempotency = up.seen.find((r) => r.body.includes(text) && r.headers['idempotency-key']).headers['idempotency-key']
    }
    const begun = await a.sql(null, `INSERT INTO t VALUES ('${MARK}')`)
    assertSame(begun.status, 200, begun.text)
    a.baton = begun.json().baton
    a.evt = `evt_${letters(24)}`
    assertSame((await a.event(up.keys.webhook_secret, { id: a.evt, account: a.account, data: { object: { id: a.cus, object: 'customer', name: MARK } } })).status, 200)
    up.account = a.account
    up.token = `Bearer ${a.token}`
    assert(a.place.startsWith('builds/alpha/') && a.account !== b.account && a.idempotency !== b.idempotency && a.baton, word([a.place, a.idempotency]))
  })
  if (good) await rows(ctx)
  await daemon.stop()
  await up.close()
}

async function rows(ctx) {
  const { a, up } = ctx
  const events = async () => (await a.pay('GET', '/v1/events?limit=100')).text
  const told = await events()
  assert(told.includes(a.evt), told)
  for (const [name, wanted, ask] of ROWS)
    await check(`shared account: ${name}`, async () => {
      const before = up.state()
      up.seen.length = 0
      const answers = await Promise.all(await ask(ctx))
      assert(answers.length > 0, 'it asks nothing')
      for (const [i, r] of answers.entries()) {
        const what = `${i}: ${r.status} ${r.text.slice(0, 400)}`
        assert(![MARK, a.cus, a.soft.cus, a.evt, a.upload].some((x) => (r.status < 300 || !/error|Error|message/.test(r.text)) && r.text.includes(x)) && !r.text.includes(MARK), `it tells of alpha's: ${what}`)
        if (wanted === 'refused') assert(r.status >= 400 && r.status < 500, `it was done: ${what}`)
        if (wanted === 'served') assert(r.status === 200, `it was not done: ${what}`)
        assert(r.status < 500 || r.status === 501, what)
      }
      judge(ctx, up.seen)
      assertSame(up.state(), before, 'what alpha has there')
    })
  await check('shared account: alpha has all of it still, and goes on', async () => {
    assertSame((await a.s3('GET', 'secret')).text, MARK)
    assertSame((await a.customer('order-1')).json().id, a.cus)
    assertSame((await a.pay('GET', `/v1/customers/${a.cus}`)).json().name, MARK)
    const r = await a.sql(a.baton, 'COMMIT')
    assert(r.status === 200 && r.text.includes(MARK), r.text)
    assertSame((await a.s3('DELETE', 'up', { query: [['uploadId', a.upload]] })).status, 204)
    assertSame(await events(), told)
  })
}
