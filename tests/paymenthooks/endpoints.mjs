// Endpoints: the default one, and those that the app makes.
import { assert, assertSame } from '../lib/tap.mjs'
import { app, construct, operator, Receiver, daemon } from './rig.mjs'

export async function endpoints_that_the_app_makes() {
  const r = await new Receiver().open()
  const a = await app('made', r)
  const url = `${r.origin}/hooks/mine`
  const we = await a.stripe.webhookEndpoints.create({ url, enabled_events: ['customer.created'], description: 'mine', metadata: { a: 'b' } }, { idempotencyKey: 'we-1' })
  assert(/^we_[0-9A-Za-z]{24}$/.test(we.id) && /^whsec_[0-9a-f]{64}$/.test(we.secret), we.id)
  assertSame([we.object, we.url, we.status, we.enabled_events, we.api_version, we.application, we.description, we.metadata, we.livemode],
    ['webhook_endpoint', url, 'enabled', ['customer.created'], null, null, 'mine', { a: 'b' }, false])
  const replay = await a.stripe.webhookEndpoints.create({ url, enabled_events: ['customer.created'], description: 'mine', metadata: { a: 'b' } }, { idempotencyKey: 'we-1' })
  assertSame([replay.id, replay.secret], [we.id, we.secret], 'the same answer again')
  const got = await a.stripe.webhookEndpoints.retrieve(we.id)
  assert(!('secret' in got), 'shown once')
  assertSame((await a.stripe.webhookEndpoints.list()).data.map((e) => [e.id, 'secret' in e]), [[we.id, false]])
  await a.stripe.customers.create({ name: 'c' })
  await a.stripe.products.create({ name: 'p' })
  await r.hit((h) => h.event.type === 'product.created')
  const mine = await r.hit((h) => h.path === '/hooks/mine')
  assertSame(construct(mine, we.secret).type, 'customer.created')
  assertSame(mine.event.pending_webhooks, 2)
  const usual = r.hits.filter((h) => h.path === '/api/webhooks/stripe')
  assertSame(usual.map((h) => construct(h, a.secret).type), ['customer.created', 'product.created'], 'the default one gets all')
  assertSame(usual[0].event.id, mine.event.id)
  assertSame(r.hits.length, 3, 'an endpoint gets what it wants, and nothing else')
  // Another type, another place, off, gone.
  await a.stripe.webhookEndpoints.update(we.id, { enabled_events: ['*'], url: `${r.origin}/hooks/moved` })
  await a.stripe.products.create({ name: 'q' })
  await r.hit((h) => h.path === '/hooks/moved' && h.event.type === 'product.created')
  assertSame((await a.stripe.webhookEndpoints.update(we.id, { disabled: true })).status, 'disabled')
  const quiet = await a.stripe.products.create({ name: 'r' })
  assertSame((await r.hit((h) => h.event.data.object.id === quiet.id)).event.pending_webhooks, 1)
  assertSame((await a.stripe.webhookEndpoints.update(we.id, { disabled: false })).status, 'enabled')
  assertSame(JSON.parse(JSON.stringify(await a.stripe.webhookEndpoints.del(we.id))), { id: we.id, object: 'webhook_endpoint', deleted: true })
  const last = await a.stripe.products.create({ name: 's' })
  await r.hit((h) => h.event.data.object.id === last.id)
  assertSame(r.about(last.id).map((h) => h.path), ['/api/webhooks/stripe'])
  await r.close()
}

export async function the_version_that_an_endpoint_is_pinned_to() {
  const r = await new Receiver().open()
  const a = await app('pinned', r)
  const we = await a.stripe.webhookEndpoints.create({ url: `${r.origin}/old`, enabled_events: ['*'], api_version: '2023-10-16' })
  assertSame(we.api_version, '2023-10-16')
  await a.stripe.products.create({ name: 'p', marketing_features: [{ name: 'fast' }] })
  const [old, usual] = [await r.hit((h) => h.path === '/old'), await r.hit((h) => h.path !== '/old')]
  assertSame(construct(old, we.secret).api_version, '2023-10-16')
  assertSame(old.event.data.object.features, [{ name: 'fast' }], 'the shape of then')
  assertSame(usual.event.api_version, a.stripe.getApiField('version'))
  assert(!('features' in usual.event.data.object) && usual.event.data.object.marketing_features[0].name === 'fast', 'the shape of now')
  assertSame(old.event.id, usual.event.id)
  const bad = await a.stripe.webhookEndpoints.create({ url: `${r.origin}/x`, enabled_events: ['*'], api_version: 'yesterday' }).catch((e) => e)
  assertSame([bad.statusCode, bad.param], [400, 'api_version'])
  await r.close()
}

export async function an_old_SDKs_version_is_the_builds() {
  const r = await new Receiver().open()
  const a = await app('old-sdk', r)
  await a.stripe14.products.create({ name: 'p' })
  const first = await r.hit((h) => h.event.type === 'product.created')
  assertSame(construct(first, a.secret).api_version, '2023-10-16')
  await a.stripe.products.create({ name: 'q' })
  assertSame((await r.hit((h) => h.event.type === 'product.created', 2)).event.api_version, '2023-10-16', 'the first one is kept')
  // What handlers of then read; and nothing that there was not.
  const old = a.stripe14
  const { default_price: price } = await old.products.create({ name: 'Pro', default_price_data: { currency: 'usd', unit_amount: 1200, recurring: { interval: 'month' } } })
  const customer = await old.customers.create({ email: 'ada@example.com' })
  const method = await old.paymentMethods.attach('pm_card_visa', { customer: customer.id })
  const sub = await old.subscriptions.create({ customer: customer.id, items: [{ price }], default_payment_method: method.id })
  const invoice = (await r.hit((h) => h.event.type === 'invoice.payment_succeeded')).event.data.object
  assertSame([invoice.subscription, invoice.paid, typeof invoice.payment_intent], [sub.id, true, 'string'])
  const made = (await r.hit((h) => h.event.type === 'customer.subscription.created')).event.data.object
  assert(made.current_period_end > Date.now() / 1000, JSON.stringify(made).slice(0, 500))
  await a.stripe.customers.update(customer.id, { name: 'last' })
  await r.hit((h) => h.event.type === 'customer.updated')
  assertSame(r.typed('invoice_payment.paid').length, 0)
  await r.close()
}

export async function only_to_the_builds_own_origins() {
  const r = await new Receiver().open()
  const stranger = await new Receiver().open()
  const a = await app('own', r)
  for (const url of [`${stranger.origin}/x`, 'https://evil.example/x', 'http://169.254.169.254/latest', 'http://127.0.0.1:22/', `http://me@127.0.0.1:${r.port}/`, `http://127.0.0.1:${r.port}\\@evil.example/`, 'ftp://127.0.0.1/', 'nonsense', `${r.origin}/x#y`, `${r.origin}/{id}`, `${r.origin}/x?a=b|c`]) {
    const e = await a.stripe.webhookEndpoints.create({ url, enabled_events: ['*'] }).catch((x) => x)
    assertSame([e.statusCode, e.param, e.code], [400, 'url', 'url_invalid'], url)
  }
  const we = await a.stripe.webhookEndpoints.create({ url: `${r.origin}/x`, enabled_events: ['*'] })
  const moved = await a.stripe.webhookEndpoints.update(we.id, { url: `${stranger.origin}/x` }).catch((x) => x)
  assertSame([moved.statusCode, moved.param], [400, 'url'])
  for (const events of [[], ['no such type!'], ['']]) {
    const e = await a.stripe.webhookEndpoints.create({ url: `${r.origin}/y`, enabled_events: events }).catch((x) => x)
    assertSame(e.statusCode, 400, JSON.stringify(events))
  }
  for (let i = 1; i < 16; i++) await a.stripe.webhookEndpoints.create({ url: `${r.origin}/${i}`, enabled_events: ['coupon.created'] })
  const more = await a.stripe.webhookEndpoints.create({ url: `${r.origin}/17`, enabled_events: ['*'] }).catch((x) => x)
  assert(more.statusCode === 400 && /maximum of 16/.test(more.message), more.message)
  // What was allowed and is not any more gets nothing, not even what waits.
  await daemon.mustCli(['build', 'origins', 'own', stranger.origin])
  await a.stripe.products.create({ name: 'p' })
  await stranger.hit((h) => h.event.type === 'product.created')
  const [listed] = (await operator('GET', 'own', 'events')).body.events
  const its = listed.deliveries.find((d) => d.endpoint === we.id)
  assert(its.state !== 'delivered' && r.typed('product.created').length === 0, its)
  await r.close()
  await stranger.close()
}

export async function where_the_default_endpoint_is() {
  const [r, second] = [await new Receiver().open(), await new Receiver().open()].sort((x, y) => (x.origin < y.origin ? -1 : 1))
  const a = await app('where', r, { origins: [r.origin, second.origin] })
  const show = async () => (await operator('GET', 'where', 'webhook')).body
  assertSame(await show(), { off: false, url: `${r.origin}/api/webhooks/stripe`, path: '/api/webhooks/stripe' })
  await daemon.mustCli(['payments', 'webhook', 'where', '--path', '/api/stripe?x=y'])
  await a.stripe.products.create({ name: 'p' })
  assertSame((await r.hit(() => true)).path, '/api/stripe?x=y')
  await daemon.mustCli(['payments', 'webhook', 'where', '--url', `${second.origin}/there`])
  assertSame(await show(), { off: false, url: `${second.origin}/there`, path: null })
  await a.stripe.products.create({ name: 'q' })
  assertSame(construct(await second.hit(() => true), a.secret).data.object.name, 'q')
  assertSame((await operator('PUT', 'where', 'webhook', { url: 'https://evil.example/' })).status, 422)
  assertSame((await operator('PUT', 'where', 'webhook', { path: '//evil.example/' })).status, 400)
  for (const odd of ['/{id}', '/a|b', '/a^b', '/a`b', '/ü']) { // courier takes none of these: better said now than with each event
    assertSame([odd, (await operator('PUT', 'where', 'webhook', { path: odd })).status], [odd, 400])
    assertSame([odd, (await operator('PUT', 'where', 'webhook', { url: second.origin + odd })).status], [odd, 422])
  }
  await daemon.mustCli(['payments', 'webhook', 'where', '--off'])
  assertSame(await show(), { off: true, url: null, path: null })
  const silent = await a.stripe.products.create({ name: 'r' })
  const [event] = (await a.stripe.events.list({ type: 'product.created' })).data
  assertSame([event.data.object.id, event.pending_webhooks], [silent.id, 0])
  assertSame((await operator('GET', 'where', 'events')).body.events[0].deliveries, [])
  // Without origins: where frameworks serve on a developer's machine. Another process may have that port: nothing is sent there.
  const none = await app('nowhere', r, { origins: [] })
  assertSame((await operator('GET', 'nowhere', 'webhook')).body.url, 'http://localhost:3000/api/webhooks/stripe')
  await daemon.mustCli(['payments', 'webhook', 'nowhere', '--off'])
  await none.stripe.products.create({ name: 's' })
  await r.close()
  await second.close()
}
