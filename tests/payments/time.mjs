// What ends by itself, whoever asks first: sessions, subscriptions that were never paid, those that are to end.
import { assertSame, check } from '../lib/tap.mjs'
import { DECLINED, Payments, TYPED, URLS, line, pay, submit, typesOf } from './rig.mjs'

const HOUR = 3600 * 1000

export async function run() {
  const own = await Payments.start()
  const later = async (ms) => {
    await own.daemon.stop()
    own.daemon.env = { VALETKEY_TEST_CLOCK_OFFSET_MS: String(ms) }
    await own.daemon.start()
  }
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
    await typesOf(build)

    await check('a day later: the session and the incomplete subscription are over, once', async () => {
      await later(25 * HOUR)
      // Asked at the same time as the daemon wakes the build by itself.
      const [s, sub, page] = await Promise.all([stripe.checkout.sessions.retrieve(open.id), stripe.subscriptions.retrieve(never.id), submit(open.url, TYPED)])
      assertSame([s.status, s.url, sub.status, page.status !== 303], ['expired', null, 'incomplete_expired', true])
      assertSame((await stripe.checkout.sessions.list({ status: 'open' })).data, [])
      assertSame((await stripe.invoices.retrieve(never.latest_invoice)).status, 'void')
      const told = await typesOf(build)
      const count = (type) => told.filter((t) => t === type).length
      assertSame(['checkout.session.expired', 'payment_intent.canceled', 'invoice.voided', 'customer.subscription.updated', 'charge.succeeded'].map(count), [1, 2, 1, 1, 0])
      assertSame((await stripe.subscriptions.retrieve(subscription)).status, 'active')
    })

    await check('a week later: what was to end at the end of its period has', async () => {
      await later(8 * 24 * HOUR)
      assertSame((await stripe.subscriptions.list({ status: 'canceled' })).data.map((s) => s.id), [subscription])
      assertSame(await typesOf(build), ['customer.subscription.deleted'])
    })
  } finally {
    await own.stop()
  }
}
