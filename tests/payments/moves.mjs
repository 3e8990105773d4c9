// What can be done at random with each kind of object, for replay.mjs: `make` an object, or do one thing (`on`) with one that is there.
import { request } from '../lib/daemon.mjs'
import { assert } from '../lib/tap.mjs'
import { CARD, DECLINED, TYPED, URLS, line, submit } from './rig.mjs'

const CARDS = ['pm_card_visa', 'pm_card_mastercard', 'pm_card_bypassPending', 'pm_card_chargeDeclined', 'pm_card_chargeCustomerFail', 'pm_card_authenticationRequired']
const ASKED = '4000002760003184'
const BACK = 'http://localhost:3000/back'

// A form that somebody sends: led on, refused, or too late, but answered.
async function answered(promise) {
  const r = await promise
  assert(r.status < 500, `a page answered ${r.status}: ${r.text.slice(0, 300)}`)
  return r
}

// The page of 3-D Secure, when an intent waits for it.
async function authenticate(intent, random) {
  const url = intent.next_action?.redirect_to_url?.url
  if (!url) return
  await answered(request(url, { method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: new URL(url).origin, 'Sec-Fetch-Site': 'same-origin' }, body: `result=${random.pick(['complete', 'complete', 'fail'])}` }))
}

// `known(kind)` is one of that kind, `undefined` when there is none yet. Each move is run by itself or among others; what Stripe refuses throws.
export function moves({ stripe }, random, known) {
  const word = () => `w${random.below(1000)}`
  const metadata = () => ({ [random.pick(['a', 'b', 'c'])]: random.chance(0.25) ? '' : word() })
  const amount = () => 50 + random.below(5000)
  const currency = () => random.pick(['usd', 'usd', 'usd', 'eur', 'jpy'])
  const maybe = (p, more) => (random.chance(p) ? more() : {})
  const one = (kind, p, name = kind) => maybe(p, () => (known(kind) ? { [name]: known(kind) } : {}))
  const card = () => random.pick(CARDS)
  const asked = async () => (await stripe.paymentMethods.create({ type: 'card', card: { ...CARD, number: ASKED } })).id
  const discounts = (p) => maybe(p, () => {
    const [name, id] = random.chance(0.5) ? ['coupon', known('coupon')] : ['promotion_code', known('promotion_code')]
    return id ? { discounts: [{ [name]: id }] } : {}
  })
  const taxes = (p) => maybe(p, () => (known('tax_rate') ? { tax_rates: [known('tax_rate')] } : {}))
  const typed = () => random.pick([TYPED, TYPED, TYPED, DECLINED, { ...TYPED, cardNumber: '4000000000000341' }, { ...TYPED, cardNumber: ASKED }])

  const buyer = async () => {
    const c = await stripe.customers.create({ email: `${word()}@example.com` })
    const m = await stripe.paymentMethods.attach(random.pick(['pm_card_visa', 'pm_card_visa', 'pm_card_chargeCustomerFail', 'pm_card_authenticationRequired']), { customer: c.id })
    return stripe.customers.update(c.id, { invoice_settings: { default_payment_method: m.id } })
  }
  const lines = (recurring) => Array.from({ length: 1 + random.below(4) }, () => ({ ...line(amount(), { name: word(), quantity: 1 + random.below(5), recurring }), ...taxes(0.4) }))
  const subscribed = async (more) => {
    const c = await buyer()
    const items = [{ price: (await stripe.prices.create({ currency: 'usd', unit_amount: amount(), recurring: { interval: 'month' }, product_data: { name: word() } })).id, quantity: 1 + random.below(4), ...taxes(0.4) }]
    return stripe.subscriptions.create({ customer: c.id, items, ...discounts(0.4), ...more })
  }
  const refund = async (id, more) => stripe.refunds.create({ charge: id, ...more, ...maybe(0.3, () => ({ metadata: metadata() })) })
  const pay = async (id) => {
    const s = await stripe.checkout.sessions.retrieve(id)
    if (!s.url) return
    const r = await answered(submit(s.url, typed()))
    if (r.status === 303 && r.headers.location.endsWith('/authenticate')) await answered(submit(r.headers.location, { result: random.pick(['complete', 'fail']) }))
  }

  return {
    product: {
      make: () => stripe.products.create({ name: word(), ...maybe(0.5, () => ({ default_price_data: { currency: currency(), unit_amount: amount() } })) }),
      on: [
        (id) => stripe.products.update(id, { name: word(), metadata: metadata() }),
        (id) => stripe.products.update(id, { active: random.chance(0.5) }),
        (id) => stripe.products.update(id, { description: random.chance(0.3) ? '' : word() }),
        async (id) => stripe.products.update(id, { default_price: (await stripe.prices.create({ product: id, currency: 'usd', unit_amount: amount() })).id }),
        (id) => (random.chance(0.3) ? stripe.products.del(id) : stripe.products.update(id, { metadata: '' })),
      ],
    },
    price: {
      make: () => stripe.prices.create({ currency: currency(), unit_amount: amount(), ...maybe(0.4, () => ({ recurring: { interval: 'month' } })), ...(random.chance(0.5) && known('product') ? { product: known('product') } : { product_data: { name: word() } }) }),
      on: [
        (id) => stripe.prices.update(id, { metadata: metadata(), nickname: word() }),
        (id) => stripe.prices.update(id, { active: random.chance(0.5) }),
        (id) => stripe.prices.update(id, { lookup_key: random.pick(['k1', 'k2', 'k3']), transfer_lookup_key: random.chance(0.7) }),
      ],
    },
    customer: {
      make: () => stripe.customers.create({ name: word(), ...maybe(0.4, () => ({ payment_method: 'pm_card_visa' })), ...maybe(0.4, () => ({ address: { city: word(), country: 'US' } })) }),
      on: [
        (id) => stripe.customers.update(id, { name: word(), metadata: metadata() }),
        (id) => stripe.customers.update(id, { email: random.chance(0.2) ? '' : `${word()}@example.com`, address: { city: word() } }),
        (id) => stripe.paymentMethods.attach(card(), { customer: id }),
        async (id) => stripe.customers.update(id, { invoice_settings: { default_payment_method: (await stripe.paymentMethods.attach('pm_card_visa', { customer: id })).id } }),
        async (id) => {
          const [m] = (await stripe.customers.listPaymentMethods(id, { limit: 1 })).data
          if (m) await stripe.paymentMethods.detach(m.id)
        },
        (id) => (random.chance(0.3) ? stripe.customers.del(id) : stripe.customers.update(id, { balance: random.below(100) })),
      ],
    },
    payment_method: {
      make: async () => stripe.paymentMethods.attach(card(), { customer: (await stripe.customers.create({ name: word() })).id }),
      on: [
        (id) => stripe.paymentMethods.update(id, { metadata: metadata() }),
        (id) => stripe.paymentMethods.update(id, { billing_details: { name: word() } }),
        (id) => stripe.paymentMethods.update(id, { card: { exp_month: 1 + random.below(12), exp_year: 2035 } }),
        (id) => stripe.paymentMethods.detach(id),
      ],
    },
    coupon: {
      make: () => stripe.coupons.create({ duration: random.pick(['once', 'forever']), ...(random.chance(0.5) ? { percent_off: 1 + random.below(100) } : { amount_off: amount(), currency: 'usd' }), ...maybe(0.4, () => ({ max_redemptions: 1 + random.below(3) })) }),
      on: [
        (id) => stripe.coupons.update(id, { name: word(), metadata: metadata() }),
        (id) => (random.chance(0.2) ? stripe.coupons.del(id) : stripe.coupons.update(id, { metadata: metadata() })),
      ],
    },
    promotion_code: {
      make: async () => stripe.promotionCodes.create({ promotion: { type: 'coupon', coupon: known('coupon') ?? (await stripe.coupons.create({ percent_off: 20, duration: 'once' })).id }, ...maybe(0.4, () => ({ max_redemptions: 1 + random.below(2) })) }),
      on: [
        (id) => stripe.promotionCodes.update(id, { metadata: metadata() }),
        (id) => stripe.promotionCodes.update(id, { active: random.chance(0.7) }),
      ],
    },
    tax_rate: {
      make: () => stripe.taxRates.create({ display_name: word(), percentage: random.pick([7, 8.875, 19, 33.3333]), inclusive: random.chance(0.4) }),
      on: [
        (id) => stripe.taxRates.update(id, { metadata: metadata(), description: word() }),
        (id) => stripe.taxRates.update(id, { active: random.chance(0.8) }),
      ],
    },
    payment_link: {
      make: async () => stripe.paymentLinks.create({ line_items: [{ price: (await stripe.prices.create({ currency: 'usd', unit_amount: amount(), product_data: { name: word() } })).id, quantity: 1 + random.below(3) }] }),
      on: [
        (id) => stripe.paymentLinks.update(id, { metadata: metadata() }),
        (id) => stripe.paymentLinks.update(id, { active: random.chance(0.7) }),
        async (id) => answered(request((await stripe.paymentLinks.retrieve(id)).url)),
      ],
    },
    payment_intent: {
      make: async () => stripe.paymentIntents.create({
        amount: amount(), currency: currency(), payment_method_types: ['card'], ...one('customer', 0.3), ...maybe(0.4, () => ({ capture_method: 'manual' })), ...maybe(0.3, () => ({ metadata: metadata() })),
        ...(random.chance(0.7) ? { payment_method: random.chance(0.3) ? await asked() : card(), confirm: true, return_url: BACK } : {}), ...maybe(0.2, () => ({ setup_future_usage: 'off_session' })),
      }),
      on: [
        (id) => stripe.paymentIntents.confirm(id, { payment_method: card(), return_url: BACK }),
        async (id) => stripe.paymentIntents.confirm(id, { payment_method: await asked(), return_url: BACK }),
        (id) => stripe.paymentIntents.capture(id, maybe(0.6, () => ({ amount_to_capture: 1 + random.below(600) }))),
        (id) => stripe.paymentIntents.cancel(id, maybe(0.5, () => ({ cancellation_reason: 'abandoned' }))),
        (id) => stripe.paymentIntents.update(id, { metadata: metadata(), description: word() }),
        (id) => stripe.paymentIntents.update(id, { amount: amount() }),
        async (id) => authenticate(await stripe.paymentIntents.retrieve(id), random),
        (id) => stripe.refunds.create({ payment_intent: id, ...maybe(0.7, () => ({ amount: 1 + random.below(600) })) }),
      ],
    },
    charge: {
      make: async () => (await stripe.paymentIntents.create({ amount: 1000 + amount(), currency: currency(), payment_method_types: ['card'], payment_method: 'pm_card_visa', confirm: true, expand: ['latest_charge'] })).latest_charge,
      on: [
        (id) => refund(id, { amount: 1 + random.below(700) }),
        (id) => refund(id, { amount: amount() }),
        (id) => refund(id, {}),
        (id) => stripe.charges.update(id, { metadata: metadata(), description: word() }),
      ],
    },
    refund: { on: [(id) => stripe.refunds.update(id, { metadata: metadata() })] },
    setup_intent: {
      make: async () => stripe.setupIntents.create({ payment_method_types: ['card'], ...one('customer', 0.5), ...(random.chance(0.6) ? { payment_method: random.chance(0.4) ? await asked() : card(), confirm: true, return_url: BACK } : {}) }),
      on: [
        (id) => stripe.setupIntents.confirm(id, { payment_method: card(), return_url: BACK }),
        async (id) => stripe.setupIntents.confirm(id, { payment_method: await asked(), return_url: BACK }),
        (id) => stripe.setupIntents.cancel(id),
        (id) => stripe.setupIntents.update(id, { metadata: metadata(), description: word() }),
        async (id) => authenticate(await stripe.setupIntents.retrieve(id), random),
      ],
    },
    'checkout.session': {
      make: () => {
        if (random.chance(0.1)) return stripe.checkout.sessions.create({ ...URLS, mode: 'setup', currency: 'usd', ...one('customer', 0.5) })
        const recurring = random.chance(0.35) ? 'month' : undefined
        const shipping = !recurring && random.chance(0.3) ? { shipping_options: [{ shipping_rate_data: { display_name: word(), type: 'fixed_amount', fixed_amount: { amount: random.below(900), currency: 'usd' } } }] } : {}
        return stripe.checkout.sessions.create({ ...URLS, mode: recurring ? 'subscription' : 'payment', line_items: lines(recurring), ...shipping, ...discounts(0.5), ...one('customer', 0.3), ...(recurring ? maybe(0.3, () => ({ subscription_data: { trial_period_days: 7 } })) : random.pick([{}, {}, { payment_intent_data: { capture_method: 'manual' } }, { invoice_creation: { enabled: true } }])) })
      },
      on: [pay, pay, pay, (id) => stripe.checkout.sessions.expire(id), (id) => stripe.checkout.sessions.update(id, { metadata: metadata() })],
    },
    subscription: {
      make: () => subscribed({
        ...maybe(0.2, () => ({ cancel_at_period_end: true })), ...maybe(0.2, () => ({ payment_settings: { save_default_payment_method: 'on_subscription' } })),
        ...random.pick([{}, {}, { payment_behavior: 'default_incomplete' }, { payment_behavior: 'error_if_incomplete' }, { trial_period_days: 5 }, { collection_method: 'send_invoice', days_until_due: 7 }]),
      }),
      on: [
        (id) => stripe.subscriptions.update(id, { metadata: metadata(), description: word() }),
        (id) => stripe.subscriptions.update(id, { cancel_at_period_end: random.chance(0.5) }),
        (id) => stripe.subscriptions.update(id, { cancellation_details: { comment: word(), feedback: random.pick(['unused', 'other']) } }),
        async (id) => {
          const { customer } = await stripe.subscriptions.retrieve(id)
          return stripe.subscriptions.update(id, { default_payment_method: (await stripe.paymentMethods.attach('pm_card_visa', { customer })).id })
        },
        (id) => stripe.subscriptions.cancel(id),
      ],
    },
    invoice: {
      make: async () => (await subscribed({ ...random.pick([{ collection_method: 'send_invoice', days_until_due: 7 }, { payment_behavior: 'default_incomplete' }]), expand: ['latest_invoice'] })).latest_invoice,
      on: [
        (id) => stripe.invoices.pay(id),
        (id) => stripe.invoices.pay(id, { payment_method: card() }),
        async (id) => stripe.invoices.pay(id, { payment_method: await asked(), off_session: false }),
        (id) => stripe.invoices.pay(id, { paid_out_of_band: true }),
        (id) => stripe.invoices.voidInvoice(id),
        async (id) => {
          // as an app does with the intent of its first invoice
          const { confirmation_secret } = await stripe.invoices.retrieve(id, { expand: ['confirmation_secret'] })
          const secret = confirmation_secret?.client_secret
          if (secret) await authenticate(await stripe.paymentIntents.confirm(secret.split('_secret_')[0], { payment_method: card(), return_url: BACK }), random)
        },
      ],
    },
  }
}
