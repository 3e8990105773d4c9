// A daemon with a shop on it: an Express app that gets webhooks and shows what it was told; and a Chromium that is watched.
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import express from 'express'
import Stripe from 'stripe'
import { WatchedBrowser } from '../lib/browser.mjs'
import { Daemon, portBase, request, sleep } from '../lib/daemon.mjs'
import { assert, assertSame } from '../lib/tap.mjs'
import { handler } from './route.mjs'

export const here = path.dirname(fileURLToPath(import.meta.url))
export const base = await portBase()
export const daemon = new Daemon({ portBase: base })
export const pages = `http://127.0.0.1:${base + 4}`

export async function until(look, what, ms = 30000) {
  const end = Date.now() + ms
  for (;;) {
    const got = await look()
    if (got) return got
    assert(Date.now() < end, `${what}: not within ${ms} ms`)
    await sleep(20)
  }
}

const escape = (s) => String(s).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)

/* A build and its app, as people write it: a handler for webhooks with the raw body, and a success page that shows what the handler
 * has written down. `events`: all that were verified; `last`: the newest of them as it came; `bad`: requests that were not; `routed`: what the route of an endpoint of its
 * own was told, read in two ways. */
export class Shop {
  async open(id, port) {
    this.events = []
    this.bad = []
    this.routed = []
    this.visits = []
    this.orders = new Map()
    this.origin = `http://localhost:${port}`
    const { env } = await daemon.createBuild(id, ['--origin', this.origin])
    Object.assign(this, { id, env, port, stripe: new Stripe(env.STRIPE_SECRET_KEY, { host: '127.0.0.1', port: base + 4, protocol: 'http', maxNetworkRetries: 0, telemetry: false }) })
    const app = express()
    app.post('/api/webhooks/stripe', express.raw({ type: 'application/json' }), (req, res) => {
      let event
      try {
        event = this.stripe.webhooks.constructEvent(req.body, req.headers['stripe-signature'], env.STRIPE_WEBHOOK_SECRET)
      } catch (e) {
        this.bad.push(e.message)
        res.status(400).send(e.message)
        return
      }
      this.events.push(event)
      this.last = { body: req.body, signature: req.headers['stripe-signature'] }
      if (event.type === 'checkout.session.completed') this.orders.set(event.data.object.id, event.data.object.payment_status)
      res.json({ received: true })
    })
    const POST = handler(this.stripe, () => this.routeSecret, this.routed)
    app.post('/api/webhooks/route', express.raw({ type: '*/*' }), async (req, res) => {
      const r = await POST(new Request(`${this.origin}${req.url}`, { method: 'POST', headers: req.headers, body: req.body }))
      res.status(r.status).send(await r.text())
    })
    app.use((req, _res, next) => {
      this.visits.push({ method: req.method, url: req.url, referer: req.headers.referer })
      next()
    })
    const page = (title, body) => `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>${title}</title><h1>${title}</h1>${body}`
    app.get('/success', (req, res) => res.send(page('Thanks', `<p id="order">${escape(this.orders.get(req.query.id) ?? 'not told yet')}</p><p id="session">${escape(req.query.id)}</p>`)))
    app.get('/onward', (req, res) => res.redirect(`http://127.0.0.1:${port}/success?id=${encodeURIComponent(req.query.id)}`))
    app.get('/cart', (_req, res) => res.send(page('Cart', '')))
    app.get('/return', (req, res) => res.send(page('Returned', `<p id="status">${escape(req.query.redirect_status)}</p>`)))
    await new Promise((r, no) => (this.server = app.listen(port, '127.0.0.1', (e) => (e ? no(e) : r()))))
    this.server.keepAliveTimeout = 1
    return this
  }

  async close() {
    const closed = new Promise((r) => this.server.close(r))
    this.server.closeAllConnections()
    await closed
  }

  session(params = {}) {
    return this.stripe.checkout.sessions.create({
      mode: 'payment',
      success_url: `${this.origin}/success?id={CHECKOUT_SESSION_ID}`,
      cancel_url: `${this.origin}/cart`,
      ...(params.mode === 'setup' ? { currency: 'usd' } : { line_items: [line('T-shirt', 2500)] }),
      ...params,
    })
  }

  types(id) { return this.events.filter((e) => !id || JSON.stringify(e.data.object).includes(id)).map((e) => e.type) }
}

export const line = (name, amount, { quantity = 1, currency = 'usd', interval, ...more } = {}) => ({
  quantity, price_data: { currency, unit_amount: amount, product_data: { name }, ...(interval ? { recurring: { interval } } : {}) }, ...more,
})

export const browser = await WatchedBrowser.open(here)

export const GOOD = '4242424242424242'
export const CARDS = { good: GOOD, declined: '4000000000000002', poor: '4000000000009995', asks: '4000002760003184', asksThenPoor: '4000008260003178' }

// What an app's own browser tests do on the real page. `more`: ids and values.
export async function fill(page, card = GOOD, more = {}) {
  const all = { email: 'jenny@example.com', cardNumber: card, cardExpiry: '12 / 34', cardCvc: '123', billingName: 'Jenny Rosen', billingPostalCode: '94107', ...more }
  for (const [id, value] of Object.entries(all)) {
    const field = page.locator(`#${id}`)
    if (value === null || !(await field.count()) || (await field.getAttribute('readonly')) !== null) continue
    if ((await field.evaluate((e) => e.tagName)) === 'SELECT') await field.selectOption(value)
    else await field.fill(value)
  }
}

export const submit = (page) => page.click('button[data-testid="hosted-payment-submit-button"]')

// Back in the shop, which was told before.
export async function thanked(shop, session, status = 'paid') {
  await browser.page.waitForURL(`${shop.origin}/success**`)
  assertSame([await browser.page.textContent('#order'), await browser.page.textContent('#session')], [status, session.id], 'the success page')
}

// A page as a program asks for it: no cookies, no script.
export const get = (url, options) => request(url, options)
export const post = (url, fields, { headers = {}, ...rest } = {}) => request(url, {
  method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers }, body: typeof fields === 'string' ? fields : new URLSearchParams(fields).toString(), ...rest,
})
export const FIELDS = { action: 'pay', email: 'jenny@example.com', cardNumber: GOOD, cardExpiry: '12/34', cardCvc: '123', billingName: 'Jenny Rosen', billingCountry: 'US', billingPostalCode: '94107' }
export { sleep, request }
