// What the time decides of objects that nobody touches: promotion codes, money that is pending.
import { assertSame, check } from '../lib/tap.mjs'
import { HOUR, Payments, TYPED, URLS, line, pay } from './rig.mjs'

export async function run() {
  const own = await Payments.start()
  try {
    const { stripe } = await own.build('later')
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
    assertSame([await expanded(), await listed()], [Array(3).fill('pending'), Array(3).fill('pending')])

    await check('a day later: promotion codes that have expired', async () => {
      await own.later(25 * HOUR)
      await agree(['LASTS-TOO', 'LASTS'], ['TURNED-OFF', 'COUPON-DELETED', 'COUPON-USED-UP', 'USED-UP', 'COUPON-EXPIRES', 'EXPIRES'])
    })

    await check('a week later: money that was pending is available, wherever it is seen', async () => {
      await own.later(8 * 24 * HOUR)
      assertSame([await expanded(), await listed()], [Array(3).fill('available'), Array(3).fill('available')])
      const [{ id, balance_transaction: txn }] = (await stripe.charges.list({ limit: 1 })).data
      assertSame([(await stripe.balanceTransactions.retrieve(txn)).status, (await stripe.charges.retrieve(id, { expand: ['balance_transaction'] })).balance_transaction.status], ['available', 'available'])
    })
  } finally {
    await own.stop()
  }
}
