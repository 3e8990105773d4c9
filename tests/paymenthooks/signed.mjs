// What arrives, and that Stripe's SDK takes it for Stripe's.
import { assert, assertSame } from '../lib/tap.mjs'
import { app, construct, daemon, operator, Receiver, Stripe, Stripe14, until } from './rig.mjs'

export async function an_event_as_Stripe_sends_it() {
  const r = await new Receiver().open()
  const a = await app('signed', r)
  const product = await a.stripe.products.create({ name: 'Café “Pro” \u{1F600}', metadata: { k: 'v' } }, { idempotencyKey: 'order-1' })
  const hit = await r.hit((h) => h.event.type === 'product.created')
  assertSame([hit.method, hit.path], ['POST', '/api/webhooks/stripe'])
  assertSame(hit.headers['content-type'], 'application/json; charset=utf-8')
  assert(/^Stripe\/1\.0 /.test(hit.headers['user-agent']), hit.headers['user-agent'])
  assertSame(Number(hit.headers['content-length']), hit.raw.length)
  assert(!hit.headers.expect && !hit.headers.cookie && !hit.headers.authorization, 'no other headers')
  const event = construct(hit, a.secret)
  assertSame(Object.keys(event).sort(), ['api_version', 'created', 'data', 'id', 'livemode', 'object', 'pending_webhooks', 'request', 'type'])
  assertSame([event.object, event.livemode, event.pending_webhooks, event.type], ['event', false, 1, 'product.created'])
  assert(/^evt_[0-9A-Za-z]{24}$/.test(event.id), event.id)
  assertSame(event.api_version, a.stripe.getApiField('version'), 'the first version that the build was asked in')
  assertSame(event.request, { id: product.lastResponse.requestId, idempotency_key: 'order-1' })
  assertSame(event.data, { object: JSON.parse(JSON.stringify(product)) }, 'data')
  assert(Math.abs(event.created - Date.now() / 1000) < 60, 'created')
  assert(hit.raw.toString().startsWith('{\n  "id": "evt_'), 'as Stripe writes it')
  for (const secret of [a.secret.slice(0, -1), `${a.secret}x`, 'whsec_other', a.secret.slice(6)]) {
    for (const sdk of [Stripe, Stripe14]) {
      let refused = false
      try { sdk.webhooks.constructEvent(hit.raw, hit.headers['stripe-signature'], secret) } catch { refused = true }
      assert(refused, `a wrong secret: ${secret.length}`)
    }
  }
  // Retrieved later it is the same, and nothing of it is pending any more.
  const got = await until(async () => {
    const e = await a.stripe.events.retrieve(event.id)
    return e.pending_webhooks === 0 && e
  }, 'it is settled')
  assertSame(JSON.parse(JSON.stringify(got)), { ...event, pending_webhooks: 0 }, 'retrieved')
  const listed = await a.stripe.events.list({ type: 'product.created' })
  assertSame(JSON.parse(JSON.stringify(listed.data)), [{ ...event, pending_webhooks: 0 }], 'listed')
  const { body } = await operator('GET', 'signed', `events/${event.id}`)
  assertSame(body.deliveries.length, 1)
  assertSame([body.deliveries[0].state, body.deliveries[0].status, body.deliveries[0].tries, body.deliveries[0].attempts[0].answer], ['delivered', 200, 1, 'ok'])
  await r.close()
}

export async function in_the_order_in_which_it_happened() {
  const r = await new Receiver().open()
  const a = await app('order', r)
  const made = []
  for (let i = 0; i < 5; i++) made.push(a.stripe.customers.create({ name: `c${i}` }), a.stripe.products.create({ name: `p${i}` }))
  const all = await Promise.all(made)
  for (const o of all.filter((o) => o.object === 'product')) await a.stripe.products.update(o.id, { description: 'more' })
  await r.hit((h) => h.event.type === 'product.updated', 5)
  const listed = await a.stripe.events.list({ limit: 100 })
  assertSame(r.hits.map((h) => h.event.id), listed.data.map((e) => e.id).reverse(), 'all, once, in order')
  await r.close()
}

export async function what_has_changed() {
  const r = await new Receiver().open()
  const a = await app('changed', r)
  const c = await a.stripe.customers.create({ name: 'Ada', email: 'ada@example.com', metadata: { a: '1', b: '2' }, address: { city: 'Bern', country: 'CH' } })
  await a.stripe.customers.update(c.id, { name: 'Ada L.', metadata: { b: '', c: '3' }, address: { city: 'Basel', country: 'CH' } })
  const { event } = await r.hit((h) => h.event.type === 'customer.updated')
  const previous = event.data.previous_attributes
  assertSame(previous.name, 'Ada')
  assertSame(previous.metadata, { b: '2', c: null })
  assertSame(previous.address, { city: 'Bern' })
  assert(!('email' in previous) && !('id' in previous), 'only what has changed')
  assertSame(event.data.object.name, 'Ada L.')
  await a.stripe.customers.update(c.id, { name: 'Ada L.' })
  await a.stripe.customers.update(c.id, { name: 'Ada K.' })
  await r.hit((h) => h.event.type === 'customer.updated', 2)
  assertSame(r.typed('customer.updated')[1].event.data.previous_attributes, { name: 'Ada L.' }, 'what changes nothing is no event')
  await a.stripe.customers.del(c.id)
  const gone = await r.hit((h) => h.event.type === 'customer.deleted')
  assertSame(gone.event.data.object.email, 'ada@example.com', 'as it was')
  await r.close()
}

export async function lists_of_events() {
  const r = await new Receiver().open()
  const a = await app('lists', r)
  r.answer = (h) => (h.event.type === 'coupon.created' ? 400 : 200)
  const p = await a.stripe.products.create({ name: 'x' })
  await a.stripe.products.update(p.id, { name: 'y' })
  await a.stripe.customers.create({ name: 'z' })
  await a.stripe.coupons.create({ percent_off: 10, duration: 'once' })
  const types = async (params) => (await a.stripe.events.list(params)).data.map((e) => e.type)
  assertSame(await types({}), ['coupon.created', 'customer.created', 'product.updated', 'product.created'])
  assertSame(await types({ type: 'product.updated' }), ['product.updated'])
  assertSame(await types({ type: 'product.*' }), ['product.updated', 'product.created'])
  assertSame(await types({ types: ['customer.*', 'coupon.created'] }), ['coupon.created', 'customer.created'])
  assertSame(await types({ type: 'nothing.*' }), [])
  assertSame(await types({ created: { gt: Math.floor(Date.now() / 1000) + 60 } }), [])
  assertSame((await types({ limit: 2 })).length, 2)
  const first = await a.stripe.events.list({ limit: 1 })
  assertSame((await types({ starting_after: first.data[0].id, limit: 1 })), ['customer.created'])
  await r.hit((h) => h.event.type === 'coupon.created')
  await until(async () => (await types({ delivery_success: true })).length === 3, 'three arrived')
  assertSame(await types({ delivery_success: false }), ['coupon.created'])
  assertSame(await types({ delivery_success: true, type: 'product.*' }), ['product.updated', 'product.created'])
  assertSame(await types({ delivery_success: true, types: ['customer.*', 'coupon.*', 'product.updated'] }), ['customer.created', 'product.updated'])
  assertSame(await types({ delivery_success: false, types: ['customer.*', 'product.*'] }), [])
  assertSame(await types({ delivery_success: true, created: { gt: Math.floor(Date.now() / 1000) + 60 } }), [])
  assertSame(await types({ delivery_success: true, created: { lte: Math.floor(Date.now() / 1000) + 60 } }), ['customer.created', 'product.updated', 'product.created'])
  const good = await a.stripe.events.list({ delivery_success: true, limit: 1 })
  assertSame([good.data.map((x) => x.type), good.has_more], [['customer.created'], true])
  const next = await a.stripe.events.list({ delivery_success: true, limit: 2, starting_after: good.data[0].id })
  assertSame([next.data.map((x) => x.type), next.has_more], [['product.updated', 'product.created'], false])
  assertSame(await types({ delivery_success: true, ending_before: next.data[1].id, limit: 1 }), ['product.updated'])
  const whole = []
  for await (const x of a.stripe.events.list({ delivery_success: true, limit: 1 })) whole.push(x.type)
  assertSame(whole, ['customer.created', 'product.updated', 'product.created'])
  const e = await a.stripe.events.retrieve('evt_000000000000000000000000').catch((x) => x)
  assertSame([e.statusCode, e.code], [404, 'resource_missing'])
  const other = await app('lists-other', r)
  assertSame((await other.stripe.events.list()).data, [], 'another build sees none of them')
  const foreign = await other.stripe.events.retrieve(first.data[0].id).catch((x) => x)
  assertSame([foreign.statusCode, foreign.code], [404, 'resource_missing'])
  await r.close()
}

export async function many_events_and_large_ones() {
  const r = await new Receiver().open()
  const a = await app('many', r)
  const metadata = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, 'v'.repeat(490)]))
  const made = []
  for (let i = 0; i < 16; i++) made.push(...(await Promise.all(Array.from({ length: 50 }, () => a.stripe.customers.create({ metadata })))))
  await until(async () => (await a.stripe.events.list({ delivery_success: false })).data.length === 0, 'all are delivered', 120000)
  assertSame((await a.stripe.events.list({ delivery_success: true, limit: 100 })).has_more, true)
  // Larger than one answer: it ends early, and whoever reads on has all of them.
  const options = Array.from({ length: 200 }, (_, i) => ({ label: `${'"'.repeat(90)}${i}`, value: `${'v'.repeat(90)}${i}` }))
  const custom_fields = ['a', 'b', 'c'].map((key) => ({ key, label: { type: 'custom', custom: 'x' }, type: 'dropdown', dropdown: { options } }))
  const ids = []
  for (let i = 0; i < 40; i++)
    ids.unshift((await a.stripe.checkout.sessions.create({ mode: 'payment', success_url: 'http://localhost:3000/', metadata, custom_fields, line_items: [{ quantity: 1, price_data: { currency: 'usd', unit_amount: 100, product_data: { name: 'x' } } }] })).id)
  const page = await a.stripe.checkout.sessions.list({ limit: 100 })
  assert(page.has_more && page.data.length > 1 && page.data.length < 40, `${page.data.length} of 40`)
  const all = async (pages) => { const got = []; for await (const one of pages) got.push(one); return got }
  assertSame((await all(a.stripe.checkout.sessions.list({ limit: 100 }))).map((s) => s.id), ids)
  assertSame((await all(a.stripe.checkout.sessions.list({ limit: 100, ending_before: ids[0] }))).length, 0)
  assertSame((await all(a.stripe.checkout.sessions.list({ limit: 100, ending_before: ids.at(-1) }))).map((s) => s.id), ids.slice(0, -1).reverse())
  for (const id of ids) await a.stripe.checkout.sessions.expire(id)
  assertSame((await all(a.stripe.events.list({ limit: 100, type: 'checkout.session.expired' }))).map((e) => e.data.object.id), ids.slice().reverse())
  assertSame((await operator('GET', 'many', 'events?limit=100')).body.events.slice(0, 40).map((e) => e.object), ids.slice().reverse())
  await r.close()
}

export async function numbers_for_those_who_watch() {
  const { text } = await daemon.admin('GET', '/metrics')
  const n = (name) => Number(new RegExp(`^valetkey_payments_${name} (\\d+)$`, 'm').exec(text)?.[1])
  assert(n('webhooks_sent_total') > 10 && n('webhooks_delivered_total') > 10 && n('webhooks_failed_total') > 0, text.match(/.*webhooks.*/g)?.join('\n'))
}
