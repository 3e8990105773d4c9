// What reaches Stripe of an app's call, and what does not, with a connected account and with a shared one.
import { check, assert, assertSame } from '../lib/tap.mjs'
import { Broker, StandIn, client, fails, fakeKeys, json, request } from './world.mjs'

const customer = { id: 'cus_standin', object: 'customer', metadata: {} }

export async function run() {
  const standIn = await new StandIn((req, res) => json(res, 200, req.url.startsWith('/v1/customers?') ? { object: 'list', data: [], has_more: false, url: '/v1/customers' } : customer, { 'Stripe-Version': req.headers['stripe-version'] ?? 'x', 'Set-Cookie': 'a=b', 'Stripe-Account': 'acct_org', 'Idempotency-Key': req.headers['idempotency-key'] ?? 'none', Server: 'them' })).open()
  const keys = { ...fakeKeys(), api_base: standIn.url }
  const broker = await Broker.start(keys)
  const own = await broker.build('own', ['account=acct_1ForOwnBuild'])
  const soft = await broker.build('soft', ['soft=yes'])
  const raw = (build, target, { key = build.env.STRIPE_SECRET_KEY, ...rest } = {}) => request(broker.payments + target, { path: target, ...rest, headers: { Authorization: `Bearer ${key}`, ...rest.headers } })
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' }

  await check('the app has keys of its own, Stripe\'s for the browser, and where its account is', () => {
    for (const { env } of [own, soft]) {
      assert(/^sk_test_51/.test(env.STRIPE_SECRET_KEY) && env.STRIPE_SECRET_KEY !== keys.secret_key, 'secret key')
      assert(/^whsec_/.test(env.STRIPE_WEBHOOK_SECRET) && env.STRIPE_WEBHOOK_SECRET !== keys.webhook_secret, 'webhook secret')
      assertSame([env.STRIPE_PUBLISHABLE_KEY, env.STRIPE_API_BASE], [keys.publishable_key, broker.payments])
    }
    assertSame([own.env.STRIPE_ACCOUNT, soft.env.STRIPE_ACCOUNT], ['acct_1ForOwnBuild', undefined])
  })

  for (const [build, account] of [[own, 'acct_1ForOwnBuild'], [soft, undefined]]) {
    await check(`${build.id}: the organisation's key and the build's account go there, nothing of the app's own choice`, async () => {
      standIn.take()
      const stripe = client(build.env, { telemetry: true })
      const made = await stripe.customers.create({ name: 'Ann' }, { idempotencyKey: 'order-1', stripeAccount: 'acct_foreign' })
      assertSame(made.id, 'cus_standin')
      const [sent] = standIn.take()
      const h = sent.headers
      assertSame([sent.method, sent.url, h.authorization, h['stripe-account'], h['accept-encoding'], h.host], ['POST', '/v1/customers', `Bearer ${keys.secret_key}`, account, 'identity', new URL(standIn.url).host])
      assertSame(Object.keys(h).filter((name) => /^x-|context|cookie|forwarded|user-agent|valetkey|order/.test(name)), [], 'headers that must not travel')
      assert(/^(own|soft)\/\d+\/order-1$/.test(h['idempotency-key']) && h['idempotency-key'].startsWith(build.id), `idempotency key ${h['idempotency-key']}`)
      assert(/^2026-/.test(h['stripe-version']), 'version')
      assertSame(sent.raw.filter((x) => /^(authorization|stripe-account|host|idempotency-key)$/i.test(x)).length, account ? 4 : 3, 'each once')
    })

    await check(`${build.id}: what comes back is Stripe's answer, with nothing that names the account`, async () => {
      const r = await raw(build, '/v1/customers', { method: 'POST', headers: { ...form, 'Idempotency-Key': 'mine', 'Stripe-Context': 'acct_x', 'Stripe-Account': 'acct_x', 'X-Stripe-Client-User-Agent': '{}' }, body: 'name=Ann' })
      assertSame([r.status, r.headers['request-id'], r.headers['idempotency-key'], r.headers['valetkey-served-by'], r.headers['valetkey-isolation']], [200, 'req_standin', 'mine', 'org', account ? undefined : 'soft'])
      assertSame([r.headers['set-cookie'], r.headers['stripe-account'], r.headers.server === 'them'], [undefined, undefined, false])
      const [sent] = standIn.take()
      assertSame([sent.headers['stripe-account'], sent.headers['stripe-context'], sent.headers['x-stripe-client-user-agent']], [account, undefined, undefined])
    })

    await check(`${build.id}: a key that is too long for a prefix is hashed, and two of them are two`, async () => {
      standIn.take()
      for (const last of ['a', 'b']) await raw(build, '/v1/customers', { method: 'POST', headers: { ...form, 'Idempotency-Key': 'k'.repeat(254) + last }, body: '' })
      const sent = standIn.take().map((one) => one.headers['idempotency-key'])
      assert(sent.length === 2 && sent[0] !== sent[1] && sent.every((key) => key.length <= 255), `${sent}`)
    })

    await check(`${build.id}: what leads to other accounts stays here, in Stripe's words`, async () => {
      standIn.take()
      for (const [method, target, body, status, code] of [
        ['POST', '/v1/payment_intents', 'amount=1&currency=usd&on_behalf_of=acct_1', 400, 'parameter_unknown'],
        ['POST', '/v1/payment_intents', 'amount=1&currency=usd&%6Fn_behalf%5Fof=acct_1', 400, 'parameter_unknown'],
        ['POST', '/v1/payment_intents', 'amount=1&currency=usd&transfer_data[destination]=acct_1', 400, 'parameter_unknown'],
        ['POST', '/v1/payment_intents', 'amount=1&currency=usd&application_fee_amount=1', 400, 'parameter_unknown'],
        ['POST', '/v1/checkout/sessions', 'mode=payment&payment_intent_data[transfer_data][destination]=acct_1', 400, 'parameter_unknown'],
        ['GET', '/v1/customers?expand[]=data.account', undefined, 400, undefined],
        ['POST', '/v1/customers', 'what[ever]=acct_1', 403, 'account_invalid'],
        ['GET', '/v1/accounts', undefined, 404, undefined],
        ['GET', '/v1/accounts/acct_1', undefined, 404, undefined],
        ['POST', '/v1/account_links', '', 404, undefined],
        ['GET', '/v1/payouts', undefined, 404, undefined],
        ['POST', '/v1/transfers', '', 404, undefined],
        ['POST', '/v1/ephemeral_keys', '', 404, undefined],
        ['POST', '/v2/core/accounts', '', 404, undefined],
        ['GET', '/v1/customers/..%2faccounts', undefined, 404, 'resource_missing'],
        ['GET', '/v1/customers/%2e%2e', undefined, 404, 'resource_missing'],
        ['PUT', '/v1/customers', '', 404, undefined],
      ]) {
        const r = await raw(build, target, { method, body, headers: body === undefined ? {} : form })
        assertSame([r.status, r.json().error.type, r.json().error.code], [status, 'invalid_request_error', code], `${method} ${target} ${body}`)
      }
      assertSame(standIn.take(), [], 'what reached it')
    })

    await check(`${build.id}: webhook endpoints and events are our own`, async () => {
      standIn.take()
      assertSame((await build.stripe.events.list()).data, [])
      assertSame((await build.stripe.webhookEndpoints.list()).data, [])
      const wrong = await fails(build.stripe.webhookEndpoints.create({ url: 'http://127.0.0.1:1/hook', enabled_events: ['*'] }))
      assertSame(wrong.code, 'url_invalid')
      assertSame(standIn.take(), [])
    })

    await check(`${build.id}: no key but the build's secret one`, async () => {
      standIn.take()
      for (const [key, status] of [[build.env.STRIPE_PUBLISHABLE_KEY, 401], [keys.secret_key, 401], ['sk_test_51nobody', 401], [build.env.STRIPE_WEBHOOK_SECRET, 401]]) {
        const r = await raw(build, '/v1/customers', { key })
        assertSame([r.status, r.headers['stripe-should-retry']], [status, 'false'], key.slice(0, 8))
      }
      assertSame(standIn.take(), [])
    })
  }

  await check('forms reach Stripe as they were read, whatever they were written like', async () => {
    standIn.take()
    await raw(own, '/v1/customers?name=Ann', { method: 'POST', headers: form, body: 'metadata%5B7%5D=a&address[line1]=1+2%263&preferred_locales[]=de&preferred_locales[]=en&expand%5B%5D=subscriptions' })
    await raw(own, '/v1/customers?limit=3&email=a%2Bb%40example.com')
    await raw(own, '/v1/coupons/25%20OFF')
    assertSame(standIn.take().map((one) => [one.method, one.url, one.body]), [
      ['POST', '/v1/customers', 'name=Ann&metadata[7]=a&address[line1]=1%202%263&preferred_locales[0]=de&preferred_locales[1]=en&expand[0]=subscriptions'],
      ['GET', '/v1/customers?limit=3&email=a%2Bb%40example.com', ''],
      ['GET', '/v1/coupons/25%20OFF', ''],
    ])
  })

  await check('a build says how it has Stripe, or it is not bound', async () => {
    await broker.daemon.createBuild('neither')
    for (const values of [[], ['account=acct_1ForOwnBuild', 'soft=yes'], ['soft=maybe'], ['account=cus_1']]) {
      const r = await broker.daemon.cli(['build', 'use', 'neither', 'payments', 'stripe', ...values])
      assert(r.code !== 0, `bound with ${values}`)
    }
  })

  await check('what only our own engine can make is not made beside Stripe', async () => {
    const r = await broker.daemon.admin('POST', '/api/v1/builds/own/services/payments/seed', { body: { products: [] } })
    assertSame([r.status, /is at Stripe/.test(r.text)], [409, true], r.text)
  })

  await check('a revoked key opens nothing, and nothing reaches Stripe', async () => {
    standIn.take()
    await broker.daemon.mustCli(['build', 'revoke', 'soft'])
    assertSame((await raw(soft, '/v1/customers')).status, 401)
    assertSame(standIn.take(), [])
  })
  await broker.stop()
  await standIn.close()
}
