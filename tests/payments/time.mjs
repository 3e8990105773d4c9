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

    // Promotion codes whose end comes in every way that there is, and one that lasts; pages of them find the same.
    const in2 = Math.floor(Date.now() / 1000) + 2 * 3600
    const coupon = async (more) => (await stripe.coupons.create({ percent_off: 10, duration: 'once', ...more })).id
    const code = async (name, params, more) => void await stripe.promotionCodes.create({ code: name, promotion: { type: 'coupon', coupon: await coupon(params) }, ...more })
    await code('LASTS', {})
    await code('EXPIRES', {}, { expires_at: in2 })
    await code('COUPON-EXPIRES', { redeem_by: in2 })
    await code('USED-UP', {}, { max_redemptions: 1 })
    await code('COUPON-USED-UP', { max_redemptions: 1 })
    await code('COUPON-DELETED', { id: 'gone' })
    await code('TURNED-OFF', {}, { active: false })
    await code('LASTS-TOO', { redeem_by: in2 + 30 * 24 * 3600, max_redemptions: 2 }, { max_redemptions: 2 })
    const codes = async (params) => (await stripe.promotionCodes.list({ limit: 100, ...params })).data
    const paged = async (active) => {
      const names = []
      for await (const p of stripe.promotionCodes.list({ limit: 1, active })) names.push(p.code)
      return names
    }
    // What the filter finds is what the objects say of themselves.
    const agree = async (active, off) => {
      const all = await codes({})
      for (const [want, flag] of [[active, true], [off, false]]) {
        assertSame((await codes({ active: flag })).map((p) => p.code), want)
        assertSame(all.filter((p) => p.active === flag).map((p) => p.code), want)
        assertSame(await paged(flag), want)
        for (const name of want) assertSame([(await codes({ code: name, active: flag })).length, (await codes({ code: name, active: !flag })).length], [1, 0], name)
      }
    }
    await check('promotion codes by `active`: what is used up or without its coupon is not', async () => {
      await agree(['LASTS-TOO', 'COUPON-DELETED', 'COUPON-USED-UP', 'USED-UP', 'COUPON-EXPIRES', 'EXPIRES', 'LASTS'], ['TURNED-OFF'])
      await stripe.coupons.del('gone')
      for (const name of ['USED-UP', 'COUPON-USED-UP', 'LASTS-TOO']) {
        const [{ id }] = await codes({ code: name })
        const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(1000)], discounts: [{ promotion_code: id }] })
        await pay(s, TYPED)
      }
      await agree(['LASTS-TOO', 'COUPON-EXPIRES', 'EXPIRES', 'LASTS'], ['TURNED-OFF', 'COUPON-DELETED', 'COUPON-USED-UP', 'USED-UP'])
    })
    const expanded = async () => (await stripe.charges.list({ expand: ['data.balance_transaction'] })).data.filter((x) => x.paid).map((x) => x.balance_transaction.status)
    const listed = async () => (await stripe.balanceTransactions.list()).data.map((x) => x.status)
    assertSame([await expanded(), await listed()], [Array(4).fill('pending'), Array(4).fill('pending')])
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

    await check('a day later: promotion codes that have expired', () => agree(['LASTS-TOO', 'LASTS'], ['TURNED-OFF', 'COUPON-DELETED', 'COUPON-USED-UP', 'USED-UP', 'COUPON-EXPIRES', 'EXPIRES']))

    await check('a week later: what was to end at the end of its period has', async () => {
      await later(8 * 24 * HOUR)
      assertSame((await stripe.subscriptions.list({ status: 'canceled' })).data.map((s) => s.id), [subscription])
      assertSame(await typesOf(build), ['customer.subscription.deleted'])
    })

    await check('a week later: money that was pending is available, wherever it is seen', async () => {
      assertSame([await expanded(), await listed()], [Array(4).fill('available'), Array(4).fill('available')])
      const [{ id, balance_transaction: txn }] = (await stripe.charges.list({ limit: 1 })).data
      assertSame([(await stripe.balanceTransactions.retrieve(txn)).status, (await stripe.charges.retrieve(id, { expand: ['balance_transaction'] })).balance_transaction.status], ['available', 'available'])
    })
  } finally {
    await own.stop()
  }
}
