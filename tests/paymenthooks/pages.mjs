// What somebody does on a hosted page, and what comes with time.
import { request } from '../lib/daemon.mjs'
import { assert, assertSame } from '../lib/tap.mjs'
import { app, construct, daemon, Receiver, sleep } from './rig.mjs'

const session = (a, r) => a.stripe.checkout.sessions.create({
  mode: 'payment',
  success_url: `${r.origin}/thanks?s={CHECKOUT_SESSION_ID}`,
  line_items: [{ quantity: 1, price_data: { currency: 'usd', unit_amount: 1200, product_data: { name: 'x' } } }],
})

// As a browser posts the page's form.
const pay = (s) => request(s.url, {
  method: 'POST',
  headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' },
  body: new URLSearchParams({ email: 'ada@example.com', cardNumber: '4242424242424242', cardExpiry: '12 / 39', cardCvc: '123', billingName: 'Ada', billingCountry: 'US', billingPostalCode: '10001' }).toString(),
  timeout: 30000,
})

export async function the_app_hears_of_a_payment_before_the_browser_is_back() {
  const r = await new Receiver().open()
  const a = await app('paid', r)
  r.answer = async (h) => {
    if (h.event.type === 'checkout.session.completed') await sleep(800)
    return 200
  }
  const s = await session(a, r)
  const back = await pay(s)
  assertSame([back.status, back.headers.location], [303, `${r.origin}/thanks?s=${s.id}`], back.text.slice(0, 500))
  const [hit] = r.typed('checkout.session.completed')
  assert(hit?.answered && hit.answered <= Date.now(), 'it was answered when the page came back')
  assertSame(construct(hit, a.secret).data.object.payment_status, 'paid')
  assertSame(hit.event.request, { id: null, idempotency_key: null }, 'no request of the API')
  const types = r.hits.map((h) => h.event.type)
  assertSame(types.slice(-3), ['charge.succeeded', 'payment_intent.succeeded', 'checkout.session.completed'], types.join(' '))
  await r.close()
}

export async function an_app_that_does_not_answer_holds_it_up_for_some_seconds() {
  const r = await new Receiver().open()
  const a = await app('mute', r)
  const s = await session(a, r)
  r.answer = (h) => (h.event.type === 'checkout.session.completed' ? 'hang' : 200)
  const t0 = Date.now()
  const back = await pay(s)
  assertSame(back.status, 303)
  assert(Date.now() - t0 >= 4500 && Date.now() - t0 < 9500, `${Date.now() - t0} ms`)
  await r.close()
}

export async function an_app_that_is_not_there_holds_up_nothing() {
  const r = await new Receiver().open()
  const a = await app('absent', r)
  const s = await session(a, r)
  await r.close()
  const t0 = Date.now()
  assertSame((await pay(s)).status, 303)
  assert(Date.now() - t0 < 4500, `${Date.now() - t0} ms`)
}

export async function a_build_can_be_deleted_while_its_app_is_waited_for() {
  const r = await new Receiver().open()
  const a = await app('waits', r)
  const s = await session(a, r)
  r.answer = (h) => (h.event.type === 'checkout.session.completed' ? 'hang' : 200)
  let came
  const page = pay(s).then((p) => { came = Date.now(); return p })
  await r.hit((h) => h.event.type === 'checkout.session.completed')
  await daemon.mustCli(['build', 'delete', 'waits', '--yes'])
  const deleted = Date.now()
  assert(came === undefined, 'it was deleted while the page waited')
  assertSame((await page).status, 303, 'who has paid is led back')
  assert(came >= deleted, 'after it')
  const b = await app('waits', r) // and nothing is left of it
  assertSame((await b.stripe.checkout.sessions.list()).data, [])
  await r.close()
}

// What each action tells, in order; a checkout of a customer who is new.
export async function the_events_of_each_action() {
  const r = await new Receiver().open()
  const { stripe, ...a } = await app('actions', r)
  let seen = 0
  const tells = async (what, types, act) => {
    const got = await act()
    await r.hit(() => true, seen + types.length)
    assertSame(r.hits.slice(seen).map((h) => h.event.type), types, what)
    seen += types.length
    return got
  }
  const invoiced = ['customer.subscription.created', 'invoice.created', 'invoice.finalized']
  const paid = ['payment_intent.created', 'charge.succeeded', 'payment_intent.succeeded', 'invoice.paid', 'invoice.payment_succeeded', 'invoice_payment.paid']
  const once = { amount: 1000, currency: 'usd', confirm: true, return_url: r.origin }
  const { default_price: price } = await tells('product', ['product.created', 'price.created'], () =>
    stripe.products.create({ name: 'Pro', default_price_data: { currency: 'usd', unit_amount: 1200, recurring: { interval: 'month' } } }))
  const customer = await tells('customer', ['customer.created'], () => stripe.customers.create({ email: 'ada@example.com' }))
  await tells('declined', ['payment_intent.created', 'charge.failed', 'payment_intent.payment_failed'], () =>
    stripe.paymentIntents.create({ ...once, payment_method: 'pm_card_chargeDeclined' }).catch((e) => assertSame(e.statusCode, 402)))
  const intent = await tells('authorised', ['payment_intent.created', 'charge.succeeded', 'payment_intent.amount_capturable_updated'], () =>
    stripe.paymentIntents.create({ ...once, capture_method: 'manual', payment_method: 'pm_card_visa' }))
  await tells('captured', ['charge.captured', 'payment_intent.succeeded'], () => stripe.paymentIntents.capture(intent.id))
  await tells('refunded', ['refund.created', 'charge.refunded'], () => stripe.refunds.create({ payment_intent: intent.id, amount: 300 }))
  const method = await tells('attached', ['payment_method.attached'], () => stripe.paymentMethods.attach('pm_card_visa', { customer: customer.id }))
  await tells('usual', ['customer.updated'], () => stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: method.id } }))
  const sub = await tells('subscription', [...invoiced, ...paid], () => stripe.subscriptions.create({ customer: customer.id, items: [{ price }] }))
  await tells('ends later', ['customer.subscription.updated'], () => stripe.subscriptions.update(sub.id, { cancel_at_period_end: true }))
  assertSame(r.hits.at(-1).event.data.previous_attributes, { cancel_at: null, cancel_at_period_end: false, canceled_at: null, cancellation_details: { reason: null } })
  await tells('ended', ['customer.subscription.deleted'], () => stripe.subscriptions.cancel(sub.id))
  const checkout = (params) => stripe.checkout.sessions.create({ success_url: r.origin, line_items: [{ price, quantity: 1 }], mode: 'subscription', ...params })
  await tells('paid on a page', ['customer.created', 'payment_method.attached', ...invoiced, ...paid, 'checkout.session.completed'], async () => assertSame((await pay(await checkout())).status, 303))
  await tells('on trial', ['customer.created', 'setup_intent.created', 'setup_intent.succeeded', 'payment_method.attached', ...invoiced, 'invoice.paid', 'invoice.payment_succeeded', 'checkout.session.completed'], async () =>
    assertSame((await pay(await checkout({ subscription_data: { trial_period_days: 14 } }))).status, 303))
  await tells('given up', ['checkout.session.expired'], async () => stripe.checkout.sessions.expire((await checkout()).id))
  for (const h of r.hits) construct(h, a.secret)
  assertSame(new Set(r.hits.map((h) => h.event.id)).size, r.hits.length, 'each once')
  await r.close()
}

export async function a_session_expires_although_nobody_asks() {
  const r = await new Receiver().open()
  const a = await app('expires', r)
  const s = await session(a, r)
  await daemon.stop()
  daemon.env = { VALETKEY_TEST_CLOCK_OFFSET_MS: String(25 * 3600 * 1000) }
  await daemon.start()
  const hit = await r.hit((h) => h.event.type === 'checkout.session.expired')
  assertSame([hit.event.data.object.id, hit.event.data.object.status, hit.event.data.object.url], [s.id, 'expired', null])
  await daemon.stop()
  daemon.env = {}
  await daemon.start()
  await r.close()
}

export async function nothing_of_ours_expires_at_stripe() {
  const r = await new Receiver().open()
  const [away, here] = [await app('at-stripe', r), await app('at-stripe-not', r)]
  const [of_away, of_here] = [await session(away, r), await session(here, r)]
  await daemon.mustCli(['build', 'use', 'at-stripe', 'payments', 'stripe', 'soft=yes'])
  await daemon.stop()
  daemon.env = { VALETKEY_TEST_CLOCK_OFFSET_MS: String(25 * 3600 * 1000) }
  await daemon.start()
  const expired = (s) => (h) => h.event.type === 'checkout.session.expired' && h.event.data.object.id === s.id
  await r.hit(expired(of_here)) // the sweep after a start goes by the builds' ids
  assert(!r.hits.some(expired(of_away)), 'an event of an object that Stripe does not have')
  await daemon.mustCli(['build', 'use', 'at-stripe', 'payments', 'embedded'])
  assertSame((await away.stripe.checkout.sessions.retrieve(of_away.id)).status, 'expired')
  await r.hit(expired(of_away))
  await daemon.stop()
  daemon.env = {}
  await daemon.start()
  await r.close()
}
