// Products, prices, customers, coupons, promotion codes, rates; lists, search, expansion, errors, idempotency; and two builds.
import { request } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { all, client, events, fails, typesOf } from './rig.mjs'

const pick = (o, ...names) => Object.fromEntries(names.map((n) => [n, o[n]]))

async function products(build) {
  const { stripe } = build
  await check('a product: what it has, what a change tells', async () => {
    const p = await stripe.products.create({ name: 'T-shirt <b>', metadata: { sku: 'ts-1' }, images: ['https://example.com/1.png'] })
    assert(/^prod_[A-Za-z0-9]{14}$/.test(p.id), p.id)
    assertSame(pick(p, 'object', 'name', 'active', 'type', 'livemode', 'metadata', 'default_price', 'description'),
      { object: 'product', name: 'T-shirt <b>', active: true, type: 'service', livemode: false, metadata: { sku: 'ts-1' }, default_price: null, description: null })
    const q = await stripe.products.update(p.id, { name: 'Shirt', metadata: { sku: '', size: 'M' }, description: 'Soft' })
    assertSame(pick(q, 'name', 'metadata', 'description'), { name: 'Shirt', metadata: { size: 'M' }, description: 'Soft' })
    assertSame((await stripe.products.update(p.id, { metadata: '', description: '' })).metadata, {})
    assertSame((await stripe.products.retrieve(p.id)).description, null)
    const told = await events(build)
    assertSame(told.map((e) => e.type), ['product.created', 'product.updated', 'product.updated'])
    const was = told[1].data.previous_attributes
    assertSame(pick(was, 'name', 'description'), { name: 'T-shirt <b>', description: null })
    assert(!('images' in was) && !('id' in was), JSON.stringify(was))
    assertSame(told[1].data.object.name, 'Shirt')
  })

  await check('a change to what it is already is none', async () => {
    const p = await stripe.products.create({ name: 'Same' })
    await typesOf(build)
    await stripe.products.update(p.id, { name: 'Same' })
    assertSame(await typesOf(build), [])
  })

  await check('an id of one\'s own', async () => {
    assertSame((await stripe.products.create({ id: 'my-product.1', name: 'Mine' })).id, 'my-product.1')
    await fails(stripe.products.create({ id: 'my-product.1', name: 'Mine' }), { statusCode: 400, code: 'resource_already_exists', message: 'Product already exists.' })
    await fails(stripe.products.create({ id: 'a/b', name: 'Mine' }), { statusCode: 400, param: 'id' })
    const c = await stripe.customers.create()
    await fails(stripe.products.create({ id: c.id, name: 'Not this' }), { statusCode: 400, code: 'resource_already_exists' })
    assertSame((await stripe.customers.retrieve(c.id)).object, 'customer')
  })

  // The SDK sends ids through encodeURIComponent.
  await check('an id that a path cannot have as it is', async () => {
    for (const id of ['25 OFF', '50%', 'a+b&c=d', 'été', '%2F', '?', '#1', "o'clock", '100%25']) {
      assertSame((await stripe.coupons.create({ id, percent_off: 25 })).id, id)
      assertSame((await stripe.coupons.retrieve(id)).id, id)
      assertSame((await stripe.coupons.update(id, { name: 'Named' })).name, 'Named')
      assertSame({ ...(await stripe.coupons.del(id)) }, { id, object: 'coupon', deleted: true })
    }
    for (const id of ['.', '..', ' x', 'x ', 'a\tb', 'a/b']) await fails(stripe.coupons.create({ id, percent_off: 25 }), { statusCode: 400, param: 'id' })
    await fails(stripe.coupons.retrieve('a/b'), { statusCode: 404, code: 'resource_missing', message: "No such coupon: 'a/b'" })
    await fails(stripe.coupons.retrieve('../customers'), { statusCode: 404, code: 'resource_missing' })
    const raw = async (path) => {
      const r = await request(build.env.STRIPE_API_BASE, { path, headers: { Authorization: `Bearer ${build.env.STRIPE_SECRET_KEY}` } })
      const { type, param, message } = r.json().error
      return [r.status, type, param, message.slice(0, 24)]
    }
    for (const bad of ['%', '%4', '%zz']) assertSame(await raw(`/v1/coupons/x${bad}`), [400, 'invalid_request_error', 'id', 'Invalid percent-encoding'], bad)
    for (const bad of ['%00', 'a%00b', '%ff', '%c0%af']) assertSame(await raw(`/v1/coupons/${bad}`), [400, 'invalid_request_error', 'id', 'Invalid UTF-8 encoding'], bad)
    for (const path of ['/v1/coupons%2Fx', '/v1%2Fcoupons', '/v1/%63oupons']) assertSame(await raw(path), [404, 'invalid_request_error', undefined, 'Unrecognized request URL'], path)
  })

  await check('what cannot be read says which parameter', async () => {
    const raw = async (method, path, body) => {
      const r = await request(`${build.env.STRIPE_API_BASE}${path}`, { method, body, headers: { Authorization: `Bearer ${build.env.STRIPE_SECRET_KEY}`, 'Content-Type': 'application/x-www-form-urlencoded' } })
      const { type, param, message } = r.json().error
      return [r.status, type, param, message]
    }
    const wrong = (param, message) => [400, 'invalid_request_error', param, message]
    assertSame(await raw('POST', '/v1/products', 'name=x&metadata[a]=%zz'), wrong('metadata[a]', 'Invalid percent-encoding'))
    assertSame(await raw('POST', '/v1/products', 'images[0]=a&images[x]=b&images[]=c'), wrong('images[]', 'Invalid object'))
    assertSame(await raw('POST', '/v1/products', 'name=%ff'), wrong('name', 'Invalid UTF-8 encoding'))
    assertSame(await raw('GET', '/v1/products?limit=1&limit[a]=2'), wrong('limit[a]', 'Invalid object'))
    assertSame(await raw('POST', '/v1/products', '=x'), wrong(undefined, 'Invalid parameter name'))
  })

  await check('with a price: product first, then the price', async () => {
    await typesOf(build)
    const p = await stripe.products.create({
      name: 'Pro', default_price_data: { currency: 'USD', unit_amount: 1200, recurring: { interval: 'month' } }, expand: ['default_price'],
    })
    assertSame(pick(p.default_price, 'object', 'currency', 'unit_amount', 'unit_amount_decimal', 'type', 'product', 'active'),
      { object: 'price', currency: 'usd', unit_amount: 1200, unit_amount_decimal: p.default_price.unit_amount_decimal, type: 'recurring', product: p.id, active: true })
    assertSame(pick(p.default_price.recurring, 'interval', 'interval_count', 'usage_type'), { interval: 'month', interval_count: 1, usage_type: 'licensed' })
    assertSame(await typesOf(build), ['product.created', 'price.created'])
    await fails(stripe.prices.update(p.default_price.id, { active: false }), { statusCode: 400, message: 'This price cannot be archived because it is the default price of its product.' })
    const next = await stripe.prices.create({ product: p.id, currency: 'usd', unit_amount: 1500, recurring: { interval: 'month' } })
    assertSame((await stripe.products.update(p.id, { default_price: next.id })).default_price, next.id)
    assertSame((await stripe.prices.update(p.default_price.id, { active: false })).active, false)
    const other = await stripe.products.create({ name: 'Other' })
    await fails(stripe.products.update(other.id, { default_price: next.id }), { statusCode: 400, param: 'default_price' })
    await fails(stripe.products.update(p.id, { default_price: 'price_nobody' }), { statusCode: 400, code: 'resource_missing', param: 'default_price' })
    await fails(stripe.products.update(p.id, { default_price: p.default_price.id }), { statusCode: 400, param: 'default_price' })
    await fails(stripe.products.del(p.id), { statusCode: 400, message: 'This product cannot be deleted because it has one or more user-created prices.' })
  })

  await check('one that cannot have its price is not made', async () => {
    const before = (await all(stripe.products.list({ limit: 100 }))).length
    await typesOf(build)
    await fails(stripe.products.create({ name: 'Half', default_price_data: { currency: 'xyz', unit_amount: 1 } }), { statusCode: 400, param: 'default_price_data[currency]' })
    assertSame((await all(stripe.products.list({ limit: 100 }))).length, before)
    assertSame(await typesOf(build), [])
  })

  await check('deleted: a stub of three members', async () => {
    const p = await stripe.products.create({ name: 'Short-lived' })
    await typesOf(build)
    assertSame({ ...(await stripe.products.del(p.id)) }, { id: p.id, object: 'product', deleted: true })
    const r = await request(`${build.env.STRIPE_API_BASE}/v1/products/${p.id}`, { headers: { Authorization: `Bearer ${build.env.STRIPE_SECRET_KEY}` } })
    assertSame([r.status, r.json()], [200, { id: p.id, object: 'product', deleted: true }])
    const told = await events(build)
    assertSame(told.map((e) => [e.type, e.data.object.name]), [['product.deleted', 'Short-lived']])
    await fails(stripe.products.update(p.id, { name: 'x' }), { statusCode: 404, code: 'resource_missing' })
    await fails(stripe.products.del(p.id), { statusCode: 404, code: 'resource_missing' })
    await fails(stripe.prices.create({ product: p.id, currency: 'usd', unit_amount: 1 }), { statusCode: 400, code: 'resource_missing', param: 'product' })
    assert(!(await all(stripe.products.list({ limit: 100 }))).some((x) => x.id === p.id), 'it is in the list')
    assertSame((await stripe.products.create({ id: p.id, name: 'Again' })).name, 'Again')
  })
}

async function prices(build) {
  const { stripe } = build
  const product = (await stripe.products.create({ name: 'For prices' })).id
  const create = (more) => stripe.prices.create({ product, currency: 'usd', ...more })

  await check('amounts: whole, decimal, chosen by the customer', async () => {
    const amounts = [
      [{ unit_amount: 0 }, 0, '0'],
      [{ unit_amount: 99999999 }, 99999999, '99999999'],
      [{ unit_amount_decimal: '10.50' }, null, '10.5'],
      [{ unit_amount_decimal: '0.000000000001' }, null, '0.000000000001'],
      [{ unit_amount_decimal: '12.00' }, 12, '12'],
      [{ custom_unit_amount: { enabled: true, minimum: 100, preset: 500 } }, null, null],
    ]
    for (const [given, unit, decimal] of amounts) {
      const p = await create(given)
      assertSame([p.unit_amount, p.unit_amount_decimal === null ? null : String(p.unit_amount_decimal)], [unit, decimal], JSON.stringify(given))
      assertSame([p.type, p.recurring, p.billing_scheme, p.tax_behavior], ['one_time', null, 'per_unit', 'unspecified'])
    }
    const chosen = await create({ custom_unit_amount: { enabled: true, minimum: 100, preset: 500 } })
    assertSame(chosen.custom_unit_amount, { maximum: null, minimum: 100, preset: 500 })
  })

  const refused = [
    [{}, { code: 'parameter_missing', param: 'unit_amount' }],
    [{ unit_amount: 1, unit_amount_decimal: '1' }, { param: 'unit_amount', message: 'You may only specify one of these parameters: unit_amount, unit_amount_decimal.' }],
    [{ unit_amount: -1 }, { param: 'unit_amount', code: 'parameter_invalid_integer' }],
    [{ unit_amount: 100000000 }, { param: 'unit_amount' }],
    [{ unit_amount: 'ten' }, { param: 'unit_amount', code: 'parameter_invalid_integer', message: 'Invalid integer: ten' }],
    [{ unit_amount: 1.5 }, { param: 'unit_amount', code: 'parameter_invalid_integer' }],
    [{ unit_amount_decimal: '1.0000000000001' }, { param: 'unit_amount_decimal' }],
    [{ unit_amount_decimal: 'x' }, { param: 'unit_amount_decimal' }],
    [{ unit_amount_decimal: '123456789.5' }, { param: 'unit_amount_decimal' }],
    [{ unit_amount: 1, currency: 'zzz' }, { param: 'currency' }],
    [{ unit_amount: 1, product: 'prod_nobody' }, { param: 'product', code: 'resource_missing', message: "No such product: 'prod_nobody'" }],
    [{ unit_amount: 1, product: undefined }, { param: 'product', code: 'parameter_missing' }],
    [{ unit_amount: 1, product_data: { name: 'x' } }, { param: 'product', message: 'You may only specify one of these parameters: product, product_data.' }],
    [{ unit_amount: 1, product: undefined, product_data: {} }, { code: 'parameter_missing' }],
    [{ unit_amount: 1, recurring: { interval: 'century' } }, { param: 'recurring[interval]' }],
    [{ unit_amount: 1, recurring: { interval_count: 2 } }, { param: 'recurring[interval]', code: 'parameter_missing' }],
    [{ unit_amount: 1, recurring: { interval: 'month', interval_count: 37 } }, { param: 'recurring[interval_count]' }],
    [{ unit_amount: 1, recurring: { interval: 'year', interval_count: 0 } }, { param: 'recurring[interval_count]' }],
    [{ unit_amount: 1, recurring: { interval: 'month', usage_type: 'metered' } }, { param: 'recurring[usage_type]' }],
    [{ billing_scheme: 'tiered', unit_amount: 1 }, { param: 'billing_scheme' }],
    [{ custom_unit_amount: { enabled: true }, unit_amount: 1 }, { param: 'custom_unit_amount' }],
    [{ custom_unit_amount: { enabled: true, minimum: 5, maximum: 4 } }, { param: 'custom_unit_amount' }],
    [{ unit_amount: 1, tax_behavior: 'sometimes' }, { param: 'tax_behavior' }],
    [{ unit_amount: 1, active: 'perhaps' }, { param: 'active', message: 'Invalid boolean: perhaps' }],
    [{ unit_amount: 1, colour: 'red' }, { param: 'colour', code: 'parameter_unknown', message: 'Received unknown parameter: colour' }],
  ]
  for (const [given, want] of refused)
    await check(`refused: ${JSON.stringify(given)}`, async () => void await fails(create(given), { statusCode: 400, type: 'StripeInvalidRequestError', ...want }))

  await check('with a product that it makes', async () => {
    await typesOf(build)
    const p = await stripe.prices.create({ currency: 'eur', unit_amount: 500, product_data: { name: 'On the way', metadata: { a: 'b' } }, expand: ['product'] })
    assertSame(pick(p.product, 'name', 'active', 'metadata'), { name: 'On the way', active: true, metadata: { a: 'b' } })
    assertSame(await typesOf(build), ['product.created', 'price.created'])
  })

  await check('what a price is, stays', async () => {
    const p = await create({ unit_amount: 100, nickname: 'Old' })
    await fails(stripe.prices.update(p.id, { unit_amount: 200 }), { statusCode: 400, code: 'parameter_unknown', param: 'unit_amount' })
    await fails(stripe.prices.update(p.id, { currency: 'eur' }), { statusCode: 400, code: 'parameter_unknown', param: 'currency' })
    const q = await stripe.prices.update(p.id, { nickname: 'New', metadata: { a: '1' }, tax_behavior: 'exclusive', active: false })
    assertSame(pick(q, 'nickname', 'metadata', 'tax_behavior', 'active', 'unit_amount'), { nickname: 'New', metadata: { a: '1' }, tax_behavior: 'exclusive', active: false, unit_amount: 100 })
    await fails(stripe.prices.update(p.id, { tax_behavior: 'inclusive' }), { statusCode: 400, param: 'tax_behavior' })
    assertSame((await stripe.prices.update(p.id, { tax_behavior: 'exclusive' })).tax_behavior, 'exclusive')
  })

  await check('lookup keys belong to one price, and move', async () => {
    const a = await create({ unit_amount: 1, lookup_key: 'standard' })
    const b = await create({ unit_amount: 2 })
    await fails(create({ unit_amount: 3, lookup_key: 'standard' }), { statusCode: 400, param: 'lookup_key', message: `A price (\`${a.id}\`) already uses that lookup key.` })
    await fails(stripe.prices.update(b.id, { lookup_key: 'standard' }), { statusCode: 400, param: 'lookup_key' })
    await stripe.prices.update(b.id, { lookup_key: 'standard', transfer_lookup_key: true })
    assertSame((await stripe.prices.retrieve(a.id)).lookup_key, null)
    assertSame((await stripe.prices.list({ lookup_keys: ['standard', 'nobody'] })).data.map((p) => p.id), [b.id])
    await fails(stripe.prices.list({ lookup_keys: Array.from({ length: 11 }, (_, i) => `k${i}`) }), { statusCode: 400, param: 'lookup_keys' })
  })

  await check('filters of the list', async () => {
    const p = (await stripe.products.create({ name: 'Filtered' })).id
    const once = await stripe.prices.create({ product: p, currency: 'usd', unit_amount: 1 })
    const month = await stripe.prices.create({ product: p, currency: 'eur', unit_amount: 2, recurring: { interval: 'month' } })
    const year = await stripe.prices.create({ product: p, currency: 'usd', unit_amount: 3, recurring: { interval: 'year' } })
    const off = await stripe.prices.create({ product: p, currency: 'usd', unit_amount: 4, active: false })
    const ids = async (f) => (await stripe.prices.list({ product: p, ...f })).data.map((x) => x.id)
    assertSame(await ids({}), [year.id, month.id, once.id])
    assertSame(await ids({ active: false }), [off.id])
    assertSame(await ids({ active: true, type: 'recurring' }), [year.id, month.id])
    assertSame(await ids({ type: 'one_time' }), [once.id])
    assertSame(await ids({ currency: 'EUR' }), [month.id])
    assertSame(await ids({ recurring: { interval: 'year' } }), [year.id])
    assertSame(await ids({ created: { gt: once.created + 1000 } }), [])
    assertSame(await ids({ created: { lte: year.created, gte: once.created } }), [year.id, month.id, once.id])
    assertSame((await ids({ created: once.created })).includes(once.id), true)
    const expanded = await stripe.prices.list({ product: p, expand: ['data.product'] })
    assertSame(expanded.data.map((x) => x.product.name), ['Filtered', 'Filtered', 'Filtered'])
  })
}

async function customers(build) {
  const { stripe } = build
  await check('a customer: what it has', async () => {
    await typesOf(build)
    const c = await stripe.customers.create({
      email: 'jenny@example.com', name: 'Jenny', phone: '+15555550100', description: 'First',
      address: { line1: '1 Main St', city: 'Town', country: 'US', postal_code: '12345', state: 'CA' },
      shipping: { name: 'Jenny', address: { line1: '2 Side St' } }, preferred_locales: ['en'], metadata: { user: '42' },
    })
    assert(/^cus_[A-Za-z0-9]{14}$/.test(c.id), c.id)
    assert(/^[A-Z0-9]{8}$/.test(c.invoice_prefix), c.invoice_prefix)
    assertSame(pick(c, 'object', 'email', 'balance', 'delinquent', 'discount', 'tax_exempt', 'next_invoice_sequence', 'default_source', 'metadata', 'preferred_locales'),
      { object: 'customer', email: 'jenny@example.com', balance: 0, delinquent: false, discount: null, tax_exempt: 'none', next_invoice_sequence: 1, default_source: null, metadata: { user: '42' }, preferred_locales: ['en'] })
    assertSame(c.address, { city: 'Town', country: 'US', line1: '1 Main St', line2: null, postal_code: '12345', state: 'CA' })
    assertSame(c.invoice_settings, { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null })
    const d = await stripe.customers.update(c.id, { address: { city: 'City' }, email: 'j2@example.com', name: '' })
    assertSame([d.address.city, d.address.line1, d.email, d.name], ['City', '1 Main St', 'j2@example.com', null])
    assertSame(await typesOf(build), ['customer.created', 'customer.updated'])
  })
  await check('the email is a filter, exactly', async () => {
    const c = await stripe.customers.create({ email: 'Case@example.com' })
    assertSame((await stripe.customers.list({ email: 'Case@example.com' })).data.map((x) => x.id), [c.id])
    assertSame((await stripe.customers.list({ email: 'case@example.com' })).data, [])
  })
  await check('payment methods, and the default one', async () => {
    const c = await stripe.customers.create({ payment_method: 'pm_card_visa', invoice_settings: { default_payment_method: 'pm_card_visa' } })
    const methods = await stripe.customers.listPaymentMethods(c.id)
    assertSame([methods.data.length, methods.url, methods.data[0].customer], [1, `/v1/customers/${c.id}/payment_methods`, c.id])
    assertSame(c.invoice_settings.default_payment_method, methods.data[0].id)
    const second = await stripe.paymentMethods.attach('pm_card_mastercard', { customer: c.id })
    assertSame((await stripe.customers.listPaymentMethods(c.id, { type: 'card' })).data.map((m) => m.id), [second.id, methods.data[0].id])
    assertSame((await stripe.customers.retrievePaymentMethod(c.id, second.id)).id, second.id)
    assertSame((await stripe.customers.update(c.id, { invoice_settings: { default_payment_method: second.id } })).invoice_settings.default_payment_method, second.id)
    const full = await stripe.customers.retrieve(c.id, { expand: ['invoice_settings.default_payment_method'] })
    assertSame(full.invoice_settings.default_payment_method.card.brand, 'mastercard')
    const other = await stripe.customers.create()
    await fails(stripe.customers.update(other.id, { invoice_settings: { default_payment_method: second.id } }), { statusCode: 400, code: 'resource_missing', param: 'invoice_settings[default_payment_method]' })
    await fails(stripe.customers.retrievePaymentMethod(other.id, second.id), { statusCode: 404, code: 'resource_missing' })
    await fails(stripe.customers.listPaymentMethods('cus_nobody'), { statusCode: 404, code: 'resource_missing' })
    await fails(stripe.customers.create({ payment_method: 'pm_nobody' }), { statusCode: 400, code: 'resource_missing', param: 'payment_method' })
  })
  await check('deleted: a stub; nothing is about it any more', async () => {
    const c = await stripe.customers.create({ email: 'gone@example.com', payment_method: 'pm_card_visa' })
    await typesOf(build)
    assertSame({ ...(await stripe.customers.del(c.id)) }, { id: c.id, object: 'customer', deleted: true })
    assertSame(await typesOf(build), ['customer.deleted'])
    const again = await stripe.customers.retrieve(c.id)
    assertSame({ ...again }, { id: c.id, object: 'customer', deleted: true })
    assertSame((await stripe.customers.list({ email: 'gone@example.com' })).data, [])
    await fails(stripe.customers.update(c.id, { name: 'x' }), { statusCode: 404, code: 'resource_missing', message: `No such customer: '${c.id}'` })
    await fails(stripe.customers.listPaymentMethods(c.id), { statusCode: 404 })
    await fails(stripe.paymentIntents.create({ amount: 100, currency: 'usd', customer: c.id }), { statusCode: 400, code: 'resource_missing', param: 'customer' })
  })
  await check('customers have no discounts', async () => {
    const old = client(build.env, { apiVersion: '2024-06-20' })
    const coupon = (await stripe.coupons.create({ percent_off: 5 })).id
    await fails(old.customers.create({ coupon }), { statusCode: 400, param: 'coupon' })
    await fails(stripe.customers.create({ coupon }), { statusCode: 400, code: 'parameter_unknown', param: 'coupon' })
    const c = await stripe.customers.create()
    await fails(stripe.customers.deleteDiscount(c.id), { statusCode: 404, code: 'resource_missing' })
  })
  const refused = [
    [{ email: 'nobody' }, { code: 'email_invalid', param: 'email' }],
    [{ email: 'a b@example.com' }, { code: 'email_invalid', param: 'email' }],
    [{ email: `${'x'.repeat(513)}@example.com` }, { param: 'email' }],
    [{ invoice_prefix: 'ab' }, { param: 'invoice_prefix' }],
    [{ next_invoice_sequence: 0 }, { param: 'next_invoice_sequence' }],
    [{ tax_exempt: 'maybe' }, { param: 'tax_exempt' }],
    [{ metadata: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, 'v'])) }, {}],
    [{ metadata: { ['k'.repeat(41)]: 'v' } }, {}],
    [{ metadata: { k: 'v'.repeat(501) } }, {}],
    [{ balance: 'much' }, { code: 'parameter_invalid_integer', param: 'balance', message: 'Invalid integer: much' }],
  ]
  for (const [given, want] of refused)
    await check(`refused: ${JSON.stringify(given).slice(0, 60)}`, async () => void await fails(stripe.customers.create(given), { statusCode: 400, ...want }))
}

async function discounts(build) {
  const { stripe } = build
  await check('coupons', async () => {
    await typesOf(build)
    const c = await stripe.coupons.create({ percent_off: 25.5, duration: 'repeating', duration_in_months: 3, name: 'Spring' })
    assert(/^[A-Za-z0-9]{8}$/.test(c.id), c.id)
    assertSame(pick(c, 'object', 'percent_off', 'amount_off', 'currency', 'duration', 'duration_in_months', 'valid', 'times_redeemed', 'name', 'metadata', 'redeem_by', 'max_redemptions'),
      { object: 'coupon', percent_off: 25.5, amount_off: null, currency: null, duration: 'repeating', duration_in_months: 3, valid: true, times_redeemed: 0, name: 'Spring', metadata: {}, redeem_by: null, max_redemptions: null })
    const mine = await stripe.coupons.create({ id: 'TENOFF', amount_off: 1000, currency: 'USD' })
    assertSame(pick(mine, 'id', 'amount_off', 'currency', 'duration'), { id: 'TENOFF', amount_off: 1000, currency: 'usd', duration: 'once' })
    await fails(stripe.coupons.create({ id: 'TENOFF', percent_off: 1 }), { statusCode: 400, code: 'resource_already_exists', message: 'Coupon already exists.' })
    assertSame((await stripe.coupons.update('TENOFF', { name: 'Ten', metadata: { a: 'b' } })).name, 'Ten')
    await fails(stripe.coupons.update('TENOFF', { percent_off: 5 }), { statusCode: 400, code: 'parameter_unknown' })
    assertSame({ ...(await stripe.coupons.del('TENOFF')) }, { id: 'TENOFF', object: 'coupon', deleted: true })
    assertSame({ ...(await stripe.coupons.retrieve('TENOFF')) }, { id: 'TENOFF', object: 'coupon', deleted: true })
    await fails(stripe.promotionCodes.create({ promotion: { type: 'coupon', coupon: 'TENOFF' } }), { statusCode: 400, code: 'resource_missing' })
    assertSame((await stripe.coupons.create({ id: 'TENOFF', percent_off: 10 })).percent_off, 10)
    assertSame(await typesOf(build), ['coupon.created', 'coupon.created', 'coupon.updated', 'coupon.deleted', 'coupon.created'])
    assertSame((await stripe.coupons.list({ limit: 2 })).data.map((x) => x.id), ['TENOFF', c.id])
  })
  const refused = [
    [{}, { code: 'parameter_missing' }],
    [{ percent_off: 10, amount_off: 5, currency: 'usd' }, { param: 'percent_off' }],
    [{ percent_off: 0 }, { param: 'percent_off' }],
    [{ percent_off: 100.01 }, { param: 'percent_off' }],
    [{ amount_off: 5 }, { param: 'currency', code: 'parameter_missing' }],
    [{ amount_off: 0, currency: 'usd' }, { param: 'amount_off' }],
    [{ percent_off: 10, duration: 'repeating' }, { param: 'duration_in_months', code: 'parameter_missing' }],
    [{ percent_off: 10, duration: 'once', duration_in_months: 2 }, { param: 'duration_in_months' }],
    [{ percent_off: 10, duration: 'often' }, { param: 'duration' }],
    [{ percent_off: 10, redeem_by: 1000000000 }, { param: 'redeem_by' }],
    [{ percent_off: 10, max_redemptions: 0 }, { param: 'max_redemptions' }],
    [{ percent_off: 10, applies_to: { products: ['prod_nobody'] } }, { code: 'resource_missing', param: 'applies_to[products][0]' }],
  ]
  for (const [given, want] of refused)
    await check(`refused: ${JSON.stringify(given)}`, async () => void await fails(stripe.coupons.create(given), { statusCode: 400, ...want }))

  await check('promotion codes', async () => {
    const coupon = await stripe.coupons.create({ percent_off: 20, max_redemptions: 5 })
    const promotion = { type: 'coupon', coupon: coupon.id }
    await typesOf(build)
    const p = await stripe.promotionCodes.create({ promotion, code: 'Spring-26', restrictions: { minimum_amount: 500, minimum_amount_currency: 'USD' }, expand: ['promotion.coupon'] })
    assertSame([p.code, p.active, p.times_redeemed, p.promotion.type, p.promotion.coupon.percent_off, p.customer], ['Spring-26', true, 0, 'coupon', 20, null])
    assertSame(p.restrictions, { first_time_transaction: false, minimum_amount: 500, minimum_amount_currency: 'usd' })
    const made = await stripe.promotionCodes.create({ promotion })
    assert(/^[A-Z0-9]{8}$/.test(made.code), made.code)
    assertSame(await typesOf(build), ['promotion_code.created', 'promotion_code.created'])
    await fails(stripe.promotionCodes.create({ promotion, code: 'SPRING-26' }), { statusCode: 400, message: 'An active promotion code with `code: SPRING-26` already exists.' })
    const c = await stripe.customers.create()
    const theirs = await stripe.promotionCodes.create({ promotion, code: 'spring-26', customer: c.id })
    assertSame((await stripe.promotionCodes.list({ code: 'sPRING-26' })).data.map((x) => x.id), [theirs.id, p.id])
    assertSame((await stripe.promotionCodes.list({ customer: c.id })).data.map((x) => x.id), [theirs.id])
    assertSame((await stripe.promotionCodes.list({ coupon: coupon.id, limit: 100 })).data.length, 3)
    assertSame((await stripe.promotionCodes.update(p.id, { active: false })).active, false)
    assertSame((await stripe.promotionCodes.list({ coupon: coupon.id, active: false })).data.map((x) => x.id), [p.id])
    const again = await stripe.promotionCodes.create({ promotion, code: 'SPRING-26' })
    await fails(stripe.promotionCodes.update(p.id, { active: true }), { statusCode: 400 })
    await stripe.coupons.del(coupon.id)
    assertSame((await stripe.promotionCodes.retrieve(again.id)).active, false)
  })
  await check('promotion codes that are refused', async () => {
    const coupon = (await stripe.coupons.create({ percent_off: 20, max_redemptions: 5 })).id
    const promotion = { type: 'coupon', coupon }
    const table = [
      [{}, { code: 'parameter_missing', param: 'promotion' }],
      [{ promotion: { type: 'coupon' } }, { code: 'parameter_missing', param: 'promotion[coupon]' }],
      [{ promotion: { type: 'coupon', coupon: 'nobody' } }, { code: 'resource_missing', param: 'promotion[coupon]', message: "No such coupon: 'nobody'" }],
      [{ coupon }, { code: 'parameter_unknown', param: 'coupon', message: 'Received unknown parameter: coupon' }],
      [{ promotion, code: 'with blank' }, { param: 'code' }],
      [{ promotion, expires_at: 1000000000 }, { param: 'expires_at' }],
      [{ promotion, max_redemptions: 6 }, { param: 'max_redemptions' }],
      [{ promotion, customer: 'cus_nobody' }, { code: 'resource_missing', param: 'customer' }],
      [{ promotion, restrictions: { minimum_amount: 5 } }, { code: 'parameter_missing', param: 'restrictions[minimum_amount_currency]' }],
    ]
    for (const [given, want] of table) await fails(stripe.promotionCodes.create(given), { statusCode: 400, ...want })
  })
  await check('below 2025-09-30: the coupon is in the code, and is its parameter', async () => {
    const old = client(build.env, { apiVersion: '2024-06-20' })
    const coupon = (await stripe.coupons.create({ percent_off: 30 })).id
    const p = await old.promotionCodes.create({ coupon })
    assertSame([p.coupon.id, p.coupon.percent_off], [coupon, 30])
    const now = await stripe.promotionCodes.retrieve(p.id)
    assertSame([now.coupon, now.promotion.coupon], [undefined, coupon])
  })
}

async function rates(build) {
  const { stripe } = build
  await check('tax rates', async () => {
    const t = await stripe.taxRates.create({ display_name: 'VAT', percentage: 19.5, inclusive: false, country: 'DE' })
    assertSame(pick(t, 'object', 'percentage', 'effective_percentage', 'inclusive', 'active', 'country'), { object: 'tax_rate', percentage: 19.5, effective_percentage: 19.5, inclusive: false, active: true, country: 'DE' })
    assertSame((await stripe.taxRates.update(t.id, { active: false })).active, false)
    assertSame((await stripe.taxRates.list({ active: true })).data, [])
    assertSame((await stripe.taxRates.list({ inclusive: false })).data.map((x) => x.id), [t.id])
    await fails(stripe.taxRates.create({ display_name: 'x', percentage: 101, inclusive: true }), { statusCode: 400, param: 'percentage' })
    await fails(stripe.taxRates.create({ display_name: 'x', inclusive: true }), { statusCode: 400, code: 'parameter_missing', param: 'percentage' })
  })
  await check('shipping rates', async () => {
    const s = await stripe.shippingRates.create({ display_name: 'Ground', type: 'fixed_amount', fixed_amount: { amount: 500, currency: 'USD' }, delivery_estimate: { minimum: { unit: 'business_day', value: 5 } } })
    assertSame([s.fixed_amount.amount, s.fixed_amount.currency, s.active, s.delivery_estimate], [500, 'usd', true, { maximum: null, minimum: { unit: 'business_day', value: 5 } }])
    assertSame((await stripe.shippingRates.list({ currency: 'usd' })).data.map((x) => x.id), [s.id])
    await fails(stripe.shippingRates.create({ display_name: 'x' }), { statusCode: 400, code: 'parameter_missing', param: 'fixed_amount' })
    await fails(stripe.shippingRates.create({ display_name: 'x', fixed_amount: { amount: -1, currency: 'usd' } }), { statusCode: 400, param: 'fixed_amount[amount]' })
  })
  await check('the account', async () => {
    const a = await stripe.accounts.retrieveCurrent()
    assert(/^acct_[A-Za-z0-9]{16}$/.test(a.id), a.id)
    assertSame(pick(a, 'object', 'charges_enabled', 'type', 'country'), { object: 'account', charges_enabled: true, type: 'standard', country: 'US' })
    assertSame((await stripe.accounts.retrieveCurrent()).id, a.id)
  })
}

// 250 customers, in a build of their own: pages, cursors, has_more, search.
async function lists(build) {
  const { stripe, env } = await build.another('pages')
  const made = []
  await check('250 are made', async () => {
    for (let i = 0; i < 250; i += 10)
      made.push(...await Promise.all(Array.from({ length: 10 }, (_, k) => stripe.customers.create({ name: `Customer ${i + k}`, email: `c${i + k}@example.com`, metadata: { n: String(i + k), half: i + k < 125 ? 'first' : 'second' } }))))
  })
  const order = (await all(stripe.customers.list({ limit: 100 }))).map((c) => c.id)
  await check('all of them, newest first, by pages of every size', async () => {
    assertSame([...order].sort(), made.map((c) => c.id).sort())
    // Within a batch the order is the server's; the batches are ours.
    for (let i = 0; i < 25; i++) assertSame(order.slice(i * 10, i * 10 + 10).sort(), made.slice(240 - i * 10, 250 - i * 10).map((c) => c.id).sort(), `batch ${i}`)
    for (const limit of [7, 50, 83]) assertSame((await all(stripe.customers.list({ limit }))).map((c) => c.id), order, `limit ${limit}`)
  })
  await check('ten when nothing is said; the shape of a list', async () => {
    const l = await stripe.customers.list()
    assertSame([l.object, l.data.length, l.has_more, l.url], ['list', 10, true, '/v1/customers'])
    assertSame(Object.keys(l).sort(), ['data', 'has_more', 'object', 'url'])
  })
  await check('forwards and backwards from every kind of place', async () => {
    const ids = async (p) => { const l = await stripe.customers.list(p); return [l.data.map((c) => c.id), l.has_more] }
    assertSame(await ids({ limit: 5, starting_after: order[99] }), [order.slice(100, 105), true])
    assertSame(await ids({ limit: 5, ending_before: order[99] }), [order.slice(94, 99), true])
    assertSame(await ids({ limit: 5, ending_before: order[3] }), [order.slice(0, 3), false])
    assertSame(await ids({ limit: 5, ending_before: order[5] }), [order.slice(0, 5), false])
    assertSame(await ids({ limit: 5, starting_after: order[244] }), [order.slice(245), false])
    assertSame(await ids({ limit: 5, starting_after: order[249] }), [[], false])
    assertSame(await ids({ limit: 5, ending_before: order[0] }), [[], false])
    const back = []
    for await (const c of stripe.customers.list({ limit: 40, ending_before: order[249] })) back.push(c.id)
    assertSame(back, order.slice(0, 249).reverse())
  })
  await check('a cursor that was deleted meanwhile', async () => {
    await stripe.customers.del(order[20])
    assertSame((await stripe.customers.list({ limit: 2, starting_after: order[20] })).data.map((c) => c.id), order.slice(21, 23))
  })
  const refused = [
    [{ limit: 0 }, { param: 'limit', code: 'parameter_invalid_integer', message: 'This value must be greater than or equal to 1.' }],
    [{ limit: 101 }, { param: 'limit', code: 'parameter_invalid_integer', message: 'This value must be less than or equal to 100.' }],
    [{ limit: 'many' }, { param: 'limit', code: 'parameter_invalid_integer', message: 'Invalid integer: many' }],
    [{ starting_after: 'cus_nobody' }, { param: 'starting_after', code: 'resource_missing', message: "No such customer: 'cus_nobody'" }],
    [{ ending_before: 'cus_nobody' }, { param: 'ending_before', code: 'resource_missing' }],
    [{ starting_after: order[0], ending_before: order[1] }, { message: 'You may only specify one of these parameters: starting_after, ending_before.' }],
    [{ created: { above: 5 } }, { param: 'created[above]' }],
    [{ colour: 'red' }, { param: 'colour', code: 'parameter_unknown' }],
    [{ expand: ['data.nothing'] }, { message: 'This property cannot be expanded (data.nothing).' }],
  ]
  for (const [given, want] of refused)
    await check(`a list is refused: ${JSON.stringify(given)}`, async () => void await fails(stripe.customers.list(given), { statusCode: 400, ...want }))

  await check('search, by pages', async () => {
    const found = []
    let page
    do {
      const r = await stripe.customers.search({ query: "metadata['half']:'first'", limit: 50, ...(page ? { page } : {}) })
      assertSame([r.object, r.url], ['search_result', '/v1/customers/search'])
      found.push(...r.data)
      assertSame(r.has_more, r.next_page !== null)
      page = r.next_page
    } while (page)
    assertSame(found.length, 125)
    assert(found.every((c) => c.metadata.half === 'first'), 'one that was not meant')
    assertSame((await all(stripe.customers.search({ query: "email~'c12' AND metadata['half']:'first'", limit: 2 }))).map((c) => c.metadata.n).sort(), ['12', '120', '121', '122', '123', '124'])
    assertSame((await stripe.customers.search({ query: "name:'customer 7' OR email:'c9@example.com'" })).data.map((c) => c.metadata.n).sort(), ['7', '9'])
    await fails(stripe.customers.search({ query: 'name:' }), { statusCode: 400, param: 'query' })
    await fails(stripe.customers.search({}), { statusCode: 400, code: 'parameter_missing', param: 'query' })
    await fails(stripe.customers.search({ query: "name:'x'", page: 'zzz' }), { statusCode: 400, param: 'page' })
  })
  await check('products by ids', async () => {
    const p = await Promise.all(Array.from({ length: 12 }, (_, i) => stripe.products.create({ name: `P${i}` })))
    const ids = p.map((x) => x.id)
    assertSame((await stripe.products.list({ ids, limit: 100 })).data.map((x) => x.id).sort(), [...ids].sort())
    assertSame((await stripe.products.list({ ids: [ids[3], 'prod_nobody'] })).data.map((x) => x.id), [ids[3]])
    await fails(stripe.products.list({ ids, starting_after: ids[0] }), { statusCode: 400, param: 'ids', message: 'You may only specify one of these parameters: ids, starting_after.' })
  })

  await check('a list inside of an object: pages of it, in its order', async () => {
    const price_data = (i) => ({ currency: 'usd', unit_amount: 100 + i, product_data: { name: `Line ${i}` } })
    const session = await stripe.checkout.sessions.create({
      mode: 'payment', success_url: 'https://example.com/done', line_items: Array.from({ length: 7 }, (_, i) => ({ price_data: price_data(i), quantity: 1 })),
    })
    const page = async (p) => { const l = await stripe.checkout.sessions.listLineItems(session.id, p); return [l.data, l.has_more] }
    const [items, more] = await page({ limit: 100 })
    assertSame([items.map((i) => i.description), more], [Array.from({ length: 7 }, (_, i) => `Line ${i}`), false])
    const ids = async (p) => { const [data, more] = await page(p); return [data.map((i) => items.findIndex((x) => x.id === i.id)), more] }
    assertSame(await ids({ limit: 3 }), [[0, 1, 2], true])
    assertSame(await ids({ limit: 3, starting_after: items[2].id }), [[3, 4, 5], true])
    assertSame(await ids({ limit: 3, starting_after: items[3].id }), [[4, 5, 6], false])
    assertSame(await ids({ limit: 3, ending_before: items[5].id }), [[2, 3, 4], true])
    assertSame(await ids({ limit: 3, ending_before: items[2].id }), [[0, 1], false])
    await fails(page({ starting_after: 'li_nobody' }), { statusCode: 400, code: 'resource_missing', param: 'starting_after' })
    await fails(page({ limit: 101 }), { statusCode: 400, param: 'limit' })
    // Prices that are made on the way are in no list, and no search finds them.
    const made = items[0].price
    assertSame([made.active, (await stripe.prices.list({ product: made.product, limit: 100 })).data, (await stripe.prices.list({ product: made.product, active: false })).data], [false, [], []])
    assertSame((await stripe.prices.search({ query: `product:'${made.product}'` })).data, [])
  })

  await check('what curl sends: Basic, expand[], pluses, nested names', async () => {
    const send = (path, body, method = 'POST') => request(`${env.STRIPE_API_BASE}${path}`, {
      method, body, headers: { Authorization: `Basic ${Buffer.from(`${env.STRIPE_SECRET_KEY}:`).toString('base64')}`, 'Content-Type': 'application/x-www-form-urlencoded' },
    })
    const p = (await send('/v1/products', 'name=With+a+plus%2B&metadata%5Bk%5D=v&images[]=https%3A%2F%2Fexample.com%2F1')).json()
    assertSame([p.name, p.metadata, p.images], ['With a plus+', { k: 'v' }, ['https://example.com/1']])
    const price = await send('/v1/prices', `product=${p.id}&currency=usd&unit_amount=5&recurring[interval]=month&expand[]=product`)
    assertSame([price.json().product.name, price.json().recurring.interval], ['With a plus+', 'month'])
    assert(price.text.startsWith('{\n  "id": "price_'), price.text.slice(0, 40))
    assertSame((await send('/v1/products', 'name=%zz')).status, 400)
    assertSame((await send('/v1/products', 'name=%ff')).status, 400)
    const twice = await send('/v1/products', 'name=a&name[b]=c')
    assertSame([twice.status, twice.json().error.message], [400, 'Invalid object'])
    assertSame((await send('/v1/products', `${'a'.repeat(2000)}=1`)).status, 400)
    assertSame((await send(`/v1/prices?product=${p.id}&expand[]=data.product`, undefined, 'GET')).json().data[0].product.id, p.id)
    assertSame((await send(`/v1/products/${p.id}`, 'metadata[7]=seven&metadata[8]=eight')).json().metadata, { 7: 'seven', 8: 'eight', k: 'v' })
  })
}

async function idempotency(build) {
  const { stripe } = build
  await check('the same key: the same object, once', async () => {
    await typesOf(build)
    const a = await stripe.customers.create({ name: 'Once' }, { idempotencyKey: 'key-1' })
    const b = await stripe.customers.create({ name: 'Once' }, { idempotencyKey: 'key-1' })
    assertSame(a.id, b.id)
    assertSame(b.lastResponse.headers['idempotent-replayed'], 'true')
    assertSame(b.lastResponse.headers['original-request'], a.lastResponse.requestId)
    assertSame(await typesOf(build), ['customer.created'])
    await fails(stripe.customers.create({ name: 'Twice' }, { idempotencyKey: 'key-1' }), { statusCode: 400, type: 'StripeIdempotencyError' })
    await fails(stripe.products.create({ name: 'Once' }, { idempotencyKey: 'key-1' }), { statusCode: 400, type: 'StripeIdempotencyError' })
  })
  await check('a refusal does not use the key up', async () => {
    await fails(stripe.prices.create({ currency: 'usd', unit_amount: 1, product: 'prod_later' }, { idempotencyKey: 'key-2' }), { statusCode: 400 })
    await stripe.products.create({ id: 'prod_later', name: 'Later' })
    assertSame((await stripe.prices.create({ currency: 'usd', unit_amount: 1, product: 'prod_later' }, { idempotencyKey: 'key-2' })).product, 'prod_later')
  })
  await check('ten at once: one customer', async () => {
    const r = await Promise.allSettled(Array.from({ length: 10 }, () => stripe.customers.create({ name: 'Race' }, { idempotencyKey: 'key-3' })))
    const ids = new Set(r.filter((x) => x.status === 'fulfilled').map((x) => x.value.id))
    assertSame(ids.size, 1)
    for (const x of r) if (x.status === 'rejected') assertSame(x.reason.statusCode, 409)
  })
}

async function isolation(build) {
  const { stripe } = build
  const other = (await build.another('other')).stripe
  await check('two builds see nothing of each other', async () => {
    const mine = await stripe.products.create({ name: 'Mine', default_price_data: { currency: 'usd', unit_amount: 5 } })
    const c = await stripe.customers.create({ email: 'shared@example.com' }, { idempotencyKey: 'shared' })
    const d = await other.customers.create({ email: 'shared@example.com' }, { idempotencyKey: 'shared' })
    assert(c.id !== d.id, 'one customer for both')
    const coupon = await stripe.coupons.create({ id: 'SHARED', percent_off: 10 })
    assertSame((await other.coupons.create({ id: 'SHARED', percent_off: 20 })).percent_off, 20)
    await fails(other.products.retrieve(mine.id), { statusCode: 404, code: 'resource_missing', message: `No such product: '${mine.id}'` })
    await fails(other.prices.retrieve(mine.default_price), { statusCode: 404, code: 'resource_missing' })
    await fails(other.prices.create({ product: mine.id, currency: 'usd', unit_amount: 5 }), { statusCode: 400, code: 'resource_missing', param: 'product' })
    await fails(other.customers.update(c.id, { name: 'x' }), { statusCode: 404 })
    await fails(other.customers.del(c.id), { statusCode: 404 })
    await fails(other.customers.list({ starting_after: c.id }), { statusCode: 400, code: 'resource_missing' })
    assertSame((await other.products.list()).data, [])
    assertSame((await other.customers.list({ email: 'shared@example.com' })).data.map((x) => x.id), [d.id])
    assertSame((await other.customers.search({ query: "email:'shared@example.com'" })).data.map((x) => x.id), [d.id])
    assert((await all(other.events.list({ limit: 100 }))).every((e) => e.data.object.id !== c.id && e.data.object.id !== mine.id), 'an event of the other')
    assertSame((await stripe.coupons.retrieve(coupon.id)).percent_off, 10)
    assert((await stripe.accounts.retrieveCurrent()).id !== (await other.accounts.retrieveCurrent()).id, 'one account for both')
  })
}

export async function run(build) {
  for (const part of [products, prices, customers, discounts, rates, lists, idempotency, isolation]) await part(build)
}
