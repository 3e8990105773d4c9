// What sessions and invoices come to: discounts, taxes, currencies without cents. Each figure is worked out by hand.
import { assertSame, check } from '../lib/tap.mjs'
import { TYPED, URLS, fails, line, pay } from './rig.mjs'

export async function run({ stripe }) {
  const create = (p) => stripe.checkout.sessions.create({ ...URLS, mode: 'payment', expand: ['line_items', 'total_details.breakdown'], ...p })
  const items = (s) => s.line_items.data.map((i) => [i.amount_subtotal, i.amount_discount, i.amount_tax, i.amount_total])
  const sums = (s) => [s.amount_subtotal, s.total_details.amount_discount, s.total_details.amount_tax, s.amount_total]
  const vat = await stripe.taxRates.create({ display_name: 'VAT', percentage: 19, inclusive: false })
  const inside = await stripe.taxRates.create({ display_name: 'VAT', percentage: 7, inclusive: true })
  const city = await stripe.taxRates.create({ display_name: 'City', percentage: 8.875, inclusive: false })
  const percent = await stripe.coupons.create({ percent_off: 33.33, duration: 'forever' })
  const ten = await stripe.coupons.create({ amount_off: 1000, currency: 'usd', duration: 'once' })

  await check('a percentage, half up on each line', async () => {
    // 33.33 % of 1000 is 333.3, of 5 is 1.6665, of 50 is 16.665
    const s = await create({ line_items: [line(1000), line(5), line(50)], discounts: [{ coupon: percent.id }] })
    assertSame(items(s), [[1000, 333, 0, 667], [5, 2, 0, 3], [50, 17, 0, 33]])
    assertSame(sums(s), [1055, 352, 0, 703])
    assertSame(s.total_details.breakdown.discounts.map((d) => [d.amount, d.discount.source.coupon]), [[352, percent.id]])
  })

  await check('an amount over three lines is exact', async () => {
    const s = await create({ line_items: [line(1000), line(1000), line(1000)], discounts: [{ coupon: ten.id }] })
    assertSame(items(s).map((i) => i[1]), [334, 333, 333])
    assertSame(sums(s), [3000, 1000, 0, 2000])
  })

  await check('for one product only', async () => {
    const a = await stripe.products.create({ name: 'A', default_price_data: { currency: 'usd', unit_amount: 1000 } })
    const b = await stripe.products.create({ name: 'B', default_price_data: { currency: 'usd', unit_amount: 1000 } })
    const only = await stripe.coupons.create({ percent_off: 50, duration: 'once', applies_to: { products: [b.id] } })
    const s = await create({ line_items: [{ price: a.default_price, quantity: 1 }, { price: b.default_price, quantity: 1 }], discounts: [{ coupon: only.id }] })
    assertSame(items(s).map((i) => i[3]), [1000, 500])
  })

  await check('two coupons, one after the other', async () => {
    // 2000 - 1000 = 1000; 33.33 % of it is 333.3
    const s = await create({ line_items: [line(2000)], discounts: [{ coupon: ten.id }, { coupon: percent.id }] })
    assertSame(sums(s), [2000, 1333, 0, 667])
  })

  await check('another currency\'s coupon is refused', async () => {
    await fails(create({ line_items: [line(2000, { currency: 'eur' })], discounts: [{ coupon: ten.id }] }), { statusCode: 400, param: 'discounts[0][coupon]' })
  })

  await check('taxes: on top, inside, several, after the discount', async () => {
    // 19 % of 1000; 7 % in 1070; 19 % and 8.875 % of 1999 are 379.81 and 177.41
    const s = await create({ line_items: [line(1000, { tax_rates: [vat.id] }), line(1070, { tax_rates: [inside.id] }), line(1999, { tax_rates: [vat.id, city.id] }), line(10)] })
    assertSame(items(s), [[1000, 0, 190, 1190], [1070, 0, 70, 1070], [1999, 0, 557, 2556], [10, 0, 0, 10]])
    assertSame(sums(s), [4079, 0, 817, 4826])
    assertSame(s.total_details.breakdown.taxes.map((t) => [t.rate.id, t.amount]), [[vat.id, 570], [inside.id, 70], [city.id, 177]])
    // 1000 - 333 = 667; 19 % of it is 126.73
    const d = await create({ line_items: [line(1000, { tax_rates: [vat.id] })], discounts: [{ coupon: percent.id }] })
    assertSame(sums(d), [1000, 333, 127, 794])
    await pay(d)
    const done = await stripe.checkout.sessions.retrieve(d.id, { expand: ['payment_intent'] })
    assertSame(done.payment_intent.amount, 794)
    const exempt = await stripe.customers.create({ email: 'e@example.com', tax_exempt: 'exempt' })
    assertSame(sums(await create({ customer: exempt.id, line_items: [line(1000, { tax_rates: [vat.id] })] })), [1000, 0, 0, 1000])
  })

  await check('currencies without cents', async () => {
    const s = await create({ line_items: [line(500, { currency: 'JPY', quantity: 3, tax_rates: [city.id] })] }) // 133.125
    assertSame([s.currency, ...sums(s)], ['jpy', 1500, 0, 133, 1633])
    await pay(s)
    const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['payment_intent'] })
    assertSame([done.payment_intent.amount, done.payment_intent.currency], [1633, 'jpy'])
    await fails(create({ line_items: [line(49, { currency: 'jpy' })] }), { code: 'amount_too_small' })
  })

  await check('fractions of a cent: rounded once', async () => {
    const at = (unit_amount_decimal, quantity) => ({ price_data: { currency: 'usd', unit_amount_decimal, product_data: { name: 'F' } }, quantity })
    const s = await create({ line_items: [at('0.5', 333), at('10.00', 5)] })
    assertSame(items(s).map((i) => i[3]), [167, 50])
  })

  await check('an invoice has the same sums as its session', async () => {
    const s = await create({
      mode: 'subscription', discounts: [{ coupon: percent.id }],
      line_items: [line(1000, { recurring: 'month', tax_rates: [vat.id] }), line(1999, { quantity: 2, tax_rates: [vat.id, city.id] })],
    })
    await pay(s, TYPED)
    const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['invoice', 'subscription.discounts', 'subscription.items.data.tax_rates'] })
    const i = done.invoice
    // 3998 - 1333 (1332.5334) = 2665; 127 + 506.35 + 236.52
    assertSame(sums(done), [4998, 1666, 870, 4202])
    assertSame([i.subtotal, i.total_discount_amounts.map((d) => d.amount), i.total_taxes.map((t) => [t.amount, t.tax_behavior]), i.total, i.total_excluding_tax, i.amount_paid, i.amount_remaining],
      [4998, [1666], [[633, 'exclusive'], [237, 'exclusive']], 4202, 3332, 4202, 0])
    assertSame(i.lines.data.map((l) => [l.amount, l.discount_amounts[0].amount, l.taxes.map((t) => t.amount)]), [[1000, 333, [127]], [3998, 1333, [506, 237]]])
    assertSame([done.subscription.discounts[0].source.coupon, done.subscription.items.data[0].tax_rates[0].id], [percent.id, vat.id])
  })
}
