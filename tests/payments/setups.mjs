// Setup intents: cards that are kept for later.
import { assertSame, check } from '../lib/tap.mjs'
import { CARD, fails, press, typesOf } from './rig.mjs'

export async function run(build) {
  const { stripe, browser } = build
  const method = async (number) => (await stripe.paymentMethods.create({ type: 'card', card: { ...CARD, number } })).id

  await check('create, confirm: the card is the customer’s', async () => {
    const cus = await stripe.customers.create({})
    await typesOf(build)
    const si = await stripe.setupIntents.create({ customer: cus.id, metadata: { a: '1' } })
    assertSame([si.status, si.usage, si.payment_method, si.metadata], ['requires_payment_method', 'off_session', null, { a: '1' }])
    const done = await stripe.setupIntents.confirm(si.id, { payment_method: 'pm_card_visa' })
    assertSame([done.status, done.last_setup_error], ['succeeded', null])
    assertSame((await stripe.paymentMethods.retrieve(done.payment_method)).customer, cus.id)
    assertSame(await typesOf(build), ['setup_intent.created', 'setup_intent.succeeded', 'payment_method.attached'])
    await fails(stripe.setupIntents.confirm(si.id), { statusCode: 400, code: 'setup_intent_unexpected_state' })
    await fails(stripe.setupIntents.cancel(si.id), { statusCode: 400, code: 'setup_intent_unexpected_state' })
  })
  await check('a card that is declined', async () => {
    await typesOf(build)
    const e = await fails(stripe.setupIntents.create({ payment_method: 'pm_card_chargeDeclined', confirm: true }), { statusCode: 402, code: 'card_declined', decline_code: 'generic_decline' })
    assertSame([e.setup_intent.status, e.setup_intent.last_setup_error.code, e.setup_intent.payment_method], ['requires_payment_method', 'card_declined', null])
    assertSame(await typesOf(build), ['setup_intent.created', 'setup_intent.setup_failed'])
    assertSame((await stripe.setupIntents.retrieve(e.setup_intent.id)).status, 'requires_payment_method')
  })
  for (const [result, status, outcome] of [['complete', 'succeeded', 'succeeded'], ['fail', 'requires_payment_method', 'failed']]) {
    await check(`3-D Secure: ${result}`, async () => {
      const cus = await stripe.customers.create({})
      const si = await stripe.setupIntents.create({ customer: cus.id, payment_method: await method('4000002500003155'), confirm: true, return_url: 'http://localhost:3000/kept' })
      assertSame(si.status, 'requires_action')
      const r = await press(si.next_action.redirect_to_url.url, result)
      assertSame(r.headers.location, `http://localhost:3000/kept?setup_intent=${si.id}&setup_intent_client_secret=${si.client_secret}&redirect_status=${outcome}`)
      const done = await stripe.setupIntents.retrieve(si.id)
      assertSame(done.status, status)
      if (result === 'fail') assertSame(done.last_setup_error.code, 'setup_intent_authentication_failure')
      else assertSame((await stripe.paymentIntents.create({ amount: 1000, currency: 'usd', customer: cus.id, payment_method: done.payment_method, off_session: true, confirm: true })).status, 'succeeded')
    })
  }
  await check('cancel, list, a browser’s view', async () => {
    const cus = await stripe.customers.create({})
    const si = await stripe.setupIntents.create({ customer: cus.id, payment_method: 'pm_card_visa' })
    assertSame(si.status, 'requires_confirmation')
    assertSame((await browser.setupIntents.retrieve(si.id, { client_secret: si.client_secret })).customer, null)
    assertSame((await stripe.setupIntents.list({ customer: cus.id })).data.map((s) => s.id), [si.id])
    const gone = await stripe.setupIntents.cancel(si.id, { cancellation_reason: 'abandoned' })
    assertSame([gone.status, gone.cancellation_reason], ['canceled', 'abandoned'])
  })
}
