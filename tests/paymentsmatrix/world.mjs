// The builds that the suite is about and what is in them, the calls as the source has them, and what tells whether anything changed.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { manyGuesses } from '../auth/lib.mjs'
import { Daemon, request, tempFolder } from '../lib/daemon.mjs'

const source = new URL('../../src/services/payments/resources/', import.meta.url)

// Every row of every table of the description: { method, path, verb, resource, publishable }; and the hosted pages, without a resource.
export function endpoints() {
  const found = []
  for (const f of fs.readdirSync(source).filter((f) => f.endsWith('.c') && !/^(test_|fuzz_|missing)/.test(f))) {
    const text = fs.readFileSync(new URL(f, source), 'utf8')
    for (const [, table] of text.matchAll(/const vk_pay_endpoint \w+\[\] = \{(.*?)\n\};/gs)) {
      const rows = [...table.matchAll(/(VK_PAY_CALL|VK_PAY_CALL_PUBLIC|PAGE)\(\s*"([A-Z]+)",\s*"(\/[^"]*)",\s*([A-Za-z_]\w*)(?:,\s*(\w+))?/g)]
      if (rows.length !== [...table.matchAll(/"\//g)].length) throw new Error(`${f}: a row that is not understood`)
      for (const [, macro, method, where, verb, resource] of rows)
        found.push(macro === 'PAGE' ? { method, path: where, page: true } : { method, path: where, verb, resource, publishable: macro.endsWith('PUBLIC') })
    }
  }
  return found
}

// a[b][c]=…, as the SDK sends it.
export function form(value, under = '') {
  return Object.entries(value).flatMap(([k, v]) => {
    const name = under ? `${under}[${k}]` : k
    return v !== null && typeof v === 'object' ? form(v, name) : [`${encodeURIComponent(name)}=${encodeURIComponent(v)}`]
  }).flat()
}

export class Api {
  constructor(daemon, env) {
    Object.assign(this, { daemon, env, base: `http://127.0.0.1:${daemon.portBase + 4}` })
  }

  ask(method, where, { params, authorization = `Bearer ${this.env.STRIPE_SECRET_KEY}`, headers = {} } = {}) {
    const text = params ? form(params).join('&') : ''
    const query = method !== 'POST' && text ? `${where.includes('?') ? '&' : '?'}${text}` : ''
    return request(this.base + where + query, {
      method, body: method === 'POST' ? text : undefined,
      headers: { 'Stripe-Version': '2026-10-28.endive', ...(method === 'POST' && { 'Content-Type': 'application/x-www-form-urlencoded' }), ...(authorization !== undefined && authorization !== null && { Authorization: authorization }), ...headers },
    })
  }

  async must(method, where, params) {
    const r = await this.ask(method, where, { params })
    if (r.status !== 200) throw new Error(`${method} ${where}: ${r.status} ${r.text.slice(0, 400)}`)
    return r.json()
  }
}

// A browser that sends the form of a page.
export const submit = (url, fields, headers = {}) => request(url, {
  method: 'POST', body: new URLSearchParams(fields).toString(), headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin', ...headers },
})
export const CARD = { email: 'ann@example.com', cardNumber: '4242424242424242', cardExpiry: '12 / 34', cardCvc: '123', billingName: 'Ann', billingCountry: 'US', billingPostalCode: '94107' }
export const BACK = { success_url: 'https://shop.example/thanks', cancel_url: 'https://shop.example/cart' }
export const price = (unit_amount, more = {}) => ({ price_data: { currency: 'usd', unit_amount, product_data: { name: 'Thing' }, ...more }, quantity: 1 })

// A build that has one of everything; `ids` by the resource's name.
async function used(daemon, id, args = []) {
  const { env } = await daemon.createBuild(id, ['--framework', 'node', '--origin', 'http://localhost:3000', ...args])
  const off = await daemon.admin('PUT', `/api/v1/builds/${id}/services/payments/webhook`, { body: { off: true } }) // tries to deliver would change the file
  if (off.status !== 200) throw new Error(`webhook off: ${off.status} ${off.text}`)
  const api = new Api(daemon, env)
  const post = (where, params) => api.must('POST', `/v1/${where}`, params)
  const ids = {}
  ids.product = (await post('products', { name: `Thing of ${id}`, metadata: { of: id } })).id
  ids.price = ids.plan = (await post('prices', { product: ids.product, currency: 'usd', unit_amount: 5500, metadata: { of: id } })).id
  const month = (await post('prices', { currency: 'usd', unit_amount: 1200, recurring: { interval: 'month' }, product_data: { name: 'Pro' }, lookup_key: 'pro' })).id
  ids.customer = (await post('customers', { email: `ann@${id}.example`, metadata: { of: id } })).id
  ids.payment_method = (await post('payment_methods/pm_card_visa/attach', { customer: ids.customer })).id
  const card = { customer: ids.customer, payment_method: ids.payment_method, payment_method_types: ['card'] }
  const intent = (more) => post('payment_intents', { amount: 2000, currency: 'usd', ...card, metadata: { of: id }, ...more })
  const open = await intent({})
  ids.payment_intent = open.id
  const paid = await intent({ confirm: true })
  ids.charge = paid.latest_charge
  const held = await intent({ confirm: true, capture_method: 'manual' })
  const setup = await post('setup_intents', card)
  ids.setup_intent = setup.id
  ids.refund = (await post('refunds', { charge: ids.charge, amount: 100 })).id
  ids.coupon = (await post('coupons', { percent_off: 25, duration: 'once' })).id
  ids.promotion_code = (await post('promotion_codes', { promotion: { type: 'coupon', coupon: ids.coupon }, code: `SPRING${id}` })).id
  ids.tax_rate = (await post('tax_rates', { display_name: 'VAT', inclusive: true, percentage: 20 })).id
  ids.shipping_rate = (await post('shipping_rates', { display_name: 'Post', type: 'fixed_amount', fixed_amount: { amount: 500, currency: 'usd' } })).id
  const session = await post('checkout/sessions', { ...BACK, mode: 'payment', line_items: [price(5500)], allow_promotion_codes: true, client_reference_id: `user of ${id}` })
  ids.session = ids.item = session.id
  const link = await post('payment_links', { line_items: [{ price: ids.price, quantity: 1 }] })
  ids.payment_link = link.id
  const sub = await post('subscriptions', { customer: ids.customer, items: [{ price: month }], default_payment_method: ids.payment_method, metadata: { of: id } })
  ids.subscription = sub.id
  ids.subscription_item = sub.items.data[0].id
  ids.invoice = sub.latest_invoice
  ids.invoice_payment = (await api.must('GET', `/v1/invoice_payments?invoice=${ids.invoice}`)).data[0].id
  ids.webhook_endpoint = (await post('webhook_endpoints', { url: 'http://localhost:3000/hook', enabled_events: ['plan.deleted'] })).id
  ids.event = (await api.must('GET', '/v1/events')).data[0].id
  ids.balance_transaction = (await api.must('GET', '/v1/balance_transactions')).data[0].id
  const secure = await intent({ confirm: true, payment_method: 'pm_card_threeDSecure2Required', return_url: 'https://shop.example/back' })
  const invoice = await api.must('GET', `/v1/invoices/${ids.invoice}`)
  const charge = await api.must('GET', `/v1/charges/${ids.charge}`)
  const urls = { session: session.url, link: link.url, receipt: charge.receipt_url, invoice: invoice.hosted_invoice_url, intent: secure.next_action.redirect_to_url.url }
  for (const [name, value] of Object.entries({ ...ids, ...urls })) if (!value) throw new Error(`${id}: no ${name}`)
  return { id, env, api, ids, urls, month, held: held.id, secrets: { payment_intent: open.client_secret, setup_intent: setup.client_secret }, code: `SPRING${id}` }
}

export async function everybody(base) {
  const ctx = {}
  const foreign = await new Daemon({ portBase: base + 10, args: manyGuesses }).start()
  ctx.foreign = await used(foreign, 'own')
  await foreign.stop()

  const data = path.join(tempFolder(), 'data')
  const early = await new Daemon({ portBase: base, data, args: manyGuesses, env: { VALETKEY_TEST_CLOCK_OFFSET_MS: '-120000' } }).start()
  ctx.expired = await used(early, 'expired', ['--ttl', '60s'])
  await early.stop()

  const daemon = await new Daemon({ portBase: base, data, args: manyGuesses }).start()
  for (const id of ['own', 'other', 'revoked', 'deleted']) ctx[id] = await used(daemon, id)
  await daemon.mustCli(['build', 'revoke', 'revoked'])
  await daemon.mustCli(['build', 'delete', 'deleted'])
  return { daemon, ctx }
}

export function fingerprint(daemon, ...ids) {
  const hash = createHash('sha256')
  for (const id of ids)
    for (const f of ['payments.db', 'payments.db-wal']) hash.update(fs.readFileSync(path.join(daemon.data, 'builds', id, f)))
  return hash.digest('hex')
}
