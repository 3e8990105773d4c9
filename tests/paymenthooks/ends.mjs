// The end of the daemon, of courier, and of a build.
import { assert, assertSame } from '../lib/tap.mjs'
import { app, construct, daemon, operator, Receiver, sleep, until } from './rig.mjs'

export async function killed_between_the_commit_and_the_delivery() {
  const r = await new Receiver().open()
  r.answer = () => 'hang'
  const a = await app('killed', r)
  const made = []
  for (let i = 0; i < 3; i++) made.push((await a.stripe.products.create({ name: `p${i}` })).id)
  await r.hit(() => true) // on its way, and never answered
  await daemon.kill9()
  r.answer = () => 200
  const before = r.hits.length
  await daemon.start()
  await r.hit(() => true, before + 3)
  const after = r.hits.slice(before)
  assertSame(after.map((h) => h.event.data.object.id), made, 'all, in order')
  for (const h of after) construct(h, a.secret)
  await until(async () => (await a.stripe.events.list()).data.every((e) => e.pending_webhooks === 0), 'settled')
  await r.close()
}

export async function killed_while_many_are_on_their_way() {
  const r = await new Receiver().open()
  const a = await app('crowd', r)
  const made = []
  let alive = true
  const load = Array.from({ length: 4 }, async () => {
    while (alive) {
      const p = await a.stripe.products.create({ name: 'p' }).catch(() => undefined)
      if (p) made.push(p.id)
    }
  })
  await until(() => made.length > 50, 'some were made')
  await daemon.kill9()
  alive = false
  await Promise.all(load)
  await daemon.start()
  // What was acknowledged is on disk, and its event with it.
  await until(() => made.every((id) => r.about(id).length > 0), 'each is told')
  const first = r.hits.filter((h, i) => r.hits.findIndex((x) => x.event.id === h.event.id) === i).map((h) => h.event.id)
  const listed = []
  for await (const e of a.stripe.events.list({ limit: 100 })) listed.push(e.id)
  assertSame(first, listed.reverse().slice(0, first.length), 'in order, whatever came twice')
  for (const h of r.hits) construct(h, a.secret)
  await r.close()
}

export async function an_orderly_restart() {
  const r = await new Receiver().open()
  const { port } = r
  const a = await app('restarted', r)
  await r.close()
  const p = await a.stripe.products.create({ name: 'p' })
  await until(async () => (await operator('GET', 'restarted', 'events')).body.events[0].deliveries[0].tries > 0, 'it was tried')
  await daemon.stop()
  await r.open(port)
  await daemon.start()
  const hit = await r.hit((h) => h.event.data.object.id === p.id)
  construct(hit, a.secret)
  await r.close()
}

export async function courier_ends_and_comes_back() {
  const r = await new Receiver().open()
  const a = await app('courier', r)
  const child = daemon.children().find((c) => c.role === 'courier')
  process.kill(child.pid, 'SIGKILL')
  const made = []
  for (let i = 0; i < 5; i++) made.push((await a.stripe.products.create({ name: `p${i}` })).id)
  await r.hit((h) => h.event.data.object.id === made[4])
  const order = r.hits.map((h) => h.event.data.object.id).filter((id, i, all) => all.indexOf(id) === i)
  assertSame(order, made, 'in order')
  await r.close()
}

export async function a_revoked_build_sends_nothing() {
  const r = await new Receiver().open()
  const a = await app('revoked', r)
  const other = await app('witness', r)
  r.answer = (h) => (h.event.data.object.name === 'p' ? 500 : 200)
  const p = await a.stripe.products.create({ name: 'p' })
  await r.hit(() => true)
  await daemon.mustCli(['build', 'revoke', 'revoked'])
  const sent = await until(async () => {
    const { text } = await daemon.admin('GET', '/metrics')
    return /^valetkey_payments_webhooks_under_way 0$/m.test(text) && r.about(p.id).length
  }, 'what was on its way has come')
  await other.stripe.products.create({ name: 'w' })
  await r.hit((h) => h.event.data.object.name === 'w')
  await sleep(7000) // two more attempts would have come by now
  assertSame(r.about(p.id).length, sent, 'nothing after it')
  const { events } = (await operator('GET', 'revoked', 'events')).body
  assertSame(events.map((e) => e.type), ['product.created'], 'it can still be looked at')
  assertSame((await operator('POST', 'revoked', `events/${events[0].id}/resend`, {})).status, 409)
  assertSame((await operator('PUT', 'revoked', 'webhook', { off: true })).status, 409)
  await r.close()
}

export async function a_build_of_the_same_name() {
  const r = await new Receiver().open()
  const a = await app('reborn', r)
  let release
  const held = new Promise((r) => { release = r })
  r.answer = (h, n) => (h.event.data.object.name === 'old' ? held : n === 1 ? 500 : 200)
  await a.stripe.products.create({ name: 'old' })
  await r.hit(() => true) // which is on its way when its build ends
  await daemon.mustCli(['build', 'delete', 'reborn', '--yes'])
  const b = await app('reborn', r)
  assert(a.secret !== b.secret, 'another secret')
  await b.stripe.products.create({ name: 'new' })
  const fits = (h) => h.event.data.object.name === 'new'
  construct(await r.hit(fits, 1, 8000), b.secret)
  release(200) // which says nothing about the new one's
  await r.hit(fits, 2)
  assertSame(r.hits.filter((h) => !fits(h)).length, 1, 'nothing of the old one')
  assertSame((await b.stripe.events.list()).data.length, 1)
  await r.close()
}

export async function behind_all_fences() {
  assert(!/EACCES|ENOSYS/.test(daemon.log), daemon.log.slice(-2000))
  assert(!/whsec_|sk_test_/.test(daemon.log), 'no secret in the log')
}
