// Invoices that are open: paid by a call, on their page or in some other way, void; and their intents, which they own.
import { request } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { CARD, DECLINED, TYPED, URLS, alertOf, client, fails, line, press, submit, typesOf } from './rig.mjs'

const PAID = ['invoice.paid', 'invoice.payment_succeeded', 'invoice_payment.paid']
const CHARGED = ['charge.succeeded', 'payment_intent.succeeded', ...PAID]

export async function run(build) {
  const { stripe } = build
  const price = await stripe.prices.create({ currency: 'usd', unit_amount: 1200, recurring: { interval: 'month' }, product_data: { name: 'Pro' } })
  const customer = async (card) => {
    const c = await stripe.customers.create({ email: 'inv@example.com' })
    if (!card) return c
    const m = await stripe.paymentMethods.attach(card, { customer: c.id })
    return stripe.customers.update(c.id, { invoice_settings: { default_payment_method: m.id } })
  }
  // An invoice that is open: sent, or of a subscription that waits for its first payment.
  const sent = async (c) => (await stripe.subscriptions.create({ customer: c.id, items: [{ price: price.id }], collection_method: 'send_invoice', days_until_due: 7, expand: ['latest_invoice'] })).latest_invoice
  const first = async (c, more) => stripe.subscriptions.create({ customer: c.id, items: [{ price: price.id }], payment_behavior: 'default_incomplete', expand: ['latest_invoice'], ...more })
  const intentOf = async (invoice) => (await stripe.invoicePayments.list({ invoice: invoice.id })).data[0].payment.payment_intent

  await check('pay: one that was sent, with the customer’s card; once', async () => {
    const invoice = await sent(await customer('pm_card_visa'))
    await typesOf(build)
    const paid = await stripe.invoices.pay(invoice.id, { expand: ['payments'] })
    assertSame([paid.status, paid.amount_paid, paid.amount_remaining, paid.attempt_count, paid.payments.data[0].status], ['paid', 1200, 0, 1, 'paid'])
    assertSame(await typesOf(build), ['payment_intent.created', ...CHARGED])
    await fails(stripe.invoices.pay(invoice.id), { statusCode: 400, message: 'Invoice is already paid' })
    await fails(stripe.invoices.voidInvoice(invoice.id), { statusCode: 400, message: 'You can only pass in open invoices. This invoice isn\'t open.' })
    assertSame(await typesOf(build), [])
  })

  await check('pay: twice at once is one charge', async () => {
    const c = await customer('pm_card_visa'), invoice = await sent(c)
    const both = await Promise.allSettled([1, 2].map(() => stripe.invoices.pay(invoice.id)))
    assertSame(both.map((r) => r.status).sort(), ['fulfilled', 'rejected'])
    assertSame((await stripe.charges.list({ customer: c.id })).data.length, 1)
  })

  await check('pay: the first invoice of a subscription, which runs then', async () => {
    const c = await customer(), sub = await first(c)
    await fails(stripe.invoices.pay(sub.latest_invoice.id), { statusCode: 400, param: 'payment_method' })
    const other = await customer('pm_card_visa')
    await fails(stripe.invoices.pay(sub.latest_invoice.id, { payment_method: other.invoice_settings.default_payment_method }), { statusCode: 400, code: 'resource_missing', param: 'payment_method' })
    await typesOf(build)
    const e = await fails(stripe.invoices.pay(sub.latest_invoice.id, { payment_method: 'pm_card_chargeDeclined' }), { statusCode: 402, code: 'card_declined' })
    assertSame([e.payment_intent.status, (await stripe.invoices.retrieve(sub.latest_invoice.id)).attempt_count], ['requires_payment_method', 1])
    assertSame(await typesOf(build), ['charge.failed', 'payment_intent.payment_failed', 'invoice.payment_failed'])
    assertSame((await stripe.invoices.pay(sub.latest_invoice.id, { payment_method: 'pm_card_visa' })).status, 'paid')
    assertSame(await typesOf(build), ['payment_method.attached', ...CHARGED, 'customer.subscription.updated'])
    assertSame((await stripe.subscriptions.retrieve(sub.id)).status, 'active')
  })

  await check('pay: a card that asks for its owner', async () => {
    const sub = await first(await customer())
    const card = (await stripe.paymentMethods.create({ type: 'card', card: { ...CARD, number: '4000002760003184' } })).id
    await fails(stripe.invoices.pay(sub.latest_invoice.id, { payment_method: card }), { statusCode: 402, code: 'authentication_required' })
    const again = (await stripe.paymentMethods.create({ type: 'card', card: { ...CARD, number: '4000002760003184' } })).id
    const e = await fails(stripe.invoices.pay(sub.latest_invoice.id, { payment_method: again, off_session: false }), { statusCode: 402, code: 'invoice_payment_intent_requires_action' })
    assertSame([e.payment_intent.status, (await stripe.invoices.retrieve(sub.latest_invoice.id)).status], ['requires_action', 'open'])
    await press(e.payment_intent.next_action.use_stripe_sdk.stripe_js, 'complete')
    assertSame([(await stripe.invoices.retrieve(sub.latest_invoice.id)).status, (await stripe.subscriptions.retrieve(sub.id)).status], ['paid', 'active'])
  })

  await check('pay: in some other way', async () => {
    const c = await customer(), sub = await first(c), intent = await intentOf(sub.latest_invoice)
    await typesOf(build)
    const paid = await stripe.invoices.pay(sub.latest_invoice.id, { paid_out_of_band: true })
    assertSame([paid.status, paid.amount_remaining], ['paid', 0])
    assertSame(await typesOf(build), ['payment_intent.canceled', 'invoice.paid', 'customer.subscription.updated'])
    assertSame([(await stripe.paymentIntents.retrieve(intent)).status, (await stripe.charges.list({ customer: c.id })).data.length, (await stripe.subscriptions.retrieve(sub.id)).status], ['canceled', 0, 'active'])
    const old = await client(build.env, { apiVersion: '2024-06-20' }).invoices.retrieve(paid.id)
    assertSame(old.paid_out_of_band, true)
  })

  await check('void: the intent is canceled; a subscription that waits for it ends', async () => {
    const invoice = await sent(await customer())
    await typesOf(build)
    assertSame((await stripe.invoices.voidInvoice(invoice.id)).status, 'void')
    assertSame(await typesOf(build), ['invoice.voided'])
    await fails(stripe.invoices.pay(invoice.id), { statusCode: 400 })
    const sub = await first(await customer()), intent = await intentOf(sub.latest_invoice)
    await typesOf(build)
    await stripe.invoices.voidInvoice(sub.latest_invoice.id)
    assertSame(await typesOf(build), ['payment_intent.canceled', 'invoice.voided', 'customer.subscription.updated'])
    assertSame([(await stripe.paymentIntents.retrieve(intent)).cancellation_reason, (await stripe.subscriptions.retrieve(sub.id)).status], ['void_invoice', 'incomplete_expired'])
  })

  await check('what an invoice made is the invoice’s: its intent is neither canceled nor changed', async () => {
    const sub = await first(await customer('pm_card_visa')), intent = await intentOf(sub.latest_invoice)
    await typesOf(build)
    await fails(stripe.paymentIntents.cancel(intent), { statusCode: 400, code: 'payment_intent_unexpected_state', message: 'You cannot cancel PaymentIntents created by invoices. Try voiding the invoice instead.' })
    await fails(stripe.paymentIntents.update(intent, { amount: 100 }), { statusCode: 400, param: 'amount' })
    await fails(stripe.paymentIntents.confirm(intent, { payment_method: 'pm_card_visa', capture_method: 'manual' }), { statusCode: 400, param: 'capture_method' })
    await fails(stripe.paymentIntents.update(intent, { payment_method_options: { card: { capture_method: 'manual' } } }), { statusCode: 400 })
    assertSame([(await stripe.paymentIntents.retrieve(intent)).amount, (await stripe.invoices.retrieve(sub.latest_invoice.id)).status, await typesOf(build)], [1200, 'open', []])
    assertSame((await stripe.paymentIntents.confirm(intent, { payment_method: 'pm_card_visa' })).status, 'succeeded')
  })

  await check('finalize: it is already', async () => {
    const invoice = await sent(await customer())
    await fails(stripe.invoices.finalizeInvoice(invoice.id), { statusCode: 400, message: 'This invoice is already finalized, you can\'t re-finalize a non-draft invoice.' })
    await fails(stripe.invoices.finalizeInvoice('in_nobody'), { statusCode: 404, code: 'resource_missing' })
    await fails(stripe.invoices.create({ customer: invoice.customer }), { statusCode: 404 })
  })

  await check('its page: declined, paid, and nothing to pay any more', async () => {
    const c = await customer(), invoice = await sent(c), url = invoice.hosted_invoice_url
    const page = await request(url)
    assert(/Pay \$12\.00/.test(page.text) && /name="cardNumber"/.test(page.text), page.text.slice(0, 500))
    const bad = await submit(url, { ...TYPED, cardExpiry: '13 / 34' })
    assert(bad.status === 402 && alertOf(bad) && !bad.text.includes('4242'), bad.text)
    const no = await submit(url, DECLINED)
    assertSame([no.status, alertOf(no), /value="Ann Example"/.test(no.text)], [402, 'Your card was declined.', true])
    await typesOf(build)
    const both = await Promise.all([1, 2].map(() => submit(url, TYPED)))
    assertSame(both.map((r) => [r.status, r.headers.location]), [[303, url], [303, url]])
    assertSame(await typesOf(build), CHARGED)
    assertSame((await stripe.charges.list({ customer: c.id })).data.map((x) => x.status), ['succeeded', 'failed'])
    const after = await request(url)
    assert(!/cardNumber/.test(after.text) && /tag paid/.test(after.text), after.text.slice(0, 500))
  })

  await check('its page: 3-D Secure', async () => {
    const sub = await first(await customer()), url = sub.latest_invoice.hosted_invoice_url
    const asked = await submit(url, { ...TYPED, cardNumber: '4000002760003184' })
    assert(asked.status === 303 && /\/authenticate\/pi_/.test(asked.headers.location), asked.headers.location)
    const back = await press(asked.headers.location, 'complete')
    assert(back.headers.location.startsWith(`${url}?payment_intent=`), back.headers.location)
    assertSame([(await request(back.headers.location)).status, (await stripe.invoices.retrieve(sub.latest_invoice.id)).status, (await stripe.subscriptions.retrieve(sub.id)).status], [200, 'paid', 'active'])
  })

  await check('customers have no discounts of their own', async () => {
    const coupon = await stripe.coupons.create({ percent_off: 10, duration: 'once' }), c = await customer()
    await fails(stripe.customers.update(c.id, { coupon: coupon.id }), { statusCode: 400, code: 'parameter_unknown', param: 'coupon' })
    const old = client(build.env, { apiVersion: '2024-06-20' })
    for (const p of [{ coupon: coupon.id }, { promotion_code: 'promo_x' }]) {
      const e = await fails(old.customers.update(c.id, p), { statusCode: 400, param: Object.keys(p)[0] })
      assert(/not supported by valetkey/.test(e.message), e.message)
      await fails(old.customers.create(p), { statusCode: 400, param: Object.keys(p)[0] })
    }
    await fails(stripe.customers.deleteDiscount(c.id), { statusCode: 404 })
    assertSame((await stripe.customers.retrieve(c.id)).discount ?? null, null)
  })

  await check('a session’s items are not changed by a call', async () => {
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(700)] })
    const e = await fails(stripe.checkout.sessions.update(s.id, { line_items: [{ quantity: 2 }] }), { statusCode: 400, param: 'line_items' })
    assert(/not supported by valetkey/.test(e.message), e.message)
    assertSame((await stripe.checkout.sessions.retrieve(s.id)).amount_total, 700)
  })
}
