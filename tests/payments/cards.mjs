// Every card of the table: as a payment method, and as it pays.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { CARD, client, fails, typesOf } from './rig.mjs'

const GOOD = [
  ['4242424242424242', 'visa', 'credit', 'US'], ['4000056655665556', 'visa', 'debit', 'US'], ['5555555555554444', 'mastercard', 'credit', 'US'],
  ['5200828282828210', 'mastercard', 'debit', 'US'], ['378282246310005', 'amex', 'credit', 'US'], ['371449635398431', 'amex', 'credit', 'US'],
  ['6011111111111117', 'discover', 'credit', 'US'], ['3056930009020004', 'diners', 'credit', 'US'], ['3566002020360505', 'jcb', 'credit', 'JP'],
  ['4000000000003055', 'visa', 'credit', 'US'], ['4000000000000077', 'visa', 'credit', 'US'], ['4000000000000010', 'visa', 'credit', 'US'],
  ['4000000000000028', 'visa', 'credit', 'US'], ['4000000000000036', 'visa', 'credit', 'US'],
]
const BAD = [
  ['4000000000000002', 'card_declined', 'generic_decline', 'Your card was declined.'],
  ['4000000000009995', 'card_declined', 'insufficient_funds', 'Your card has insufficient funds.'],
  ['4000000000000069', 'expired_card', 'expired_card', 'Your card has expired.'],
  ['4000000000000127', 'incorrect_cvc', 'incorrect_cvc', "Your card's security code is incorrect."],
  ['4000000000000119', 'processing_error', 'processing_error', 'An error occurred while processing your card. Try again in a little bit.'],
  ['4000000000009987', 'card_declined', 'lost_card', 'Your card was declined.'],
  ['4000000000009979', 'card_declined', 'stolen_card', 'Your card was declined.'],
  ['4000000000000341', 'card_declined', 'generic_decline', 'Your card was declined.'],
  ['4000000000000101', 'incorrect_cvc', 'incorrect_cvc', "Your card's security code is incorrect."],
]
const TOKENS = {
  pm_card_visa: '4242', pm_card_visa_debit: '5556', pm_card_mastercard: '4444', pm_card_amex: '0005', pm_card_chargeDeclined: '0002', pm_card_visa_chargeDeclined: '0002',
  pm_card_chargeDeclinedInsufficientFunds: '9995', pm_card_chargeDeclinedExpiredCard: '0069', pm_card_chargeDeclinedIncorrectCvc: '0127',
  pm_card_chargeDeclinedProcessingError: '0119', pm_card_chargeCustomerFail: '0341', pm_card_authenticationRequired: '3184', pm_card_threeDSecure2Required: '3220',
}
const cvc = (number) => (number.length === 15 ? '1234' : '123')

export async function run(build) {
  const { stripe, env } = build
  const method = (number, more = {}) => stripe.paymentMethods.create({ type: 'card', card: { ...CARD, number, cvc: cvc(number), ...more } })
  const pay = (pm, more = {}) => stripe.paymentIntents.create({ amount: 1000, currency: 'usd', payment_method: pm, confirm: true, payment_method_types: ['card'], ...more })

  for (const [number, brand, funding, country] of GOOD) {
    await check(`card ${number.slice(-4)} (${brand} ${funding}) pays`, async () => {
      const pm = await method(number)
      assertSame([pm.card.brand, pm.card.funding, pm.card.country, pm.card.last4, pm.card.exp_month, pm.card.exp_year], [brand, funding, country, number.slice(-4), 12, 2034])
      const pi = await pay(pm.id)
      assertSame([pi.status, pi.amount_received, pi.last_payment_error], ['succeeded', 1000, null])
      const ch = await stripe.charges.retrieve(pi.latest_charge)
      assertSame([ch.status, ch.paid, ch.captured, ch.outcome.type, ch.payment_method_details.card.last4], ['succeeded', true, true, 'authorized', number.slice(-4)])
    })
  }
  await typesOf(build)
  for (const [number, code, decline_code, message] of BAD) {
    await check(`card ${number.slice(-4)} is declined: ${decline_code}`, async () => {
      const pm = await method(number)
      const e = await fails(pay(pm.id), { statusCode: 402, type: 'StripeCardError', code, decline_code, message })
      const pi = e.payment_intent
      assertSame([pi.status, pi.payment_method, pi.amount_received, pi.latest_charge], ['requires_payment_method', null, 0, e.charge])
      const last = pi.last_payment_error
      assertSame([last.code, last.decline_code, last.message, last.type, last.charge, last.payment_method.id], [code, decline_code, message, 'card_error', e.charge, pm.id])
      assertSame(last.doc_url, `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}`)
      const ch = await stripe.charges.retrieve(e.charge)
      assertSame([ch.status, ch.paid, ch.captured, ch.failure_code, ch.failure_message, ch.outcome.type, ch.outcome.reason, ch.outcome.network_status],
        ['failed', false, false, code, message, 'issuer_declined', decline_code, 'declined_by_network'])
      assertSame((await stripe.paymentIntents.retrieve(pi.id)).status, 'requires_payment_method', 'a decline persists')
      assertSame(await typesOf(build), ['payment_intent.created', 'charge.failed', 'payment_intent.payment_failed'])
      // the same intent takes another card
      const paid = await stripe.paymentIntents.confirm(pi.id, { payment_method: 'pm_card_visa' })
      assertSame([paid.status, paid.last_payment_error], ['succeeded', null])
      await typesOf(build)
    })
  }

  await check('the names of parameters in errors of cards', async () => {
    const e = await fails(pay((await method('4000000000000127')).id), { code: 'incorrect_cvc' })
    assertSame(e.param, 'cvc')
  })
  for (const [token, last4] of Object.entries(TOKENS)) {
    await check(`${token} is the card ${last4}`, async () => {
      const pi = await stripe.paymentIntents.create({ amount: 500, currency: 'usd', payment_method: token })
      const pm = await stripe.paymentMethods.retrieve(pi.payment_method)
      assertSame(pm.card.last4, last4)
      assert(pm.id.startsWith('pm_') && !pm.id.startsWith('pm_card'), pm.id)
    })
  }
  await check('a token makes a new method each time; tok_… does in place of a number', async () => {
    const [a, b] = [await stripe.paymentIntents.create({ amount: 500, currency: 'usd', payment_method: 'pm_card_visa' }), await stripe.paymentIntents.create({ amount: 500, currency: 'usd', payment_method: 'pm_card_visa' })]
    assert(a.payment_method !== b.payment_method, a.payment_method)
    const pm = await stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_visa' }, billing_details: { name: 'Jenny' }, metadata: { a: '1' } })
    assertSame([pm.card.last4, pm.billing_details.name, pm.billing_details.address.city, pm.metadata], ['4242', 'Jenny', null, { a: '1' }])
    await fails(stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_nobody' } }), { statusCode: 400, code: 'resource_missing' })
    await fails(stripe.paymentIntents.create({ amount: 500, currency: 'usd', payment_method: 'pm_card_nobody' }), { statusCode: 400, code: 'resource_missing', param: 'payment_method' })
  })

  const wrong = [
    [{ number: '4242424242424241' }, 'incorrect_number', 'Your card number is incorrect.'],
    [{ number: '4111111111111111' }, 'incorrect_number', 'Your card number is incorrect.'],
    [{ exp_year: 2020 }, 'invalid_expiry_year', "Your card's expiration year is invalid."],
    [{ exp_month: 13 }, 'invalid_expiry_month', "Your card's expiration month is invalid."],
    [{ exp_month: new Date().getUTCMonth(), exp_year: new Date().getUTCFullYear() }, 'invalid_expiry_month', "Your card's expiration month is invalid."],
    [{ cvc: '12' }, 'invalid_cvc', "Your card's security code is invalid."],
    [{ cvc: '1234' }, 'invalid_cvc', "Your card's security code is invalid."],
  ]
  for (const [more, code, message] of wrong)
    await check(`a card with ${JSON.stringify(more)} is refused: ${code}`, async () => void await fails(stripe.paymentMethods.create({ type: 'card', card: { ...CARD, ...more } }), { statusCode: 402, type: 'StripeCardError', code, message }))

  await check('the same number has the same fingerprint, in this build only; it is nowhere else', async () => {
    const [a, b, c] = [await method('4242424242424242'), await method('4242424242424242', { exp_year: 2040 }), await method('5555555555554444')]
    assertSame(a.card.fingerprint, b.card.fingerprint)
    assert(a.card.fingerprint !== c.card.fingerprint && /^[A-Za-z0-9]{16}$/.test(a.card.fingerprint), a.card.fingerprint)
    assert(!JSON.stringify([a, b, c]).includes('4242424242424242'), 'the number is in an answer')
  })

  await check('checks are seen once a bank has seen the card', async () => {
    const pm = await stripe.paymentMethods.create({ type: 'card', card: { ...CARD, number: '4000000000000010' }, billing_details: { address: { line1: '1 Main St', postal_code: '12345' } } })
    assertSame(pm.card.checks, { address_line1_check: null, address_postal_code_check: null, cvc_check: 'unchecked' })
    const pi = await stripe.paymentIntents.create({ amount: 1000, currency: 'usd', payment_method: pm.id, confirm: true, expand: ['latest_charge'] })
    assertSame(pi.latest_charge.payment_method_details.card.checks, { address_line1_check: 'fail', address_postal_code_check: 'fail', cvc_check: 'pass' })
  })

  await check('attach, list, update, detach', async () => {
    const cus = await stripe.customers.create({ email: 'a@example.com' })
    const pm = await method('4242424242424242')
    await fails(stripe.paymentMethods.update(pm.id, { metadata: { a: '1' } }), { statusCode: 400 })
    await fails(stripe.paymentMethods.detach(pm.id), { statusCode: 400 })
    await typesOf(build)
    const attached = await stripe.paymentMethods.attach(pm.id, { customer: cus.id })
    assertSame([attached.customer, attached.card.checks.cvc_check], [cus.id, 'pass'])
    assertSame((await stripe.paymentMethods.list({ customer: cus.id, type: 'card' })).data.map((m) => m.id), [pm.id])
    assertSame((await stripe.customers.listPaymentMethods(cus.id)).data.map((m) => m.id), [pm.id])
    const updated = await stripe.paymentMethods.update(pm.id, { card: { exp_month: 1, exp_year: 2040 }, billing_details: { name: 'N' } })
    assertSame([updated.card.exp_month, updated.card.exp_year, updated.card.last4, updated.billing_details.name], [1, 2040, '4242', 'N'])
    await stripe.customers.update(cus.id, { invoice_settings: { default_payment_method: pm.id } })
    const gone = await stripe.paymentMethods.detach(pm.id)
    assertSame(gone.customer, null)
    assertSame((await stripe.customers.retrieve(cus.id)).invoice_settings.default_payment_method, null)
    assertSame(await typesOf(build), ['payment_method.attached', 'payment_method.updated', 'customer.updated', 'payment_method.detached', 'customer.updated'])
    await fails(stripe.paymentMethods.attach(pm.id, { customer: cus.id }), { statusCode: 400 })
    await fails(pay(pm.id), { statusCode: 400 })
  })

  await check('a card that is declined cannot be saved, but the one whose charges fail later can', async () => {
    const cus = await stripe.customers.create({})
    await fails(stripe.paymentMethods.attach('pm_card_chargeDeclined', { customer: cus.id }), { statusCode: 402, code: 'card_declined', decline_code: 'generic_decline' })
    const pm = await stripe.paymentMethods.attach('pm_card_chargeCustomerFail', { customer: cus.id })
    assertSame(pm.customer, cus.id)
    await fails(pay(pm.id, { customer: cus.id, off_session: true }), { statusCode: 402, code: 'card_declined' })
    await fails(stripe.paymentMethods.attach(pm.id, { customer: 'cus_nobody' }), { statusCode: 400, code: 'resource_missing', param: 'customer' })
  })

  await check('a method without a customer pays once', async () => {
    const pm = await method('4242424242424242')
    await pay(pm.id)
    await fails(pay(pm.id), { statusCode: 400, code: 'payment_method_unexpected_state' })
    const other = await stripe.customers.create({})
    await fails(stripe.paymentMethods.attach(pm.id, { customer: other.id }), { statusCode: 400 })
  })

  await check("another customer's method, or one without its customer, is refused", async () => {
    const [a, b] = [await stripe.customers.create({}), await stripe.customers.create({})]
    const pm = await stripe.paymentMethods.attach('pm_card_visa', { customer: a.id })
    await fails(pay(pm.id), { statusCode: 400, param: 'payment_method' })
    await fails(pay(pm.id, { customer: b.id }), { statusCode: 400, param: 'payment_method' })
    assertSame((await pay(pm.id, { customer: a.id })).status, 'succeeded')
    assertSame((await pay(pm.id, { customer: a.id })).status, 'succeeded')
  })

  await check('what is no card is refused, and says so', async () => {
    await fails(stripe.paymentMethods.create({ type: 'sepa_debit', sepa_debit: { iban: 'DE89370400440532013000' } }), { statusCode: 400, param: 'type' })
    await fails(stripe.paymentMethods.create({ type: 'card' }), { statusCode: 400, code: 'parameter_missing', param: 'card' })
  })
  await check('a publishable key makes none', async () => void await fails(client(env, { key: env.STRIPE_PUBLISHABLE_KEY }).paymentMethods.list({}), { statusCode: 403 }))
}
