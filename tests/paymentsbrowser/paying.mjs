// What somebody pays with, and what comes of it.
import { createHmac } from 'node:crypto'
import { request } from '../lib/daemon.mjs'
import { assert, assertSame } from '../lib/tap.mjs'
import { CARDS, FIELDS, browser, fill, get, line, pages, post, submit, thanked, until } from './rig.mjs'

const { page } = browser
const PAID = ['payment_intent.created', 'charge.succeeded', 'payment_intent.succeeded', 'checkout.session.completed']
const alert = () => page.getByRole('alert').textContent()

async function settled(shop, session) {
  const s = await shop.stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent'] })
  const pi = s.payment_intent
  const charges = pi ? (await shop.stripe.charges.list({ payment_intent: pi.id })).data : []
  return { status: s.status, paid: s.payment_status, amount: s.amount_total, intent: pi?.status, good: charges.filter((c) => c.status === 'succeeded').length, bad: charges.filter((c) => c.status === 'failed').length }
}

export async function paid_with_a_good_card(shop) {
  const s = await shop.session({ line_items: [line('T-shirt', 2500, { quantity: 2 }), line('Mug <b>big</b>', 500)] })
  await page.goto(s.url)
  assertSame([await page.textContent('[data-testid=amount]'), await page.locator('[data-testid=line-item]').nth(1).textContent()], ['$55.00', 'Mug <b>big</b>'])
  assert((await page.textContent('body')).includes('TEST MODE'), 'it says that this is a test')
  await fill(page)
  assertSame([await page.inputValue('#cardNumber'), await page.inputValue('#cardExpiry')], ['4242 4242 4242 4242', '12 / 34'])
  shop.visits.length = 0
  await submit(page)
  await thanked(shop, s)
  assertSame(shop.visits.map((v) => v.referer), [undefined], 'no Referer')
  assertSame(await settled(shop, s), { status: 'complete', paid: 'paid', amount: 5500, intent: 'succeeded', good: 1, bad: 0 })
  const told = shop.events.slice(-PAID.length)
  assertSame(told.map((e) => e.type), PAID)
  assertSame(told.at(-1).data.object.customer_details.email, 'jenny@example.com')
}

export async function declined_and_then_paid(shop) {
  const s = await shop.session()
  await page.goto(s.url)
  for (const [card, why] of [[CARDS.declined, 'Your card was declined.'], [CARDS.poor, 'Your card has insufficient funds.']]) {
    await fill(page, card)
    await submit(page)
    await page.waitForSelector('#problem')
    assertSame(await alert(), why)
    assertSame(await page.evaluate(() => document.activeElement.id), 'problem', 'the focus')
    assertSame([await page.inputValue('#email'), await page.inputValue('#billingName'), await page.inputValue('#cardNumber'), await page.inputValue('#cardCvc')], ['jenny@example.com', 'Jenny Rosen', '', ''])
  }
  await fill(page)
  await submit(page)
  await thanked(shop, s)
  assertSame(await settled(shop, s), { status: 'complete', paid: 'paid', amount: 2500, intent: 'succeeded', good: 1, bad: 2 })
}

export async function cards_that_are_none(shop) {
  const s = await shop.session()
  await page.goto(s.url)
  for (const [more, field] of [[{ cardNumber: '4111111111111111' }, 'cardNumber'], [{ cardNumber: '4242424242424241' }, 'cardNumber'], [{ cardExpiry: '12 / 20' }, 'cardExpiry'], [{ cardCvc: '1' }, 'cardCvc']]) {
    await fill(page, CARDS.good, more)
    await submit(page)
    await page.waitForSelector(`#${field}[aria-invalid=true]`)
    assertSame(await page.locator('[aria-invalid=true]').count(), 1)
    assertSame(await page.getAttribute(`#${field}`, 'aria-describedby'), 'problem')
  }
  assertSame((await settled(shop, s)).intent, undefined)
}

export async function authenticated(shop) {
  const s = await shop.session()
  await page.goto(s.url)
  await fill(page, CARDS.asks)
  await submit(page)
  await page.waitForURL(`${s.url}/authenticate`)
  assert((await page.textContent('main')).includes('•••• 3184'), 'the card')
  await page.click('#test-source-authorize-3ds')
  await thanked(shop, s)
  assertSame(await settled(shop, s), { status: 'complete', paid: 'paid', amount: 2500, intent: 'succeeded', good: 1, bad: 0 })
}

export async function authentication_refused_then_paid(shop) {
  const s = await shop.session()
  await page.goto(s.url)
  await fill(page, CARDS.asks)
  await submit(page)
  await page.click('#test-source-fail-3ds')
  await page.waitForSelector('#problem')
  assertSame(await alert(), 'We are unable to authenticate your payment method. Please choose a different payment method and try again.')
  assertSame((await settled(shop, s)).intent, 'requires_payment_method')
  // The page of the bank has nothing to ask any more.
  await page.goto(`${s.url}/authenticate`)
  await page.waitForURL(s.url)
  await fill(page, CARDS.asksThenPoor)
  await submit(page)
  await page.click('#test-source-authorize-3ds')
  await page.waitForSelector('#problem')
  assertSame(await alert(), 'Your card has insufficient funds.')
  await page.goto(s.url)
  await fill(page)
  await submit(page)
  await thanked(shop, s)
}

export async function a_subscription_with_a_trial(shop) {
  const s = await shop.session({ mode: 'subscription', line_items: [line('Pro', 1200, { interval: 'month' })], subscription_data: { trial_period_days: 14 } })
  await page.goto(s.url)
  assertSame(await page.textContent('[data-testid=amount]'), '14 days free')
  assert((await page.textContent('#order')).includes('Then $12.00 per month'), 'what comes then')
  assertSame(await page.textContent('[data-testid=hosted-payment-submit-button]'), 'Start trial')
  await fill(page)
  await submit(page)
  await thanked(shop, s, 'no_payment_required')
  const { subscription } = await shop.stripe.checkout.sessions.retrieve(s.id, { expand: ['subscription'] })
  assertSame([subscription.status, Math.round((subscription.trial_end - subscription.trial_start) / 86400)], ['trialing', 14])
  assert(shop.types(subscription.id).includes('customer.subscription.created'), 'the event')
}

export async function a_subscription_paid_at_once_and_its_invoice(shop) {
  const s = await shop.session({ mode: 'subscription', line_items: [line('Pro', 1200, { interval: 'month' })] })
  await page.goto(s.url)
  assertSame(await page.textContent('[data-testid=hosted-payment-submit-button]'), 'Subscribe')
  await fill(page)
  await submit(page)
  await thanked(shop, s)
  const { invoice, subscription } = await shop.stripe.checkout.sessions.retrieve(s.id, { expand: ['invoice', 'subscription'] })
  assertSame(subscription.status, 'active')
  await page.goto(invoice.hosted_invoice_url)
  const text = await page.textContent('main')
  assert(text.includes(invoice.number) && text.includes('$12.00') && text.includes('Paid') && text.includes('Pro'), text)
}

export async function a_card_saved(shop) {
  const customer = await shop.stripe.customers.create({ email: 'kept@example.com' })
  const s = await shop.session({ mode: 'setup', customer: customer.id })
  await page.goto(s.url)
  assertSame([await page.inputValue('#email'), await page.getAttribute('#email', 'readonly')], ['kept@example.com', ''])
  assertSame(await page.textContent('[data-testid=hosted-payment-submit-button]'), 'Save card')
  await fill(page)
  await submit(page)
  await thanked(shop, s, 'no_payment_required')
  assertSame((await shop.stripe.customers.listPaymentMethods(customer.id)).data.map((m) => m.card.last4), ['4242'])
}

export async function yen_have_no_cents(shop) {
  const s = await shop.session({ line_items: [line('Bowl', 5400, { currency: 'jpy' })] })
  await page.goto(s.url)
  assertSame([await page.textContent('[data-testid=amount]'), await page.textContent('[data-testid=hosted-payment-submit-button]')], ['¥5,400', 'Pay ¥5,400'])
}

export async function back_after_paying(shop) {
  const s = await shop.session()
  await page.goto(`${shop.origin}/cart`)
  await page.goto(s.url)
  await fill(page)
  await submit(page)
  await thanked(shop, s)
  await page.goBack()
  await page.getByText('This Checkout Session is already complete').waitFor()
  assertSame(await page.locator('#cardNumber').count(), 0)
  await page.getByRole('link', { name: 'Continue' }).click()
  await thanked(shop, s)
  assertSame((await settled(shop, s)).good, 1)
}

export async function three_clicks_and_three_posts_at_once(shop) {
  const s = await shop.session()
  await page.goto(s.url)
  await fill(page)
  const before = browser.requests.length
  await page.evaluate(() => { const b = document.querySelector('[data-testid=hosted-payment-submit-button]'); b.click(); b.click(); b.click() })
  await thanked(shop, s)
  assertSame(browser.requests.slice(before).filter((r) => r.method === 'POST').length, 1, 'forms sent')
  const t = await shop.session()
  const all = await Promise.all([1, 2, 3].map(() => post(t.url, FIELDS, { timeout: 60000 })))
  assertSame(all.map((r) => [r.status, r.headers.location]), Array(3).fill([303, `${shop.origin}/success?id=${t.id}`]))
  for (const x of [s, t]) {
    assertSame(await settled(shop, x), { status: 'complete', paid: 'paid', amount: 2500, intent: 'succeeded', good: 1, bad: 0 })
    assertSame(shop.events.filter((e) => e.type === 'checkout.session.completed' && e.data.object.id === x.id).length, 1, 'completed events')
  }
}

export async function expired(shop) {
  const s = await shop.session()
  await page.goto(s.url)
  await fill(page)
  await shop.stripe.checkout.sessions.expire(s.id)
  await submit(page)
  await page.getByText('This Checkout Session has expired').waitFor()
  assertSame((await settled(shop, s)).intent, undefined)
  await page.getByRole('link', { name: 'Go back' }).click()
  await page.waitForURL(`${shop.origin}/cart`)
}

export async function a_link_and_its_receipt(shop) {
  const price = await shop.stripe.prices.create({ currency: 'eur', unit_amount: 999, product_data: { name: 'Sticker' } })
  const link = await shop.stripe.paymentLinks.create({ line_items: [{ price: price.id, quantity: 1 }], after_completion: { type: 'hosted_confirmation', hosted_confirmation: { custom_message: 'It is <on> its way.' } } })
  await page.goto(link.url)
  await page.waitForURL(/\/c\/pay\/cs_test_/)
  await fill(page)
  await submit(page)
  await page.getByText('It is <on> its way.').waitFor()
  const [session] = (await shop.stripe.checkout.sessions.list({ payment_link: link.id })).data
  const pi = await shop.stripe.paymentIntents.retrieve(session.payment_intent, { expand: ['latest_charge'] })
  await page.goto(pi.latest_charge.receipt_url)
  const text = await page.textContent('main')
  assert(text.includes('€9.99') && text.includes('Visa •••• 4242') && text.includes('Paid'), text)
  await shop.stripe.refunds.create({ payment_intent: pi.id, amount: 400 })
  await page.reload()
  assert((await page.textContent('main')).includes('€5.99'), 'after a refund')
}

export async function an_intent_of_the_api_asks_and_leads_back(shop) {
  for (const [id, status, button] of [['succeeded', 'succeeded', '#test-source-authorize-3ds'], ['failed', 'requires_payment_method', '#test-source-fail-3ds']]) {
    const pi = await shop.stripe.paymentIntents.create({ amount: 700, currency: 'usd', payment_method: 'pm_card_threeDSecure2Required', confirm: true, return_url: `${shop.origin}/return` })
    assertSame(pi.status, 'requires_action')
    await page.goto(pi.next_action.redirect_to_url.url)
    await page.click(button)
    await page.waitForURL(`${shop.origin}/return**`)
    assertSame([await page.textContent('#status'), (await shop.stripe.paymentIntents.retrieve(pi.id)).status], [id, status])
  }
  // The second window in which it was open leads back, too, and changes nothing.
  for (const [status, button] of [['succeeded', '#test-source-authorize-3ds'], ['failed', '#test-source-fail-3ds']]) {
    const pi = await shop.stripe.paymentIntents.create({ amount: 700, currency: 'usd', payment_method: 'pm_card_threeDSecure2Required', confirm: true, return_url: `${shop.origin}/return` })
    const second = await browser.context.newPage()
    for (const p of [page, second]) await p.goto(pi.next_action.redirect_to_url.url)
    for (const p of [page, second]) {
      await p.click(button)
      await p.waitForURL(`${shop.origin}/return**`)
      assertSame(await p.textContent('#status'), status)
    }
    await second.close()
  }
}

export async function addresses_of_every_kind(shop) {
  const { hostname } = new URL(pages)
  for (const url of [`http://${'a'.repeat(700)}/`, `http://${hostname}:/`, `http://${hostname}:99999/`, 'http://[::1]:1/', `${shop.origin}/success?${'%C3%BC'.repeat(600)}`, 'https://shop.example/', `${shop.origin}/\u00fc;script-src%20*`]) {
    const s = await shop.session({ success_url: url, cancel_url: url })
    assertSame([url.slice(0, 30), (await get(s.url)).status], [url.slice(0, 30), 200])
    const r = await post(s.url, FIELDS)
    assertSame([url.slice(0, 30), r.status, Buffer.from(r.headers.location ?? '', 'latin1').toString()], [url.slice(0, 30), 303, url])
    assertSame((await shop.stripe.checkout.sessions.retrieve(s.id)).payment_status, 'paid')
  }
}

// A page of the app that leads on by itself, to another of its names: as to where people sign in.
export async function a_success_page_that_leads_on(shop) {
  const s = await shop.session({ success_url: `${shop.origin}/onward?id={CHECKOUT_SESSION_ID}` })
  await page.goto(s.url)
  await fill(page)
  await submit(page)
  await page.waitForURL(`http://127.0.0.1:${shop.port}/success**`)
  assertSame([await page.textContent('#order'), await page.textContent('#session')], ['paid', s.id])
}

export async function the_shop_hears_of_all(shop) {
  const open = await shop.session()
  await shop.stripe.checkout.sessions.expire(open.id)
  await until(() => shop.events.some((e) => e.type === 'checkout.session.expired' && e.data.object.id === open.id), 'the event of what expired')
}

export async function a_route_handler_is_told_before_the_success_page(shop) {
  const endpoint = await shop.stripe.webhookEndpoints.create({ url: `${shop.origin}/api/webhooks/route`, enabled_events: ['checkout.session.completed'] })
  try {
    shop.routeSecret = endpoint.secret
    const s = await shop.session()
    await page.goto(s.url)
    await fill(page)
    await submit(page)
    await page.waitForURL(`${shop.origin}/success**`)
    assertSame(shop.routed.map((all) => all.map((e) => e.data.object.id)), [[s.id, s.id]])
    const r = await post(`${shop.origin}/api/webhooks/route`, '{}', { headers: { 'Stripe-Signature': 't=1,v1=00' } })
    assertSame([r.status, shop.routed.length], [400, 1], 'a wrong signature')
  } finally {
    await shop.stripe.webhookEndpoints.del(endpoint.id)
  }
}

export async function an_Express_handler_takes_what_the_service_signed_and_nothing_else(shop) {
  const s = await shop.session()
  await shop.stripe.checkout.sessions.expire(s.id)
  await until(() => shop.events.at(-1).data.object.id === s.id, 'the event of what expired')
  const { body, signature } = shop.last
  const { STRIPE_WEBHOOK_SECRET: secret } = shop.env
  const now = Math.floor(Date.now() / 1000)
  const sign = (bytes, { key = secret, at = now } = {}) => `t=${at},v1=${createHmac('sha256', key).update(`${at}.`).update(bytes).digest('hex')}`
  const tell = async (bytes, stripeSignature) => (await request(`${shop.origin}/api/webhooks/stripe`, { method: 'POST', body: bytes, headers: { 'Content-Type': 'application/json', ...(stripeSignature && { 'Stripe-Signature': stripeSignature }) } })).status
  const heard = shop.events.length
  const compact = Buffer.from(JSON.stringify(JSON.parse(body)))
  const paid = Buffer.from(body.toString().replace('"checkout.session.expired"', '"checkout.session.completed"'))
  assert(!paid.equals(body) && !compact.equals(body), 'other bytes')
  for (const [what, bytes, with_] of [
    ['the signature of other bytes', paid, signature],
    ['of the same JSON, written otherwise', compact, signature],
    ['one byte less', body.subarray(0, -1), signature],
    ['the secret of somebody else', body, sign(body, { key: 'whsec_valet_made_up_by_somebody' })],
    ['the secret without its beginning', body, sign(body, { key: secret.slice('whsec_'.length) })],
    ['ten minutes old', body, sign(body, { at: now - 600 })],
    ['a time that was not signed', body, signature.replace(/^t=\d+/, `t=${now + 1}`)],
    ['no signature', body, undefined],
  ])
    assertSame([what, await tell(bytes, with_)], [what, 400])
  assertSame([shop.bad.splice(0).length, shop.events.length], [8, heard], 'refused')
  // As it came, and signed as the service signs: the SDK takes both, so what an app writes down goes by an id.
  assertSame([await tell(body, signature), await tell(body, sign(body))], [200, 200], 'the service\'s own')
  assertSame(new Set(shop.events.slice(heard - 1).map((e) => e.id)).size, 1, 'one event')
}

// An invoice that was sent: declined, then its bank asks, then it is paid, and asks for nothing any more.
export async function an_invoice_paid_on_its_page(shop) {
  const { stripe } = shop
  const customer = await stripe.customers.create({ name: 'Jenny Rosen', email: 'jenny@example.com' })
  const price = await stripe.prices.create({ currency: 'usd', unit_amount: 4200, recurring: { interval: 'month' }, product_data: { name: 'Club' } })
  const { latest_invoice: invoice } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }], collection_method: 'send_invoice', days_until_due: 7, expand: ['latest_invoice'] })
  const type = async (number) => {
    for (const [name, value] of Object.entries({ cardNumber: number, cardExpiry: '12 / 34', cardCvc: '123', billingName: 'Jenny Rosen' })) await page.fill(`#${name}`, value)
    await page.click('[data-testid=hosted-payment-submit-button]')
  }
  await page.goto(invoice.hosted_invoice_url)
  assertSame(await page.textContent('[data-testid=hosted-payment-submit-button]'), 'Pay $42.00')
  await type('4000000000000002')
  await page.waitForSelector('#problem')
  assertSame([await alert(), await page.inputValue('#billingName'), await page.inputValue('#cardNumber')], ['Your card was declined.', 'Jenny Rosen', ''])
  await type('4000002760003184')
  await page.waitForURL(/\/authenticate\//)
  await page.click('#test-source-authorize-3ds')
  await page.waitForURL((url) => url.href.startsWith(invoice.hosted_invoice_url))
  assertSame([await page.textContent('.tag'), await page.locator('#pay').count(), (await stripe.invoices.retrieve(invoice.id)).status], ['Paid', 0, 'paid'])
}
