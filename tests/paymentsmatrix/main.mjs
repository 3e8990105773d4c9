import { assert, assertSame, check, finish, note } from '../lib/tap.mjs'
import { cleanUp, portBase, request, withChecksum } from '../lib/daemon.mjs'
import { BACK, CARD, Api, endpoints, everybody, fingerprint, price, submit } from './world.mjs'

const all = endpoints()
const calls = all.filter((e) => !e.page)
const pages = all.filter((e) => e.page)
const key = (e) => `${e.method} ${e.path}`
const swapCase = (s) => s.replace(/[a-zA-Z]/g, (c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()))
const lastOther = (s) => s.slice(0, -1) + (s.endsWith('A') ? 'B' : 'A')

// Whose id a path names: the resource by its place, so that a list below an object names the object.
const PLURALS = { products: 'product', prices: 'price', plans: 'plan', customers: 'customer', payment_methods: 'payment_method', payment_intents: 'payment_intent', setup_intents: 'setup_intent', charges: 'charge', refunds: 'refund', coupons: 'coupon', promotion_codes: 'promotion_code', tax_rates: 'tax_rate', shipping_rates: 'shipping_rate', sessions: 'session', payment_links: 'payment_link', subscriptions: 'subscription', subscription_items: 'subscription_item', invoices: 'invoice', invoice_payments: 'invoice_payment', webhook_endpoints: 'webhook_endpoint', events: 'event', balance_transactions: 'balance_transaction' }
const fill = (path, ids) => path.split('/').map((part, i, parts) => {
  if (!part.startsWith(':')) return part
  const id = ids[PLURALS[parts[i - 1]]]
  assert(id, `${path}: whose id is that? A row of PLURALS is missing`)
  return id
}).join('/')

// What a call is sent with, so that a hole would show as a change; by method and path where any parameter would be refused before.
const PARAMS = (x) => ({
  'POST /v1/products': { name: 'Of the matrix' },
  'POST /v1/prices': { currency: 'usd', unit_amount: 100, product: x.ids.product },
  'POST /v1/plans': { currency: 'usd', amount: 100, interval: 'month', product: x.ids.product },
  'POST /v1/customers': { email: 'mallory@example.com', payment_method: x.ids.payment_method },
  'POST /v1/payment_intents': { amount: 1000, currency: 'usd', customer: x.ids.customer, payment_method: x.ids.payment_method, payment_method_types: ['card'], confirm: true },
  'POST /v1/setup_intents': { customer: x.ids.customer, payment_method: x.ids.payment_method, payment_method_types: ['card'], confirm: true },
  'POST /v1/payment_methods': { type: 'card', card: { token: 'tok_visa' } },
  'POST /v1/payment_methods/:id/attach': { customer: x.ids.customer },
  'POST /v1/refunds': { charge: x.ids.charge },
  'POST /v1/coupons': { percent_off: 100, duration: 'forever', applies_to: { products: [x.ids.product] } },
  'POST /v1/promotion_codes': { promotion: { type: 'coupon', coupon: x.ids.coupon }, code: 'MALLORY' },
  'POST /v1/tax_rates': { display_name: 'M', inclusive: true, percentage: 1 },
  'POST /v1/shipping_rates': { display_name: 'M', type: 'fixed_amount', fixed_amount: { amount: 0, currency: 'usd' } },
  'POST /v1/checkout/sessions': { ...BACK, mode: 'payment', line_items: [{ price: x.ids.price, quantity: 1 }], customer: x.ids.customer },
  'POST /v1/payment_links': { line_items: [{ price: x.ids.price, quantity: 1 }] },
  'POST /v1/subscriptions': { customer: x.ids.customer, items: [{ price: x.month }] },
  'POST /v1/webhook_endpoints': { url: 'http://localhost:3000/mallory', enabled_events: ['*'] },
  'GET /v1/subscription_items': { subscription: x.ids.subscription },
})
// Nothing of another's is in these, so another build's key does them in its own build.
const NAMES_NOBODY = ['POST /v1/products', 'POST /v1/payment_methods', 'POST /v1/tax_rates', 'POST /v1/shipping_rates', 'POST /v1/webhook_endpoints']
const paramsOf = (e, x) => PARAMS(x)[key(e)] ?? (e.verb === 'SEARCH' ? { query: /prices|products/.test(e.path) ? "active:'true'" : 'created>0' } : e.verb === 'UPDATE' ? { metadata: { by: 'the matrix' } } : undefined)

try {
  const { daemon, ctx } = await everybody(await portBase(30))
  const { own, other, revoked, expired, deleted, foreign } = ctx
  const base = `http://127.0.0.1:${daemon.portBase + 4}`
  const send = (e, x, how) => x.api.ask(e.method, fill(e.path, x.ids), { params: paramsOf(e, x), ...how })
  const at = new Api(daemon, own.env)
  const ask = (e, x, authorization, headers) => at.ask(e.method, fill(e.path, x.ids), { params: paramsOf(e, x), authorization: authorization ?? null, headers })
  const before = fingerprint(daemon, 'own', 'other')
  const unchanged = (what) => assertSame(fingerprint(daemon, 'own', 'other'), before, `${what}: the data of own and other`)
  const secretsOf = (x) => [...Object.values(x.ids), x.held, x.month, ...Object.values(x.secrets)]
  // Refused, as Stripe says it, with nothing in it of anybody but what was sent.
  const refused = (r, what, statuses, sent = '') => {
    const error = r.json().error
    assert(statuses.includes(r.status) && error?.message && error.type, `${what}: ${r.status} ${r.text.slice(0, 300)}`)
    for (const id of [own, other].flatMap(secretsOf)) assert(sent.includes(id) || !r.text.includes(id), `${what}: ${id} in a refusal: ${r.text.slice(0, 300)}`)
    assert(!/Valetkey-Build|(^|[^*])[sp]k_test_51[0-9A-Za-z]{36}|whsec_[0-9A-Za-z]/.test(r.text), `${what}: a key in a refusal`)
    return error
  }

  await check('the tables of the source were read, and each call is understood', () => {
    assert(calls.length > 90 && pages.length >= 9, `${calls.length} calls, ${pages.length} pages`)
    for (const e of calls) fill(e.path, own.ids)
    const posts = calls.filter((e) => e.method === 'POST' && !e.path.includes(':')).map(key)
    assertSame(posts.filter((name) => !PARAMS(own)[name]), [], 'calls that make something need a row of PARAMS')
    assertSame([Object.keys(PARAMS(own)).filter((name) => !calls.some((e) => key(e) === name) && name !== 'POST /v1/plans')], [[]], 'rows of calls that are none')
    note(`${calls.length} calls, ${pages.length} pages`)
  })

  await check('the own key opens every call that reads: the ids of the world are right', async () => {
    for (const e of calls.filter((one) => one.method === 'GET')) {
      const r = await send(e, own)
      assert(r.status === 200, `${key(e)}: ${r.status} ${r.text.slice(0, 200)}`)
    }
    unchanged('reading')
  })

  // ---- keys that open nothing

  const sk = own.env.STRIPE_SECRET_KEY
  const basic = (text) => `Basic ${Buffer.from(text).toString('base64')}`
  const keys = [
    ['no key', undefined],
    ['an empty one', 'Bearer '],
    ['a scheme alone', 'Bearer'],
    ['no scheme', sk],
    ['another scheme', `Token ${sk}`],
    ['two keys', `Bearer ${sk} ${sk}`],
    ['its prefix', 'Bearer sk_test_51'],
    ['cut by one character', `Bearer ${sk.slice(0, -1)}`],
    ['one character more', `Bearer ${sk}A`],
    ['another last character', `Bearer ${lastOther(sk)}`],
    ['in another case', `Bearer sk_test_51${swapCase(sk.slice(10))}`],
    ['as a live key', `Bearer ${sk.replace('sk_test_', 'sk_live_')}`],
    ['as a restricted key', `Bearer ${sk.replace('sk_', 'rk_')}`],
    ['the publishable key under the secret’s prefix', `Bearer ${own.env.STRIPE_PUBLISHABLE_KEY.replace('pk_', 'sk_')}`],
    ['the secret key under the publishable’s prefix', `Bearer ${sk.replace('sk_', 'pk_')}`],
    ['well formed, and nobody’s', `Bearer ${withChecksum('sk_test_51' + 'A'.repeat(30))}`],
    ['as a password', basic(`:${sk}`)],
    ['Basic that is no Base64', `Basic ${sk}`],
    ['Basic with nothing in it', 'Basic '],
    ['Basic with a user that is cut', basic(`${sk.slice(0, -1)}:`)],
    ['another installation’s key', `Bearer ${foreign.env.STRIPE_SECRET_KEY}`],
    ['a revoked build’s key', `Bearer ${revoked.env.STRIPE_SECRET_KEY}`],
    ['an expired build’s key', `Bearer ${expired.env.STRIPE_SECRET_KEY}`],
    ['a deleted build’s key', `Bearer ${deleted.env.STRIPE_SECRET_KEY}`],
    ['a revoked build’s publishable key', `Bearer ${revoked.env.STRIPE_PUBLISHABLE_KEY}`],
    ['the webhook’s secret', `Bearer ${own.env.STRIPE_WEBHOOK_SECRET}`],
    ['auth’s secret key', `Bearer ${own.env.CLERK_SECRET_KEY}`],
    ['auth’s publishable key', `Bearer ${own.env.CLERK_PUBLISHABLE_KEY ?? own.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY}`],
    ['the database’s key', `Bearer ${own.env.TURSO_AUTH_TOKEN}`],
    ['the storage’s key', `Bearer ${own.env.R2_SECRET_ACCESS_KEY}`],
    ['the admin token', `Bearer ${daemon.adminToken}`],
    ['a client secret', `Bearer ${own.secrets.payment_intent}`],
    ['a session’s id', `Bearer ${own.ids.session}`],
  ]
  for (const [name, authorization] of keys)
    await check(`${name}: ${calls.length} calls refuse`, async () => {
      for (const e of calls) {
        const error = refused(await ask(e, own, authorization), `${key(e)}, ${name}`, [401])
        assertSame(error.type, 'invalid_request_error')
      }
      unchanged(name)
    })

  await check('an expired key is told so, and only that one', async () => {
    const said = async (x) => (await at.ask('GET', '/v1/balance', { authorization: `Bearer ${x.env.STRIPE_SECRET_KEY}` })).json().error.code
    assertSame([await said(expired), await said(revoked), await said(deleted)], ['api_key_expired', undefined, undefined])
  })

  await check('own keys of another place count nowhere: the query, a cookie, the body, a second header', async () => {
    for (const [where, how] of [
      [`/v1/customers?key=${sk}`, {}], [`/v1/customers?api_key=${sk}`, {}], ['/v1/customers', { headers: { Cookie: `key=${sk}` } }], ['/v1/customers', { headers: { 'X-Api-Key': sk, 'Stripe-Account': 'acct_1' } }],
    ]) refused(await at.ask('GET', where, { authorization: null, ...how }), where.split('?')[0], [401])
    unchanged('other places')
  })

  // ---- the publishable key, which every visitor of the app knows

  const pk = `Bearer ${own.env.STRIPE_PUBLISHABLE_KEY}`
  const closed = calls.filter((e) => !e.publishable)
  const forClients = calls.filter((e) => e.publishable)
  await check(`the publishable key: ${closed.length} calls refuse`, async () => {
    for (const e of closed) assertSame(refused(await ask(e, own, pk), key(e), [403]).code, 'secret_key_required', key(e))
    unchanged('the publishable key')
  })
  await check(`the publishable key reads ${forClients.length} kinds of object with their own secret, and with no other`, async () => {
    assertSame(forClients.map(key), ['GET /v1/payment_intents/:id', 'GET /v1/setup_intents/:id'])
    for (const e of forClients) {
      const get = (secret, authorization = pk, id = own.ids[e.resource]) => at.ask('GET', e.path.replace(':id', id), { params: secret === undefined ? undefined : { client_secret: secret }, authorization })
      assertSame((await get(own.secrets[e.resource])).status, 200, 'its own')
      const theirs = `Bearer ${other.env.STRIPE_PUBLISHABLE_KEY}`
      for (const [what, ...args] of [
        ['none', undefined], ['an empty one', ''], ['cut', own.secrets[e.resource].slice(0, -1)], ['another case', swapCase(own.secrets[e.resource])], ['another kind’s', own.secrets[e.resource === 'payment_intent' ? 'setup_intent' : 'payment_intent']],
        ['the other build’s', other.secrets[e.resource]], ['with another build’s key', own.secrets[e.resource], theirs], ['with another build’s key for its own object', own.secrets[e.resource], theirs, other.ids[e.resource]],
      ]) refused(await get(...args), `${key(e)}, ${what}`, [400, 404], own.ids[e.resource] + other.ids[e.resource])
    }
    unchanged('client secrets')
  })

  // ---- two builds: neither knows what the other has

  const otherKey = `Bearer ${other.env.STRIPE_SECRET_KEY}`
  const named = calls.filter((e) => e.path.includes(':'))
  await check(`another build’s key finds nothing of this one’s by its id: ${named.length} calls`, async () => {
    for (const e of named) {
      const error = refused(await at.ask(e.method, fill(e.path, own.ids), { params: paramsOf(e, other), authorization: otherKey }), key(e), [404, 400], secretsOf(own).join() + secretsOf(other).join())
      assertSame(error.code, 'resource_missing', `${key(e)}: ${error.message}`)
    }
    unchanged('another build’s ids')
  })
  await check('the answer is the same as for an id that is nobody’s', async () => {
    for (const e of named.filter((one) => one.path.split(':').length === 2)) {
      const real = fill(e.path, own.ids)
      const id = real.split('/').find((part, i) => e.path.split('/')[i].startsWith(':'))
      const fake = lastOther(id)
      const say = async (where) => (await at.ask(e.method, where, { params: paramsOf(e, other), authorization: otherKey })).text.replaceAll(id, 'ID').replaceAll(fake, 'ID').replace(/req_\w+/g, '')
      assertSame(await say(real), await say(real.replace(id, fake)), key(e))
    }
    unchanged('ids of nobody')
  })
  const naming = calls.filter((e) => e.method === 'POST' && !e.path.includes(':') && !NAMES_NOBODY.includes(key(e)))
  await check(`…nor when it names them in what it makes: ${naming.length} calls`, async () => {
    for (const e of naming) {
      const error = refused(await at.ask(e.method, e.path, { params: paramsOf(e, own), authorization: otherKey }), key(e), [400], secretsOf(own).join())
      assertSame(error.code, 'resource_missing', `${key(e)}: ${error.message}`)
    }
    unchanged('ids in parameters')
  })
  const lists = calls.filter((e) => e.method === 'GET' && !e.path.includes(':') && ['LIST', 'SEARCH'].includes(e.verb))
  await check(`…nor in a list or a search: ${lists.length} calls`, async () => {
    for (const e of lists) {
      const r = await at.ask('GET', e.path, { params: { ...paramsOf(e, other), limit: 100 }, authorization: otherKey })
      assert(r.status === 200, `${key(e)}: ${r.status} ${r.text.slice(0, 200)}`)
      assert(r.json().data.length > 0 || /plans/.test(e.path), `${key(e)} lists what the other has itself`)
      for (const id of secretsOf(own)) assert(!r.text.includes(id), `${key(e)}: ${id}`)
    }
    unchanged('lists')
  })
  await check('…nor as the place where a list begins, nor as its filter, nor by expansion', async () => {
    for (const [where, params] of [
      ['/v1/customers', { starting_after: own.ids.customer }], ['/v1/events', { ending_before: own.ids.event }], ['/v1/charges', { starting_after: own.ids.charge }],
    ]) assertSame(refused(await at.ask('GET', where, { params, authorization: otherKey }), where, [400, 404], secretsOf(own).join()).code, 'resource_missing', where)
    for (const [where, params] of [
      ['/v1/charges', { payment_intent: own.ids.payment_intent }], ['/v1/payment_methods', { customer: own.ids.customer }], ['/v1/customers', { email: 'ann@own.example' }], ['/v1/promotion_codes', { code: own.code }], ['/v1/customers/search', { query: "email:'ann@own.example'" }],
      ['/v1/products/search', { query: "metadata['of']:'own'" }], ['/v1/payment_intents/search', { query: "metadata['of']:'own'" }], ['/v1/subscriptions/search', { query: "metadata['of']:'own'" }],
    ]) {
      const r = await at.ask('GET', where, { params, authorization: otherKey })
      assert(r.status >= 400 || r.json().data.length === 0, `${where}: ${r.text.slice(0, 200)}`)
      for (const id of secretsOf(own)) assert(r.status >= 400 || !r.text.includes(id), `${where}: ${id}`)
    }
    unchanged('filters')
  })

  // ---- pages: their address is what opens them

  const pageOf = (e, x) => {
    const url = { '/c/pay/:id': x.urls.session, '/c/pay/:id/authenticate': `${x.urls.session}/authenticate`, '/authenticate/:id': x.urls.intent, '/pay/:id': x.urls.link, '/receipts/:id': x.urls.receipt, '/i/:id': x.urls.invoice }[e.path]
    assert(url, `${key(e)}: a row of pageOf is missing`)
    return url
  }
  const open = (e, url, headers) => (e.method === 'GET' ? request(url, { headers }) : submit(url, { ...CARD, result: 'complete' }, headers))
  const noPage = async (e, url, what, headers) => {
    const r = await open(e, url, headers)
    assert(r.status === 404 || r.status === 403, `${key(e)}, ${what}: ${r.status} ${r.text.slice(0, 200)}`)
    assert(!r.headers.location && !r.headers['set-cookie'] && !/Thing|55\.00|12\.00|20\.00|ann@/.test(r.text), `${key(e)}, ${what}: ${r.text.slice(0, 300)}`)
  }
  await check(`pages: ${pages.length} of one build are none of another’s, nor of builds that were revoked, expired, deleted, or never were`, async () => {
    for (const e of pages) {
      const url = pageOf(e, own)
      assert(url.startsWith(`${base}/b/own/`), url)
      for (const id of ['other', 'revoked', 'expired', 'deleted', 'never', 'OWN', 'own%2f..%2fown']) await noPage(e, url.replace('/b/own/', `/b/${id}/`), id)
      for (const x of [revoked, expired, deleted]) await noPage(e, pageOf(e, x), x.id)
      const way = url.slice(base.length)
      for (const raw of [way.replace('/b/', '/b/other/../'), way.replace('/b/own/', '/b/other/%2e%2e/own/'), way.replace('/b/', '//b/'), way.replace('/b/own/', '/b/own//')]) {
        const r = await request(base, { path: raw, method: e.method, body: e.method === 'POST' ? new URLSearchParams(CARD).toString() : undefined, headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })
        assert([400, 401, 404].includes(r.status) && !/Thing|55\.00/.test(r.text), `${raw}: ${r.status}`)
      }
      await noPage(e, lastOther(url.replace('/authenticate', '')) + (e.path.endsWith('/authenticate') ? '/authenticate' : ''), 'another last character')
    }
    unchanged('pages')
  })
  await check('pages: a form that another site sends does nothing', async () => {
    for (const e of pages.filter((one) => one.method === 'POST'))
      for (const headers of [{ 'Sec-Fetch-Site': 'cross-site' }, { 'Sec-Fetch-Site': 'same-site', Origin: 'https://evil.example' }, { 'Sec-Fetch-Site': 'none' }])
        await noPage(e, pageOf(e, own), JSON.stringify(headers), headers)
    for (const e of pages.filter((one) => one.method === 'POST')) {
      const r = await request(pageOf(e, own), { method: 'POST', body: new URLSearchParams({ ...CARD, result: 'complete' }).toString(), headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: 'https://evil.example' } })
      assert([403, 404].includes(r.status), `${key(e)}: ${r.status}`)
    }
    unchanged('forms of others')
  })
  await check('pages: a code of another build gives nothing off', async () => {
    const r = await submit(own.urls.session, { promotionCode: other.code, action: 'apply' })
    assert(/invalid|not valid|no such/i.test(r.text) && r.text.includes('$55.00') && !r.text.includes('41.25'), r.text.slice(0, 600))
    unchanged('the other’s code')
    const mine = await submit(own.urls.session, { promotionCode: own.code, action: 'apply' })
    const shown = mine.status === 303 ? await request(own.urls.session) : mine
    assert(shown.text.includes('41.25'), 'its own does')
  })

  // ---- what changes something, on purpose

  await check('the same idempotency key in two builds is two keys', async () => {
    const make = async (x, email) => x.api.ask('POST', '/v1/customers', { params: { email }, headers: { 'Idempotency-Key': 'order-1' } })
    const one = await make(own, 'one@example.com')
    const two = await make(other, 'two@example.com')
    assertSame([one.status, two.status, one.json().email, two.json().email, two.headers['idempotent-replayed']], [200, 200, 'one@example.com', 'two@example.com', undefined])
    assertSame([(await make(own, 'one@example.com')).json().id, (await make(other, 'two@example.com')).json().id], [one.json().id, two.json().id], 'replays')
    const other_ = await make(own, 'two@example.com')
    assertSame([other_.status, other_.json().error.type], [400, 'idempotency_error'])
  })
  await check('a refused request keeps no idempotency key: the right one is done afterwards', async () => {
    const go = (authorization) => at.ask('POST', '/v1/customers', { params: { email: 'later@example.com' }, authorization, headers: { 'Idempotency-Key': 'order-2' } })
    assertSame([(await go(`Bearer ${lastOther(sk)}`)).status, (await go(pk)).status], [401, 403])
    const r = await go(`Bearer ${sk}`)
    assertSame([r.status, r.headers['idempotent-replayed']], [200, undefined])
  })
  await check('a page that is paid, and an event that tells of it, are of that build alone', async () => {
    const total = async (x) => [(await x.api.must('GET', '/v1/events', { limit: 100, type: 'checkout.session.completed' })).data.length, (await x.api.must('GET', '/v1/charges', { limit: 100 })).data.length]
    const [mine, theirs] = [await total(own), await total(other)]
    assertSame((await submit(own.urls.session, CARD)).status, 303)
    assertSame([await total(own), await total(other)], [[mine[0] + 1, mine[1] + 1], theirs])
  })
  await check('a key that is revoked while the daemon runs opens nothing from the next request on, page included', async () => {
    const made = await other.api.must('POST', '/v1/checkout/sessions', { ...BACK, mode: 'payment', line_items: [price(700)] })
    assertSame((await request(made.url)).status, 200)
    await daemon.mustCli(['build', 'revoke', 'other'])
    refused(await other.api.ask('GET', '/v1/balance'), 'revoked', [401])
    for (const r of [await request(made.url), await submit(made.url, CARD)]) assertSame(r.status, 404)
  })
  await daemon.stop()
} finally {
  await cleanUp()
}
finish()
