// kill -9 amid many payments: of each there is nothing or all, with its events, and what was answered is there.
import { seeded } from '../lib/daemon.mjs'
import { assert, assertSame, check, note } from '../lib/tap.mjs'
import { Payments, TYPED, URLS, all, line, submit } from './rig.mjs'

const PAYERS = 6
const ROUNDS = 3

// What must be true of a session, and of the events that tell of it.
function judge(s, told, answered) {
  const of = (type, id) => told.filter((e) => e.type === type && e.data.object.id === id).length
  const intent = s.payment_intent
  if (s.status === 'open') {
    assert(!answered.has(s.id), `${s.id} was paid, and is open`)
    assertSame([s.id, intent, of('checkout.session.completed', s.id)], [s.id, null, 0])
    return false
  }
  assertSame([s.id, s.status, s.payment_status, of('checkout.session.completed', s.id)], [s.id, 'complete', 'paid', 1])
  const charge = s.mode === 'payment' ? intent.latest_charge : null
  if (charge) assertSame([intent.status, of('payment_intent.created', intent.id), of('payment_intent.succeeded', intent.id), of('charge.succeeded', charge)], ['succeeded', 1, 1, 1])
  else assertSame([s.subscription.status, s.invoice.status, of('customer.subscription.created', s.subscription.id), of('invoice.paid', s.invoice.id)], ['active', 'paid', 1, 1])
  return true
}

export async function run() {
  const own = await Payments.start()
  const random = seeded(20261129)
  try {
    const build = await own.build('crash')
    const { stripe } = build
    const answered = new Set(), sessions = []
    for (let round = 0; round < ROUNDS; round++) {
      await check(`killed amid payments, time ${round + 1}`, async () => {
        let over = false
        const payer = async () => {
          while (!over) {
            try {
              const recurring = random.chance(0.4) ? 'month' : undefined
              const s = await stripe.checkout.sessions.create({ ...URLS, mode: recurring ? 'subscription' : 'payment', line_items: [line(1000, { recurring })] })
              sessions.push(s.id)
              if ((await submit(s.url, TYPED)).status === 303) answered.add(s.id)
            } catch (e) {
              if (!over) throw e
            }
          }
        }
        const before = answered.size
        const running = Array.from({ length: PAYERS }, payer)
        // Not a time but so many payments: however slow the machine, there are some under way.
        const many = (async () => { while (answered.size < before + 20 + random.below(20)) await new Promise((r) => setImmediate(r)) })()
        await Promise.race([many, ...running])
        over = true
        await own.daemon.kill9()
        await Promise.allSettled(running)
        await own.daemon.start()
        const told = await all(stripe.events.list({ limit: 100 }))
        let paid = 0
        for (const id of sessions) {
          const s = await stripe.checkout.sessions.retrieve(id, { expand: ['payment_intent', 'subscription', 'invoice'] })
          paid += judge(s, told, answered)
        }
        const charges = await all(stripe.charges.list({ limit: 100 }))
        assertSame([charges.length, charges.every((c) => c.status === 'succeeded')], [paid, true])
        note(`${sessions.length} sessions, ${answered.size} answered, ${paid} paid, ${told.length} events`)
      })
    }
  } finally {
    await own.stop()
  }
}
