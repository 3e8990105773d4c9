// What the tests must know of each service beyond what it says of itself: its variables, how its clients write and read one harmless
// thing, and what its errors look like. A service that is registered and not here fails the suite.
//
//   env       every variable that it gives; keys: those with valet keys in them
//   shown     of these, the ones that are no secret
//   store     the request that stores `text`, as { url, method, headers, body }; 200 when it has
//   read      answers what is stored; lines takes the texts out of a good answer
//   problem   the kind of an error; throws when it is not in the format of the service's vendor
//   refusals  statuses of a key that opens nothing
//   settle    undefined, or what keeps it from changing its files by itself, before its first write
//   health    a path that answers 200 to everybody; undefined: it has none
//
// `how` is given to request(): an agent, a timeout.
import { assert, assertSame } from '../lib/tap.mjs'
import { request } from '../lib/daemon.mjs'
import { signed } from './sign.mjs'

const bearer = (key) => (key === undefined ? {} : { Authorization: `Bearer ${key}` })

function pipeline(env, ...statements) {
  const requests = [...statements.map(([sql, ...args]) => ({ type: 'execute', stmt: { sql, args: args.map((value) => ({ type: 'text', value })) } })), { type: 'close' }]
  const headers = { ...bearer(env.TURSO_AUTH_TOKEN), 'Content-Type': 'application/json' }
  return { url: `${env.TURSO_DATABASE_URL}/v2/pipeline`, method: 'POST', headers, body: JSON.stringify({ requests }) }
}

export const send = ({ url, ...q }, how) => request(url, { ...q, ...how })

function xmlText(text, name) {
  return [...text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map((m) => m[1])
}

function s3(env, method, key, { query, body } = {}) {
  const path = `/${env.R2_BUCKET}${key === undefined ? '' : `/${key}`}`
  if (env.R2_ACCESS_KEY_ID === undefined || env.R2_SECRET_ACCESS_KEY === undefined)
    return { url: `${env.R2_ENDPOINT}${path}${query ? `?${new URLSearchParams(query)}` : ''}`, method, headers: {}, body }
  return { method, body, ...signed(env, { method, path, query, body }) }
}

// The Backend API, by which an app's server asks.
const clerk = (env, method, path, body) => ({ url: `${env.CLERK_API_URL}/v1${path}`, method, headers: { ...bearer(env.CLERK_SECRET_KEY), 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) })

const stripe = (env, method, path, form) => ({ url: `${env.STRIPE_API_BASE}/v1${path}`, method, headers: { ...bearer(env.STRIPE_SECRET_KEY), ...(form && { 'Content-Type': 'application/x-www-form-urlencoded' }) }, body: form && String(new URLSearchParams(form)) })

// Users and objects of one answer, at most.
const PAGE = 500

export const adapters = {
  auth: {
    env: ['CLERK_PUBLISHABLE_KEY', 'CLERK_SECRET_KEY', 'CLERK_API_URL', 'CLERK_PROXY_URL', 'CLERK_JS_URL', 'CLERK_UI_URL', 'CLERK_SIGN_IN_URL', 'CLERK_SIGN_UP_URL',
      'CLERK_TELEMETRY_DISABLED', 'CLERK_KEYLESS_DISABLED', 'CLERK_ENCRYPTION_KEY'],
    keys: ['CLERK_SECRET_KEY'],
    // An address can be somebody's once only.
    store: (env, text) => clerk(env, 'POST', '/users', { email_address: [`${crypto.randomUUID()}@contract.example`], public_metadata: { text }, skip_password_requirement: true }),
    // Page by page: a quick machine makes more users than one has.
    async read(env, how) {
      const page = (from) => send(clerk(env, 'GET', `/users?limit=${PAGE}&offset=${from}&order_by=%2Bcreated_at`), how)
      const first = await page(0)
      if (first.status !== 200) return first
      const users = first.json()
      while (users.length > 0 && users.length % PAGE === 0) {
        const more = (await page(users.length)).json()
        if (more.length === 0) break
        users.push(...more)
      }
      return Object.assign(first, { json: () => users })
    },
    lines: (r) => r.json().map((user) => user.public_metadata.text),
    problem(r) {
      assertSame(r.type, 'application/json', 'content type')
      assertSame(Object.keys(r.json()).sort(), ['clerk_trace_id', 'errors'], 'members')
      assert(r.json().errors.every((e) => e.code && e.message && e.long_message), r.text)
      return r.json().errors[0].code
    },
  },

  database: {
    env: ['TURSO_DATABASE_URL', 'TURSO_AUTH_TOKEN', 'DATABASE_URL'],
    keys: ['TURSO_AUTH_TOKEN'],
    store: (env, text) => pipeline(env, ['CREATE TABLE IF NOT EXISTS contract(v TEXT)'], ['INSERT INTO contract VALUES (?)', text]),
    read: (env, how) => send(pipeline(env, ['SELECT v FROM contract']), how),
    lines(r) {
      const first = r.json().results[0]
      if (first.type === 'error') {
        assert(/no such table/.test(first.error.message), r.text)
        return []
      }
      return first.response.result.rows.map((row) => row[0].value)
    },
    problem(r) {
      assertSame(r.type, 'application/json', 'content type')
      assertSame(Object.keys(r.json()).sort(), ['code', 'message'], 'members')
      return r.json().code
    },
    health: '/health',
  },

  notes: {
    env: ['NOTES_URL', 'NOTES_TOKEN'],
    keys: ['NOTES_TOKEN'],
    store: (env, text) => ({ url: `${env.NOTES_URL}/notes`, method: 'POST', headers: bearer(env.NOTES_TOKEN), body: text }),
    read: (env, how) => request(`${env.NOTES_URL}/notes`, { headers: bearer(env.NOTES_TOKEN), ...how }),
    lines: (r) => r.text.split('\n').slice(0, -1),
    problem(r) {
      assertSame(r.type, 'application/problem+json', 'content type')
      assertSame(Object.keys(r.json()).sort(), ['detail', 'problem'], 'members')
      return r.json().problem
    },
    health: '/health',
  },

  payments: {
    env: ['STRIPE_SECRET_KEY', 'STRIPE_PUBLISHABLE_KEY', 'STRIPE_WEBHOOK_SECRET', 'STRIPE_API_BASE'],
    keys: ['STRIPE_SECRET_KEY'],
    // No webhooks: there is no app to take them, and each try that fails is written down.
    async settle(daemon, id) {
      const r = await daemon.admin('PUT', `/api/v1/builds/${id}/services/payments/webhook`, { body: { off: true } })
      assertSame(r.status, 200, r.text)
    },
    store: (env, text) => stripe(env, 'POST', '/products', { name: text }),
    // All pages; they come with the newest first.
    async read(env, how) {
      const names = []
      for (let after; ;) {
        const r = await send(stripe(env, 'GET', `/products?limit=100${after ? `&starting_after=${after}` : ''}`), how)
        if (r.status !== 200) return r
        const page = r.json()
        names.push(...page.data.map((product) => product.name))
        after = page.data.at(-1)?.id
        if (!page.has_more) return { ...r, names: names.reverse() }
      }
    },
    lines: (r) => r.names,
    problem(r) {
      assertSame(r.type, 'application/json', 'content type')
      assertSame(Object.keys(r.json()), ['error'], 'members')
      assert(r.json().error.type && r.json().error.message, r.text)
      return r.json().error.code ?? r.json().error.type
    },
  },

  storage: {
    env: ['R2_ACCESS_KEY_ID', 'R2_SECRET_ACCESS_KEY', 'R2_BUCKET', 'R2_BUCKET_NAME', 'R2_ENDPOINT', 'R2_ACCOUNT_ID', 'R2_PREFIX', 'R2_USER_PREFIX',
      'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_ENDPOINT_URL_S3', 'AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_REQUEST_CHECKSUM_CALCULATION', 'AWS_RESPONSE_CHECKSUM_VALIDATION'],
    keys: ['R2_ACCESS_KEY_ID', 'R2_SECRET_ACCESS_KEY'],
    shown: ['R2_ACCESS_KEY_ID'],
    store: (env, text) => s3(env, 'PUT', `contract/${text}`, { body: `the text of ${text}` }),
    // The names of all pages, and the bytes of the last one: both must be there.
    async read(env, how) {
      const keys = []
      for (let token; ;) {
        const r = await send(s3(env, 'GET', undefined, { query: [...(token ? [['continuation-token', token]] : []), ['list-type', '2'], ['max-keys', String(PAGE)], ['prefix', 'contract/']] }), how)
        if (r.status !== 200) return r
        keys.push(...xmlText(r.text, 'Key'))
        token = xmlText(r.text, 'NextContinuationToken')[0]
        if (token) continue
        const last = keys.at(-1)
        if (last === undefined) return { ...r, keys }
        const one = await send(s3(env, 'GET', last), how)
        return one.status === 200 && one.text === `the text of ${last.slice('contract/'.length)}` ? { ...r, keys } : one
      }
    },
    lines: (r) => r.keys.map((k) => k.replace(/^contract\//, '')),
    problem(r) {
      assertSame(r.type, 'application/xml', 'content type')
      assert(/^<\?xml[^>]*>\s*<Error>/.test(r.text) && /<\/Error>\s*$/.test(r.text), `no error document: ${r.text.slice(0, 200)}`)
      assertSame(xmlText(r.text, 'Message').length, 1, 'messages')
      return xmlText(r.text, 'Code')[0]
    },
    refusals: [400, 401, 403],
  },
}
