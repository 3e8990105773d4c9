// The stand-in of Stripe's Connect, as the vendor's own client sees it.
import Stripe from 'stripe'
import { Daemon, portBase } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { StripeConnect } from '../upstreams/stripe_connect.mjs'

process.env.STRIPE_SUPPRESS_NOTICES = 'true'
const fails = (promise) => promise.then((r) => { throw new Error(`it was done: ${JSON.stringify(r).slice(0, 300)}`) }, (e) => e)

// What makes an account that may take payments at once (docs.stripe.com/connect/testing).
const whole = (name) => ({
  country: 'US',
  controller: { losses: { payments: 'application' }, fees: { payer: 'application' }, stripe_dashboard: { type: 'none' }, requirement_collection: 'application' },
  capabilities: { card_payments: { requested: true }, transfers: { requested: true } },
  business_type: 'individual',
  business_profile: { mcc: '5734', url: 'https://accessible.stripe.com' },
  individual: { first_name: 'Test', last_name: 'Build', email: 'build@example.com', phone: '0000000000', dob: { day: 1, month: 1, year: 1902 }, address: { line1: 'address_full_match', city: 'San Francisco', state: 'CA', postal_code: '94103', country: 'US' }, id_number: '222222222' },
  external_account: { object: 'bank_account', country: 'US', currency: 'usd', routing_number: '110000000', account_number: '000123456789' },
  tos_acceptance: { date: Math.floor(Date.now() / 1000) - 60, ip: '127.0.0.1' },
  metadata: { valetkey: name },
})

export async function stripe() {
  const data = await new Daemon({ portBase: await portBase() }).start()
  const stand = await new StripeConnect({ data: { admin: data.adminUrl, token: data.adminToken } }).start()
  const at = new URL(stand.base)
  const client = (key) => new Stripe(key, { host: at.hostname, port: at.port, protocol: 'http', maxNetworkRetries: 0, telemetry: false })
  const api = client(stand.key)

  await check('stripe: an account is made, read, listed, deleted, by the vendor’s client', async () => {
    const made = await api.accounts.create(whole('build-a'), { idempotencyKey: 'build-a-1' })
    assert(/^acct_/.test(made.id) && made.charges_enabled && made.metadata.valetkey === 'build-a', made)
    assertSame((await api.accounts.retrieve(made.id)).id, made.id)
    assertSame((await api.accounts.list({ limit: 1 })).data.map((a) => a.id), [made.id])
    assertSame(await api.accounts.del(made.id).then((r) => [r.id, r.deleted]), [made.id, true])
    const e = await fails(api.accounts.retrieve(made.id))
    assertSame([e.type, e.statusCode, e.code], ['StripePermissionError', 403, 'account_invalid'])
    assertSame((await fails(api.accounts.del(made.id))).code, 'account_invalid')
  })
  await check('stripe: a key gives what it gave, and takes nothing else', async () => {
    const p = whole('build-b')
    const one = await api.accounts.create(p, { idempotencyKey: 'k' })
    assertSame((await api.accounts.create(p, { idempotencyKey: 'k' })).id, one.id)
    assertSame((await fails(api.accounts.create({ ...p, country: 'DE' }, { idempotencyKey: 'k' }))).type, 'StripeIdempotencyError')
    stand.settings.remember = 0
    assert((await api.accounts.create(p, { idempotencyKey: 'k' })).id !== one.id, 'a day later it is forgotten')
    delete stand.settings.remember
  })
  await check('stripe: pages, newest first', async () => {
    for (let i = 0; i < 5; i++) await api.accounts.create(whole(`page-${i}`))
    const names = []
    for await (const a of api.accounts.list({ limit: 2 })) names.push(a.metadata.valetkey)
    assertSame(names.slice(0, 5), ['page-4', 'page-3', 'page-2', 'page-1', 'page-0'])
  })
  await check('stripe: a person that is not given, or not yet verified', async () => {
    const { individual, ...rest } = whole('poor')
    const poor = await api.accounts.create(rest)
    assert(!poor.charges_enabled && poor.requirements.currently_due.includes('individual.id_number'), poor.requirements)
    const slow = await api.accounts.create({ ...rest, individual: { ...individual, dob: { day: 1, month: 1, year: 1901 }, id_number: '000000000' } })
    assertSame([slow.charges_enabled, slow.requirements.disabled_reason], [false, 'requirements.pending_verification'])
  })
  await check('stripe: what it refuses', async () => {
    assertSame((await fails(client('sk_test_nobody').accounts.list())).type, 'StripeAuthenticationError')
    assertSame((await fails(api.accounts.create({ ...whole('x'), no_such: 1 }))).code, 'parameter_unknown')
    assertSame((await fails(api.accounts.create({ ...whole('x'), type: 'custom' }))).param, 'type')
    stand.settings.connect = false
    assert(/signed up for Connect/.test((await fails(api.accounts.create(whole('x')))).message))
    stand.settings.connect = true
  })
  await check('stripe: an account has what is in it alone', async () => {
    const [a, b] = [await api.accounts.create(whole('in-a')), await api.accounts.create(whole('in-b'))]
    const made = await api.customers.create({ name: 'Somebody' }, { stripeAccount: a.id })
    assertSame((await api.customers.list({}, { stripeAccount: a.id })).data.map((c) => c.id), [made.id])
    assertSame((await api.customers.list({}, { stripeAccount: b.id })).data, [])
    assertSame((await fails(api.customers.list({}, { stripeAccount: 'acct_1nobodyatallhere' }))).code, 'account_invalid')
  })
  await stand.stop()
  await data.stop()
}
