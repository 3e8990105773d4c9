// What all parts need: a daemon, builds with a client of the SDK, words for what is expected.
// A parameter without effect is told to the process that sent it, once; that is not what these tests look at.
process.env.STRIPE_SUPPRESS_NOTICES = 'true'
import Stripe from 'stripe'
import { Daemon, portBase, request } from '../lib/daemon.mjs'
import { assert, assertSame, ok } from '../lib/tap.mjs'

export class Payments {
  static async start(options = {}) {
    const p = new Payments()
    p.base = await portBase()
    p.daemon = new Daemon({ portBase: p.base, ...options })
    await p.daemon.start()
    return p
  }

  // { stripe, env, id, base, another(name) } of a new build. No webhook endpoint hears of it: nobody listens where apps would.
  async build(id) {
    const { env } = await this.daemon.createBuild(id)
    for (const name of ['STRIPE_SECRET_KEY', 'STRIPE_PUBLISHABLE_KEY', 'STRIPE_WEBHOOK_SECRET', 'STRIPE_API_BASE']) assert(env[name], `the environment of build ${id} has no ${name}: ${Object.keys(env)}`)
    return { id, env, base: this.base, another: (more) => this.build(`${id}-${more}`), stripe: client(env), browser: client(env, { key: env.STRIPE_PUBLISHABLE_KEY }) }
  }

  // The daemon as it is so many milliseconds from now, started anew.
  async later(ms) {
    await this.daemon.stop()
    this.daemon.env = { VALETKEY_TEST_CLOCK_OFFSET_MS: String(ms) }
    await this.daemon.start()
  }

  async stop() {
    await this.daemon.stop()
    const at = this.daemon.log.search(/(WARNING: Thread|ERROR: Address|ERROR: Leak)Sanitizer|runtime error:/)
    if (at >= 0) ok(false, 'no sanitizer found anything', this.daemon.log.slice(at, at + 6000))
  }
}

// As an app makes it. No retries, so that what one would hide is seen.
export function client(env, { key = env.STRIPE_SECRET_KEY, ...options } = {}) {
  const at = new URL(env.STRIPE_API_BASE)
  return new Stripe(key, { host: at.hostname, port: at.port, protocol: at.protocol.slice(0, -1), maxNetworkRetries: 0, telemetry: false, ...options })
}

// The error that `promise` must end with; `want` is compared with its members of the same names.
export async function fails(promise, want) {
  let e
  try {
    const r = await promise
    e = Object.assign(new Error(`done: ${JSON.stringify(r).slice(0, 300)}; ${JSON.stringify(want)} was expected`), { unexpected: true })
  } catch (error) {
    e = error
  }
  if (e.unexpected) throw e
  const got = Object.fromEntries(Object.keys(want).map((k) => [k, e[k] ?? e.raw?.[k]]))
  assertSame(got, want, `the error "${e.message}"`)
  return e
}

export async function all(list) {
  const out = []
  for await (const one of list) out.push(one)
  return out
}

// Types of the events since the last call with the same build, in the order in which they were made.
const seen = new Map()
export async function events({ stripe, id }) {
  const types = []
  for await (const e of stripe.events.list({ limit: 100 })) {
    if (e.id === seen.get(id)) break
    types.unshift(e)
  }
  if (types.length) seen.set(id, types.at(-1).id)
  return types
}
export const typesOf = async (build) => (await events(build)).map((e) => e.type)

// What somebody presses on the page of 3-D Secure; where they are led.
export async function press(url, result) {
  const page = await request(url)
  assertSame(page.status, 200, `the page ${url}`)
  assert(/Complete authentication/.test(page.text), page.text.slice(0, 400))
  const at = new URL(url)
  const r = await request(url, { method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: at.origin, 'Sec-Fetch-Site': 'same-origin' }, body: `result=${result}` })
  return r
}

export const HOUR = 3600 * 1000

export const CARD = { number: '4242424242424242', exp_month: 12, exp_year: 2034, cvc: '123' }

// ---- checkout

// What somebody types who pays on the hosted page, by the names of its fields.
export const TYPED = { email: 'ann@example.com', cardNumber: '4242 4242 4242 4242', cardExpiry: '12 / 34', cardCvc: '123', billingName: 'Ann Example', billingCountry: 'US', billingPostalCode: '94107' }
export const DECLINED = { ...TYPED, cardNumber: '4000000000000002' }
export const URLS = { success_url: 'http://localhost:3000/thanks?session={CHECKOUT_SESSION_ID}', cancel_url: 'http://localhost:3000/cart' }
export const line = (unit_amount, { name = 'Thing', currency = 'usd', quantity = 1, recurring, ...rest } = {}) =>
  ({ price_data: { currency, unit_amount, product_data: { name }, ...(recurring ? { recurring: { interval: recurring } } : {}) }, quantity, ...rest })

// The form of a page, as a browser sends it.
export const submit = (url, fields) => request(url, {
  method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: new URL(url).origin, 'Sec-Fetch-Site': 'same-origin' },
  body: new URLSearchParams(fields).toString(), timeout: 60000,
})
export const alertOf = (r) => /role="alert"[^>]*>([^<]*)</.exec(r.text)?.[1]
// Pays, and is led to where the app wants.
export async function pay(session, fields = TYPED) {
  const r = await submit(session.url, fields)
  assertSame([r.status, r.status === 303 ? undefined : alertOf(r)], [303, undefined])
  return r.headers.location
}
