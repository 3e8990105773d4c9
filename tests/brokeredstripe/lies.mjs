// A Stripe that lies, hangs up, echoes, and is away: what the app sees is one of Stripe's errors, never the organisation's key.
import { gzipSync } from 'node:zlib'
import { check, assert, assertSame } from '../lib/tap.mjs'
import { Broker, StandIn, client, fails, fakeKeys, json, request } from './world.mjs'

export async function run() {
  const keys = fakeKeys()
  const secret = keys.secret_key
  let lie
  const standIn = await new StandIn((req, res, body) => lie(req, res, body)).open()
  keys.api_base = standIn.url
  const broker = await Broker.start(keys)
  const builds = [await broker.build('own', ['account=acct_1ForOwnBuild']), await broker.build('soft', ['soft=yes'])]
  const raw = (build, { method = 'POST', key = 'k1', body = 'name=x', target = '/v1/customers' } = {}) =>
    request(broker.payments + target, { method, body: method === 'GET' ? undefined : body, headers: { Authorization: `Bearer ${build.env.STRIPE_SECRET_KEY}`, ...(method === 'GET' ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' }), ...(key ? { 'Idempotency-Key': key } : {}) } })
  const clean = (r) => {
    const text = `${JSON.stringify(r.headers)}${r.text}`
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('hex'), ...[0, 1, 2].map((n) => Buffer.from('x'.repeat(n) + secret).toString('base64').slice(4, -4))])
      assert(!text.includes(form), `the organisation's key came back as ${form.slice(0, 12)}…`)
  }
  const head = (res, status, headers) => res.writeHead(status, { 'Content-Type': 'application/json', ...headers })

  for (const build of builds) {
    for (const [name, how, want] of [
      ['says that the key is bad', (q, res) => json(res, 401, { error: { type: 'invalid_request_error', message: `Invalid API Key provided: ${secret}` } }), [500, 'false', /organisation's key/]],
      ['says what the key may not', (q, res) => json(res, 403, { error: { type: 'invalid_request_error', message: `The provided key '${secret}' does not have the required permissions on account 'acct_org'` } }), [403, 'false', /may not do this/]],
      ['leads elsewhere', (q, res) => (head(res, 302, { Location: 'https://example.com/' }), res.end('{}')), [502, 'true', /none/]],
      ['compresses', (q, res) => (head(res, 200, { 'Content-Encoding': 'gzip' }), res.end(gzipSync(JSON.stringify({ id: secret })))), [502, 'true', /./]],
      ['answers with a page', (q, res) => (res.writeHead(200, { 'Content-Type': 'text/html' }), res.end(`<p>${secret}</p>`)), [502, 'true', /none/]],
      ['hangs up', (q, res) => res.socket.destroy(), [503, 'true', /Stripe cannot be reached/]],
      ['does not speak HTTP', (q, res) => { res.socket.write('nonsense\r\n\r\n'); res.socket.destroy() }, [undefined, 'true', /./]],
    ]) {
      await check(`${build.id}: one that ${name}`, async () => {
        lie = how
        const r = await raw(build)
        clean(r)
        const e = r.json().error
        if (want[0]) assertSame(r.status, want[0], r.text)
        assert(r.status >= 400, `status ${r.status}`)
        assertSame(r.headers['stripe-should-retry'], want[1], r.text)
        assert(want[2].test(e.message) && /^req_/.test(r.headers['request-id']) && !/acct_org/.test(r.text), r.text)
        assertSame(r.headers['valetkey-served-by'], 'org')
      })
    }

    await check(`${build.id}: one that echoes the key, in every form`, async () => {
      const forms = { raw: secret, json: [...secret].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join(''), hex: Buffer.from(secret).toString('hex'), base64: Buffer.from(secret).toString('base64') }
      for (const [name, form] of Object.entries({ raw: forms.raw, hex: forms.hex, base64: forms.base64 })) {
        lie = (q, res) => json(res, 200, { id: 'cus_1', object: 'customer', description: `echo ${form} end`, metadata: {} }, { 'Stripe-Notice': name === 'raw' ? secret : 'none' })
        const r = await raw(build)
        assertSame(r.status, 200, r.text)
        clean(r)
        assert(/\*\*\*\*/.test(r.json().description), r.text)
      }
      lie = (q, res) => { head(res, 402, { 'Transfer-Encoding': 'chunked' }); const text = JSON.stringify({ error: { type: 'card_error', message: `no: ${secret}` } }); for (const c of text) res.write(c); res.end() }
      const r = await raw(build)
      assertSame(r.status, 402)
      clean(r)
    })

    await check(`${build.id}: one that ends in the middle of its answer is no answer`, async () => {
      lie = (q, res) => { head(res, 200, { 'Content-Length': '1000' }); res.write('{"id":"cus_1"'); setTimeout(() => res.socket.destroy(), 20) }
      const r = await raw(build).catch((e) => e)
      assert(r instanceof Error || r.status >= 500, `${r.status} ${r.text}`)
    })

    await check(`${build.id}: a call without an idempotency key is not to be sent again by its SDK`, async () => {
      lie = (q, res) => res.socket.destroy()
      const r = await raw(build, { key: null })
      assertSame([r.status, r.headers['stripe-should-retry']], [503, 'false'], r.text)
    })

    await check(`${build.id}: Stripe's own errors pass, for the SDK to throw`, async () => {
      lie = (q, res) => json(res, 402, { error: { type: 'card_error', code: 'card_declined', decline_code: 'generic_decline', message: 'Your card was declined.' } }, { 'Stripe-Should-Retry': 'false' })
      const e = await fails(build.stripe.paymentIntents.create({ amount: 100, currency: 'usd' }))
      assertSame([e.type, e.statusCode, e.code, e.requestId], ['StripeCardError', 402, 'card_declined', 'req_standin'])
      lie = (q, res) => json(res, 429, { error: { type: 'invalid_request_error', code: 'rate_limit', message: 'slow down' } }, { 'Stripe-Should-Retry': 'true', 'Retry-After': '3' })
      const r = await raw(build)
      assertSame([r.status, r.headers['stripe-should-retry'], r.headers['retry-after']], [429, 'true', '3'])
    })
  }

  await check('soft: answers of any shape show nothing that is not the build\'s', async () => {
    const [, soft] = builds
    const foreign = [{ id: 'cus_foreign', object: 'customer', email: 'them@example.com' }]
    for (const [value, want] of [
      [{ object: 'list', data: foreign, has_more: false, url: '/v1/customers' }, []],
      [{ object: 'list', data: [...foreign, { id: 'cus_mine', object: 'customer', metadata: { vk_build: 'soft.1' } }], has_more: false }, []],
      [{ object: 'list', data: { 0: foreign[0] } }, []],
      [{ object: 'list', data: ['cus_foreign', null, 7] }, []],
      [{ object: 'list' }, []],
    ]) {
      lie = (q, res) => json(res, 200, value)
      const r = await raw(soft, { method: 'GET', key: null })
      assertSame([r.status, r.json().data], [200, want], r.text)
    }
    for (const text of ['[]', '7', '"x"', 'null', '{', '']) {
      lie = (q, res) => (head(res, 200, { 'Content-Length': text.length }), res.end(text))
      const r = await raw(soft, { method: 'GET', key: null })
      assert(r.status >= 500, `${text}: ${r.status}`)
    }
    // A list that never ends, all of it others'.
    let n = 0
    standIn.take()
    lie = (q, res) => json(res, 200, { object: 'list', data: Array.from({ length: 100 }, () => ({ id: `cus_f${n++}`, object: 'customer' })), has_more: true, url: '/v1/customers' })
    const r = await raw(soft, { method: 'GET', key: null })
    assertSame([r.status, /too many/.test(r.json().error.message)], [400, true], r.text)
    assertSame(standIn.take().length, 20)
    // What is older than the build is none of its.
    lie = (q, res) => json(res, 200, { object: 'list', data: Array.from({ length: 100 }, () => ({ id: `cus_f${n++}`, object: 'customer', created: 1600000000 })), has_more: true, url: '/v1/customers' })
    assertSame((await raw(soft, { method: 'GET', key: null })).json().data, [])
    assertSame(standIn.take().length, 1)
  })

  await check('soft: ids that people choose open nothing of another kind', async () => {
    const [, soft] = builds
    lie = (q, res) => json(res, 200, { id: q.url === '/v1/products' ? 'cus_theirs0000000' : 'SALE', object: q.url === '/v1/products' ? 'product' : 'coupon' })
    assertSame((await raw(soft, { target: '/v1/products', body: 'name=x&id=cus_theirs0000000' })).status, 200)
    assertSame((await raw(soft, { target: '/v1/coupons', body: 'percent_off=5&id=SALE' })).status, 200)
    for (const [target, status] of [['/v1/products/cus_theirs0000000', 200], ['/v1/customers/cus_theirs0000000', 404], ['/v1/coupons/SALE', 200], ['/v1/products/SALE', 404], ['/v1/prices/SALE', 404], ['/v1/coupons/cus_theirs0000000', 404]])
      assertSame((await raw(soft, { method: 'GET', target })).status, status, target)
    for (const [body, status] of [['customer=cus_theirs0000000', 400], ['items[0][price_data][product]=cus_theirs0000000', 200], ['coupon=SALE', 200], ['items[0][price]=SALE', 400]])
      assertSame((await raw(soft, { target: '/v1/subscriptions', body })).status, status, body)
  })

  await check('a larger answer than is taken', async () => {
    const large = JSON.stringify({ id: 'cus_1', object: 'customer', description: 'x'.repeat(9 << 20) })
    lie = (q, res) => (head(res, 200, { 'Content-Length': large.length }), res.end(large))
    const r = await raw(builds[1])
    assert(r.status === 500 && r.headers['stripe-should-retry'] === 'false', `${r.status} ${r.text.slice(0, 300)}`)
    const streamed = await raw(builds[0])
    assertSame([streamed.status, streamed.text.length], [200, large.length])
  })

  await check('Stripe is away: 503, and the SDK tries again', async () => {
    lie = (q, res) => json(res, 200, { id: 'cus_1', object: 'customer' })
    const url = new URL(standIn.url)
    await standIn.close()
    for (const build of builds) {
      const r = await raw(build)
      assertSame([r.status, r.headers['stripe-should-retry'], r.json().error.type], [503, 'true', 'api_error'], r.text)
    }
    const waiting = client(builds[0].env, { maxNetworkRetries: 8 }).customers.create({ name: 'patient' })
    const again = await new StandIn((req, res) => json(res, 200, { id: 'cus_back', object: 'customer' })).open(Number(url.port))
    assertSame((await waiting).id, 'cus_back')
    await again.close()
  })
  assert(!broker.daemon.log.includes(secret), 'the key is in the log')
  await broker.stop()
}
