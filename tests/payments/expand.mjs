// Large answers: a list of 100 with expansions of four levels; and what is refused because it would be too much.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { fails } from './rig.mjs'

const COUNT = 100
const EXPAND = ['data.customer', 'data.payment_intent.payment_method', 'data.balance_transaction', 'data.payment_intent.latest_charge.customer', 'data.refunds.data.balance_transaction']

export async function run(build) {
  const { stripe } = build
  const refunded = async (customer) => {
    const pi = await stripe.paymentIntents.create({ amount: 2000, currency: 'usd', customer, payment_method: 'pm_card_visa', confirm: true })
    await stripe.refunds.create({ payment_intent: pi.id, amount: 100 })
    return pi.latest_charge
  }
  const charges = []
  await check('a hundred charges, each of a customer of its own', async () => {
    while (charges.length < COUNT) charges.unshift(await refunded((await stripe.customers.create({ name: `c${charges.length}` })).id))
  })

  await check('all of them at once, with seven hundred others inside', async () => {
    const { data } = await stripe.charges.list({ limit: COUNT, expand: EXPAND })
    assertSame(data.map((x) => x.id), charges)
    const inside = new Set()
    const gather = (o) => {
      if (o && typeof o === 'object') {
        if (o.id && o.object) inside.add(o.id)
        Object.values(o).forEach(gather)
      }
    }
    gather(data)
    assert(inside.size >= 7 * COUNT, `${inside.size} objects`)
    for (const [i, x] of data.entries()) {
      assertSame([x.customer.name, x.payment_intent.latest_charge.customer.id], [`c${COUNT - 1 - i}`, x.customer.id])
      assertSame([x.payment_intent.latest_charge.id, x.payment_intent.payment_method.card.last4, x.balance_transaction.source], [x.id, '4242', x.id])
      assertSame(x.refunds.data.map((r) => [r.charge, r.balance_transaction.amount]), [[x.id, -100]])
    }
  })

  await check('five levels are too many', async () => {
    await fails(stripe.charges.list({ expand: ['data.payment_intent.latest_charge.balance_transaction.source'] }), { statusCode: 400, code: 'property_expansion_max_depth', param: 'expand' })
  })

  await check('more than can be answered at once is refused, and less is not', async () => {
    const much = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, '\u{1f4b3}'.repeat(500)]))
    for (const x of charges) {
      const { customer } = await stripe.charges.retrieve(x)
      await stripe.customers.update(customer, { metadata: much })
    }
    const expand = ['data.customer', 'data.payment_intent.customer', 'data.payment_intent.latest_charge.customer', 'data.payment_intent.payment_method.customer']
    const e = await fails(stripe.charges.list({ limit: COUNT, expand }), { statusCode: 400, type: 'StripeInvalidRequestError', param: 'expand' })
    assert(/fewer objects/.test(e.message), e.message)
    assertSame((await stripe.charges.list({ limit: 10, expand })).data.map((x) => x.payment_intent.latest_charge.customer.metadata.k49), Array(10).fill(much.k49))
  })
}
