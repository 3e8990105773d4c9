// 3-D Secure: what asks for it, and what its page does.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { request } from '../lib/daemon.mjs'
import { CARD, fails, press, typesOf } from './rig.mjs'

const BACK = 'http://localhost:3000/done?order=1#end'

export async function run(build) {
  const { stripe } = build
  const method = async (number) => (await stripe.paymentMethods.create({ type: 'card', card: { ...CARD, number } })).id
  const pay = async (number, more = {}) => stripe.paymentIntents.create({ amount: 1000, currency: 'usd', payment_method: await method(number), confirm: true, return_url: BACK, ...more })
  const led = (r, pi, outcome) => {
    assertSame(r.status, 303, r.text.slice(0, 300))
    assertSame(r.headers.location, `http://localhost:3000/done?order=1&payment_intent=${pi.id}&payment_intent_client_secret=${pi.client_secret}&redirect_status=${outcome}#end`)
  }

  for (const number of ['4000002500003155', '4000002760003184', '4000003800000446', '4000000000003220']) {
    await check(`card ${number.slice(-4)}: its owner is asked, and pays`, async () => {
      await typesOf(build)
      const pi = await pay(number)
      assertSame([pi.status, pi.next_action.type, pi.next_action.redirect_to_url.return_url, pi.latest_charge], ['requires_action', 'redirect_to_url', BACK, null])
      assertSame(await typesOf(build), ['payment_intent.created', 'payment_intent.requires_action'])
      led(await press(pi.next_action.redirect_to_url.url, 'complete'), pi, 'succeeded')
      const paid = await stripe.paymentIntents.retrieve(pi.id, { expand: ['latest_charge'] })
      assertSame([paid.status, paid.next_action, paid.latest_charge.payment_method_details.card.three_d_secure.result], ['succeeded', null, 'authenticated'])
      assertSame(await typesOf(build), ['charge.succeeded', 'payment_intent.succeeded'])
      // once more, as with the back button
      const again = await request(pi.next_action.redirect_to_url.url)
      led(again, pi, 'succeeded')
      assertSame((await stripe.charges.list({ payment_intent: pi.id })).data.length, 1)
    })
  }
  for (const [number, code, decline_code] of [['4000008260003178', 'card_declined', 'insufficient_funds'], ['4000008400001629', 'card_declined', 'generic_decline'], ['4000008400001280', 'processing_error', 'processing_error']]) {
    await check(`card ${number.slice(-4)}: its owner is asked, then it is declined`, async () => {
      const pi = await pay(number)
      assertSame(pi.status, 'requires_action')
      await typesOf(build)
      led(await press(pi.next_action.redirect_to_url.url, 'complete'), pi, 'failed')
      const failed = await stripe.paymentIntents.retrieve(pi.id)
      assertSame([failed.status, failed.last_payment_error.code, failed.last_payment_error.decline_code], ['requires_payment_method', code, decline_code])
      assertSame(await typesOf(build), ['charge.failed', 'payment_intent.payment_failed'])
    })
  }
  // What the intent named when it was confirmed may be another's, or gone, by the time that its owner answers.
  const meanwhile = {
    'its customer is deleted': async (intent) => stripe.customers.del(intent.customer),
    'its method becomes another customer\'s': async (intent) => stripe.paymentMethods.attach(intent.payment_method, { customer: (await stripe.customers.create({})).id }),
  }
  for (const [what, change] of Object.entries(meanwhile)) {
    await check(`${what} while its owner is asked: refused, and no page breaks`, async () => {
      const confirmed = async (more) => ({ customer: (await stripe.customers.create({})).id, payment_method: await method('4000002760003184'), confirm: true, return_url: BACK, ...more })
      const pi = await stripe.paymentIntents.create(await confirmed({ amount: 1000, currency: 'usd' }))
      const seti = await stripe.setupIntents.create(await confirmed({ payment_method_types: ['card'] }))
      for (const intent of [pi, seti]) {
        assertSame(intent.status, 'requires_action')
        await change(intent)
        const r = await press(intent.next_action.redirect_to_url.url, 'complete')
        assertSame([r.status, /redirect_status=failed/.test(r.headers.location)], [303, true], r.text.slice(0, 300))
      }
      assertSame([(await stripe.paymentIntents.retrieve(pi.id)).status, (await stripe.setupIntents.retrieve(seti.id)).status], ['requires_payment_method', 'requires_payment_method'])
      assertSame((await stripe.charges.list({ payment_intent: pi.id })).data.length, 0)
    })
  }
  await check('its owner refuses', async () => {
    const pi = await pay('4000002760003184')
    await typesOf(build)
    led(await press(pi.next_action.redirect_to_url.url, 'fail'), pi, 'failed')
    const failed = await stripe.paymentIntents.retrieve(pi.id)
    assertSame([failed.status, failed.latest_charge, failed.payment_method], ['requires_payment_method', null, null])
    assertSame(failed.last_payment_error.code, 'payment_intent_authentication_failure')
    assertSame(failed.last_payment_error.message, 'We are unable to authenticate your payment method. Please choose a different payment method and try again.')
    assertSame(await typesOf(build), ['payment_intent.payment_failed'])
    const paid = await stripe.paymentIntents.confirm(pi.id, { payment_method: 'pm_card_visa' })
    assertSame(paid.status, 'succeeded')
  })
  await check('the card that supports it is asked when the app wants it', async () => {
    assertSame((await pay('4000000000003055')).status, 'succeeded')
    assertSame((await pay('4000000000003055', { payment_method_options: { card: { request_three_d_secure: 'any' } } })).status, 'requires_action')
    assertSame((await pay('4242424242424242', { payment_method_options: { card: { request_three_d_secure: 'any' } } })).status, 'succeeded')
  })
  await check('without a return_url the page is named all the same', async () => {
    const pi = await pay('4000002760003184', { return_url: undefined })
    assertSame(pi.next_action.type, 'use_stripe_sdk')
    const r = await press(pi.next_action.use_stripe_sdk.stripe_js, 'complete')
    assertSame(r.status, 200)
    assertSame((await stripe.paymentIntents.retrieve(pi.id)).status, 'succeeded')
  })
  await check('off session nobody can be asked', async () => {
    const cus = await stripe.customers.create({})
    const pm = await stripe.paymentMethods.attach(await method('4000002760003184'), { customer: cus.id })
    const e = await fails(stripe.paymentIntents.create({ amount: 1000, currency: 'usd', customer: cus.id, payment_method: pm.id, off_session: true, confirm: true }), { statusCode: 402, code: 'authentication_required', decline_code: 'authentication_required' })
    assertSame([e.payment_intent.status, e.payment_intent.last_payment_error.payment_method.id], ['requires_payment_method', pm.id])
    const f = await fails(pay('4000002760003184', { error_on_requires_action: true }), { statusCode: 402, code: 'authentication_required' })
    assertSame(f.payment_intent.status, 'requires_payment_method')
    assertSame((await pay('4000003800000446', { off_session: true, return_url: undefined })).status, 'succeeded')
    await fails(pay('4000002500003155', { off_session: true, return_url: undefined }), { statusCode: 402, code: 'authentication_required' })
  })
  await check('once set up, off session is good', async () => {
    const cus = await stripe.customers.create({})
    const pi = await pay('4000002500003155', { customer: cus.id, setup_future_usage: 'off_session' })
    await press(pi.next_action.redirect_to_url.url, 'complete')
    const later = await stripe.paymentIntents.create({ amount: 1000, currency: 'usd', customer: cus.id, payment_method: pi.payment_method, off_session: true, confirm: true })
    assertSame(later.status, 'succeeded')
  })
  await check('confirmation_method=manual: the server confirms once more', async () => {
    const pi = await pay('4000002760003184', { confirmation_method: 'manual' })
    led(await press(pi.next_action.redirect_to_url.url, 'complete'), pi, 'succeeded')
    assertSame((await stripe.paymentIntents.retrieve(pi.id)).status, 'requires_confirmation')
    assertSame((await stripe.paymentIntents.confirm(pi.id)).status, 'succeeded')
  })
  await check('a wrong token opens nothing; another build’s neither', async () => {
    const pi = await pay('4000002760003184')
    const url = pi.next_action.redirect_to_url.url
    const last = url.at(-1) === 'a' ? 'b' : 'a'
    assertSame((await request(url.slice(0, -1) + last)).status, 404)
    assertSame((await request(url.replace(`/b/${build.id}/`, '/b/intents/'))).status, 404)
    await stripe.paymentIntents.cancel(pi.id)
    const r = await request(url)
    led(r, pi, 'failed')
  })
  await check('two at once: one charge', async () => {
    const pi = await pay('4000002760003184')
    const url = pi.next_action.redirect_to_url.url
    const rs = await Promise.all([press(url, 'complete'), press(url, 'complete'), press(url, 'complete')].map((p) => p.catch((e) => e)))
    assert(rs.some((r) => r.status === 303), String(rs[0]))
    assertSame((await stripe.charges.list({ payment_intent: pi.id })).data.length, 1)
  })
}
