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
