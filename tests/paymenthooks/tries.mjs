// Attempts that fail, and those that come after them.
import { assert, assertSame } from '../lib/tap.mjs'
import { app, construct, daemon, operator, Receiver, until } from './rig.mjs'

const deliveries = async (id, event) => (await operator('GET', id, `events/${event}`)).body.deliveries

export async function tried_again_after_an_error() {
  const r = await new Receiver().open()
  const a = await app('again', r)
  r.answer = (h, n) => (h.event.type === 'product.created' && n === 1 ? [500, {}, 'x'.repeat(9000)] : 200)
  const product = await a.stripe.products.create({ name: 'p' })
  const customer = await a.stripe.customers.create({ name: 'c' })
  const second = await r.hit((h) => h.event.data.object.id === product.id, 2)
  const [first] = r.about(product.id)
  assert(first.raw.equals(second.raw), 'the same bytes')
  assert(first.headers['stripe-signature'] !== second.headers['stripe-signature'], 'a fresh signature')
  construct(second, a.secret)
  const wait = second.at - first.at
  assert(wait >= 990, `after a second, not ${wait} ms`)
  assertSame(r.hits.map((h) => h.event.data.object.id), [product.id, customer.id, product.id], 'what comes later is not held up')
  const [d] = await until(async () => {
    const all = await deliveries('again', first.event.id)
    return all[0].state === 'delivered' && all
  }, 'delivered')
  assertSame([d.tries, d.status, d.due_ms, d.attempts.map((x) => x.status)], [2, 200, null, [500, 200]])
  assert(d.attempts[0].answer.startsWith('xxx') && d.attempts[0].answer.length <= 4096, 'the beginning of the answer')
  await r.close()
}

export async function tried_again_when_nobody_was_there() {
  const r = await new Receiver().open()
  const { port } = r
  const a = await app('refused', r)
  await r.close()
  const all = []
  for (let i = 0; i < 3; i++) all.push((await a.stripe.products.create({ name: `p${i}` })).id)
  const event = await until(async () => {
    const { events } = (await operator('GET', 'refused', 'events')).body
    return events.every((e) => e.deliveries[0].tries > 0) && events[0]
  }, 'all were tried')
  assertSame([event.deliveries[0].state, event.deliveries[0].status], ['retrying', 0])
  assert((await deliveries('refused', event.id))[0].attempts[0].error.length > 5, 'why')
  await r.open(port)
  await r.hit(() => true, 3)
  assertSame(r.hits.map((h) => h.event.data.object.id).sort(), all.sort(), 'each once')
  await r.close()
}

export async function a_redirect_is_no_answer() {
  const r = await new Receiver().open()
  const other = await new Receiver().open()
  const a = await app('redirect', r, { origins: [r.origin, other.origin] })
  await daemon.mustCli(['payments', 'webhook', 'redirect', '--url', `${r.origin}/hook`])
  r.answer = (h, n) => (n === 1 ? [302, { Location: `${other.origin}/there` }, ''] : 204)
  await a.stripe.products.create({ name: 'p' })
  const hit = await r.hit(() => true, 2)
  const [d] = await until(async () => {
    const all = await deliveries('redirect', hit.event.id)
    return all[0].state === 'delivered' && all
  }, 'delivered')
  assertSame(d.attempts.map((x) => x.status), [302, 204])
  assertSame(other.hits.length, 0, 'not followed')
  await r.close()
  await other.close()
}

export async function unknown_events_that_an_app_refuses() {
  const r = await new Receiver().open()
  const a = await app('picky', r)
  r.answer = (h) => (h.event.type === 'customer.created' ? 200 : 400)
  for (let i = 0; i < 4; i++) await a.stripe.products.create({ name: `p${i}` })
  await a.stripe.customers.create({ name: 'c' })
  await r.hit((h) => h.event.type === 'customer.created')
  assert(r.typed('product.created').length >= 4, 'each was tried, and the endpoint goes on')
  await r.close()
}

export async function a_dead_receiver_holds_up_nobody_else() {
  const dead = await new Receiver().open()
  const alive = await new Receiver().open()
  dead.answer = () => 'hang'
  const [a, b] = [await app('dead', dead), await app('alive', alive)]
  const both = await app('half-dead', alive)
  await daemon.mustCli(['build', 'origins', 'half-dead', alive.origin, dead.origin])
  await daemon.mustCli(['payments', 'webhook', 'half-dead', '--url', `${alive.origin}/api/webhooks/stripe`])
  await both.stripe.webhookEndpoints.create({ url: `${dead.origin}/x`, enabled_events: ['*'] })
  for (let i = 0; i < 4; i++) await a.stripe.products.create({ name: `dead${i}` })
  await dead.hit(() => true)
  const t0 = Date.now()
  for (let i = 0; i < 10; i++) {
    await b.stripe.products.create({ name: `b${i}` })
    await both.stripe.products.create({ name: `h${i}` })
  }
  await alive.hit((h) => h.event.data.object.name === 'b9')
  await alive.hit((h) => h.event.data.object.name === 'h9')
  // Courier gives up after 10 s: whoever waited for the dead one would have waited that long.
  assert(Date.now() - t0 < 9000, `${Date.now() - t0} ms`)
  assert(dead.hits.filter((h) => h.path === '/api/webhooks/stripe').length === 1, 'one after the other, also there')
  // It is given up, and the next one has its turn.
  const second = await dead.hit((h) => h.event.data.object.name === 'dead1', 1, 30000)
  const first = dead.hits.find((h) => h.event.data.object.name === 'dead0')
  assert(second.at - first.at >= 9000, `${second.at - first.at} ms`)
  const [d] = await deliveries('dead', first.event.id)
  assert(d.status === 0 && d.tries >= 1 && d.attempts[0].ms >= 9000, JSON.stringify(d))
  await dead.close()
  await alive.close()
}

export async function many_dead_receivers_leave_room() {
  const dead = await new Receiver().open()
  const alive = await new Receiver().open()
  dead.answer = () => 'hang'
  const b = await app('room', alive)
  // More than there are attempts at once: whoever comes first time gets in, and is known as slow afterwards.
  const slow = await Promise.all(Array.from({ length: 26 }, (_, i) => app(`slow${i}`, dead)))
  await Promise.all(slow.map(async (a) => { for (let i = 0; i < 3; i++) await a.stripe.products.create({ name: `s${i}` }) }))
  const builds = () => new Set(dead.hits.map((h) => h.event.request.id)).size
  await until(() => builds() > 26, 'all had their turn', 60000)
  for (let i = 0; i < 5; i++) {
    const t0 = Date.now()
    const p = await b.stripe.products.create({ name: `b${i}` })
    await alive.hit((h) => h.event.data.object.id === p.id)
    assert(Date.now() - t0 < 5000, `${Date.now() - t0} ms`)
  }
  const flying = async () => Number(/^valetkey_payments_webhooks_under_way (\d+)$/m.exec((await daemon.admin('GET', '/metrics')).text)[1])
  await until(async () => (await flying()) === 12, 'a bound for those that are known as slow', 60000)
  for (const a of slow) await daemon.mustCli(['build', 'delete', a.id, '--yes'])
  await dead.close()
  await alive.close()
}

export async function sent_once_more_by_hand() {
  const r = await new Receiver().open()
  const a = await app('resend', r)
  const we = await a.stripe.webhookEndpoints.create({ url: `${r.origin}/mine`, enabled_events: ['product.created'] })
  await a.stripe.products.create({ name: 'p' })
  const { event } = await r.hit(() => true, 2)
  await until(async () => (await deliveries('resend', event.id)).every((d) => d.state === 'delivered'), 'both')
  const out = await daemon.mustCli(['payments', 'resend', 'resend', event.id])
  assert(out.includes('2 endpoints'), out)
  await r.hit(() => true, 4)
  const mine = r.hits.filter((h) => h.path === '/mine')
  assert(mine[0].raw.equals(mine[1].raw), 'the same bytes')
  construct(mine[1], we.secret)
  assertSame((await operator('POST', 'resend', `events/${event.id}/resend`, { endpoint: 'default' })).body, { id: event.id, deliveries: 1 })
  assertSame((await r.hit(() => true, 5)).path, '/api/webhooks/stripe')
  assertSame((await operator('POST', 'resend', 'events/evt_00/resend', {})).status, 404)
  assertSame((await operator('POST', 'resend', `events/${event.id}/resend`, { endpoint: 'we_none' })).status, 409)
  // An endpoint that was made later gets it too.
  const late = await a.stripe.webhookEndpoints.create({ url: `${r.origin}/late`, enabled_events: ['*'] })
  await operator('POST', 'resend', `events/${event.id}/resend`, { endpoint: late.id })
  assertSame(construct(await r.hit((h) => h.path === '/late'), late.secret).id, event.id)
  // However many there were once, each has one delivery of it.
  for (let i = 0; i < 18; i++) {
    const gone = await a.stripe.webhookEndpoints.create({ url: `${r.origin}/gone`, enabled_events: ['*'] })
    await operator('POST', 'resend', `events/${event.id}/resend`, { endpoint: gone.id })
    await a.stripe.webhookEndpoints.del(gone.id)
  }
  const last = await a.stripe.webhookEndpoints.create({ url: `${r.origin}/last`, enabled_events: ['*'] })
  for (let i = 1; i <= 3; i++) {
    await operator('POST', 'resend', `events/${event.id}/resend`, { endpoint: last.id })
    await r.hit((h) => h.path === '/last', i)
    await until(async () => (await deliveries('resend', event.id)).every((d) => d.endpoint !== last.id || d.state === 'delivered'), 'it is noted')
  }
  const its = (await deliveries('resend', event.id)).filter((d) => d.endpoint === last.id)
  assertSame(its.map((d) => d.tries), [3])
  await r.close()
}
