// Subscriptions as checkout and the API make them, their first invoice, and how they end.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { DECLINED, TYPED, URLS, alertOf, client, events, fails, line, pay, submit, typesOf } from './rig.mjs'

const MADE = ['customer.subscription.created', 'invoice.created', 'invoice.finalized']
const PAID = ['charge.succeeded', 'payment_intent.succeeded', 'invoice.paid', 'invoice.payment_succeeded', 'invoice_payment.paid']

async function checkout(build) {
  const { stripe } = build
  const create = (p) => stripe.checkout.sessions.create({ ...URLS, mode: 'subscription', line_items: [line(1200, { name: 'Pro', recurring: 'month' })], ...p })
  await check('subscribe: declined, then active, with its first invoice', async () => {
    const s = await create({ subscription_data: { metadata: { plan: 'pro' }, description: 'For you' } })
    await typesOf(build)
    const no = await submit(s.url, DECLINED)
    assertSame([no.status, alertOf(no)], [402, 'Your card was declined.'])
    assertSame(await typesOf(build), ['customer.created', ...MADE, 'payment_intent.created', 'charge.failed', 'payment_intent.payment_failed', 'invoice.payment_failed'])
    // A card that can be saved, but pays nothing: the same subscription and intent again.
    assertSame((await submit(s.url, { ...TYPED, cardNumber: '4000000000000341' })).status, 402)
    const failed = await events(build)
    assertSame(failed.map((e) => e.type), ['payment_method.attached', 'charge.failed', 'payment_intent.payment_failed', 'invoice.payment_failed'])
    assertSame((await stripe.subscriptions.list({ customer: failed[0].data.object.customer, status: 'incomplete' })).data.map((x) => x.default_payment_method), [null])
    await pay(s)
    const told = await events(build)
    assertSame(told.map((e) => e.type), ['payment_method.attached', ...PAID, 'customer.subscription.updated', 'checkout.session.completed'])
    assertSame(told.at(-2).data.previous_attributes, { status: 'incomplete', default_payment_method: null })
    const done = await stripe.checkout.sessions.retrieve(s.id, { expand: ['subscription.default_payment_method', 'invoice.payments', 'customer'] })
    const { subscription: sub, invoice } = done
    assertSame([done.payment_status, sub.status, sub.metadata, sub.description, sub.customer, sub.default_payment_method.card.last4], ['paid', 'active', { plan: 'pro' }, 'For you', done.customer.id, '4242'])
    const item = sub.items.data[0]
    const start = new Date(item.current_period_start * 1000), end = new Date(item.current_period_end * 1000)
    assertSame((end.getUTCFullYear() - start.getUTCFullYear()) * 12 + end.getUTCMonth() - start.getUTCMonth(), 1)
    assertSame([sub.items.data.length, item.quantity, item.plan.id, sub.latest_invoice, sub.billing_cycle_anchor], [1, 1, item.price.id, invoice.id, item.current_period_start])
    assertSame([invoice.status, invoice.billing_reason, invoice.amount_paid, invoice.parent.subscription_details.subscription, invoice.attempt_count], ['paid', 'subscription_create', 1200, sub.id, 3])
    assert(/^[A-Z0-9]{8}-0001$/.test(invoice.number), invoice.number)
    assertSame(invoice.lines.data[0].description, '1 × Pro (at $12.00 / month)')
    assertSame((await stripe.paymentIntents.retrieve(invoice.payments.data[0].payment.payment_intent)).status, 'succeeded')
    assertSame([(await fetch(invoice.hosted_invoice_url)).status, (await stripe.subscriptions.list({ customer: sub.customer })).data.length], [200, 1])
  })

  await check('sent three times at once: one subscription', async () => {
    const s = await create()
    await typesOf(build)
    const all = await Promise.all([1, 2, 3].map(() => submit(s.url, TYPED)))
    assertSame(all.map((r) => r.status), [303, 303, 303])
    const told = await events(build)
    assertSame(told.map((e) => e.type), ['customer.created', 'payment_method.attached', ...MADE, 'payment_intent.created', ...PAID, 'checkout.session.completed'])
    assertSame(told.find((e) => e.type === 'customer.subscription.created').data.object.status, 'active')
  })

  await check('3-D Secure', async () => {
    const s = await create()
    assertSame((await submit(s.url, { ...TYPED, cardNumber: '4000002760003184' })).headers.location, `${s.url}/authenticate`)
    assertSame((await stripe.checkout.sessions.retrieve(s.id)).status, 'open')
    await typesOf(build)
    assertSame((await submit(`${s.url}/authenticate`, { result: 'complete' })).status, 303)
    assertSame(await typesOf(build), [...PAID, 'customer.subscription.updated', 'checkout.session.completed'])
  })

  await check('a trial: the card is looked at, nothing is paid', async () => {
    const s = await create({ subscription_data: { trial_period_days: 14 } })
    assertSame([s.amount_total, s.amount_subtotal], [0, 0])
    assertSame((await submit(s.url, DECLINED)).status, 402)
    await typesOf(build)
    await pay(s)
    assertSame(await typesOf(build), ['setup_intent.succeeded', 'payment_method.attached', ...MADE, 'invoice.paid', 'invoice.payment_succeeded', 'checkout.session.completed'])
    const { subscription: sub, payment_status, invoice } = await stripe.checkout.sessions.retrieve(s.id, { expand: ['subscription', 'invoice'] })
    assertSame([payment_status, sub.status, sub.trial_end - sub.trial_start, sub.items.data[0].current_period_end, sub.billing_cycle_anchor], ['no_payment_required', 'trialing', 14 * 86400, sub.trial_end, sub.trial_end])
    assertSame([invoice.total, invoice.status, invoice.lines.data[0].description], [0, 'paid', 'Trial period for Pro'])
    assert(sub.default_payment_method)
  })

  await check('a trial without a card', async () => {
    const s = await create({ subscription_data: { trial_period_days: 7 }, payment_method_collection: 'if_required' })
    await pay(s, { email: 'nocard@example.com' })
    const { subscription: sub } = await stripe.checkout.sessions.retrieve(s.id, { expand: ['subscription'] })
    assertSame([sub.status, sub.default_payment_method], ['trialing', null])
  })

  await check('a trial and something that is paid at once', async () => {
    const s = await create({ subscription_data: { trial_period_days: 7 }, line_items: [line(1200, { recurring: 'month' }), line(500, { name: 'Setup fee' })] })
    assertSame(s.amount_total, 500)
    await pay(s)
    const { subscription: sub, invoice, payment_status } = await stripe.checkout.sessions.retrieve(s.id, { expand: ['subscription', 'invoice'] })
    assertSame([sub.status, invoice.total, payment_status, sub.items.data.length, invoice.lines.data.length], ['trialing', 500, 'paid', 1, 2])
  })

  await check('given up after a decline: the subscription that began ends, its invoice is void', async () => {
    const s = await create()
    await submit(s.url, DECLINED)
    await typesOf(build)
    await stripe.checkout.sessions.expire(s.id)
    assertSame(await typesOf(build), ['payment_intent.canceled', 'invoice.voided', 'customer.subscription.updated', 'checkout.session.expired'])
  })

  await check('other amounts after a decline: a new subscription of those', async () => {
    const s = await create({ line_items: [line(1200, { recurring: 'month', adjustable_quantity: { enabled: true, maximum: 9 } })] })
    const [item] = (await stripe.checkout.sessions.listLineItems(s.id)).data
    await submit(s.url, DECLINED)
    await pay(s, { ...TYPED, [`quantity_${item.id}`]: '3' })
    const { subscription: sub, invoice } = await stripe.checkout.sessions.retrieve(s.id, { expand: ['subscription', 'invoice'] })
    assertSame([sub.items.data[0].quantity, invoice.amount_paid], [3, 3600])
    assertSame((await stripe.subscriptions.list({ customer: sub.customer, status: 'all' })).data.map((x) => x.status), ['active', 'incomplete_expired'])
  })
}

async function api(build) {
  const { stripe } = build
  const product = await stripe.products.create({ name: 'Pro' })
  const month = await stripe.prices.create({ product: product.id, currency: 'usd', unit_amount: 1200, recurring: { interval: 'month', trial_period_days: 5 } })
  const year = await stripe.prices.create({ product: product.id, currency: 'usd', unit_amount: 9900, recurring: { interval: 'year' } })
  const once = await stripe.prices.create({ product: product.id, currency: 'usd', unit_amount: 100 })
  const customer = async (card) => {
    const c = await stripe.customers.create({ email: 'api@example.com' })
    if (!card) return c
    const m = await stripe.paymentMethods.attach(card, { customer: c.id })
    return stripe.customers.update(c.id, { invoice_settings: { default_payment_method: m.id } })
  }
  const items = [{ price: month.id, quantity: 2 }]

  await check('made: active, paid with the customer\'s card', async () => {
    const c = await customer('pm_card_visa')
    await typesOf(build)
    const sub = await stripe.subscriptions.create({ customer: c.id, items, metadata: { a: '1' }, expand: ['latest_invoice.payments'] })
    assertSame([sub.status, sub.latest_invoice.status, sub.latest_invoice.total, sub.items.data[0].quantity], ['active', 'paid', 2400, 2])
    assertSame(await typesOf(build), [...MADE, 'payment_intent.created', ...PAID])
    const [payment] = (await stripe.invoicePayments.list({ invoice: sub.latest_invoice.id })).data
    assertSame([payment.status, payment.amount_paid], ['paid', 2400])
    assertSame((await stripe.invoices.listLineItems(sub.latest_invoice.id)).data.map((l) => l.amount), [2400])
    assertSame((await stripe.invoices.list({ subscription: sub.id })).data.map((i) => i.id), [sub.latest_invoice.id])
    assertSame((await stripe.subscriptionItems.list({ subscription: sub.id })).data.map((i) => i.id), [sub.items.data[0].id])
    assertSame((await stripe.subscriptionItems.retrieve(sub.items.data[0].id)).subscription, sub.id)
    assertSame((await stripe.subscriptions.list({ price: month.id, customer: c.id })).data.map((x) => x.id), [sub.id])
  })

  await check('declined: incomplete; error_if_incomplete: nothing', async () => {
    const c = await customer('pm_card_chargeCustomerFail')
    await typesOf(build)
    const sub = await stripe.subscriptions.create({ customer: c.id, items })
    assertSame(sub.status, 'incomplete')
    assertSame(await typesOf(build), [...MADE, 'payment_intent.created', 'charge.failed', 'payment_intent.payment_failed', 'invoice.payment_failed'])
    await fails(stripe.subscriptions.create({ customer: c.id, items, payment_behavior: 'error_if_incomplete' }), { statusCode: 402, code: 'card_declined' })
    assertSame([await typesOf(build), (await stripe.subscriptions.list({ customer: c.id })).data.length], [[], 1])
    const waits = await stripe.subscriptions.create({ customer: c.id, items, payment_behavior: 'default_incomplete', expand: ['latest_invoice.confirmation_secret'] })
    assert(/^pi_.*_secret_/.test(waits.latest_invoice.confirmation_secret.client_secret))
    assertSame([waits.status, waits.latest_invoice.status], ['incomplete', 'open'])
  })

  await check('refused', async () => {
    const c = await customer(), other = await customer('pm_card_visa')
    const create = (p) => stripe.subscriptions.create({ customer: c.id, items, ...p })
    await fails(create(), { statusCode: 400, code: 'resource_missing', message: 'This customer has no attached payment source or default payment method. Please consider adding a default payment method.' })
    await fails(create({ customer: 'cus_nobody' }), { param: 'customer', code: 'resource_missing' })
    await fails(create({ items: [{ price: once.id }] }), { param: 'items[0][price]' })
    await fails(create({ items: [{ price: 'price_nobody' }] }), { param: 'items[0][price]', code: 'resource_missing' })
    await fails(create({ items: [{ price: month.id }, { price: year.id }] }), { param: 'items[1][price]' })
    await fails(create({ default_payment_method: other.invoice_settings.default_payment_method }), { param: 'default_payment_method' })
    await fails(create({ trial_period_days: 5, trial_end: 2000000000 }), { statusCode: 400 })
    await fails(create({ collection_method: 'send_invoice' }), { param: 'days_until_due' })
    assertSame((await stripe.subscriptions.list({ customer: c.id, status: 'all' })).data, [])
  })

  await check('trials and invoices that are sent need no card', async () => {
    const c = await customer()
    assertSame((await stripe.subscriptions.create({ customer: c.id, items, trial_period_days: 3 })).status, 'trialing')
    const plan = await stripe.subscriptions.create({ customer: c.id, items, trial_from_plan: true })
    assertSame([plan.status, plan.trial_end - plan.trial_start], ['trialing', 5 * 86400])
    const sent = await stripe.subscriptions.create({ customer: c.id, items, collection_method: 'send_invoice', days_until_due: 30, expand: ['latest_invoice'] })
    assertSame([sent.status, sent.latest_invoice.status, sent.latest_invoice.due_date - sent.latest_invoice.created], ['active', 'open', 30 * 86400])
  })

  await check('made to end, and with the card it keeps: its first event says so', async () => {
    const c = await customer('pm_card_visa')
    await typesOf(build)
    const sub = await stripe.subscriptions.create({ customer: c.id, items, cancel_at_period_end: true, payment_settings: { save_default_payment_method: 'on_subscription' } })
    const [first, ...more] = await events(build)
    const said = (x) => [x.cancel_at_period_end, x.cancel_at, x.cancellation_details.reason, x.payment_settings.save_default_payment_method]
    assertSame(said(sub), [true, sub.items.data[0].current_period_end, 'cancellation_requested', 'on_subscription'])
    assertSame([first.type, said(first.data.object), more.map((e) => e.type)], ['customer.subscription.created', said(sub), ['invoice.created', 'invoice.finalized', 'payment_intent.created', ...PAID]])
    await typesOf(build)
    await fails(stripe.subscriptions.create({ customer: c.id, items, cancel_at: 1000000000 }), { statusCode: 400, param: 'cancel_at' })
    assertSame(await typesOf(build), [])
  })

  await check('changed, canceled at the end of its period, resumed, canceled', async () => {
    const c = await customer('pm_card_visa')
    const sub = await stripe.subscriptions.create({ customer: c.id, items })
    await typesOf(build)
    const end = sub.items.data[0].current_period_end
    const late = await stripe.subscriptions.update(sub.id, { cancel_at_period_end: true, metadata: { why: 'x' }, cancellation_details: { feedback: 'unused' } })
    assertSame([late.status, late.cancel_at, late.cancel_at_period_end, late.cancellation_details.reason, late.cancellation_details.feedback, late.metadata], ['active', end, true, 'cancellation_requested', 'unused', { why: 'x' }])
    const told = await events(build)
    assertSame(told.map((e) => e.type), ['customer.subscription.updated'])
    assertSame([told[0].data.previous_attributes.cancel_at_period_end, told[0].data.previous_attributes.cancel_at], [false, null])
    const back = await stripe.subscriptions.update(sub.id, { cancel_at_period_end: false })
    assertSame([back.cancel_at, back.canceled_at, back.cancellation_details.reason], [null, null, null])
    await fails(stripe.subscriptions.update(sub.id, { items: [{ id: sub.items.data[0].id, price: year.id }] }), { statusCode: 400, param: 'items' })
    await fails(stripe.subscriptions.update(sub.id, { trial_end: 'now' }), { statusCode: 400, param: 'trial_end' })
    await typesOf(build)
    const gone = await stripe.subscriptions.cancel(sub.id)
    assertSame([gone.status, gone.items.data.length, gone.ended_at > 0], ['canceled', 1, true])
    assertSame(await typesOf(build), ['customer.subscription.deleted'])
    await fails(stripe.subscriptions.cancel(sub.id), { statusCode: 404, code: 'resource_missing' })
    await fails(stripe.subscriptions.update(sub.id, { cancel_at_period_end: true }), { statusCode: 400, message: 'A canceled subscription can only update its cancellation_details and metadata.' })
    assertSame((await stripe.subscriptions.update(sub.id, { metadata: { late: '1' } })).metadata, { why: 'x', late: '1' })
    const status = async (s) => (await stripe.subscriptions.list({ customer: c.id, ...(s ? { status: s } : {}) })).data.map((x) => x.id)
    assertSame([await status(), await status('all'), await status('canceled'), await status('ended'), await status('active')], [[], [sub.id], [sub.id], [sub.id], []])
  })

  await check('a customer that is deleted takes its subscriptions along', async () => {
    const c = await customer('pm_card_visa')
    const sub = await stripe.subscriptions.create({ customer: c.id, items })
    await typesOf(build)
    await stripe.customers.del(c.id)
    assertSame(await typesOf(build), ['customer.subscription.deleted', 'customer.deleted'])
    assertSame((await stripe.subscriptions.retrieve(sub.id)).status, 'canceled')
  })

  await check('old versions see what they know', async () => {
    const old = client(build.env, { apiVersion: '2024-06-20' })
    const c = await customer('pm_card_visa')
    const sub = await old.subscriptions.create({ customer: c.id, items, expand: ['latest_invoice.payment_intent'] })
    assertSame([sub.current_period_end, sub.plan.id, sub.quantity, sub.latest_invoice.subscription, sub.latest_invoice.paid, sub.latest_invoice.payment_intent.status],
      [sub.items.data[0].current_period_end, month.id, 2, sub.id, true, 'succeeded'])
  })
}

export async function run(build) {
  await checkout(build)
  await api(build)
}
