// Two builds that share an account, in soft mode: neither finds anything of the other's, by any call. What soft mode does not keep apart
// stands in EXCEPTIONS by name, each with a check that it is so; anything else fails.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { check, assert, assertSame, note } from '../lib/tap.mjs'
import { root, portBase } from '../lib/daemon.mjs'
import { Broker, Hook, Vendor, fails, request } from './world.mjs'
import { line, pay, URLS } from '../payments/rig.mjs'

const EXCEPTIONS = {
  'the balance': 'GET /v1/balance is the account\'s',
  'ids that are chosen': 'a coupon, product or plan whose id another build has cannot be made',
  'lookup keys': 'one that another build has cannot be given to a price',
  'codes': 'a promotion code that another build has cannot be made; people can type it on Stripe\'s pages',
}

// The table of calls, as it stands in the source.
const CALLS = [...readFileSync(path.join(root, 'src/services/payments/stripe/calls.c'), 'utf8').matchAll(/\{"(GET|POST|DELETE)", "(\/v1\/[^"]*)", ([^}]*)\}/g)].map(([, method, where, does]) => ({ method, where, does }))

export async function run() {
  const vendor = await Vendor.start()
  const base = await portBase()
  const broker = await Broker.start(await vendor.keys(base), { portBase: base })
  const hooks = [await new Hook().open(), await new Hook().open()]
  const a = await broker.build('alpha', ['soft=yes'], ['--origin', hooks[0].origin])
  const b = await broker.build('beta', ['soft=yes'], ['--origin', hooks[1].origin])
  const raw = (build, method, target, body, headers = {}) =>
    request(broker.payments + target, { method, body, headers: { Authorization: `Bearer ${build.env.STRIPE_SECRET_KEY}`, ...(body === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' }), ...headers } })
  const MARK = 'alphas-own'

  // Whatever alpha has, by the collection of its calls.
  const of = {}
  await check('alpha sells, and is paid', async () => {
    const s = a.stripe
    const metadata = { mark: MARK }
    const product = await s.products.create({ name: MARK, metadata })
    const price = await s.prices.create({ product: product.id, currency: 'usd', unit_amount: 1500, metadata, lookup_key: 'pro' })
    const monthly = await s.prices.create({ product: product.id, currency: 'usd', unit_amount: 900, recurring: { interval: 'month' }, metadata })
    const customer = await s.customers.create({ email: 'ann@example.com', name: MARK, payment_method: 'pm_card_visa', invoice_settings: { default_payment_method: 'pm_card_visa' }, metadata })
    const method = (await s.customers.listPaymentMethods(customer.id)).data[0]
    const coupon = await s.coupons.create({ id: 'SPRING', percent_off: 10, duration: 'once', name: MARK, metadata })
    const code = await s.promotionCodes.create({ promotion: { type: 'coupon', coupon: coupon.id }, code: 'HELLO', metadata })
    const intent = await s.paymentIntents.create({ amount: 2000, currency: 'usd', customer: customer.id, payment_method: method.id, confirm: true, off_session: true, description: MARK, metadata })
    const setup = await s.setupIntents.create({ customer: customer.id, payment_method: method.id, description: MARK, metadata })
    const refund = await s.refunds.create({ payment_intent: intent.id, amount: 100, metadata })
    const subscription = await s.subscriptions.create({ customer: customer.id, items: [{ price: monthly.id }], metadata, expand: ['latest_invoice'] })
    const session = await s.checkout.sessions.create({ ...URLS, mode: 'payment', line_items: [{ price: price.id, quantity: 1 }, line(300, { name: MARK })], metadata })
    await pay(session)
    const rate = await s.taxRates.create({ display_name: MARK, percentage: 5, inclusive: false, metadata })
    const shipping = await s.shippingRates.create({ display_name: MARK, type: 'fixed_amount', fixed_amount: { amount: 500, currency: 'usd' }, metadata })
    const link = await s.paymentLinks.create({ line_items: [{ price: price.id, quantity: 1 }], metadata })
    const charge = await s.charges.retrieve(intent.latest_charge)
    Object.assign(of, {
      products: product.id, prices: price.id, customers: customer.id, payment_methods: method.id, coupons: coupon.id, promotion_codes: code.id, payment_intents: intent.id, setup_intents: setup.id,
      refunds: refund.id, subscriptions: subscription.id, subscription_items: subscription.items.data[0].id, invoices: subscription.latest_invoice.id, sessions: session.id, tax_rates: rate.id, shipping_rates: shipping.id,
      payment_links: link.id, charges: charge.id, balance_transactions: charge.balance_transaction, monthly: monthly.id,
    })
    for (const [name, id] of Object.entries(of)) assert(typeof id === 'string' && id, `${name}: ${id}`)
  })
  // Of what the vendor's role has not: ids as such objects have them.
  const foreign = { plans: of.monthly, invoiceitems: 'ii_1Foreign0000000000000000', invoice_payments: 'inpay_1Foreign00000000000', configurations: 'bpc_1Foreign0000000000000000', test_clocks: 'clock_1Foreign000000000000', ...of }
  const all = Object.values(of)
  const leaks = (text) => all.filter((id) => new RegExp(`"${id}"`).test(text)).concat(text.includes(MARK) ? [MARK] : [])
  const state = async () => JSON.stringify(await Promise.all(['customers', 'products', 'prices', 'subscriptions', 'paymentIntents', 'coupons'].map((name) => vendor.stripe[name].list({ limit: 100, ...(name === 'subscriptions' ? { status: 'all' } : {}) }).then((r) => r.data))))
  const nobody = (id) => id.replace(/[A-Za-z0-9]{8}$/, 'Nobody00')
  let before = await state()

  await check('beta: every call with an id of alpha\'s is answered as one with an id of nobody\'s, and changes nothing', async () => {
    let tried = 0
    for (const { method, where, does } of CALLS) {
      if (!where.includes(':id') || does.includes('LOCAL')) continue
      const parts = where.split('/')
      const fill = (change) => parts.map((part, i) => (part === ':id' ? encodeURIComponent(change(foreign[parts[i - 1]])) : part)).join('/')
      parts.forEach((part, i) => part === ':id' && assert(foreign[parts[i - 1]], `no id for ${where}`))
      const body = method === 'POST' ? 'description=changed' : undefined
      const theirs = await raw(b, method, fill((id) => id), body)
      const none = await raw(b, method, fill(nobody), body)
      assertSame([theirs.status, theirs.json().error.code, theirs.json().error.param], [404, 'resource_missing', 'id'], `${method} ${where}: ${theirs.text}`)
      const shape = (r) => r.text.replaceAll(/'[^']*'/g, "''")
      assertSame(shape(theirs), shape(none), `${method} ${where}`)
      tried++
    }
    note(`${tried} calls with ids`)
    assert(tried >= 75, `${tried}`)
    assertSame(await state(), before, 'what there is at Stripe')
  })

  await check('beta: no parameter takes an id of alpha\'s', async () => {
    for (const [target, body, param] of [
      ['/v1/payment_intents', `amount=100&currency=usd&customer=${of.customers}`, 'customer'],
      ['/v1/payment_intents', `amount=100&currency=usd&payment_method=${of.payment_methods}`, 'payment_method'],
      ['/v1/prices', `currency=usd&unit_amount=1&product=${of.products}`, 'product'],
      ['/v1/checkout/sessions', `mode=payment&success_url=https://a.example/&line_items[0][price]=${of.prices}&line_items[0][quantity]=1`, 'line_items[0][price]'],
      ['/v1/checkout/sessions', `mode=payment&success_url=https://a.example/&line_items[0][price_data][product]=${of.products}`, 'line_items[0][price_data][product]'],
      ['/v1/checkout/sessions', `mode=payment&customer=${of.customers}`, 'customer'],
      ['/v1/checkout/sessions', `mode=payment&discounts[0][coupon]=${of.coupons}`, 'discounts[0][coupon]'],
      ['/v1/checkout/sessions', `mode=payment&discounts[][promotion_code]=${of.promotion_codes}`, 'discounts[0][promotion_code]'],
      ['/v1/checkout/sessions', `mode=payment&shipping_options[0][shipping_rate]=${of.shipping_rates}`, 'shipping_options[0][shipping_rate]'],
      ['/v1/checkout/sessions', `mode=payment&line_items[0][tax_rates][0]=${of.tax_rates}`, 'line_items[0][tax_rates][0]'],
      ['/v1/subscriptions', `customer=${of.customers}&items[0][price]=${of.monthly}`, 'customer'],
      ['/v1/refunds', `charge=${of.charges}`, 'charge'],
      ['/v1/refunds', `payment_intent=${of.payment_intents}`, 'payment_intent'],
      ['/v1/promotion_codes', `promotion[type]=coupon&promotion[coupon]=${of.coupons}`, 'promotion[coupon]'],
      ['/v1/promotion_codes', `coupon=${of.coupons}`, 'coupon'],
      ['/v1/payment_links', `line_items[0][price]=${of.prices}&line_items[0][quantity]=1`, 'line_items[0][price]'],
      ['/v1/invoices/create_preview', `customer=${of.customers}`, 'customer'],
      ['/v1/coupons', `percent_off=5&applies_to[products][0]=${of.products}`, 'applies_to[products][0]'],
      ['/v1/customers', `unheard[of]=${of.subscriptions}`, 'unheard[of]'],
    ]) {
      const r = await raw(b, 'POST', target, body)
      assertSame([r.status, r.json().error.code, r.json().error.param], [400, 'resource_missing', param], `${target} ${body}: ${r.text}`)
    }
    for (const target of [`/v1/customers?starting_after=${of.customers}`, `/v1/customers?ending_before=${of.customers}`, `/v1/products?ids[]=${of.products}`, `/v1/charges?customer=${of.customers}`, `/v1/charges?payment_intent=${of.payment_intents}`,
      `/v1/invoices?subscription=${of.subscriptions}`, `/v1/prices?product=${of.products}`, `/v1/payment_methods?customer=${of.customers}`, `/v1/subscription_items?subscription=${of.subscriptions}`, `/v1/coupons?starting_after=${of.coupons}`]) {
      const r = await raw(b, 'GET', target)
      assertSame([r.status, r.json().error?.code], [400, 'resource_missing'], `${target}: ${r.text}`)
    }
    assertSame(await state(), before, 'what there is at Stripe')
  })

  await check('beta: no list, and no search, shows anything of alpha\'s', async () => {
    let tried = 0
    for (const { where, does } of CALLS) {
      if (!/LIST|SEARCH/.test(does)) continue
      const name = where.split('/').at(-1) === 'search' ? where.split('/').at(-2) : ''
      const query = where.endsWith('/search') ? `?query=${encodeURIComponent(name === 'charges' || name === 'payment_intents' ? 'amount>0' : "created>0")}` : '?limit=100'
      const more = name ? '' : where.endsWith('subscriptions') ? '&status=all' : ''
      const r = await raw(b, 'GET', where + query + more)
      assert(r.status === 200 || r.json().error.type === 'invalid_request_error', `${where}: ${r.status} ${r.text}`)
      assertSame(leaks(r.text), [], `${where}: ${r.text.slice(0, 500)}`)
      if (r.status === 200) assertSame([r.json().data, r.json().has_more], [[], false], where)
      tried += r.status === 200
    }
    note(`${tried} lists and searches`)
    assert(tried >= 15, `${tried}`)
    for (const more of ['email=ann@example.com', 'expand[]=data.subscriptions', 'created[gte]=0']) assertSame((await raw(b, 'GET', `/v1/customers?${more}`)).json().data, [], more)
    assertSame((await raw(b, 'GET', '/v1/promotion_codes?code=HELLO')).json().data, [])
    assertSame((await raw(b, 'GET', '/v1/prices?lookup_keys[]=pro')).json().data, [])
    assertSame((await fails(b.stripe.customers.list({ expand: ['total_count'] }))).statusCode, 400)
  })

  await check('alpha has all of it, in lists, by search and by id', async () => {
    for (const [name, collection] of [['customers', 'customers'], ['products', 'products'], ['coupons', 'coupons'], ['promotionCodes', 'promotion_codes'], ['paymentIntents', 'payment_intents'], ['setupIntents', 'setup_intents'], ['charges', 'charges'], ['refunds', 'refunds'], ['invoices', 'invoices'], ['paymentLinks', 'payment_links'], ['taxRates', 'tax_rates'], ['shippingRates', 'shipping_rates'], ['balanceTransactions', 'balance_transactions']]) {
      const got = (await a.stripe[name].list({ limit: 100 })).data.map((one) => one.id)
      assert(got.includes(of[collection]), `${name}: ${got}`)
      assertSame((await a.stripe[name].retrieve(of[collection])).id, of[collection])
    }
    assertSame((await a.stripe.customers.search({ query: `name:'${MARK}'` })).data.map((one) => one.id), [of.customers])
    assertSame((await a.stripe.customers.retrieve(of.customers)).metadata, { mark: MARK }, 'metadata without our tag')
  })

  await check('beta sells beside it: its lists have its own, page by page, whoever else is between', async () => {
    const made = []
    for (let i = 0; i < 7; i++) {
      made.unshift((await b.stripe.customers.create({ email: `b${i}@example.com` })).id)
      await a.stripe.customers.create({ email: `a${i}@example.com` })
    }
    const seen = []
    for await (const one of b.stripe.customers.list({ limit: 3 })) seen.push(one.id)
    assertSame(seen, made)
    const page = await b.stripe.customers.list({ limit: 2, starting_after: made[1] })
    assertSame([page.data.map((one) => one.id), page.has_more], [made.slice(2, 4), true])
    const back = await b.stripe.customers.list({ limit: 2, ending_before: made[4] })
    assertSame([back.data.map((one) => one.id), back.has_more], [made.slice(2, 4), true])
    assertSame((await b.stripe.customers.list({ limit: 7 })).has_more, false)
    const found = []
    for await (const one of b.stripe.customers.search({ query: 'created>0', limit: 2 })) found.push(one.id)
    assertSame(found.sort(), [...made].sort())
    for (const limit of ['0', '101', 'x', '-1']) assertSame((await raw(b, 'GET', `/v1/customers?limit=${limit}`)).status, 400, limit)
    assertSame((await raw(b, 'GET', "/v1/customers/search?query=created>0&page=nonsense")).status, 400)
  })

  await check('the same idempotency key makes two objects in two builds, and one in one', async () => {
    const once = (build) => build.stripe.paymentIntents.create({ amount: 700, currency: 'usd' }, { idempotencyKey: 'order-1' })
    const [x, y, again] = [await once(a), await once(b), await once(a)]
    assert(x.id !== y.id, 'two')
    assertSame([again.id, again.lastResponse.headers['idempotent-replayed'], again.lastResponse.headers['idempotency-key']], [x.id, 'true', 'order-1'])
    assertSame((await fails(b.stripe.paymentIntents.retrieve(x.id))).statusCode, 404)
    assertSame((await raw(b, 'GET', `/v1/payment_intents/${x.id}`, undefined, { 'Stripe-Account': 'acct_1Org', 'Stripe-Context': 'acct_1Org' })).status, 404, 'with the account named')
  })

  await check('a product that beta calls like alpha\'s customer opens no customer; nor does text that beta has put there', async () => {
    await b.stripe.products.create({ id: of.customers, name: 'trap' }).catch(() => {})
    await b.stripe.products.create({ name: of.payment_intents, metadata: { customer: of.customers, id: of.charges, vk_build: 'alpha.1' } })
    await b.stripe.customers.create({ description: of.subscriptions, name: of.customers, metadata: { subscription: of.subscriptions } })
    for (const target of [`customers/${of.customers}`, `payment_intents/${of.payment_intents}`, `charges/${of.charges}`, `subscriptions/${of.subscriptions}`]) assertSame((await raw(b, 'GET', `/v1/${target}`)).status, 404, target)
    assert(!(await a.stripe.products.list({ limit: 100 })).data.some((one) => one.name === of.payment_intents || one.name === 'trap'), 'a tag that beta wrote itself')
  })

  await check('events: each app hears of its own, once, signed for it, without our tag', async () => {
    const done = await hooks[0].event((e) => e.type === 'checkout.session.completed' && e.data.object.id === of.sessions)
    const event = a.stripe.webhooks.constructEvent(done.raw, done.signature, a.env.STRIPE_WEBHOOK_SECRET)
    assertSame([event.data.object.metadata, event.account], [{ mark: MARK }, undefined])
    await fails(Promise.resolve().then(() => b.stripe.webhooks.constructEvent(done.raw, done.signature, b.env.STRIPE_WEBHOOK_SECRET)))
    const last = await b.stripe.customers.create({ email: 'last@example.com' })
    await hooks[1].event((e) => e.type === 'customer.created' && e.data.object.id === last.id)
    const mine = hooks.map((hook) => hook.got.map((one) => JSON.parse(one.raw)))
    for (const events of mine) assertSame(events.length, new Set(events.map((e) => e.id)).size, 'each once')
    assertSame(mine[1].filter((e) => leaks(JSON.stringify(e.data.object).replace(/"(description|name)":"[^"]*"/g, '')).length).map((e) => e.type).filter((type) => !/^(product|customer)\./.test(type)), [], 'what beta heard of alpha')
    const lists = [await a.stripe.events.list({ limit: 100 }), await b.stripe.events.list({ limit: 100 })].map((r) => r.data.map((e) => e.id))
    assertSame(lists[0].filter((id) => lists[1].includes(id)), [])
    assert(lists[0].includes(event.id), 'the list has it')
    assertSame((await fails(b.stripe.events.retrieve(event.id))).statusCode, 404)
    // What came of the page: nobody but Stripe knew these ids before.
    const session = await a.stripe.checkout.sessions.retrieve(of.sessions, { expand: ['payment_intent.latest_charge'] })
    assertSame((await a.stripe.charges.retrieve(session.payment_intent.latest_charge.id)).paid, true)
    assertSame((await fails(b.stripe.charges.retrieve(session.payment_intent.latest_charge.id))).statusCode, 404)
  })

  await check('webhook endpoints are each build\'s own', async () => {
    const mine = await a.stripe.webhookEndpoints.create({ url: `${hooks[0].origin}/more`, enabled_events: ['customer.created'] })
    assertSame((await b.stripe.webhookEndpoints.list()).data, [])
    assertSame((await fails(b.stripe.webhookEndpoints.retrieve(mine.id))).statusCode, 404)
    const c = await a.stripe.customers.create({ email: 'more@example.com' })
    const hit = await hooks[0].event((e) => e.type === 'customer.created' && e.data.object.id === c.id)
    assert(hit, 'heard')
    assert(!(await vendor.stripe.webhookEndpoints.list()).data.some((one) => one.url.endsWith('/more')), 'none was made at Stripe')
  })

  const held = new Set()
  const exception = (name, fn) => check(`not kept apart, as documented: ${name} (${EXCEPTIONS[name]})`, async () => { held.add(name); await fn() })
  await exception('the balance', async () => assertSame((await a.stripe.balance.retrieve()).available, (await b.stripe.balance.retrieve()).available))
  await exception('ids that are chosen', async () => {
    assertSame((await fails(b.stripe.coupons.create({ id: 'SPRING', percent_off: 5, duration: 'once' }))).code, 'resource_already_exists')
    assertSame((await fails(b.stripe.coupons.retrieve('SPRING'))).statusCode, 404)
  })
  await exception('lookup keys', async () => {
    const product = await b.stripe.products.create({ name: 'b' })
    assertSame((await fails(b.stripe.prices.create({ product: product.id, currency: 'usd', unit_amount: 1, lookup_key: 'pro' }))).statusCode, 400)
    assertSame((await fails(b.stripe.prices.create({ product: product.id, currency: 'usd', unit_amount: 1, lookup_key: 'pro', transfer_lookup_key: true }))).param, 'transfer_lookup_key')
    assertSame((await a.stripe.prices.retrieve(of.prices)).lookup_key, 'pro')
  })
  await exception('codes', async () => {
    const coupon = await b.stripe.coupons.create({ percent_off: 5, duration: 'once' })
    assertSame((await fails(b.stripe.promotionCodes.create({ promotion: { type: 'coupon', coupon: coupon.id }, code: 'HELLO' }))).statusCode, 400)
  })
  await check('every exception that is named was tried', () => assertSame([...held].sort(), Object.keys(EXCEPTIONS).sort()))

  await check('a build that gets a former one\'s name has nothing of it', async () => {
    await broker.daemon.mustCli(['build', 'revoke', 'alpha'])
    await broker.daemon.mustCli(['build', 'delete', 'alpha', '--yes'])
    const again = await broker.build('alpha', ['soft=yes'])
    assertSame((await again.stripe.customers.list()).data, [])
    assertSame((await fails(again.stripe.customers.retrieve(of.customers))).statusCode, 404)
    const y = await again.stripe.paymentIntents.create({ amount: 700, currency: 'usd' }, { idempotencyKey: 'order-1' })
    assertSame(y.lastResponse.headers['idempotent-replayed'], undefined)
  })
  for (const hook of hooks) await hook.close()
  await broker.stop()
  await vendor.stop()
}
