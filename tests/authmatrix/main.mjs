import { assert, assertSame, check, finish, note } from '../lib/tap.mjs'
import { cleanUp, portBase, request } from '../lib/daemon.mjs'
import { rules } from './rules.mjs'
import { endpoints, everybody, fingerprint, open } from './world.mjs'

const all = endpoints()
const key = (e) => `${e.method} ${e.path}`
const front = all.filter((e) => !e.backend)
const backend = all.filter((e) => e.backend)
const closed = front.filter((e) => !open.includes(key(e)))

// Something that each endpoint reads, so that a hole would show as a change.
const fields = {
  email_address: 'mallory@matrix.example', password: 'correct horse battery', identifier: 'ada@own.example', strategy: 'email_code', code: '424242', first_name: 'Mallory',
  current_password: 'correct horse battery', new_password: 'mallory has it now', unsafe_metadata: { by: 'the matrix' }, public_metadata: { by: 'the matrix' }, ticket: 'x',
}

const fill = (path, ids) => path.replace(/\{(\w+)\}/g, (_, name) => ids[name] ?? name)
const swapCase = (s) => s.replace(/[a-zA-Z]/g, (c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()))
const lastOther = (s) => s.slice(0, -1) + (s.endsWith('A') ? 'B' : 'A')

function frontRequest(daemon, build, e, ids, { browser, session, headers = {} }) {
  const wire = e.method === 'GET' ? 'GET' : 'POST'
  const q = new URLSearchParams({ __clerk_api_version: '2026-08-20', ...(wire !== e.method && { _method: e.method }), ...(browser !== undefined && { __clerk_db_jwt: browser }), ...(session && { _clerk_session_id: session }) })
  const body = wire === 'GET' ? undefined : new URLSearchParams(Object.entries(fields).map(([k, v]) => [k, typeof v === 'string' ? v : JSON.stringify(v)])).toString()
  return request(`http://127.0.0.1:${daemon.portBase + 1}/b/${build}/v1${fill(e.path, ids)}?${q}`, { method: wire, body, headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers } })
}

function backendRequest(daemon, build, e, ids, authorization) {
  const q = e.path === '/clients/handshake_payload' ? '?nonce=A1b2C3d4E5f6A1b2C3d4E5f6A1b2C3d4' : ''
  return request(`http://127.0.0.1:${daemon.portBase + 1}/b/${build}/bapi/v1${fill(e.path, ids)}${q}`, {
    method: e.method, body: e.method === 'GET' ? undefined : JSON.stringify({ ...fields, email_address: [fields.email_address], user_id: ids.user }),
    headers: { 'Content-Type': 'application/json', ...(authorization !== undefined && { Authorization: authorization }) },
  })
}

function refused(r, what, statuses, codes) {
  const code = r.json().errors?.[0]?.code
  assert(statuses.includes(r.status) && codes.includes(code), `${what}: ${r.status} ${r.text.slice(0, 200)}`)
  assert(!r.headers['clerk-db-jwt'] && !r.headers['set-cookie'] && !r.headers.location, `${what}: a header that gives something`)
  assert(!/sess_|user_|eyJ/.test(r.text), `${what}: ids or a token in a refusal: ${r.text.slice(0, 300)}`)
}

try {
  const { daemon, ctx } = await everybody(await portBase(30))
  const { own, other, revoked, expired, deleted, foreign } = ctx
  const before = fingerprint(daemon, 'own', 'other')
  const unchanged = (what) => assertSame(fingerprint(daemon, 'own', 'other'), before, `${what}: the data of own and other`)

  await check('the tables of the source were read', () => {
    assert(front.length > 35 && backend.length > 35, `${front.length} and ${backend.length} endpoints`)
    assertSame(open.filter((o) => !front.some((e) => key(e) === o)), [], 'open endpoints that are none')
    note(`${front.length} endpoints of the Frontend API, ${backend.length} of the Backend API`)
  })

  // ---- the Frontend API

  const invalid = ['dev_browser_unauthenticated']
  const browsers = [
    ['no browser', {}],
    ['an empty one', { browser: '' }],
    ['one of another form', { browser: 'dvb_' }],
    ['cut by one character', { browser: own.browser.slice(0, -1) }],
    ['one character more', { browser: `${own.browser}A` }],
    ['another last character', { browser: lastOther(own.browser) }],
    ['in another case', { browser: `dvb_${swapCase(own.browser.slice(4))}` }],
    ['the client’s id', { browser: own.ids.client }],
    ['the session’s id', { browser: own.ids.sess }],
    ['a session token', { browser: own.jwt }],
    ['another build’s browser', { browser: other.browser }],
    ['another installation’s browser', { browser: foreign.browser }],
    ['a revoked build’s browser', { browser: revoked.browser }],
    ['a deleted build’s browser', { browser: deleted.browser }],
    ['the secret key as a bearer', { headers: { Authorization: `Bearer ${own.env.CLERK_SECRET_KEY}` } }],
    ['a session token as a bearer', { headers: { Authorization: `Bearer ${own.jwt}` } }],
    ['cookies of the app', { headers: { Cookie: `__session=${own.jwt}; __clerk_db_jwt=${own.browser}; __client=${own.ids.client}` } }],
  ]
  for (const [name, who] of browsers)
    await check(`Frontend API, ${name}: ${closed.length} endpoints refuse`, async () => {
      for (const e of closed) refused(await frontRequest(daemon, 'own', e, own.ids, who), `${key(e)}, ${name}`, [401], invalid)
      unchanged(name)
    })

  await check('Frontend API: a browser opens nothing under another build’s path', async () => {
    for (const e of closed) refused(await frontRequest(daemon, 'other', e, own.ids, { browser: own.browser, session: own.ids.sess }), key(e), [401], invalid)
    unchanged('another build’s path')
  })

  await check('Frontend API: revoked, expired, deleted and unknown builds have none', async () => {
    for (const x of [revoked, expired, deleted, { ...own, id: 'never' }])
      for (const e of front) refused(await frontRequest(daemon, x.id, e, x.ids, { browser: x.browser }), `${key(e)} of ${x.id}`, [404], ['host_invalid'])
    unchanged('builds that are none')
  })

  // The path names what another browser of the same build has.
  const named = closed.filter((e) => /\{(sess|sua|sia|idn)\}/.test(e.path))
  const missing = ['resource_not_found', 'authentication_invalid', 'session_not_found']
  for (const [name, browser] of [['signed in as somebody else', ctx.stranger], ['signed in to nothing', ctx.nobody], ['with attempts of its own', own.second]])
    await check(`Frontend API, another browser of the build, ${name}: ${named.length} endpoints do not find what is not its own`, async () => {
      for (const e of named) {
        if (browser === own.second && /\{(sua|sia)\}/.test(e.path)) continue // its own
        refused(await frontRequest(daemon, 'own', e, own.ids, { browser }), `${key(e)}, ${name}`, [401, 404], missing)
      }
      unchanged(name)
    })
  const mine = closed.filter((e) => e.path.startsWith('/me'))
  await check(`Frontend API: another’s session id gives nobody their account (${mine.length} endpoints)`, async () => {
    for (const browser of [ctx.stranger, ctx.nobody, own.second])
      for (const e of mine) refused(await frontRequest(daemon, 'own', e, own.ids, { browser, session: own.ids.sess }), key(e), [401, 404], missing)
    unchanged('a session of another')
  })

  await check('Frontend API: a page of another origin is refused whatever it knows', async () => {
    for (const origin of ['https://evil.example', 'http://localhost.evil.example:3000', 'http://localhost:3999', 'null', 'http://localhost:3000, https://evil.example'])
      for (const e of closed) {
        const r = await frontRequest(daemon, 'own', e, own.ids, { browser: own.browser, session: own.ids.sess, headers: { Origin: origin } })
        refused(r, `${key(e)} from ${origin}`, [400], ['origin_invalid'])
        assert(!r.headers['access-control-allow-origin'], `${key(e)} from ${origin}: CORS`)
      }
    unchanged('other origins')
  })

  // ---- the Backend API

  const sk = own.env.CLERK_SECRET_KEY
  const keys = [
    ['no key', undefined],
    ['an empty one', 'Bearer '],
    ['its prefix', 'Bearer sk_test_'],
    ['cut by one character', `Bearer ${sk.slice(0, -1)}`],
    ['one character more', `Bearer ${sk}A`],
    ['another last character', `Bearer ${lastOther(sk)}`],
    ['in another case', `Bearer sk_test_${swapCase(sk.slice(8))}`],
    ['as a live key', `Bearer ${sk.replace('sk_test_', 'sk_live_')}`],
    ['another scheme', `Basic ${Buffer.from(`${sk}:`).toString('base64')}`],
    ['another build’s key', `Bearer ${other.env.CLERK_SECRET_KEY}`],
    ['another installation’s key', `Bearer ${foreign.env.CLERK_SECRET_KEY}`],
    ['a revoked build’s key', `Bearer ${revoked.env.CLERK_SECRET_KEY}`],
    ['an expired build’s key', `Bearer ${expired.env.CLERK_SECRET_KEY}`],
    ['a deleted build’s key', `Bearer ${deleted.env.CLERK_SECRET_KEY}`],
    ['the publishable key', `Bearer ${own.env.CLERK_PUBLISHABLE_KEY}`],
    ['the database’s key', `Bearer ${own.env.TURSO_AUTH_TOKEN}`],
    ['the storage’s key', `Bearer ${own.env.R2_SECRET_ACCESS_KEY}`],
    ['a session token', `Bearer ${own.jwt}`],
    ['the browser’s id', `Bearer ${own.browser}`],
    ['the admin token', `Bearer ${daemon.adminToken}`],
  ]
  for (const [name, authorization] of keys)
    await check(`Backend API, ${name}: ${backend.length} endpoints refuse`, async () => {
      for (const e of backend) refused(await backendRequest(daemon, 'own', e, own.ids, authorization), `${key(e)}, ${name}`, [401], ['clerk_key_invalid'])
      unchanged(name)
    })
  await check('Backend API: the key opens nothing under another build’s path, nor under one that is none', async () => {
    for (const id of ['other', 'revoked', 'deleted', 'never'])
      for (const e of backend) refused(await backendRequest(daemon, id, e, other.ids, `Bearer ${sk}`), `${key(e)} of ${id}`, [401], ['clerk_key_invalid'])
    unchanged('another path')
  })
  await check('Backend API: what is another build’s is not found with the own key', async () => {
    for (const e of backend.filter((e) => /\{/.test(e.path) && !/\{name\}/.test(e.path))) {
      const r = await backendRequest(daemon, 'own', e, other.ids, `Bearer ${sk}`)
      const never = e.path.endsWith('/refresh') && r.status === 401 && r.json().errors[0].code === 'feature_not_enabled'
      assert(never || [404, 422, 501].includes(r.status) || (e.path.endsWith('organization_memberships') && r.status === 200), `${key(e)}: ${r.status} ${r.text.slice(0, 200)}`)
    }
    unchanged('ids of another build')
  })
  await check('Backend API: query and body are read as one thing only', async () => {
    for (const [method, path, body] of [
      ['POST', '/users', '{"external_id":"a","external_id":"b","skip_password_requirement":true}'], ['POST', '/users', '[]'], ['POST', '/users', '{"public_metadata":"x"}'], ['POST', '/users', '{'],
      ['GET', '/users?limit=1&limit=2', undefined], ['GET', '/users?limit=-1', undefined], ['GET', '/users?limit=501', undefined], ['GET', '/users?offset=-1', undefined], ['GET', '/users?order_by=password', undefined],
    ]) {
      const r = await request(`http://127.0.0.1:${daemon.portBase + 1}/b/own/bapi/v1${path}`, { method, body, headers: { Authorization: `Bearer ${sk}`, 'Content-Type': 'application/json' } })
      assert([400, 422].includes(r.status) && r.json().errors.length === 1, `${method} ${path} ${body}: ${r.status} ${r.text.slice(0, 200)}`)
    }
    unchanged('what cannot be read')
  })

  // ---- and the own ones

  await check('after all of it the own credentials do what the table refused to all others', async () => {
    for (const e of closed.filter((x) => x.method === 'GET' && !/\{(sua|sia|name)\}/.test(x.path))) {
      const r = await frontRequest(daemon, 'own', e, own.ids, { browser: own.browser, session: own.ids.sess })
      assert(r.status === 200, `${key(e)}: ${r.status} ${r.text.slice(0, 200)}`)
    }
    for (const e of backend.filter((x) => x.method === 'GET' && !/handshake_payload|\{name\}/.test(x.path))) {
      const r = await backendRequest(daemon, 'own', e, own.ids, `Bearer ${sk}`)
      assert(r.status === 200, `${key(e)}: ${r.status} ${r.text.slice(0, 200)}`)
    }
  })
  await daemon.stop()

  await rules()
} finally {
  await cleanUp()
}
finish()
