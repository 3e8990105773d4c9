// A daemon whose payments are brokered, and who is Stripe for it.
import { createRequire } from 'node:module'
import { createHmac, randomBytes } from 'node:crypto'
import http from 'node:http'
import path from 'node:path'
import { Daemon, portBase, request, run, binary } from '../lib/daemon.mjs'
import { ok } from '../lib/tap.mjs'
import { vendorBinary } from '../lib/vendor_build.mjs'

export { Hook } from '../payments/hook.mjs'

const require = createRequire(path.join(import.meta.dirname, '../payments/package.json'))
process.env.STRIPE_SUPPRESS_NOTICES = 'true'
export const Stripe = require('stripe')
const characters = (n) => [...randomBytes(n)].map((b) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'[b % 62]).join('')
// Keys of the organisation's that open nothing anywhere.
export const fakeKeys = () => ({ secret_key: `sk_test_51${characters(97)}`, publishable_key: `pk_test_51${characters(97)}`, webhook_secret: `whsec_${characters(32)}` })

export function client(env, { key = env.STRIPE_SECRET_KEY, ...options } = {}) {
  const at = new URL(env.STRIPE_API_BASE)
  return new Stripe(key, { host: at.hostname, port: at.port, protocol: at.protocol.slice(0, -1), maxNetworkRetries: 0, telemetry: false, ...options })
}

export async function fails(promise) {
  return promise.then((r) => { throw new Error(`it was done: ${JSON.stringify(r).slice(0, 300)}`) }, (e) => e)
}

// A daemon with the organisation's keys of Stripe; `keys.api_base` says where that is.
export class Broker {
  static async start(keys, options = {}) {
    const b = new Broker()
    b.base = options.portBase ?? (await portBase())
    b.daemon = new Daemon({ ...options, portBase: b.base })
    await b.daemon.start()
    await b.enter(keys)
    return b
  }

  get payments() { return `http://127.0.0.1:${this.base + 4}` }

  async enter(keys) {
    const input = Object.entries(keys).map(([name, value]) => `${name}=${value}\n`).join('')
    const r = await run(binary, ['keys', 'set', 'stripe', '--data', this.daemon.data], { input })
    if (r.code !== 0) throw new Error(`keys set stripe: exit ${r.code}: ${r.stderr || r.stdout}`)
    this.keys = { ...this.keys, ...keys }
  }

  // A build with payments as `values` say: ['soft=yes'] or ['account=acct_…'].
  async build(id, values, args = []) {
    await this.daemon.createBuild(id, args)
    await this.daemon.mustCli(['build', 'use', id, 'payments', 'stripe', ...values])
    const env = JSON.parse(await this.daemon.mustCli(['env', id, '--format', 'json']))
    return { id, env: env.env ?? env, stripe: client(env.env ?? env) }
  }

  // The audit has two records of each call, and nothing of its log is a sanitizer's.
  async stop() {
    const r = await this.daemon.cli(['audit', 'verify'])
    await this.daemon.stop()
    ok(r.code === 0, 'the audit log holds together', r.stderr || r.stdout)
    const at = this.daemon.log.search(/(WARNING: Thread|ERROR: Address|ERROR: Leak)Sanitizer|runtime error:/)
    if (at >= 0) ok(false, 'no sanitizer found anything', this.daemon.log.slice(at, at + 6000))
    if (this.keys) ok(!this.daemon.log.includes(this.keys.secret_key) && !this.daemon.log.includes(this.keys.webhook_secret), 'no key of the organisation is in the log')
  }
}

// The organisation's account: a build of a daemon in the vendor's role, with a webhook that leads to `hook`.
export class Vendor {
  static async start() {
    const v = new Vendor()
    v.base = await portBase()
    v.daemon = new Daemon({ portBase: v.base, program: vendorBinary, args: ['--vendor-role'] })
    await v.daemon.start()
    const { env } = await v.daemon.createBuild('org')
    v.env = env
    v.stripe = client(env)
    return v
  }

  // What the organisation enters: keys, with events to that broker's listener.
  async keys(brokerBase, { origin = `http://127.0.0.1:${brokerBase + 4}`, version } = {}) {
    await this.daemon.mustCli(['build', 'origins', 'org', origin])
    const hook = await this.stripe.webhookEndpoints.create({ url: `${origin}/webhooks/stripe`, enabled_events: ['*'], ...(version ? { api_version: version } : {}) })
    return { secret_key: this.env.STRIPE_SECRET_KEY, publishable_key: this.env.STRIPE_PUBLISHABLE_KEY, webhook_secret: hook.secret, api_base: `http://127.0.0.1:${this.base + 4}` }
  }

  stop() { return this.daemon.stop() }
}

// A server on loopback that notes what reaches it; `answer(req, res, body)` answers.
export class StandIn {
  constructor(answer) {
    this.got = []
    this.answer = answer
  }

  async open(port = 0) {
    this.server = http.createServer((req, res) => {
      const parts = []
      req.on('data', (d) => parts.push(d))
      req.on('end', () => {
        const body = Buffer.concat(parts).toString()
        this.got.push({ method: req.method, url: req.url, headers: req.headers, raw: req.rawHeaders, body })
        this.answer(req, res, body)
      })
    })
    await new Promise((done) => this.server.listen(port, '127.0.0.1', done))
    this.url = `http://127.0.0.1:${this.server.address().port}`
    return this
  }

  take() { return this.got.splice(0) }

  close() {
    this.server.closeAllConnections()
    return new Promise((done) => this.server.close(done))
  }
}

export const json = (res, status, value, headers = {}) => {
  const text = JSON.stringify(value)
  res.writeHead(status, { 'Content-Type': 'application/json', 'Request-Id': 'req_standin', ...headers, 'Content-Length': Buffer.byteLength(text) })
  res.end(text)
}

// As Stripe signs.
export const sign = (secret, body, at = Math.floor(Date.now() / 1000)) => `t=${at},v1=${createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')}`

export { request }
