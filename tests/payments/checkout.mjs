// Checkout sessions: rules, what the page's form does in each mode, and that it does it once.
import { request } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { DECLINED, TYPED, URLS, alertOf, events, fails, line, pay, submit, typesOf } from './rig.mjs'

const PAID = ['charge.succeeded', 'payment_intent.succeeded', 'checkout.session.completed']
const monthly = (amount) => line(amount, { name: 'Pro', recurring: 'month' })

async function rules({ stripe }) {
  const create = (p) => stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(1000)], ...p })
  const one = await stripe.prices.create({ currency: 'usd', unit_amount: 500, product_data: { name: 'One' } })
  const month = await stripe.prices.create({ currency: 'usd', unit_amount: 500, recurring: { interval: 'month' }, product_data: { name: 'Month' } })
  const year = await stripe.prices.create({ currency: 'usd', unit_amount: 500, recurring: { interval: 'year' }, product_data: { name: 'Year' } })
  const euro = await stripe.prices.create({ currency: 'eur', unit_amount: 500, product_data: { name: 'Euro' } })
  const old = await stripe.prices.create({ currency: 'usd', unit_amount: 500, active: false, product_data: { name: 'Old' } })
  const now = Math.floor(Date.now() / 1000)
  const customer = await stripe.customers.create({ email: 'c@example.com' })
  const rows = [
    ['no success_url', { success_url: undefined }, { param: 'success_url', code: 'parameter_missing' }],
    ['no address', { success_url: '/thanks' }, { param: 'success_url', code: 'url_invalid', message: 'Not a valid URL' }],
    ['another scheme', { cancel_url: 'javascript:alert(1)' }, { param: 'cancel_url', code: 'url_invalid' }],
    ['with a user', { success_url: 'https://a@b.example/' }, { param: 'success_url', code: 'url_invalid' }],
    ['no items', { line_items: undefined }, { param: 'line_items', code: 'parameter_missing' }],
    ['recurring in payment mode', { line_items: [{ price: month.id, quantity: 1 }] }, { param: 'line_items', message: 'You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.' }],
    ['once in subscription mode', { mode: 'subscription' }, { param: 'line_items', message: 'You must provide at least one recurring price in `subscription` mode when using prices.' }],
    ['two intervals', { mode: 'subscription', line_items: [{ price: month.id, quantity: 1 }, { price: year.id, quantity: 1 }] }, { param: 'line_items' }],
    ['two currencies', { line_items: [{ price: one.id, quantity: 1 }, { price: euro.id, quantity: 1 }] }, { param: 'line_items[1][price]' }],
    ['an inactive price', { line_items: [{ price: old.id, quantity: 1 }] }, { param: 'line_items[0][price]', message: 'The price specified is inactive. This field only accepts active prices.' }],
    ['no such price', { line_items: [{ price: 'price_nobody', quantity: 1 }] }, { param: 'line_items[0][price]', code: 'resource_missing', message: "No such price: 'price_nobody'" }],
    ['no quantity', { line_items: [{ price: one.id }] }, { param: 'line_items[0][quantity]' }],
    ['quantity 0', { line_items: [{ price: one.id, quantity: 0 }] }, { param: 'line_items[0][quantity]' }],
    ['price and price_data', { line_items: [{ ...line(5), price: one.id }] }, { statusCode: 400 }],
    ['no currency', { line_items: [{ price_data: { unit_amount: 5, product_data: { name: 'X' } }, quantity: 1 }] }, { param: 'line_items[0][price_data][currency]', message: 'Missing required param: line_items[0][price_data][currency].' }],
    ['too little', { line_items: [line(30)] }, { code: 'amount_too_small', message: "The Checkout Session's total amount due must add up to at least $0.50 usd" }],
    ['too much', { line_items: [line(99999999, { quantity: 2 })] }, { code: 'amount_too_large' }],
    ['customer and email', { customer: customer.id, customer_email: 'a@b.example' }, { message: 'You may only specify one of these parameters: customer, customer_email.' }],
    ['no such customer', { customer: 'cus_nobody' }, { param: 'customer', code: 'resource_missing' }],
    ['codes and discounts', { allow_promotion_codes: true, discounts: [{ coupon: 'x' }] }, { message: 'You may only specify one of these parameters: allow_promotion_codes, discounts.' }],
    ['customer_update alone', { customer_update: { name: 'auto' } }, { message: '`customer_update` can only be used with `customer`.' }],
    ['another page', { ui_mode: 'embedded' }, { param: 'ui_mode' }],
    ['data of another mode', { subscription_data: { trial_period_days: 3 } }, { param: 'subscription_data', message: 'You can not pass `subscription_data` in `payment` mode.' }],
    ['too short', { expires_at: now + 600 }, { param: 'expires_at' }],
    ['too long', { expires_at: now + 100000 }, { param: 'expires_at' }],
    ['four fields', { custom_fields: ['a', 'b', 'c', 'd'].map((key) => ({ key, label: { type: 'custom', custom: key }, type: 'text' })) }, { param: 'custom_fields', message: 'Array custom_fields exceeded maximum 3 allowed elements.' }],
    ['a long label', { custom_fields: [{ key: 'a', label: { type: 'custom', custom: 'x'.repeat(51) }, type: 'text' }] }, { param: 'custom_fields[0][label][custom]' }],
    ['a coupon that is not there', { discounts: [{ coupon: 'nobody' }] }, { code: 'resource_missing' }],
    ['an unknown mode', { mode: 'rent' }, { param: 'mode' }],
    ['a trial of 0 days', { mode: 'subscription', line_items: [monthly(500)], subscription_data: { trial_period_days: 0 } }, { param: 'subscription_data[trial_period_days]' }],
    ['a trial that ends tomorrow', { mode: 'subscription', line_items: [monthly(500)], subscription_data: { trial_end: now + 86400 } }, { param: 'subscription_data[trial_end]' }],
  ]
  for (const [name, params, want] of rows) await check(`refused: ${name}`, async () => { await fails(create(params), { statusCode: 400, ...want }) })
  await check('a refused session leaves nothing', async () => {
    const before = (await stripe.products.list({ limit: 100 })).data.length
    await fails(create({ line_items: [line(1000), { price: 'price_nobody', quantity: 1 }] }), { statusCode: 400 })
    assertSame((await stripe.products.list({ limit: 100 })).data.length, before)
    assertSame((await stripe.checkout.sessions.list()).data, [])
  })
}

async function payment(build) {
  const { stripe } = build
  await check('pay: declined, then paid with the same intent', async () => {
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(1500, { quantity: 2 })], client_reference_id: 'order-1', metadata: { a: 'b' }, payment_intent_data: { metadata: { order: '1' }, description: 'Order 1' } })
    assert(/^cs_test_[A-Za-z0-9]{58}$/.test(s.id) && s.url.endsWith(`/b/${build.id}/c/pay/${s.id}`), s.url)
    assertSame([s.status, s.payment_status, s.amount_total, s.payment_intent, s.customer], ['open', 'unpaid', 3000, null, null])
    await typesOf(build)
    const no = await submit(s.url, DECLINED)
    assertSame([no.status, alertOf(no)], [402, 'Your card was declined.'])
    assert(!no.text.includes('4000000000000002'), 'the number is on the page')
    assertSame(await typesOf(build), ['payment_intent.created', 'charge.failed', 'payment_intent.payment_failed'])
    const open = await stripe.checkout.sessions.retrieve(s.id, { expand: ['payment_intent'] })
    assertSame([open.status, open.payment_intent.status], ['open', 'requires_payment_method'])
    assertSame(await pay(s), URLS.success_url.replace('{CHECKOUT_SESSION_ID}', s.id))
    const told = await events(build)
    assertSame(told.map((e) => e.type), PAID)
    const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['payment_intent.latest_charge', 'line_items.data.price.product'] })
    assertSame(told[2].data.object.id, s.id)
    assertSame([done.status, done.payment_status, done.url, done.customer, done.payment_intent.id], ['complete', 'paid', null, null, open.payment_intent.id])
    assertSame([done.payment_intent.amount_received, done.payment_intent.metadata, done.payment_intent.description, done.payment_intent.latest_charge.status], [3000, { order: '1' }, 'Order 1', 'succeeded'])
    assertSame([done.customer_details.email, done.customer_details.name, done.customer_details.address.postal_code], [TYPED.email, TYPED.billingName, '94107'])
    const item = done.line_items.data[0]
    assertSame([item.amount_total, item.quantity, item.description, item.price.active, item.price.product.active], [3000, 2, 'Thing', false, false])
  })

  await check('sent three times at once: one charge, one event', async () => {
    for (const typed of [TYPED, { ...TYPED, cardNumber: '5555555555554444' }]) {
      const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(700)], customer_creation: 'always' })
      await typesOf(build)
      const all = await Promise.all([1, 2, 3].map(() => submit(s.url, typed)))
      assertSame(all.map((r) => [r.status, r.headers.location]), Array(3).fill([303, URLS.success_url.replace('{CHECKOUT_SESSION_ID}', s.id)]))
      const told = await events(build)
      assertSame(told.map((e) => e.type), ['customer.created', 'payment_intent.created', ...PAID])
      assert(/^[A-Z0-9]{8}$/.test(told[0].data.object.invoice_prefix), `its invoice_prefix is ${told[0].data.object.invoice_prefix}`)
      assertSame((await submit(s.url, DECLINED)).status, 303)
      assertSame(await typesOf(build), [])
    }
  })

  await check('fields that are wrong: nothing happens, and the field is named', async () => {
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(700)] })
    await typesOf(build)
    for (const wrong of [{ email: '' }, { email: 'nobody' }, { cardNumber: '' }, { cardNumber: '4111111111111111' }, { cardNumber: '1234' }, { cardExpiry: '13/34' }, { cardExpiry: '12/20' }, { cardExpiry: 'soon' }, { cardCvc: '' }, { cardCvc: '12' }, { billingName: '' }, { billingCountry: 'Utopia' }]) {
      const r = await submit(s.url, { ...TYPED, ...wrong })
      assertSame([JSON.stringify(wrong), r.status], [JSON.stringify(wrong), 402])
      assert(alertOf(r), r.text)
    }
    assertSame(await typesOf(build), [])
    assertSame((await stripe.checkout.sessions.retrieve(s.id)).payment_intent, null)
    for (const cardExpiry of ['1234', '12/2034']) {
      const t = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(700)] })
      await pay(t, { ...TYPED, cardExpiry })
    }
  })

  await check('an existing customer: its email, and what customer_update allows', async () => {
    const c = await stripe.customers.create({ email: 'known@example.com', name: 'Known' })
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(700)], customer: c.id, customer_update: { address: 'auto' }, payment_intent_data: { setup_future_usage: 'off_session' } })
    await pay(s, { ...TYPED, email: 'other@example.com' })
    const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['customer', 'payment_intent'] })
    assertSame([done.customer_details.email, done.customer.name, done.customer.address.postal_code], ['known@example.com', 'Known', '94107'])
    assertSame((await stripe.customers.listPaymentMethods(c.id)).data.map((m) => m.id), [done.payment_intent.payment_method])
  })

  await check('captured later: complete, and not paid yet', async () => {
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(700)], payment_intent_data: { capture_method: 'manual' } })
    await pay(s)
    const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['payment_intent'] })
    assertSame([done.status, done.payment_status, done.payment_intent.status], ['complete', 'unpaid', 'requires_capture'])
  })

  await check('3-D Secure: refused, another try, passed', async () => {
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(700)] })
    await typesOf(build)
    const secure = { ...TYPED, cardNumber: '4000002760003184' }
    assertSame((await submit(s.url, secure)).headers.location, `${s.url}/authenticate`)
    assertSame(await typesOf(build), ['payment_intent.created', 'payment_intent.requires_action'])
    assertSame((await submit(`${s.url}/authenticate`, { result: 'fail' })).status, 402)
    assertSame(await typesOf(build), ['payment_intent.payment_failed'])
    assertSame((await submit(s.url, secure)).status, 303)
    const all = await Promise.all([1, 2, 3].map(() => submit(`${s.url}/authenticate`, { result: 'complete' })))
    assertSame(all.map((r) => r.headers.location), Array(3).fill(URLS.success_url.replace('{CHECKOUT_SESSION_ID}', s.id)))
    assertSame(await typesOf(build), ['payment_intent.requires_action', ...PAID])
  })

  await check('3-D Secure: whoever comes back with another card pays with that', async () => {
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(700)] })
    assertSame((await submit(s.url, { ...TYPED, cardNumber: '4000002760003184' })).status, 303)
    await pay(s)
    assertSame((await stripe.checkout.sessions.retrieve(s.id)).payment_status, 'paid')
    assertSame((await submit(`${s.url}/authenticate`, { result: 'complete' })).headers.location, URLS.success_url.replace('{CHECKOUT_SESSION_ID}', s.id))
  })

  await check('3-D Secure, then no money', async () => {
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(700)] })
    assertSame((await submit(s.url, { ...TYPED, cardNumber: '4000008260003178' })).status, 303)
    const r = await submit(`${s.url}/authenticate`, { result: 'complete' })
    assertSame([r.status, alertOf(r)], [402, 'Your card has insufficient funds.'])
    await pay(s)
  })

  await check('an invoice for a payment', async () => {
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(700, { name: 'Book' })], invoice_creation: { enabled: true, invoice_data: { description: 'Thanks', metadata: { k: 'v' } } } })
    await typesOf(build)
    await pay(s)
    assertSame(await typesOf(build), ['customer.created', 'payment_intent.created', 'charge.succeeded', 'payment_intent.succeeded', 'invoice.created', 'invoice.finalized', 'invoice.paid', 'invoice.payment_succeeded', 'invoice_payment.paid', 'checkout.session.completed'])
    const { invoice } = await stripe.checkout.sessions.retrieve(s.id, { expand: ['invoice.payments'] })
    assertSame([invoice.status, invoice.total, invoice.description, invoice.metadata, invoice.lines.data[0].description, invoice.payments.data[0].status], ['paid', 700, 'Thanks', { k: 'v' }, 'Book', 'paid'])
    assertSame([invoice.amount_shipping, invoice.shipping_cost], [0, null])
  })

  await check('an invoice for what is shipped', async () => {
    const s = await stripe.checkout.sessions.create({
      ...URLS, mode: 'payment', line_items: [line(700)], invoice_creation: { enabled: true },
      shipping_options: [{ shipping_rate_data: { display_name: 'Post', type: 'fixed_amount', fixed_amount: { amount: 500, currency: 'usd' } } }],
    })
    await pay(s)
    const { invoice, shipping_cost } = await stripe.checkout.sessions.retrieve(s.id, { expand: ['invoice.shipping_cost.shipping_rate'] })
    assertSame([invoice.subtotal, invoice.amount_shipping, invoice.total, invoice.amount_paid], [700, 500, 1200, 1200])
    assertSame({ ...invoice.shipping_cost, shipping_rate: invoice.shipping_cost.shipping_rate.id }, shipping_cost)
    assertSame([shipping_cost.amount_total, invoice.shipping_cost.shipping_rate.display_name], [500, 'Post'])
  })
}

async function page(build) {
  const { stripe } = build
  await check('phone, shipping, custom fields, terms: needed, checked, kept', async () => {
    const s = await stripe.checkout.sessions.create({
      ...URLS, mode: 'payment', line_items: [line(1000)], phone_number_collection: { enabled: true }, billing_address_collection: 'required',
      shipping_address_collection: { allowed_countries: ['US', 'DE'] }, consent_collection: { terms_of_service: 'required', promotions: 'auto' },
      shipping_options: [{ shipping_rate_data: { display_name: 'Post', type: 'fixed_amount', fixed_amount: { amount: 500, currency: 'usd' } } }, { shipping_rate_data: { display_name: 'Free', type: 'fixed_amount', fixed_amount: { amount: 0, currency: 'usd' } } }],
      custom_fields: [
        { key: 'size', label: { type: 'custom', custom: 'Size' }, type: 'dropdown', dropdown: { options: [{ label: 'Small', value: 's' }, { label: 'Large', value: 'l' }] } },
        { key: 'code', label: { type: 'custom', custom: 'Code' }, type: 'numeric', numeric: { minimum_length: 2, maximum_length: 3 } },
        { key: 'note', label: { type: 'custom', custom: 'Note' }, type: 'text', optional: true },
      ],
    })
    assertSame([s.amount_total, s.total_details.amount_shipping, s.shipping_options.length], [1500, 500, 2])
    const whole = {
      ...TYPED, phoneNumber: '+1 415 555 0100', billingAddressLine1: '1 Main St', billingLocality: 'Springfield', shippingName: 'Bob', shippingCountry: 'DE',
      shippingAddressLine1: 'Allee 1', shippingPostalCode: '10115', shippingLocality: 'Berlin', shippingOption: s.shipping_options[1].shipping_rate,
      termsOfServiceConsentCheckbox: 'on', custom_size: 'l', custom_code: '42',
    }
    const wrong = [{ phoneNumber: '' }, { phoneNumber: 'none' }, { billingAddressLine1: '' }, { billingLocality: '' }, { shippingName: '' }, { shippingCountry: 'FR' }, { shippingAddressLine1: '' }, { termsOfServiceConsentCheckbox: '' }, { custom_size: '' }, { custom_size: 'xl' }, { custom_code: 'ab' }, { custom_code: '1' }, { custom_code: '1234' }, { shippingOption: 'shr_nobody' }]
    await typesOf(build)
    for (const w of wrong) assertSame([JSON.stringify(w), (await submit(s.url, { ...whole, ...w })).status], [JSON.stringify(w), 402])
    assertSame(await typesOf(build), [])
    await pay(s, whole)
    const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['payment_intent'] })
    assertSame([done.amount_total, done.shipping_cost.amount_total, done.payment_intent.amount], [1000, 0, 1000])
    assertSame(done.custom_fields.map((f) => f[f.type].value), ['l', '42', null])
    assertSame([done.collected_information.shipping_details.name, done.collected_information.shipping_details.address.country, done.customer_details.phone], ['Bob', 'DE', '+1 415 555 0100'])
    assertSame([done.consent, done.payment_intent.shipping.address.city], [{ promotions: 'opt_out', terms_of_service: 'accepted' }, 'Berlin'])
  })

  await check('quantities that may be changed', async () => {
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(1000, { adjustable_quantity: { enabled: true, minimum: 1, maximum: 5 } }), line(100, { quantity: 2 })] })
    const [a, b] = (await stripe.checkout.sessions.listLineItems(s.id)).data
    for (const n of ['0', '6', 'x']) assertSame((await submit(s.url, { ...TYPED, [`quantity_${a.id}`]: n })).status, 402)
    await pay(s, { ...TYPED, [`quantity_${a.id}`]: '3', [`quantity_${b.id}`]: '9' })
    const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['line_items', 'payment_intent'] })
    assertSame([done.amount_total, done.payment_intent.amount, done.line_items.data.map((i) => i.quantity)], [3200, 3200, [3, 2]])
  })

  await check('a promotion code: wrong, right, used once', async () => {
    const coupon = await stripe.coupons.create({ percent_off: 25, duration: 'once' })
    const code = await stripe.promotionCodes.create({ promotion: { type: 'coupon', coupon: coupon.id }, code: 'SAVE25', max_redemptions: 1 })
    const make = () => stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(999)], allow_promotion_codes: true })
    const s = await make()
    assertSame((await submit(s.url, { ...TYPED, promotionCode: 'NOPE' })).status, 402)
    assertSame((await submit(s.url, { promotionCode: 'save25', action: 'apply' })).status, 200)
    assertSame((await stripe.checkout.sessions.retrieve(s.id)).amount_total, 749)
    assertSame((await submit(s.url, { removePromotionCode: '1' })).status, 200)
    assertSame((await stripe.checkout.sessions.retrieve(s.id)).amount_total, 999)
    assertSame((await submit(s.url, { ...DECLINED, promotionCode: 'SAVE25' })).status, 402)
    assertSame((await stripe.promotionCodes.retrieve(code.id)).times_redeemed, 0)
    await pay(s, { ...TYPED, promotionCode: 'SAVE25' })
    const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['total_details.breakdown', 'payment_intent'] })
    assertSame([done.amount_total, done.total_details.amount_discount, done.payment_intent.amount, done.discounts, done.total_details.breakdown.discounts[0].amount], [749, 250, 749, [{ coupon: coupon.id, promotion_code: code.id }], 250])
    assertSame([(await stripe.promotionCodes.retrieve(code.id)).times_redeemed, (await stripe.coupons.retrieve(coupon.id)).times_redeemed], [1, 1])
    assertSame((await submit((await make()).url, { ...TYPED, promotionCode: 'SAVE25' })).status, 402)
  })

  await check('a coupon of 100 %: no card, no intent, nothing to pay', async () => {
    const coupon = await stripe.coupons.create({ percent_off: 100, duration: 'once' })
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(999)], discounts: [{ coupon: coupon.id }] })
    await typesOf(build)
    await pay(s, { email: 'ann@example.com' })
    const done = await stripe.checkout.sessions.retrieve(s.id)
    assertSame([done.amount_total, done.payment_status, done.payment_intent], [0, 'no_payment_required', null])
  })
}

async function others(build) {
  const { stripe } = build
  await check('setup mode', async () => {
    const c = await stripe.customers.create({ email: 'c@example.com' })
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'setup', customer: c.id, setup_intent_data: { metadata: { a: '1' } } })
    assertSame([s.currency, s.amount_total, s.payment_status, s.discounts], [null, null, 'no_payment_required', null])
    await typesOf(build)
    assertSame((await submit(s.url, DECLINED)).status, 402)
    assertSame(await typesOf(build), ['setup_intent.created', 'setup_intent.setup_failed'])
    await pay(s)
    assertSame(await typesOf(build), ['setup_intent.succeeded', 'payment_method.attached', 'checkout.session.completed'])
    const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['setup_intent'] })
    assertSame([done.setup_intent.status, done.setup_intent.metadata, (await stripe.customers.listPaymentMethods(c.id)).data.length], ['succeeded', { a: '1' }, 1])
  })

  await check('expired: once, with its intent; then nothing is charged', async () => {
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [line(700)] })
    await submit(s.url, DECLINED)
    await typesOf(build)
    const gone = await stripe.checkout.sessions.expire(s.id)
    assertSame([gone.status, gone.url], ['expired', null])
    assertSame(await typesOf(build), ['payment_intent.canceled', 'checkout.session.expired'])
    await fails(stripe.checkout.sessions.expire(s.id), { statusCode: 400, message: 'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of `expired`.' })
    assert((await submit(s.url, TYPED)).status !== 303)
    assertSame(await typesOf(build), [])
  })

  await check('lists, their filters, line items in parts; a page that is not there', async () => {
    const c = await stripe.customers.create({ email: 'list@example.com' })
    const s = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', customer: c.id, line_items: [1, 2, 3].map((i) => line(100 * i)) })
    assertSame((await stripe.checkout.sessions.list({ customer: c.id })).data.map((x) => x.id), [s.id])
    assertSame((await stripe.checkout.sessions.list({ customer: c.id, status: 'complete' })).data, [])
    const part = await stripe.checkout.sessions.listLineItems(s.id, { limit: 2 })
    assertSame([part.data.map((i) => i.amount_total), part.has_more], [[100, 200], true])
    assertSame((await stripe.checkout.sessions.listLineItems(s.id, { starting_after: part.data[1].id })).data.map((i) => i.amount_total), [300])
    await pay(s)
    const done = await stripe.checkout.sessions.retrieve(s.id)
    assertSame((await stripe.checkout.sessions.list({ payment_intent: done.payment_intent })).data.map((x) => x.id), [s.id])
    assertSame((await stripe.checkout.sessions.list({ customer_details: { email: 'list@example.com' } })).data.map((x) => x.id), [s.id])
    assertSame((await stripe.checkout.sessions.update(s.id, { metadata: { late: '1' } })).metadata, { late: '1' })
    await fails(stripe.checkout.sessions.retrieve('cs_test_nobody'), { statusCode: 404, message: "No such checkout.session: 'cs_test_nobody'" })
    assertSame((await request(`${build.env.STRIPE_API_BASE}/b/${build.id}/c/pay/cs_test_nobody`)).status, 404)
  })
}

export async function run(build) {
  await rules(build)
  await payment(build)
  await page(build)
  await others(build)
}
