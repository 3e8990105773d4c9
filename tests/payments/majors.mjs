// The same app with each major of the SDK that apps in use pin, unmodified, in the version of the API that it asks for: what is sold, how
// it is paid, what comes back and where in the answer, what is told by webhook, and what goes wrong. Fast: the oldest that is common, and
// the newest; all with --full.
import { createRequire } from 'node:module'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Hook } from './hook.mjs'
import { DECLINED, TYPED, URLS, alertOf, line, pay, submit } from './rig.mjs'

const require = createRequire(import.meta.url)
const MAJORS = [12, 14, 16, 17, 18, 20, 22, 23]
const FAST = [14, 23]
// When what moved (the date part of a version).
const BASIL = '2025-03-31' // a period belongs to an item, an invoice names its subscription in `parent`
const CLOVER = '2025-09-30' // a promotion code names its coupon in `promotion`
const DAHLIA = '2026-03-25' // ui_mode is hosted_page

export async function run(_, payments) {
  const wanted = process.env.VALETKEY_TEST_FULL ? MAJORS : FAST
  for (const major of wanted) await flow(major, payments)
}

const failed = async (promise) => promise.then((r) => { throw new Error(`it was done: ${JSON.stringify(r).slice(0, 200)}`) }, (e) => e)

// `payments`: whose builds; with `org`, Stripe's own publishable key is the app's, which opens nothing here.
export async function flow(major, payments) {
  const Stripe = major === 23 ? require('stripe') : require(`stripe-${major}`)
  const hook = await new Hook().open()
  const { id, env } = await payments.build(`major-${major}`)
  await payments.daemon.mustCli(['build', 'origins', id, hook.origin])
  const at = new URL(env.STRIPE_API_BASE)
  const options = { host: at.hostname, port: at.port, protocol: 'http', maxNetworkRetries: 0, telemetry: false }
  const stripe = new Stripe(env.STRIPE_SECRET_KEY, options)
  const version = stripe.getApiField('version')
  const since = (date) => version.slice(0, 10) >= date
  const title = `SDK ${Stripe.PACKAGE_VERSION}, ${version}`
  const of = (name, step) => check(`${title}: ${name}`, step)
  let price, monthly, customer

  await of('product, price and customer; the answer is in the version that was asked for', async () => {
    assertSame(Stripe.PACKAGE_VERSION.split('.')[0], String(major), 'package')
    const product = await stripe.products.create({ name: 'Thing', metadata: { shelf: '3' } })
    price = await stripe.prices.create({ product: product.id, currency: 'USD', unit_amount: 5500 })
    monthly = await stripe.prices.create({ currency: 'usd', unit_amount: 1200, recurring: { interval: 'month' }, product_data: { name: 'Pro' }, lookup_key: 'pro' })
    customer = await stripe.customers.create({ email: 'ann@example.com', name: 'Ann' })
    const read = await stripe.prices.retrieve(price.id, { expand: ['product'] })
    assertSame([read.product.name, read.product.metadata.shelf, read.currency, read.unit_amount], ['Thing', '3', 'usd', 5500])
    assertSame(read.lastResponse.apiVersion, version, 'version')
    assert(/^req_/.test(read.lastResponse.requestId), 'request id')
    const listed = await stripe.prices.list({ lookup_keys: ['pro'], expand: ['data.product'] })
    assertSame(listed.data.map((p) => [p.id, p.product.name]), [[monthly.id, 'Pro']])
  })

  let paid
  await of('a checkout: declined, then paid on its page, and read again with all that it led to', async () => {
    const session = await stripe.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [{ price: price.id, quantity: 2 }], client_reference_id: 'user_1', metadata: { order: '7' } })
    assertSame([session.status, session.payment_status, session.amount_total, session.ui_mode], ['open', 'unpaid', 11000, since(DAHLIA) ? 'hosted_page' : 'hosted'])
    const no = await submit(session.url, DECLINED)
    assertSame([no.headers.location, alertOf(no)], [undefined, 'Your card was declined.'])
    const yes = await submit(session.url, TYPED)
    assertSame([yes.status, yes.headers.location], [303, URLS.success_url.replace('{CHECKOUT_SESSION_ID}', session.id)])
    paid = await stripe.checkout.sessions.retrieve(session.id, { expand: ['line_items', 'payment_intent.latest_charge'] })
    assertSame([paid.status, paid.payment_status, paid.url, paid.client_reference_id, paid.metadata, paid.customer_details.email], ['complete', 'paid', null, 'user_1', { order: '7' }, TYPED.email])
    assertSame([paid.payment_intent.status, paid.payment_intent.amount_received, paid.payment_intent.latest_charge.payment_method_details.card.last4], ['succeeded', 11000, '4242'])
    assertSame(paid.line_items.data.map((one) => [one.quantity, one.amount_total, one.price.id]), [[2, 11000, price.id]])
    assertSame((await stripe.checkout.sessions.listLineItems(session.id)).data.length, 1)
  })

  let subscribed
  await of('the checkout of a subscription with a trial: its period and its first invoice are where this version has them', async () => {
    const session = await stripe.checkout.sessions.create({ ...URLS, mode: 'subscription', customer: customer.id, line_items: [{ price: monthly.id, quantity: 1 }], subscription_data: { trial_period_days: 14, metadata: { plan: 'pro' } }, allow_promotion_codes: true })
    await pay(session)
    const done = await stripe.checkout.sessions.retrieve(session.id, { expand: ['customer', 'subscription', 'subscription.latest_invoice'] })
    const sub = done.subscription
    subscribed = sub.id
    assertSame([done.status, done.customer.id, sub.status, sub.metadata], ['complete', customer.id, 'trialing', { plan: 'pro' }])
    assertSame(sub.trial_end - sub.trial_start, 14 * 86400, 'trial')
    const [item] = sub.items.data
    const has = (o, name) => Object.hasOwn(o, name)
    assertSame(has(sub, 'current_period_end'), !since(BASIL), 'a period of the subscription')
    assertSame(since(BASIL) ? item.current_period_end : sub.current_period_end, sub.trial_end, 'end of the period')
    new Date((since(BASIL) ? item : sub).current_period_end * 1000).toISOString() // as templates do
    assertSame([item.price.id, item.quantity, item.price.recurring.interval], [monthly.id, 1, 'month'])
    const invoice = sub.latest_invoice
    assertSame([invoice.status, invoice.amount_due, invoice.billing_reason, has(invoice, 'subscription')], ['paid', 0, 'subscription_create', !since(BASIL)])
    assertSame(since(BASIL) ? invoice.parent.subscription_details.subscription : invoice.subscription, sub.id, 'the subscription of the invoice')
    const [first] = invoice.lines.data
    assertSame(since(BASIL) ? first.pricing.price_details.price : first.price.id, monthly.id, 'the price of its line')
    const mine = await stripe.subscriptions.list({ customer: customer.id, status: 'all', expand: ['data.default_payment_method'] })
    assertSame(mine.data.map((one) => [one.id, one.default_payment_method.card.last4]), [[sub.id, '4242']])
    assertSame((await stripe.subscriptions.retrieve(sub.id, { expand: ['items.data.price.product'] })).items.data[0].price.product.name, 'Pro')
  })

  await of('a promotion code names its coupon where this version has it', async () => {
    const coupon = await stripe.coupons.create({ percent_off: 25, duration: 'once' })
    const code = await stripe.promotionCodes.create(since(CLOVER) ? { promotion: { type: 'coupon', coupon: coupon.id }, code: 'SPRING' } : { coupon: coupon.id, code: 'SPRING' })
    assertSame(since(CLOVER) ? code.promotion.coupon : code.coupon.id, coupon.id)
    assertSame(Object.hasOwn(code, 'coupon'), !since(CLOVER), 'the former place')
  })

  await of('a refund', async () => {
    const refund = await stripe.refunds.create({ payment_intent: paid.payment_intent.id, amount: 1000 })
    assertSame([refund.status, refund.amount, refund.object], ['succeeded', 1000, 'refund'])
    await stripe.refunds.create({ charge: paid.payment_intent.latest_charge.id })
    const charge = await stripe.charges.retrieve(paid.payment_intent.latest_charge.id)
    assertSame([charge.refunded, charge.amount_refunded], [true, 11000])
  })

  await of('the webhooks of all that, checked with its own constructEvent, in its own version', async () => {
    const secret = env.STRIPE_WEBHOOK_SECRET
    for (const [type, of_] of [['checkout.session.completed', paid.id], ['customer.subscription.created', subscribed], ['charge.refunded', paid.payment_intent.latest_charge.id]]) {
      const hit = await hook.event((e) => e.type === type && e.data.object.id === of_)
      const event = stripe.webhooks.constructEvent(hit.raw, hit.signature, secret)
      assertSame([event.type, event.api_version, event.data.object.id, hit.url], [type, version, of_, '/api/webhooks/stripe'])
      assertSame((await stripe.webhooks.constructEventAsync(hit.raw.toString(), hit.signature, secret)).id, event.id)
      assertSame((await stripe.events.retrieve(event.id)).type, type)
      if (type === 'customer.subscription.created') assertSame(Object.hasOwn(event.data.object, 'current_period_end'), !since(BASIL), 'its shape')
    }
    const { raw, signature } = hook.got[0]
    for (const [body, header, key] of [[Buffer.concat([raw, Buffer.from(' ')]), signature, secret], [raw, signature, `${secret}x`], [raw, signature.replace(/t=\d+/, 't=1'), secret]]) {
      let refused
      try { stripe.webhooks.constructEvent(body, header, key) } catch (e) { refused = e }
      assertSame(refused?.type, 'StripeSignatureVerificationError')
    }
  })

  await of('lists page by themselves, newest first', async () => {
    const made = []
    for (let i = 0; i < 7; i++) made.unshift((await stripe.customers.create({ email: `page${i}@example.com`, metadata: { page: 'yes' } })).id)
    const seen = []
    for await (const one of stripe.customers.list({ limit: 3 })) if (one.metadata.page) seen.push(one.id)
    assertSame(seen, made)
    assertSame((await stripe.customers.list({ limit: 3 }).autoPagingToArray({ limit: 5 })).map((one) => one.id), made.slice(0, 5))
    assertSame((await stripe.customers.list({ email: 'page4@example.com' })).data.map((one) => one.id), [made[2]])
  })

  await of('a request that is sent again with its key is done once', async () => {
    const once = { idempotencyKey: `order-${major}` }
    const first = await stripe.paymentIntents.create({ amount: 2000, currency: 'usd', payment_method_types: ['card'] }, once)
    const second = await stripe.paymentIntents.create({ amount: 2000, currency: 'usd', payment_method_types: ['card'] }, once)
    assertSame([second.id, second.lastResponse.headers['idempotent-replayed'], first.lastResponse.headers['idempotent-replayed']], [first.id, 'true', undefined])
    const other = await failed(stripe.paymentIntents.create({ amount: 2001, currency: 'usd', payment_method_types: ['card'] }, once))
    assertSame([other.type, other.statusCode], ['StripeIdempotencyError', 400])
    assertSame((await stripe.paymentIntents.list({ limit: 100 })).data.filter((one) => one.amount === 2000).length, 1)
  })

  await of('errors are the classes that apps catch', async () => {
    const E = Stripe.errors
    const declined = await failed(stripe.paymentIntents.create({ amount: 2000, currency: 'usd', payment_method_types: ['card'], payment_method: 'pm_card_chargeDeclinedInsufficientFunds', confirm: true }))
    assert(declined instanceof E.StripeCardError && declined instanceof E.StripeError, declined.type)
    assertSame([declined.type, declined.statusCode, declined.code, declined.decline_code, declined.payment_intent.status], ['StripeCardError', 402, 'card_declined', 'insufficient_funds', 'requires_payment_method'])
    const gone = await failed(stripe.customers.retrieve('cus_nobody'))
    assert(gone instanceof E.StripeInvalidRequestError, gone.type)
    assertSame([gone.statusCode, gone.code, gone.param, gone.message], [404, 'resource_missing', 'id', "No such customer: 'cus_nobody'"])
    const empty = await failed(stripe.checkout.sessions.create({ mode: 'payment', line_items: [line(1000)] }))
    assertSame([empty.type, empty.code, empty.param], ['StripeInvalidRequestError', 'parameter_missing', 'success_url'])
    const key = await failed(new Stripe('sk_test_valet_nobody', options).balance.retrieve())
    assert(key instanceof E.StripeAuthenticationError, key.type)
    const publishable = await failed(new Stripe(env.STRIPE_PUBLISHABLE_KEY, options).customers.list())
    assertSame([publishable.type, publishable.statusCode], payments.org ? ['StripeAuthenticationError', 401] : ['StripePermissionError', 403])
    const away = await failed(new Stripe(env.STRIPE_SECRET_KEY, { ...options, port: payments.base + 97 }).balance.retrieve())
    assertSame(away.type, 'StripeConnectionError')
  })

  await of('cancelled at the end of the period, and at once', async () => {
    const soon = await stripe.subscriptions.update(subscribed, { cancel_at_period_end: true })
    assertSame([soon.cancel_at_period_end, soon.status], [true, 'trialing'])
    const over = await stripe.subscriptions.cancel(subscribed)
    assertSame([over.status, typeof over.ended_at], ['canceled', 'number'])
  })
  await hook.close()
}
