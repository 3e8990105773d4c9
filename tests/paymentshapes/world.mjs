// A build with an object of every kind, in every state that shows other fields: [{ name, path, type, expand, from }]. `from`: the first
// major whose types have it; `field`: what of the answer is judged.
import { check } from '../lib/tap.mjs'

export const ORIGIN = 'http://localhost:3000'
const CARD = { number: '4242424242424242', exp_month: 12, exp_year: 2034, cvc: '123' }
const ADDRESS = { line1: '1 High Street', city: 'Springfield', postal_code: '12345', state: 'IL', country: 'US' }
const PAID = { cardNumber: CARD.number, cardExpiry: '12 / 34', cardCvc: CARD.cvc, billingName: 'Ada Example', billingCountry: 'US', billingPostalCode: '12345', email: 'ada@example.com', action: 'pay' }

// Events stay what they were in the version of their time: a few of a build whose version is that one.
export async function eventsOf({ get, post }, version) {
  const product = await post('/v1/products', { name: 'T', default_price_data: { currency: 'usd', unit_amount: 500 } }, version)
  await post(`/v1/products/${product.id}`, { description: 'D' }, version)
  const customer = await post('/v1/customers', { email: 'ada@example.com' }, version)
  const intent = await post('/v1/payment_intents', { amount: 500, currency: 'usd', customer: customer.id, payment_method: 'pm_card_visa', confirm: true, payment_method_types: ['card'] }, version)
  await post('/v1/refunds', { payment_intent: intent.id }, version)
  return (await get('/v1/events', { limit: 100 }, version)).data
}

export async function world({ get, post, del, call }) {
  const found = []
  const add = (name, path, type, more = {}) => found.push({ name, path, type, ...more })
  const made = async (name, path, params, type, more) => {
    let json
    await check(`made: ${name}`, async () => {
      json = await post(path, params)
      if (type) add(name, `${more?.at ?? path}/${json.id}`, type, more)
    })
    return json ?? {}
  }
  const pay = (session, more = {}) => check(`paid: a session in mode ${session.mode}`, async () => {
    const r = await fetch(session.url, {
      method: 'POST', redirect: 'manual', headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: new URL(session.url).origin, 'Sec-Fetch-Site': 'same-origin' },
      body: new URLSearchParams({ ...PAID, ...more }).toString(),
    })
    if (r.status !== 303) throw new Error(`${r.status}: ${(await r.text()).match(/role="alert"[^>]*>([^<]*)/)?.[1] ?? 'no 303'}`)
  })

  add('the account', '/v1/account', 'Account')
  add('the balance', '/v1/balance', 'Balance')

  // catalogue
  const bare = await made('a bare product', '/v1/products', { name: 'Bare' }, 'Product')
  const shirt = await made('a product with everything', '/v1/products', {
    name: 'T-shirt', description: 'Cotton', images: ['https://example.com/a.png'], metadata: { sku: 'ts-1' }, marketing_features: [{ name: 'Soft' }], shippable: true, url: 'https://example.com',
    unit_label: 'piece', statement_descriptor: 'SHIRT', package_dimensions: { height: 1, length: 2, weight: 3, width: 4 }, default_price_data: { currency: 'usd', unit_amount: 2000 },
  }, 'Product', { expand: ['default_price'] })
  const once = await made('a price', '/v1/prices', { currency: 'usd', unit_amount: 1500, product: bare.id, lookup_key: 'once', nickname: 'Once', metadata: { a: '1' } }, 'Price', { expand: ['product', 'tiers', 'currency_options'] })
  const monthly = await made('a monthly price', '/v1/prices', { currency: 'usd', unit_amount: 1200, product: bare.id, recurring: { interval: 'month', trial_period_days: 7 } }, 'Price')
  const yearly = await made('a yearly price of decimals', '/v1/prices', { currency: 'usd', unit_amount_decimal: '1200.5', product_data: { name: 'Yearly' }, recurring: { interval: 'year' }, tax_behavior: 'exclusive' }, 'Price')
  const customer = await made('a customer with everything', '/v1/customers', {
    email: 'ada@example.com', name: 'Ada Example', phone: '+15555550100', description: 'One', address: ADDRESS, shipping: { name: 'Ada', address: ADDRESS, phone: '+15555550100' },
    metadata: { a: '1' }, preferred_locales: ['en'], payment_method: 'pm_card_visa', invoice_settings: { default_payment_method: 'pm_card_visa', footer: 'Thanks' }, balance: 0,
  }, 'Customer', { expand: ['invoice_settings.default_payment_method', 'subscriptions'] })
  await made('a bare customer', '/v1/customers', {}, 'Customer', { expand: ['subscriptions', 'sources', 'tax_ids'] })
  const gone = await made('a customer who is deleted', '/v1/customers', {})
  await check('deleted: a customer', async () => {
    await del(`/v1/customers/${gone.id}`)
    add('a deleted customer', `/v1/customers/${gone.id}`, 'DeletedCustomer')
  })
  const half = await made('a coupon of a percentage', '/v1/coupons', { percent_off: 12.5, duration: 'repeating', duration_in_months: 3, max_redemptions: 5, applies_to: { products: [bare.id] }, name: 'Half' }, 'Coupon', { expand: ['applies_to'] })
  await made('a coupon of an amount', '/v1/coupons', { amount_off: 100, currency: 'usd', duration: 'once', id: 'LESS100' }, 'Coupon')
  const forever = await made('a coupon for all', '/v1/coupons', { percent_off: 10, duration: 'forever' }, 'Coupon')
  const code = await made('a promotion code', '/v1/promotion_codes', {
    promotion: { type: 'coupon', coupon: forever.id }, code: 'TENOFF', customer: customer.id, restrictions: { minimum_amount: 100, minimum_amount_currency: 'usd', first_time_transaction: false },
  }, 'PromotionCode', { expand: ['customer'] })
  const vat = await made('a tax rate', '/v1/tax_rates', { display_name: 'VAT', inclusive: false, percentage: 7.25, country: 'US', state: 'CA', jurisdiction: 'US - CA', tax_type: 'sales_tax', description: 'd' }, 'TaxRate')
  await made('an inclusive tax rate', '/v1/tax_rates', { display_name: 'MwSt', inclusive: true, percentage: 19 }, 'TaxRate')
  const post_ = await made('a shipping rate', '/v1/shipping_rates', {
    display_name: 'Post', type: 'fixed_amount', fixed_amount: { amount: 500, currency: 'usd' }, delivery_estimate: { minimum: { unit: 'business_day', value: 2 }, maximum: { unit: 'week', value: 1 } },
  }, 'ShippingRate')
  await made('a bare shipping rate', '/v1/shipping_rates', { display_name: 'Courier', fixed_amount: { amount: 900, currency: 'usd' } }, 'ShippingRate')
  await made('a webhook endpoint', '/v1/webhook_endpoints', { url: `${ORIGIN}/api/webhooks/other`, enabled_events: ['charge.refunded'], description: 'Refunds', metadata: { a: '1' } }, 'WebhookEndpoint')

  // payments
  const method = await made('a payment method', '/v1/payment_methods', { type: 'card', card: CARD, billing_details: { name: 'Ada', email: 'ada@example.com', address: ADDRESS } }, 'PaymentMethod')
  await made('an attached payment method', `/v1/payment_methods/${method.id}/attach`, { customer: customer.id }, 'PaymentMethod', { at: '/v1/payment_methods', expand: ['customer'] })
  const intents = '/v1/payment_intents'
  await made('a bare payment intent', intents, { amount: 2000, currency: 'usd' }, 'PaymentIntent')
  const paid = await made('a paid payment intent', intents, {
    amount: 2000, currency: 'usd', customer: customer.id, payment_method: method.id, confirm: true, description: 'D', receipt_email: 'ada@example.com', return_url: ORIGIN, setup_future_usage: 'off_session',
    shipping: { name: 'Ada', address: ADDRESS }, statement_descriptor_suffix: 'SUFFIX', metadata: { a: '1' },
  }, 'PaymentIntent', { expand: ['latest_charge.balance_transaction', 'customer', 'payment_method'] })
  await made('an authorised payment intent', intents, { amount: 2000, currency: 'usd', payment_method: 'pm_card_visa', confirm: true, capture_method: 'manual', payment_method_types: ['card'] }, 'PaymentIntent', { expand: ['latest_charge'] })
  await made('a payment intent that waits', intents, { amount: 2000, currency: 'usd', payment_method: 'pm_card_threeDSecure2Required', confirm: true, return_url: ORIGIN }, 'PaymentIntent')
  await made('a payment intent that waits for the SDK', intents, { amount: 2000, currency: 'usd', payment_method: 'pm_card_threeDSecure2Required', confirm: true, payment_method_types: ['card'] }, 'PaymentIntent')
  await check('declined: a payment intent', async () => {
    const r = await call('POST', intents, { amount: 2000, currency: 'usd', payment_method: 'pm_card_chargeDeclined', confirm: true, payment_method_types: ['card'] })
    if (r.status !== 402) throw new Error(`${r.status} ${JSON.stringify(r.json)}`)
    add('a declined payment intent', `${intents}/${r.json.error.payment_intent.id}`, 'PaymentIntent', { expand: ['latest_charge'] })
    add('a failed charge', `/v1/charges/${r.json.error.charge}`, 'Charge')
  })
  const left = await made('a payment intent', intents, { amount: 2000, currency: 'usd' })
  await made('a canceled payment intent', `${intents}/${left.id}/cancel`, { cancellation_reason: 'abandoned' }, 'PaymentIntent', { at: intents })
  const charge = paid.latest_charge
  await made('a refund', '/v1/refunds', { payment_intent: paid.id, amount: 300, reason: 'requested_by_customer' }, 'Refund', { expand: ['charge', 'balance_transaction', 'payment_intent'] })
  add('a charge', `/v1/charges/${charge}`, 'Charge', { expand: ['balance_transaction', 'refunds', 'customer', 'payment_intent'] })
  const setups = '/v1/setup_intents'
  await made('a bare setup intent', setups, {}, 'SetupIntent')
  await made('a confirmed setup intent', setups, { customer: customer.id, payment_method: 'pm_card_visa', confirm: true, return_url: ORIGIN, description: 'D' }, 'SetupIntent', { expand: ['payment_method', 'customer'] })
  await made('a setup intent that waits', setups, { payment_method: 'pm_card_authenticationRequired', confirm: true, return_url: ORIGIN }, 'SetupIntent')
  await check('declined: a setup intent', async () => {
    const r = await call('POST', setups, { payment_method: 'pm_card_chargeDeclined', confirm: true, payment_method_types: ['card'] })
    if (r.status !== 402) throw new Error(`${r.status} ${JSON.stringify(r.json)}`)
    add('a declined setup intent', `${setups}/${r.json.error.setup_intent.id}`, 'SetupIntent')
  })

  // subscriptions
  const subs = '/v1/subscriptions'
  const FULL = ['customer', 'latest_invoice', 'default_payment_method', 'items.data.price.product', 'pending_setup_intent', 'discounts']
  const active = await made('a subscription', subs, { customer: customer.id, items: [{ price: monthly.id, quantity: 2, metadata: { a: '1' } }], metadata: { a: '1' }, description: 'D', discounts: [{ coupon: forever.id }] }, 'Subscription', { expand: FULL })
  await made('a subscription on trial', subs, { customer: customer.id, items: [{ price: yearly.id }], trial_period_days: 14 }, 'Subscription', { expand: FULL })
  const bareCustomer = await made('a customer without a card', '/v1/customers', { email: 'bob@example.com' })
  await made('an incomplete subscription', subs, { customer: bareCustomer.id, items: [{ price: monthly.id }], payment_behavior: 'default_incomplete' }, 'Subscription', { expand: ['latest_invoice'] })
  const ended = await made('a subscription to end', subs, { customer: customer.id, items: [{ price: monthly.id }] })
  await check('ended: a subscription', async () => {
    await del(`${subs}/${ended.id}`)
    add('a canceled subscription', `${subs}/${ended.id}`, 'Subscription')
  })
  await made('a subscription that ends', `${subs}/${active.id}`, { cancel_at_period_end: true }, 'Subscription', { at: subs })
  add('a customer with a subscription', `/v1/customers/${customer.id}`, 'Customer', { expand: ['subscriptions'] })

  // checkout
  const sessions = '/v1/checkout/sessions'
  const SESSION = ['line_items.data.price.product', 'customer', 'payment_intent', 'subscription', 'invoice', 'setup_intent', 'total_details.breakdown']
  const urls = { success_url: `${ORIGIN}/ok?id={CHECKOUT_SESSION_ID}`, cancel_url: `${ORIGIN}/no` }
  await made('a session', sessions, { ...urls, mode: 'payment', line_items: [{ price: once.id, quantity: 2 }] }, 'Checkout.Session', { expand: SESSION })
  const wide = await made('a session with everything', sessions, {
    ...urls, mode: 'payment', line_items: [{ price: shirt.default_price, quantity: 1, tax_rates: [vat.id] }, { price_data: { currency: 'usd', unit_amount: 700, product_data: { name: 'Cap' } }, quantity: 3, adjustable_quantity: { enabled: true, minimum: 1, maximum: 9 } }],
    customer: customer.id, customer_update: { name: 'auto', address: 'auto', shipping: 'auto' }, client_reference_id: 'order-1', metadata: { a: '1' }, discounts: [{ promotion_code: code.id }], billing_address_collection: 'required', locale: 'en',
    phone_number_collection: { enabled: true }, shipping_address_collection: { allowed_countries: ['US', 'CA'] }, shipping_options: [{ shipping_rate: post_.id }, { shipping_rate_data: { display_name: 'Bike', type: 'fixed_amount', fixed_amount: { amount: 300, currency: 'usd' } } }],
    custom_fields: [{ key: 'size', label: { type: 'custom', custom: 'Size' }, type: 'dropdown', dropdown: { options: [{ label: 'S', value: 's' }, { label: 'M', value: 'm' }] } }, { key: 'engraving', label: { type: 'custom', custom: 'Engraving' }, type: 'text', optional: true }, { key: 'age', label: { type: 'custom', custom: 'Age' }, type: 'numeric', optional: true }],
    custom_text: { submit: { message: 'We ship soon' } }, submit_type: 'pay', invoice_creation: { enabled: true }, payment_intent_data: { metadata: { a: '1' }, description: 'D' }, consent_collection: { terms_of_service: 'none' },
  }, 'Checkout.Session', { expand: SESSION })
  const expired = await made('a session to expire', sessions, { ...urls, mode: 'payment', line_items: [{ price: once.id, quantity: 1 }] })
  await made('an expired session', `${sessions}/${expired.id}/expire`, {}, 'Checkout.Session', { at: sessions })
  const simple = await made('a session to pay', sessions, { ...urls, mode: 'payment', line_items: [{ price: once.id, quantity: 1 }], allow_promotion_codes: true }, 'Checkout.Session', { expand: SESSION })
  if (simple.url) await pay(simple)
  if (wide.url) {
    await pay(wide, {
      phoneNumber: '+15555550100', billingAddressLine1: ADDRESS.line1, billingLocality: ADDRESS.city, billingAdministrativeArea: ADDRESS.state, shippingName: 'Ada', shippingAddressLine1: ADDRESS.line1, shippingLocality: ADDRESS.city,
      shippingPostalCode: ADDRESS.postal_code, shippingAdministrativeArea: ADDRESS.state, shippingCountry: 'US', 'custom_size': 's', size: 's',
    })
  }
  const trial = await made('a session of a subscription', sessions, { ...urls, mode: 'subscription', line_items: [{ price: monthly.id, quantity: 1 }], subscription_data: { trial_period_days: 14, metadata: { a: '1' } } }, 'Checkout.Session', { expand: SESSION })
  if (trial.url) await pay(trial)
  const plain = await made('a session of a subscription without trial', sessions, { ...urls, mode: 'subscription', customer: customer.id, line_items: [{ price: monthly.id, quantity: 2 }], discounts: [{ coupon: half.id }] }, 'Checkout.Session', { expand: SESSION })
  if (plain.url) await pay(plain)
  const setup = await made('a session of a setup', sessions, { ...urls, mode: 'setup', currency: 'usd', customer: customer.id }, 'Checkout.Session', { expand: ['setup_intent'] })
  if (setup.url) await pay(setup)
  await made('a payment link', '/v1/payment_links', { line_items: [{ price: once.id, quantity: 1 }], metadata: { a: '1' } }, 'PaymentLink', { expand: ['line_items'] })
  await made('a payment link with everything', '/v1/payment_links', {
    line_items: [{ price: once.id, quantity: 1, adjustable_quantity: { enabled: true, minimum: 1, maximum: 5 } }], after_completion: { type: 'redirect', redirect: { url: ORIGIN } }, allow_promotion_codes: true, billing_address_collection: 'required',
    custom_fields: [{ key: 'size', label: { type: 'custom', custom: 'Size' }, type: 'text', optional: true }], phone_number_collection: { enabled: true }, shipping_address_collection: { allowed_countries: ['US'] }, submit_type: 'donate', payment_intent_data: { metadata: { a: '1' } },
  }, 'PaymentLink')

  // what came of all that
  const lists = [
    ['/v1/invoices', 'Invoice', { expand: ['customer', 'payment_intent', 'subscription', 'charge', 'payments', 'discounts'] }], ['/v1/balance_transactions', 'BalanceTransaction', { expand: ['source'] }],
    ['/v1/events', 'Event', { from: 23 }], ['/v1/charges', 'Charge'], ['/v1/refunds', 'Refund'], ['/v1/payment_intents', 'PaymentIntent'], ['/v1/subscriptions?status=all', 'Subscription'],
    ['/v1/checkout/sessions', 'Checkout.Session'], ['/v1/invoice_payments', 'InvoicePayment', { from: 18, expand: ['payment.payment_intent', 'invoice'] }],
    [`/v1/customers/${customer.id}/payment_methods`, 'PaymentMethod'], ['/v1/webhook_endpoints', 'WebhookEndpoint'],
  ]
  for (const [path, type, more] of lists) add(`the list ${path}`, path, type, { list: true, ...more })
  await check('lists within objects', async () => {
    const [invoice] = (await get('/v1/invoices', { limit: 1 })).data
    add('the lines of an invoice', `/v1/invoices/${invoice.id}/lines`, 'InvoiceLineItem', { list: true })
    add('the items of a subscription', `/v1/subscription_items?subscription=${active.id}`, 'SubscriptionItem', { list: true })
    add('the line items of a session', `${sessions}/${wide.id}/line_items`, 'LineItem', { list: true })
  })
  return found
}
