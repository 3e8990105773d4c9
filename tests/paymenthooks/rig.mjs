// An app that gets webhooks, and what the checks share.
import http from 'node:http'
import Stripe from 'stripe'
import Stripe14 from 'stripe-14'
import { Daemon, portBase, sleep } from '../lib/daemon.mjs'
import { assert } from '../lib/tap.mjs'

export const daemon = new Daemon({ portBase: await portBase() })
export const api = { host: '127.0.0.1', port: daemon.portBase + 4, protocol: 'http', maxNetworkRetries: 0, telemetry: false }

// Waits until `look` gives something; no check waits for a fixed time.
export async function until(look, what, ms = 30000) {
  const end = Date.now() + ms
  for (;;) {
    const got = await look()
    if (got) return got
    assert(Date.now() < end, `${what}: not within ${ms} ms`)
    await sleep(20)
  }
}

// Receives on a port of its own, and keeps what it got. `answer(hit, n)` decides, perhaps later: a status, [status, headers, body], or
// 'hang'.
export class Receiver {
  constructor() {
    this.hits = []
    this.answer = () => 200
    this.held = new Set()
  }

  async open(port = 0) {
    this.server = http.createServer((req, res) => {
      const parts = []
      req.on('data', (d) => parts.push(d))
      req.on('end', async () => {
        const raw = Buffer.concat(parts)
        const hit = { at: Date.now(), method: req.method, path: req.url, headers: req.headers, raw, event: JSON.parse(raw.toString()) }
        this.hits.push(hit)
        const a = await this.answer(hit, this.of(hit.event.id).length)
        if (a === 'hang') {
          this.held.add(res)
          return
        }
        const [status, headers, body] = Array.isArray(a) ? a : [a, {}, 'ok']
        res.writeHead(status, headers).end(body)
        hit.answered = Date.now()
      })
    })
    this.server.keepAliveTimeout = 1
    await new Promise((r, no) => this.server.once('error', no).listen(port, '127.0.0.1', r))
    this.port = this.server.address().port
    return this
  }

  async close() {
    for (const res of this.held) res.destroy()
    this.held.clear()
    const closed = new Promise((r) => this.server.close(r))
    this.server.closeAllConnections()
    await closed
  }

  get origin() { return `http://127.0.0.1:${this.port}` }
  of(id) { return this.hits.filter((h) => h.event.id === id) }
  typed(type) { return this.hits.filter((h) => h.event.type === type) }
  about(id) { return this.hits.filter((h) => h.event.data.object.id === id) }
  // The n-th hit that fits.
  hit(fits, n = 1, ms) { return until(() => this.hits.filter(fits)[n - 1], `hit ${n}: ${fits}`, ms) }
}

// A build whose app is that receiver.
export async function app(id, receiver, { origins = [receiver.origin] } = {}) {
  const { env } = await daemon.createBuild(id)
  if (origins.length) await daemon.mustCli(['build', 'origins', id, ...origins])
  const key = env.STRIPE_SECRET_KEY
  return { id, env, secret: env.STRIPE_WEBHOOK_SECRET, stripe: new Stripe(key, api), stripe14: new Stripe14(key, api) }
}

// As an app's handler does it, with both SDKs.
export function construct(hit, secret) {
  const header = hit.headers['stripe-signature']
  const event = Stripe.webhooks.constructEvent(hit.raw, header, secret)
  const old = Stripe14.webhooks.constructEvent(hit.raw.toString('utf8'), header, secret)
  assert(JSON.stringify(event) === JSON.stringify(old), 'both read the same')
  return event
}

export const operator = async (method, id, call, body) => {
  const r = await daemon.admin(method, `/api/v1/builds/${id}/services/payments/${call}`, { body })
  return { status: r.status, body: r.json() }
}
export { Stripe, Stripe14, sleep }
