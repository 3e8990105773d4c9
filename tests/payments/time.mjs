// What ends by itself, whoever asks first: sessions, subscriptions that were never paid, those that are to end.
import { assertSame, check } from '../lib/tap.mjs'
import { DECLINED, HOUR, Payments, TYPED, URLS, events, fails, line, pay, submit, typesOf } from './rig.mjs'

export async function run() {
  const own = await Payments.start()
  try {
    const build = await own.build('time')
    const { stripe } = build
    const customer = await stripe.customers.create({ email: 't@example.com' })
    const m = await stripe.paymentMethods.attach('pm_card_chargeCustomerFail', { customer: customer.id })
    const weekly = () => stripe.checkout.sessions.create({ ...URLS, mode: 'subscription', line_items: [line(1200, { recurring: 'week' })] })
    const price = await stripe.prices.create({ currency: 'usd', unit_amount: 900, recurring: { interval: 'month' }, product_data: { name: 'Club' } })
    const open = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(700)] })
    await submit(open.url, DECLINED)
    const paid = await weekly()
    await pay(paid, TYPED)
    const { subscription } = await stripe.checkout.sessions.retrieve(paid.id)
    await stripe.subscriptions.update(subscription, { cancel_at_period_end: true })
    const never = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }], default_payment_method: m.id })
    assertSame(never.status, 'incomplete')
    const week = await stripe.prices.create({ currency: 'usd', unit_amount: 900, recurring: { interval: 'week' }, product_data: { name: 'Week' } })
    const short = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: week.id }], collection_method: 'send_invoice', days_until_due: 30, cancel_at_period_end: true })
    const hold = (more) => stripe.paymentIntents.create({ amount: 2000, currency: 'usd', capture_method: 'manual', payment_method: 'pm_card_visa', payment_method_types: ['card'], confirm: true, ...more })
    const waits = await hold(), late = await hold(), taken = await hold(), gone = await hold()
    await stripe.paymentIntents.capture(taken.id)
    await stripe.paymentIntents.cancel(gone.id)
    await typesOf(build)

    // Sessions as large as they may be nearly, more than one turn can hold.
    const large = await own.build('large')
    const metadata = Object.fromEntries(Array.from({ length: 8 }, (_, k) => [`m${k}`, 'z'.repeat(500)]))
    const items = Array.from({ length: 95 }, (_, i) => line(700 + i, { metadata }))
    const heavy = []
    for (let i = 0; i < 40; i++) heavy.push((await large.stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: items })).id)

    await check('a day later: the session and the incomplete subscription are over, once', async () => {
      await own.later(25 * HOUR)
      // Asked at the same time as the daemon wakes the build by itself.
      const [s, sub, page] = await Promise.all([stripe.checkout.sessions.retrieve(open.id), stripe.subscriptions.retrieve(never.id), submit(open.url, TYPED)])
      assertSame([s.status, s.url, sub.status, page.status !== 303], ['expired', null, 'incomplete_expired', true])
      assertSame((await stripe.checkout.sessions.list({ status: 'open' })).data, [])
      assertSame((await stripe.invoices.retrieve(never.latest_invoice)).status, 'void')
      const told = await typesOf(build)
      const count = (type) => told.filter((t) => t === type).length
      assertSame(['checkout.session.expired', 'payment_intent.canceled', 'invoice.voided', 'customer.subscription.updated', 'charge.succeeded'].map(count), [1, 2, 1, 1, 0])
      assertSame((await stripe.subscriptions.retrieve(subscription)).status, 'active')
      assertSame((await stripe.paymentIntents.retrieve(waits.id)).status, 'requires_capture')
    })

    await check('so are many large ones, a part after the other', async () => {
      // Each list does a part of it, and so does the daemon by itself.
      for (let i = 0; i < heavy.length && (await large.stripe.checkout.sessions.list({ status: 'open', limit: 1 })).data.length; i++);
      assertSame((await large.stripe.checkout.sessions.list({ status: 'open' })).data, [])
      const told = []
      for await (const e of large.stripe.events.list({ type: 'checkout.session.expired', limit: 2 })) told.push(e.data.object.id)
      assertSame(told.sort(), heavy.sort())
    })

    await check('what nobody captured for seven days is let go by itself, once', async () => {
      await own.later(7 * 24 * HOUR + 60000)
      // A capture that comes too late, at the same time as the daemon wakes the build by itself.
      const [, pi, ch] = await Promise.all([
        fails(stripe.paymentIntents.capture(late.id), { statusCode: 400, code: 'payment_intent_unexpected_state' }),
        stripe.paymentIntents.retrieve(waits.id), stripe.charges.retrieve(waits.latest_charge)])
      assertSame([pi.status, pi.cancellation_reason, pi.amount_capturable, pi.canceled_at > pi.created], ['canceled', 'automatic', 0, true])
      assertSame([ch.refunded, ch.captured, ch.amount_refunded], [true, false, 2000])
      assertSame((await stripe.paymentIntents.retrieve(late.id)).cancellation_reason, 'automatic')
      assertSame((await stripe.paymentIntents.list()).data.filter((p) => p.status === 'requires_capture'), [])
      const told = (await events(build)).filter((e) => e.type !== 'customer.subscription.deleted')
      assertSame(told.map((e) => e.type), ['charge.expired', 'payment_intent.canceled', 'charge.expired', 'payment_intent.canceled'])
      assertSame([told[1].data.object.status, told[1].data.object.cancellation_reason], ['canceled', 'automatic'])
      assertSame([(await stripe.paymentIntents.retrieve(taken.id)).status, (await stripe.paymentIntents.retrieve(gone.id)).cancellation_reason], ['succeeded', null])
      assertSame((await stripe.balance.retrieve()).pending.concat((await stripe.balance.retrieve()).available).reduce((sum, b) => sum + b.amount, 0), 2000 + 1200)
    })

    await check('a week later: what was to end at the end of its period has', async () => {
      await own.later(8 * 24 * HOUR)
      assertSame((await stripe.subscriptions.list({ status: 'canceled' })).data.map((s) => s.id).sort(), [subscription, short.id].sort())
      assertSame((await typesOf(build)).filter((t) => t !== 'customer.subscription.deleted'), [])
    })
  } finally {
    await own.stop()
  }
}
