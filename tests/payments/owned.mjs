// What others do to a session, an intent or a discount between its page and its payment; amounts at their ends.
import { request } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { CARD, DECLINED, TYPED, URLS, alertOf, fails, line, pay, press, submit, typesOf } from './rig.mjs'

const SECURE = { ...TYPED, cardNumber: '4000002760003184' }

export async function run(build) {
  const { stripe } = build
  const create = (p) => stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(1000)], ...p })
  const monthly = (p) => create({ mode: 'subscription', line_items: [line(1200, { recurring: 'month' })], ...p })
  const method = async (number = CARD.number) => (await stripe.paymentMethods.create({ type: 'card', card: { ...CARD, number } })).id
  const intend = (p) => stripe.paymentIntents.create({ amount: 1000, currency: 'usd', payment_method_types: ['card'], ...p })

  await check('the intents of a session are its own', async () => {
    const setup = await create({ mode: 'setup', currency: 'usd', line_items: undefined })
    await submit(setup.url, DECLINED)
    const { setup_intent } = await stripe.checkout.sessions.retrieve(setup.id)
    for (const call of ['confirm', 'cancel']) await fails(stripe.setupIntents[call](setup_intent, call === 'confirm' ? { payment_method: 'pm_card_visa' } : {}), { statusCode: 400, code: 'setup_intent_unexpected_state' })
    await pay(setup)
    const s = await monthly()
    await submit(s.url, DECLINED)
    const [sub] = (await stripe.subscriptions.list({ status: 'incomplete', expand: ['data.latest_invoice.payments'] })).data
    const intent = sub.latest_invoice.payments.data[0].payment.payment_intent
    await fails(stripe.paymentIntents.confirm(intent, { payment_method: 'pm_card_visa' }), { statusCode: 400, code: 'payment_intent_unexpected_state' })
    await fails(stripe.paymentIntents.cancel(intent), { statusCode: 400, code: 'payment_intent_unexpected_state' })
    await fails(stripe.invoices.pay(sub.latest_invoice.id, { payment_method: 'pm_card_visa' }), { statusCode: 400 })
    const page = await request(sub.latest_invoice.hosted_invoice_url)
    assertSame([page.status, /cardNumber/.test(page.text)], [200, false])
    await pay(s)
    assertSame((await stripe.subscriptions.retrieve(sub.id)).status, 'active')
  })

  await check('one that was paid, and waits to be captured, is let go by a call', async () => {
    const s = await create({ payment_intent_data: { capture_method: 'manual' } })
    await pay(s)
    const { payment_intent } = await stripe.checkout.sessions.retrieve(s.id)
    assertSame((await stripe.paymentIntents.cancel(payment_intent)).status, 'canceled')
    await fails(create({ payment_intent_data: { capture_method: 'manual' }, invoice_creation: { enabled: true } }), { statusCode: 400, param: 'invoice_creation' })
  })

  await check('the subscription that a try began is canceled: the page begins another', async () => {
    for (const typed of [DECLINED, SECURE]) {
      const s = await monthly()
      await submit(s.url, typed)
      const [sub] = (await stripe.subscriptions.list({ status: 'incomplete' })).data
      await stripe.subscriptions.cancel(sub.id)
      if (typed === SECURE) assertSame((await submit(`${s.url}/authenticate`, { result: 'complete' })).headers.location, s.url)
      await pay(s)
      const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['subscription'] })
      assertSame([done.status, done.subscription.status, done.subscription.id !== sub.id], ['complete', 'active', true])
    }
  })

  await check('its customer is deleted: nothing is paid, and nothing of them comes back', async () => {
    const c = await stripe.customers.create({ name: 'Gone' })
    const s = await create({ customer: c.id })
    await stripe.customers.del(c.id)
    const r = await submit(s.url, TYPED)
    assert(r.status === 402 && /customer/.test(alertOf(r)), r.text.slice(0, 500))
    assertSame([await stripe.customers.retrieve(c.id), (await stripe.checkout.sessions.retrieve(s.id)).status], [{ id: c.id, object: 'customer', deleted: true }, 'open'])
    const held = await intend({ customer: (await stripe.customers.create({})).id, payment_method: 'pm_card_visa' })
    await stripe.customers.del(held.customer)
    await fails(stripe.paymentIntents.confirm(held.id), { statusCode: 400, code: 'resource_missing', param: 'customer' })
  })

  await check('the customer that a try made is deleted: the next try makes another', async () => {
    for (const mode of ['setup', 'payment']) {
      const s = await (mode === 'setup' ? create({ mode, currency: 'usd', line_items: undefined }) : create({ customer_creation: 'always', payment_intent_data: { setup_future_usage: 'off_session' } }))
      await submit(s.url, DECLINED)
      const [made] = (await stripe.customers.list({ email: TYPED.email, limit: 1 })).data
      await stripe.customers.del(made.id)
      await pay(s)
      const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['customer', 'payment_intent', 'setup_intent'] })
      assertSame([done.status, done.customer.id !== made.id, (done.payment_intent ?? done.setup_intent).customer], ['complete', true, done.customer.id])
    }
  })

  await check('the total changes while somebody is asked for the old one: they are asked again', async () => {
    const option = (amount) => [{ shipping_rate_data: { display_name: 'Post', type: 'fixed_amount', fixed_amount: { amount, currency: 'usd' } } }]
    const s = await create({ shipping_options: option(100) })
    assertSame((await submit(s.url, SECURE)).status, 303)
    assertSame((await stripe.checkout.sessions.update(s.id, { shipping_options: option(900) })).amount_total, 1900)
    assertSame((await submit(`${s.url}/authenticate`, { result: 'complete' })).headers.location, s.url)
    assertSame((await stripe.checkout.sessions.retrieve(s.id)).status, 'open')
    await pay(s)
    const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['payment_intent'] })
    assertSame([done.amount_total, done.payment_intent.amount_received], [1900, 1900])
  })

  await check('what the page says is what is charged: a subscription’s rates, and who is exempt', async () => {
    const rate = await stripe.taxRates.create({ display_name: 'VAT', inclusive: false, percentage: 20 })
    const s = await monthly({ subscription_data: { default_tax_rates: [rate.id] } })
    assertSame([s.amount_subtotal, s.amount_total, s.total_details.amount_tax], [1200, 1440, 240])
    await pay(s)
    const { invoice } = await stripe.checkout.sessions.retrieve(s.id, { expand: ['invoice'] })
    assertSame([invoice.total, invoice.amount_paid], [1440, 1440])
    const exempt = await stripe.customers.create({ tax_exempt: 'exempt', email: 'e@example.com' })
    const free = await monthly({ customer: exempt.id, subscription_data: { default_tax_rates: [rate.id] } })
    const page = await request(free.url)
    assertSame([free.amount_total, /\$14\.40/.test(page.text)], [1200, false])
  })

  await check('one redemption and two sessions: the second one pays the whole', async () => {
    const coupon = await stripe.coupons.create({ percent_off: 50, duration: 'once', max_redemptions: 1 })
    const a = await create({ discounts: [{ coupon: coupon.id }] }), b = await create({ discounts: [{ coupon: coupon.id }] })
    await submit(b.url, SECURE) // it waits for its owner with the half
    await pay(a)
    const r = await submit(`${b.url}/authenticate`, { result: 'complete' })
    assert(r.status === 402 && /total has changed/.test(alertOf(r)) && /\$10\.00/.test(r.text), r.text.slice(0, 500))
    assertSame((await stripe.checkout.sessions.retrieve(b.id)).amount_total, 1000)
    await pay(b)
    const done = await stripe.checkout.sessions.retrieve(b.id, { expand: ['payment_intent'] })
    assertSame([done.amount_total, done.payment_intent.amount_received, (await stripe.coupons.retrieve(coupon.id)).times_redeemed], [1000, 1000, 1])
  })

  await check('one session of a link, and two that are open', async () => {
    const link = await stripe.paymentLinks.create({ line_items: [{ price: (await stripe.prices.create({ currency: 'usd', unit_amount: 900, product_data: { name: 'Mug' } })).id, quantity: 1 }], restrictions: { completed_sessions: { limit: 1 } } })
    const urls = []
    for (let i = 0; i < 2; i++) urls.push((await request(link.url)).headers.location)
    const both = await Promise.all(urls.map((url) => submit(url, TYPED)))
    assertSame(both.map((r) => r.status).sort(), [200, 402])
    assertSame([(await stripe.paymentLinks.retrieve(link.id)).restrictions.completed_sessions.count, (await stripe.checkout.sessions.list({ payment_link: link.id, status: 'complete' })).data.length], [1, 1])
    const [item] = (await stripe.paymentLinks.listLineItems(link.id)).data
    for (const may of [{ maximum: 2 ** 53 }, { minimum: 5, maximum: 2 }, { minimum: -1 }]) await fails(stripe.paymentLinks.update(link.id, { line_items: [{ id: item.id, adjustable_quantity: { enabled: true, ...may } }] }), { statusCode: 400, param: 'line_items[0][adjustable_quantity]' })
  })

  await check('a decline, and then a code that makes it free: no intent is left, the invoice is paid once', async () => {
    const coupon = await stripe.coupons.create({ percent_off: 100, duration: 'once' })
    await stripe.promotionCodes.create({ promotion: { type: 'coupon', coupon: coupon.id }, code: 'ALLFREE' })
    const s = await create({ allow_promotion_codes: true, invoice_creation: { enabled: true } })
    await submit(s.url, DECLINED)
    const { payment_intent } = await stripe.checkout.sessions.retrieve(s.id)
    await submit(s.url, { promotionCode: 'ALLFREE', action: 'apply' })
    await typesOf(build)
    await pay(s, { email: TYPED.email })
    assertSame(await typesOf(build), ['payment_intent.canceled', 'invoice.created', 'invoice.finalized', 'invoice.paid', 'invoice.payment_succeeded', 'checkout.session.completed'])
    const done = await stripe.checkout.sessions.retrieve(s.id)
    assertSame([done.payment_intent, done.payment_status, (await stripe.paymentIntents.retrieve(payment_intent)).status], [null, 'no_payment_required', 'canceled'])
  })

  await check('a method that belongs to nobody pays once, however many intents name it', async () => {
    const m = await method(), pis = [await intend({ payment_method: m }), await intend({ payment_method: m })]
    const both = await Promise.allSettled(pis.map((p) => stripe.paymentIntents.confirm(p.id)))
    assertSame(both.map((r) => r.status).sort(), ['fulfilled', 'rejected'])
    assertSame(both.find((r) => r.status === 'rejected').reason.code, 'payment_method_unexpected_state')
  })

  await check('a customer’s card pays for no other customer', async () => {
    const [a, b] = [await stripe.customers.create({}), await stripe.customers.create({})]
    const m = await stripe.paymentMethods.attach('pm_card_visa', { customer: a.id })
    const pi = await intend({ customer: a.id, payment_method: m.id })
    await stripe.paymentIntents.update(pi.id, { customer: b.id })
    await fails(stripe.paymentIntents.confirm(pi.id), { statusCode: 400, code: 'resource_missing', param: 'payment_method' })
  })

  await check('what somebody agreed to was that card and that amount', async () => {
    for (const change of [{ amount: 90000 }, { payment_method: await method('4000002760003184') }]) {
      const pi = await intend({ payment_method: await method('4000002760003184'), confirmation_method: 'manual', confirm: true, return_url: 'http://localhost:3000/' })
      await press(pi.next_action.redirect_to_url.url, 'complete')
      await stripe.paymentIntents.update(pi.id, change)
      assertSame((await stripe.paymentIntents.confirm(pi.id, { return_url: 'http://localhost:3000/' })).status, 'requires_action')
    }
  })

  await check('two at once: cancel and confirm, refund and refund, expire and pay, the same key', async () => {
    const race = async (...calls) => (await Promise.allSettled(calls)).map((r) => r.status).filter((s) => s === 'fulfilled').length
    for (let i = 0; i < 5; i++) {
      const pi = await intend({ payment_method: 'pm_card_visa' })
      assertSame(await race(stripe.paymentIntents.confirm(pi.id), stripe.paymentIntents.cancel(pi.id), stripe.paymentIntents.confirm(pi.id)), 1)
      const paid = await intend({ payment_method: 'pm_card_visa', confirm: true })
      assertSame(await race(...[1, 2, 3].map(() => stripe.refunds.create({ payment_intent: paid.id, amount: 600 }))), 1)
      const s = await create()
      const [ended, answer] = await Promise.allSettled([stripe.checkout.sessions.expire(s.id), submit(s.url, TYPED)])
      const { status, payment_intent } = await stripe.checkout.sessions.retrieve(s.id)
      assertSame([ended.status, answer.value.status === 303, payment_intent !== null], status === 'expired' ? ['fulfilled', false, false] : ['rejected', true, true])
      const same = await Promise.all([1, 2, 3].map(() => stripe.paymentIntents.create({ amount: 500, currency: 'usd', payment_method: 'pm_card_visa', payment_method_types: ['card'], confirm: true }, { idempotencyKey: `race-${build.id}-${i}` })))
      assertSame(new Set(same.map((p) => p.id)).size, 1)
    }
  })

  await check('amounts at their ends', async () => {
    const most = 99999999
    for (const amount of [-1, most + 1, '9223372036854775807'])
      await fails(create({ shipping_options: [{ shipping_rate_data: { display_name: 'Far', type: 'fixed_amount', fixed_amount: { amount, currency: 'usd' } } }] }), { statusCode: 400 })
    const price = await stripe.prices.create({ currency: 'usd', unit_amount: most, recurring: { interval: 'month' }, product_data: { name: 'Dear' } })
    const c = await stripe.customers.create({ payment_method: 'pm_card_visa', invoice_settings: { default_payment_method: 'pm_card_visa' } })
    await fails(stripe.subscriptions.create({ customer: c.id, items: [{ price: price.id, quantity: 2 }] }), { statusCode: 400, code: 'amount_too_large' })
    assertSame((await stripe.subscriptions.list({ customer: c.id, status: 'all' })).data, [])
    const late = await stripe.subscriptions.create({ customer: c.id, items: [{ price: price.id }], trial_period_days: 3 })
    for (const cancel_at of ['9223372036854775807', '253402300800']) await fails(stripe.subscriptions.update(late.id, { cancel_at }), { statusCode: 400, param: 'cancel_at' })
    const coupon = await stripe.coupons.create({ percent_off: 10, duration: 'once' })
    const code = await stripe.promotionCodes.create({ promotion: { type: 'coupon', coupon: coupon.id }, restrictions: { minimum_amount: 2000, minimum_amount_currency: 'usd' } })
    const cheap = await stripe.prices.create({ currency: 'usd', unit_amount: 1000, recurring: { interval: 'month' }, product_data: { name: 'Cheap' } })
    const with_code = (quantity) => stripe.subscriptions.create({ customer: c.id, items: [{ price: cheap.id, quantity }], discounts: [{ promotion_code: code.id }] })
    await fails(with_code(1), { statusCode: 400 })
    assertSame((await with_code(2)).status, 'active')
  })
}
