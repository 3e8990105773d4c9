// Payment intents: their states, their errors, captures and cancellations.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { events, fails, typesOf } from './rig.mjs'

export async function run(build) {
  const { stripe, browser } = build
  const create = (more = {}, options) => stripe.paymentIntents.create({ amount: 2000, currency: 'usd', ...more }, options)
  const pay = (more = {}) => create({ payment_method: 'pm_card_visa', confirm: true, ...more })

  await check('create, with a method, confirm', async () => {
    const pi = await create({ description: 'T-shirt', metadata: { order: '1' }, receipt_email: 'a@example.com', statement_descriptor_suffix: 'SHIRT' })
    assertSame([pi.status, pi.amount, pi.currency, pi.payment_method, pi.capture_method, pi.confirmation_method], ['requires_payment_method', 2000, 'usd', null, 'automatic', 'automatic'])
    assertSame(pi.automatic_payment_methods, { allow_redirects: 'always', enabled: true })
    assertSame(pi.payment_method_options, { card: { installments: null, mandate_options: null, network: null, request_three_d_secure: 'automatic' } })
    assert(new RegExp(`^${pi.id}_secret_[A-Za-z0-9]{25}$`).test(pi.client_secret), pi.client_secret)
    const ready = await stripe.paymentIntents.update(pi.id, { payment_method: 'pm_card_visa', amount: 2500 })
    assertSame([ready.status, ready.amount], ['requires_confirmation', 2500])
    const paid = await stripe.paymentIntents.confirm(pi.id, { return_url: 'http://localhost:3000/done', expand: ['latest_charge.balance_transaction'] })
    assertSame([paid.status, paid.amount_received, paid.amount_capturable], ['succeeded', 2500, 0])
    const ch = paid.latest_charge
    assertSame([ch.amount, ch.amount_captured, ch.description, ch.metadata, ch.receipt_email, ch.calculated_statement_descriptor, ch.payment_intent], [2500, 2500, 'T-shirt', { order: '1' }, 'a@example.com', 'VALETKEY* SHIRT', pi.id])
    assertSame([ch.balance_transaction.amount, ch.balance_transaction.net, ch.balance_transaction.fee, ch.balance_transaction.type, ch.balance_transaction.source, ch.balance_transaction.status], [2500, 2500, 0, 'charge', ch.id, 'pending'])
    assert(new URL(ch.receipt_url).pathname.startsWith(`/b/${build.id}/receipts/`), ch.receipt_url)
    assertSame(await typesOf(build), ['payment_intent.created', 'charge.succeeded', 'payment_intent.succeeded'])
    assertSame((await stripe.charges.list({ payment_intent: pi.id })).data.map((x) => x.id), [ch.id])
  })

  await check('the currency in any case; zero decimals', async () => {
    assertSame((await create({ currency: 'EUR' })).currency, 'eur')
    const pi = await pay({ amount: 500, currency: 'jpy' })
    assertSame([pi.amount_received, pi.currency], [500, 'jpy'])
  })
  const amounts = [
    [{ amount: 49 }, 'amount_too_small', 'Amount must be at least $0.50 usd'],
    [{ amount: 29, currency: 'gbp' }, 'amount_too_small', 'Amount must be at least £0.30 gbp'],
    [{ amount: 399, currency: 'hkd' }, 'amount_too_small', 'Amount must be at least $4.00 hkd'],
    [{ amount: 49, currency: 'jpy' }, 'amount_too_small', 'Amount must be at least ¥50 jpy'],
    [{ amount: 100000000 }, 'amount_too_large', 'Amount must be no more than $999,999.99'],
    [{ amount: 0 }, 'parameter_invalid_integer', 'This value must be greater than or equal to 1.'],
  ]
  for (const [params, code, message] of amounts)
    await check(`${JSON.stringify(params)}: ${code}`, async () => void await fails(create(params), { statusCode: 400, code, message, param: 'amount' }))
  await check('the least and the most that can be charged', async () => {
    assertSame((await pay({ amount: 50 })).status, 'succeeded')
    assertSame((await pay({ amount: 99999999 })).status, 'succeeded')
  })
  await check('what is missing or unknown', async () => {
    await fails(create({ amount: undefined }), { statusCode: 400, code: 'parameter_missing', param: 'amount' })
    await fails(create({ currency: 'xxx' }), { statusCode: 400, param: 'currency' })
    await fails(create({ customer: 'cus_nobody' }), { statusCode: 400, code: 'resource_missing', param: 'customer' })
    await fails(create({ payment_method: 'pm_nobody' }), { statusCode: 400, code: 'resource_missing', param: 'payment_method', message: "No such PaymentMethod: 'pm_nobody'" })
    await fails(stripe.paymentIntents.retrieve('pi_nobody'), { statusCode: 404, code: 'resource_missing', message: "No such payment_intent: 'pi_nobody'" })
    await fails(create({ confirm: true }), { statusCode: 400, code: 'payment_intent_unexpected_state' })
    await fails(pay({ return_url: 'javascript:1' }), { statusCode: 400, code: 'url_invalid', param: 'return_url' })
    await fails(create({ payment_method_types: ['card'], automatic_payment_methods: { enabled: true } }), { statusCode: 400 })
    await fails(create({ payment_method_types: ['ideal'] }), { statusCode: 400, param: 'payment_method_types' })
    await typesOf(build)
  })
  await check('a refused call leaves nothing', async () => {
    const before = (await stripe.paymentIntents.list({ limit: 100 })).data.length
    await fails(create({ confirm: true }), { statusCode: 400 })
    await fails(create({ payment_method: 'pm_nobody', confirm: true }), { statusCode: 400 })
    assertSame((await stripe.paymentIntents.list({ limit: 100 })).data.length, before)
    assertSame(await typesOf(build), [])
  })

  await check('confirmed twice: the second time is an error, and changes nothing', async () => {
    const pi = await pay()
    const e = await fails(stripe.paymentIntents.confirm(pi.id), { statusCode: 400, code: 'payment_intent_unexpected_state', message: 'You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.' })
    assertSame([e.payment_intent.id, e.payment_intent.status], [pi.id, 'succeeded'])
    assertSame((await stripe.charges.list({ payment_intent: pi.id })).data.length, 1)
    await fails(stripe.paymentIntents.cancel(pi.id), { statusCode: 400, code: 'payment_intent_unexpected_state', message: 'You cannot cancel this PaymentIntent because it has a status of succeeded. Only a PaymentIntent with one of the following statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, requires_action, processing.' })
    await fails(stripe.paymentIntents.update(pi.id, { amount: 3000 }), { statusCode: 400, code: 'payment_intent_unexpected_state', param: 'amount' })
    const changed = await stripe.paymentIntents.update(pi.id, { metadata: { a: '1' }, description: 'later' })
    assertSame([changed.metadata, changed.description, changed.amount], [{ a: '1' }, 'later', 2000])
  })
  await check('the same key: the same charge; other parameters: an error', async () => {
    const once = { idempotencyKey: 'order-1' }
    const params = { amount: 2000, currency: 'usd', payment_method: 'pm_card_visa', confirm: true }
    const [a, b] = await Promise.all([stripe.paymentIntents.create(params, once), stripe.paymentIntents.create(params, once)])
    assertSame([a.id, a.latest_charge], [b.id, b.latest_charge])
    await fails(stripe.paymentIntents.create({ ...params, amount: 1 }, once), { statusCode: 400, type: 'StripeIdempotencyError' })
    const declined = { ...params, payment_method: 'pm_card_chargeDeclined' }
    const [x, y] = [await fails(stripe.paymentIntents.create(declined, { idempotencyKey: 'order-2' }), { statusCode: 402 }), await fails(stripe.paymentIntents.create(declined, { idempotencyKey: 'order-2' }), { statusCode: 402 })]
    assertSame([x.payment_intent.id, x.charge], [y.payment_intent.id, y.charge])
  })

  await check('manual capture: a part, the rest is let go', async () => {
    await typesOf(build)
    const pi = await pay({ capture_method: 'manual', expand: ['latest_charge'] })
    assertSame([pi.status, pi.amount_capturable, pi.amount_received, pi.latest_charge.captured, pi.latest_charge.balance_transaction], ['requires_capture', 2000, 0, false, null])
    assertSame(await typesOf(build), ['payment_intent.created', 'charge.succeeded', 'payment_intent.amount_capturable_updated'])
    await fails(stripe.paymentIntents.capture(pi.id, { amount_to_capture: 2001 }), { statusCode: 400, code: 'amount_too_large', param: 'amount_to_capture' })
    await fails(stripe.refunds.create({ payment_intent: pi.id }), { statusCode: 400 })
    await fails(stripe.paymentIntents.confirm(pi.id), { statusCode: 400, code: 'payment_intent_unexpected_state' })
    const got = await stripe.paymentIntents.capture(pi.id, { amount_to_capture: 1500, metadata: { part: 'yes' }, expand: ['latest_charge'] })
    assertSame([got.status, got.amount, got.amount_received, got.amount_capturable, got.metadata], ['succeeded', 2000, 1500, 0, { part: 'yes' }])
    assertSame([got.latest_charge.captured, got.latest_charge.amount_captured, got.latest_charge.amount_refunded, got.latest_charge.refunded], [true, 1500, 500, false])
    assertSame(await typesOf(build), ['charge.captured', 'payment_intent.succeeded'])
    const e = await fails(stripe.paymentIntents.capture(pi.id), { statusCode: 400, code: 'payment_intent_unexpected_state', message: 'This PaymentIntent could not be captured because it has a status of succeeded. Only a PaymentIntent with one of the following statuses may be captured: requires_capture.' })
    assertSame(e.payment_intent.id, pi.id)
    const refund = await stripe.refunds.create({ payment_intent: pi.id })
    assertSame(refund.amount, 1500)
  })
  await check('the message of a capture that comes too early', async () => {
    const pi = await create({ payment_method: 'pm_card_visa' })
    await fails(stripe.paymentIntents.capture(pi.id), { statusCode: 400, message: 'This PaymentIntent could not be captured because it has a status of requires_confirmation. Only a PaymentIntent with one of the following statuses may be captured: requires_capture.' })
  })
  await check('a charge is captured by its own call, too', async () => {
    const pi = await pay({ capture_method: 'manual' })
    const ch = await stripe.charges.capture(pi.latest_charge, { amount: 700 })
    assertSame([ch.captured, ch.amount_captured], [true, 700])
    await fails(stripe.charges.capture(pi.latest_charge), { statusCode: 400, code: 'charge_already_captured' })
    assertSame((await stripe.paymentIntents.retrieve(pi.id)).status, 'succeeded')
  })

  await check('cancel: open ones, and one that waits to be captured', async () => {
    const open = await create()
    await typesOf(build)
    const gone = await stripe.paymentIntents.cancel(open.id, { cancellation_reason: 'abandoned' })
    assertSame([gone.status, gone.cancellation_reason], ['canceled', 'abandoned'])
    assert(gone.canceled_at >= gone.created, gone.canceled_at)
    assertSame(await typesOf(build), ['payment_intent.canceled'])
    await fails(stripe.paymentIntents.confirm(open.id, { payment_method: 'pm_card_visa' }), { statusCode: 400, code: 'payment_intent_unexpected_state' })
    const held = await pay({ capture_method: 'manual' })
    await typesOf(build)
    const let_go = await stripe.paymentIntents.cancel(held.id, { expand: ['latest_charge'] })
    assertSame([let_go.status, let_go.amount_capturable, let_go.latest_charge.refunded, let_go.latest_charge.captured], ['canceled', 0, true, false])
    assertSame(await typesOf(build), ['charge.refunded', 'payment_intent.canceled'])
  })

  await check('setup_future_usage keeps the card with the customer', async () => {
    const cus = await stripe.customers.create({})
    await typesOf(build)
    const pi = await pay({ customer: cus.id, setup_future_usage: 'off_session' })
    assertSame((await stripe.paymentMethods.retrieve(pi.payment_method)).customer, cus.id)
    assertSame(await typesOf(build), ['payment_intent.created', 'payment_method.attached', 'charge.succeeded', 'payment_intent.succeeded'])
    const again = await pay({ customer: cus.id, payment_method: pi.payment_method, off_session: true })
    assertSame([again.status, again.customer], ['succeeded', cus.id])
    assertSame((await stripe.charges.list({ customer: cus.id })).data.length, 2)
  })

  await check('payment_method_data makes the method on the way', async () => {
    const pi = await create({ payment_method_data: { type: 'card', card: { token: 'tok_mastercard' }, billing_details: { name: 'N' } }, confirm: true, expand: ['payment_method'] })
    assertSame([pi.status, pi.payment_method.card.brand, pi.payment_method.billing_details.name], ['succeeded', 'mastercard', 'N'])
    await fails(create({ payment_method: 'pm_card_visa', payment_method_data: { type: 'card', card: { token: 'tok_visa' } } }), { statusCode: 400 })
  })

  await check('a browser sees an intent by its secret, and not what is the shop’s', async () => {
    const pi = await create({ metadata: { secret: 'x' }, customer: (await stripe.customers.create({})).id })
    const seen = await browser.paymentIntents.retrieve(pi.id, { client_secret: pi.client_secret })
    assertSame([seen.id, seen.amount, seen.metadata, seen.customer], [pi.id, 2000, {}, null])
    await fails(browser.paymentIntents.retrieve(pi.id, { client_secret: `${pi.id}_secret_x` }), { statusCode: 404 })
    await fails(browser.paymentIntents.retrieve(pi.id), { statusCode: 400 })
    await fails(browser.paymentIntents.cancel(pi.id), { statusCode: 403 })
  })

  await check('what an event says is what was then', async () => {
    await typesOf(build)
    const pi = await pay({ capture_method: 'manual' })
    await stripe.paymentIntents.capture(pi.id)
    const list = await events(build)
    assertSame(list.map((e) => [e.type, e.data.object.status, e.data.object.amount_received ?? e.data.object.amount_captured]), [
      ['payment_intent.created', 'requires_confirmation', 0], ['charge.succeeded', 'succeeded', 0], ['payment_intent.amount_capturable_updated', 'requires_capture', 0],
      ['charge.captured', 'succeeded', 2000], ['payment_intent.succeeded', 'succeeded', 2000]])
  })
}
