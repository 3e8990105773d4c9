// Refunds, balance transactions and the balance.
import { assertSame, check } from '../lib/tap.mjs'
import { all, events, fails, typesOf } from './rig.mjs'

export async function run(build) {
  const { stripe } = build
  const pay = (more = {}) => stripe.paymentIntents.create({ amount: 2000, currency: 'usd', payment_method: 'pm_card_visa', confirm: true, ...more })
  const balance = async (currency = 'usd') => {
    const b = await stripe.balance.retrieve()
    const of = (list) => list.find((x) => x.currency === currency)?.amount ?? 0
    return [of(b.available), of(b.pending)]
  }

  await check('an empty balance', async () => assertSame(await balance(), [0, 0]))
  await check('in parts, never more than there was', async () => {
    const pi = await pay()
    assertSame(await balance(), [0, 2000])
    await typesOf(build)
    const first = await stripe.refunds.create({ payment_intent: pi.id, amount: 500, reason: 'requested_by_customer', metadata: { why: 'x' } })
    assertSame([first.amount, first.status, first.charge, first.payment_intent, first.reason, first.currency, first.metadata], [500, 'succeeded', pi.latest_charge, pi.id, 'requested_by_customer', 'usd', { why: 'x' }])
    const list = await events(build)
    assertSame(list.map((e) => e.type), ['refund.created', 'charge.refunded'])
    assertSame([list[1].data.object.amount_refunded, list[1].data.previous_attributes.amount_refunded], [500, 0])
    await fails(stripe.refunds.create({ payment_intent: pi.id, amount: 1501 }), { statusCode: 400, param: 'amount', message: 'Refund amount ($15.01) is greater than unrefunded amount on charge ($15.00)' })
    const rest = await stripe.refunds.create({ charge: pi.latest_charge })
    assertSame(rest.amount, 1500)
    const ch = await stripe.charges.retrieve(pi.latest_charge)
    assertSame([ch.refunded, ch.amount_refunded, ch.amount_captured], [true, 2000, 2000])
    await fails(stripe.refunds.create({ payment_intent: pi.id }), { statusCode: 400, code: 'charge_already_refunded', message: `Charge ${ch.id} has already been refunded.` })
    await fails(stripe.refunds.create({ payment_intent: pi.id, amount: 1 }), { statusCode: 400, message: 'Refund amount ($0.01) is greater than unrefunded amount on charge ($0.00)' })
    assertSame((await stripe.refunds.list({ charge: ch.id })).data.map((r) => r.id), [rest.id, first.id])
    assertSame((await stripe.refunds.list({ payment_intent: pi.id })).data.length, 2)
    assertSame(await balance(), [0, 0])
  })
  await check('several at once: no more than there was', async () => {
    const pi = await pay()
    const done = await Promise.allSettled(Array.from({ length: 8 }, () => stripe.refunds.create({ payment_intent: pi.id, amount: 700 })))
    assertSame(done.filter((r) => r.status === 'fulfilled').length, 2)
    assertSame((await stripe.charges.retrieve(pi.latest_charge)).amount_refunded, 1400)
  })
  await check('what cannot be refunded', async () => {
    await fails(stripe.refunds.create({}), { statusCode: 400 })
    await fails(stripe.refunds.create({ charge: 'ch_nobody' }), { statusCode: 400, code: 'resource_missing', param: 'charge' })
    await fails(stripe.refunds.create({ payment_intent: 'pi_nobody' }), { statusCode: 400, code: 'resource_missing', param: 'payment_intent' })
    const open = await stripe.paymentIntents.create({ amount: 2000, currency: 'usd' })
    await fails(stripe.refunds.create({ payment_intent: open.id }), { statusCode: 400, message: `This PaymentIntent (${open.id}) does not have a successful charge to refund.` })
    const e = await fails(pay({ payment_method: 'pm_card_chargeDeclined' }), { statusCode: 402 })
    await fails(stripe.refunds.create({ charge: e.charge }), { statusCode: 400, param: 'charge' })
    const [a, b] = [await pay(), await pay()]
    await fails(stripe.refunds.create({ payment_intent: a.id, charge: b.latest_charge }), { statusCode: 400 })
    await fails(stripe.refunds.create({ payment_intent: a.id, amount: 0 }), { statusCode: 400, param: 'amount' })
  })
  await check('metadata of a refund', async () => {
    const pi = await pay()
    const r = await stripe.refunds.create({ payment_intent: pi.id })
    await typesOf(build)
    assertSame((await stripe.refunds.update(r.id, { metadata: { a: '1' } })).metadata, { a: '1' })
    assertSame(await typesOf(build), ['refund.updated'])
  })
  await check('the card whose money is there at once', async () => {
    const [available] = await balance()
    await pay({ payment_method: 'pm_card_bypassPending' })
    assertSame((await balance())[0], available + 2000)
  })
  await check('each currency by itself', async () => {
    await pay({ amount: 500, currency: 'jpy' })
    assertSame(await balance('jpy'), [0, 500])
  })
  await check('the sum of the transactions is the balance', async () => {
    const sums = {}
    for (const t of await all(stripe.balanceTransactions.list({ limit: 7 }))) {
      sums[t.currency] = (sums[t.currency] ?? 0) + t.net
      assertSame([t.fee, t.amount, t.net > 0], [0, t.net, t.type === 'charge'])
      assertSame((await stripe.balanceTransactions.retrieve(t.id)).source, t.source)
    }
    for (const [currency, sum] of Object.entries(sums)) {
      const [available, pending] = await balance(currency)
      assertSame(available + pending, sum, currency)
    }
  })
  await check('a charge is changed', async () => {
    const pi = await pay()
    await typesOf(build)
    const ch = await stripe.charges.update(pi.latest_charge, { metadata: { a: '1' }, description: 'd', receipt_email: 'b@example.com' })
    assertSame([ch.metadata, ch.description, ch.receipt_email], [{ a: '1' }, 'd', 'b@example.com'])
    assertSame(await typesOf(build), ['charge.updated'])
    assertSame((await stripe.charges.retrieve(ch.id)).description, 'd')
  })
}
