// Stripe: the accounts of one platform (Connect, v1) in test mode, and what is done in them. Written from Stripe's documentation of the API and of
// testing Connect; sentences of refusals that it does not give are ours. What is in an account is in a build of a second valetkey daemon that plays
// the vendor (`data`): calls with Stripe-Account go to that account's build, with its key; those without go to the platform's own.
//
//   key: the platform's secret key; data: { admin: 'http://127.0.0.1:4500', token } of that daemon; none: calls in accounts answer 500
//   events: { url, secret }: the platform's endpoint for events of connected accounts, and what it is signed with; none: nobody is told
//
// Settings: connect (false: not signed up), profile (false: the platform's profile is not complete), verify (ms until a person is verified; 0: at
// once when the test values are those for it), wants (['individual.id_number']: what it wants for ever), remember (ms for which an idempotency key
// is; a day), accounts (how many there may be).
// Acts: delete { name }, make { name }: behind our back.
import { createHash, createHmac, randomBytes } from 'node:crypto'
import http from 'node:http'
import { Refused, Stand, program } from './stand.mjs'

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const some = (n) => [...randomBytes(n)].map((b) => letters[b % letters.length]).join('')
export const platformKey = () => `sk_test_51${some(97)}`
const DAY = 24 * 3600_000

// What may be sent when an account is made, of what the documentation has; '*' any name.
const PARAMS = ['country', 'email', 'type', 'business_type', 'business_profile.*', 'capabilities.*.requested', 'controller.losses.payments', 'controller.fees.payer', 'controller.stripe_dashboard.type', 'controller.requirement_collection', 'default_currency', 'individual.first_name', 'individual.last_name', 'individual.email', 'individual.phone', 'individual.dob.day', 'individual.dob.month', 'individual.dob.year', 'individual.address.*', 'individual.id_number', 'individual.ssn_last_4', 'external_account', 'external_account.object', 'external_account.country', 'external_account.currency', 'external_account.routing_number', 'external_account.account_number', 'external_account.account_holder_name', 'tos_acceptance.date', 'tos_acceptance.ip', 'tos_acceptance.service_agreement', 'metadata.*']

const error = (status, message, more = {}) => new Refused(status, message, { body: { error: { message, type: status === 429 ? 'rate_limit_error' : status >= 500 ? 'api_error' : 'invalid_request_error', ...more } } })
const unknown = (name) => error(400, `Received unknown parameter: ${name}`, { code: 'parameter_unknown', param: name })
const missing = (name) => error(400, `Missing required param: ${name}.`, { code: 'parameter_missing', param: name })

/** { a: { b: 'c' } } of a[b]=c */
function nested(form) {
  const out = {}
  for (const [name, value] of form) {
    const parts = name.split('[').map((p) => p.replace(/\]$/, ''))
    const dotted = parts.join('.')
    if (!PARAMS.some((p) => new RegExp(`^${p.replaceAll('.', '\\.').replaceAll('*', '[^.]+')}$`).test(dotted))) throw unknown(name)
    let at = out
    for (const part of parts.slice(0, -1)) at = at[part] ??= {}
    if (parts.at(-1) in at) throw error(400, `${name} stands twice`)
    at[parts.at(-1)] = value
  }
  return out
}

export class StripeConnect extends Stand {
  constructor({ key = platformKey(), data, events, ...rest } = {}) {
    super(rest)
    Object.assign(this, { key, data, events, accounts: new Map(), ended: [], forwarded: [], told: [], refusals: [], keys: new Map(), id: `acct_1${some(15)}` })
    this.lines()
    this.acts.delete = ({ name }) => this.named(name).map((a) => this.remove(a)).length
    this.acts.make = ({ name }) => this.make({ country: 'US', metadata: { valetkey: name } }).id
  }

  named(name) {
    return [...this.accounts.values()].filter((a) => a.metadata.valetkey === name)
  }
  refused(status, why) {
    return error(status, why).body
  }

  judge(ask) {
    const line = ask.headers.authorization ?? ''
    const key = /^Bearer (\S+)$/.exec(line)?.[1] ?? (line.startsWith('Basic ') ? Buffer.from(line.slice(6), 'base64').toString().replace(/:$/, '') : undefined)
    if (key !== this.key) throw error(401, key ? 'Invalid API Key provided: sk_test_****' : 'You did not provide an API key.')
    for (const name of ['stripe-account', 'stripe-context']) if (name in ask.headers) this.of(ask.headers[name])
  }
  of(id) {
    const a = this.accounts.get(id)
    if (!a) throw error(403, `The provided key 'sk_test_****' does not have access to account '${id}' (or that account does not exist). Application access may have been revoked.`, { code: 'account_invalid', doc_url: 'https://stripe.com/docs/error-codes/account-invalid' })
    return a
  }

  // ---- accounts

  lines() {
    this.route('POST', '/v1/accounts', (ask) => this.once(ask, () => this.create(ask)))
    this.route('GET', '/v1/accounts', (ask) => ({ body: this.page(ask) }))
    this.route('GET', '/v1/accounts/{id}', (ask) => ({ body: this.shown(this.of(ask.params.id)) }))
    this.route('DELETE', '/v1/accounts/{id}', (ask) => {
      const a = this.of(ask.params.id)
      this.remove(a)
      return { body: { id: a.id, object: 'account', deleted: true } }
    })
    this.route('GET', '/v1/account', () => ({ body: { id: this.id, object: 'account', country: 'US', charges_enabled: true, metadata: {} } }))
    for (const path of ['balance', 'products', 'prices', 'customers', 'checkout/sessions', 'payment_intents', 'subscriptions', 'invoices']) this.route('GET', `/v1/${path}`, () => ({ body: path === 'balance' ? { object: 'balance', available: [], pending: [], livemode: false } : { object: 'list', data: [], has_more: false, url: `/v1/${path}` } }))
    this.route('POST', '/happened/{id}', (ask) => this.tell(ask), { free: true })
    for (const path of ['payouts', 'transfers', 'files', 'webhook_endpoints']) this.route('GET', `/v1/${path}`, () => { throw error(403, 'The provided key does not have the required permissions for this endpoint.') })
  }

  // As the documentation of idempotent requests: the first answer is kept, an error of the server's too; not what did not begin.
  async once(ask, go) {
    const key = ask.headers['idempotency-key']
    if (key === undefined) return go()
    if (key.length > 255) throw error(400, 'The idempotency key is too long')
    const was = this.keys.get(key)
    const sent = ask.raw.toString()
    if (was && Date.now() - was.at < (this.settings.remember ?? DAY)) {
      if (was.sent !== sent) throw new Refused(400, 'parameters', { body: { error: { type: 'idempotency_error', message: 'Keys for idempotent requests can only be used with the same parameters they were first used with.' } } })
      if (!was.answer) throw error(409, 'There is currently another in-progress request using this Idempotent Key', { code: 'idempotency_key_in_use' })
      return { ...was.answer, headers: { 'Idempotent-Replayed': 'true', 'Original-Request': was.id } }
    }
    const now = { at: Date.now(), sent, id: `req_${some(14)}` }
    this.keys.set(key, now)
    try {
      now.answer = await go()
      return now.answer
    } catch (e) {
      this.keys.delete(key)
      throw e
    }
  }

  create(ask) {
    if (!ask.form) throw error(400, 'The body must be a form')
    if (this.settings.connect === false) throw error(400, "You can only create new accounts if you've signed up for Connect, which you can do at https://dashboard.stripe.com/connect.")
    if (this.settings.profile === false) throw error(400, 'Please review the responsibilities of managing losses for connected accounts at https://dashboard.stripe.com/settings/connect/platform-profile.')
    if (this.accounts.size >= (this.settings.accounts ?? Infinity)) throw error(400, 'You have reached the limit of accounts.')
    const p = nested(ask.form)
    if (p.type && p.controller) throw error(400, 'You may not provide both `type` and `controller`.', { param: 'type' })
    for (const [name, value] of Object.entries({ country: p.country, 'tos_acceptance[date]': p.tos_acceptance?.date, 'tos_acceptance[ip]': p.tos_acceptance?.ip })) if (!value) throw missing(name)
    if (!/^[A-Z]{2}$/.test(p.country)) throw error(400, 'Country is not valid', { param: 'country' })
    if (!(Number(p.tos_acceptance.date) > 1230768000 && Number(p.tos_acceptance.date) <= Date.now() / 1000 + 60)) throw error(400, 'Terms of service acceptance must be in the past', { param: 'tos_acceptance[date]' })
    if (p.capabilities?.card_payments?.requested === 'true' && p.capabilities?.transfers?.requested !== 'true') throw error(400, 'You cannot request card_payments without transfers', { param: 'capabilities' })
    if (p.controller && p.controller.requirement_collection === 'application' && (p.controller.losses?.payments !== 'application' || p.controller.stripe_dashboard?.type !== 'none')) throw error(400, 'When the application collects requirements, it must pay losses, and there can be no dashboard of Stripe', { param: 'controller' })
    for (const [name, value] of Object.entries(p.metadata ?? {})) if (name.length > 40 || value.length > 500) throw error(400, 'metadata is too long')
    return { body: this.shown(this.make(p)) }
  }

  make(p) {
    const a = { id: `acct_1${some(15)}`, p, metadata: p.metadata ?? {}, created: Math.floor(Date.now() / 1000), at: Date.now() }
    this.accounts.set(a.id, a)
    return a
  }
  remove(a) {
    this.accounts.delete(a.id)
    this.ended.push({ id: a.id, name: a.metadata.valetkey ?? null })
    void a.build?.then((b) => this.daemon('DELETE', `/api/v1/builds/${b.id}`)).catch(() => undefined)
  }

  // What the tests' values say: which are still wanted, and whether a person is verified by now.
  due(a) {
    const i = a.p.individual ?? {}
    const want = { 'individual.first_name': i.first_name, 'individual.last_name': i.last_name, 'individual.dob.day': i.dob?.day, 'individual.dob.year': i.dob?.year, 'individual.address.line1': i.address?.line1, 'individual.id_number': i.id_number ?? i.ssn_last_4, 'business_profile.url': a.p.business_profile?.url, 'business_profile.mcc': a.p.business_profile?.mcc, external_account: a.p.external_account, 'tos_acceptance.ip': a.p.tos_acceptance?.ip }
    return [...Object.entries(want).filter(([, v]) => !v).map(([name]) => name), ...(this.settings.wants ?? [])]
  }
  verified(a) {
    const i = a.p.individual ?? {}
    const good = i.address?.line1 === 'address_full_match' && ['1901', '1902'].includes(i.dob?.year) && ['000000000', '222222222'].includes(i.id_number)
    const now = i.dob?.year === '1902' && i.id_number === '222222222'
    return good && Date.now() - a.at >= (this.settings.verify ?? (now ? 0 : 2000))
  }

  shown(a) {
    const due = this.due(a), verified = this.verified(a), enabled = due.length === 0 && verified
    return {
      id: a.id, object: 'account', business_profile: { mcc: null, name: null, url: null, ...a.p.business_profile }, business_type: a.p.business_type ?? null,
      capabilities: Object.fromEntries(Object.keys(a.p.capabilities ?? {}).map((c) => [c, enabled ? 'active' : due.length ? 'inactive' : 'pending'])),
      charges_enabled: enabled, payouts_enabled: enabled, details_submitted: due.length === 0, country: a.p.country, created: a.created, default_currency: 'usd', email: a.p.email ?? null,
      controller: { type: 'application', is_controller: true, ...a.p.controller }, external_accounts: { object: 'list', data: [], has_more: false, url: `/v1/accounts/${a.id}/external_accounts` }, metadata: a.metadata,
      requirements: { alternatives: [], current_deadline: null, currently_due: due, disabled_reason: enabled ? null : due.length ? 'requirements.past_due' : 'requirements.pending_verification', errors: [], eventually_due: due, past_due: due, pending_verification: enabled || due.length ? [] : ['individual.verification.document'] },
      settings: {}, tos_acceptance: { date: Number(a.p.tos_acceptance?.date ?? 0) }, type: 'none',
    }
  }

  page(ask) {
    const all = [...this.accounts.values()].reverse()
    const limit = Number(ask.query.get('limit') ?? 10), after = ask.query.get('starting_after')
    for (const name of ask.query.keys()) if (!['limit', 'starting_after', 'ending_before'].includes(name) && !name.startsWith('created')) throw unknown(name)
    if (!(limit >= 1 && limit <= 100)) throw error(400, 'limit must be between 1 and 100', { param: 'limit' })
    const from = after ? all.findIndex((a) => a.id === after) + 1 : 0
    if (after && from === 0) throw error(400, `No such account: '${after}'`, { code: 'resource_missing', param: 'starting_after' })
    return { object: 'list', url: '/v1/accounts', has_more: from + limit < all.length, data: all.slice(from, from + limit).map((a) => this.shown(a)) }
  }

  state() {
    return { accounts: [...this.accounts.values()].map((a) => ({ id: a.id, name: a.metadata.valetkey ?? null, charges_enabled: this.shown(a).charges_enabled })), ended: this.ended, forwarded: this.forwarded, keys: [...this.keys.keys()] }
  }

  // ---- in an account

  async daemon(method, target, body) {
    const r = await fetch(this.data.admin + target, { method, headers: { Authorization: `Bearer ${this.data.token}`, ...(body ? { 'Content-Type': 'application/json' } : {}) }, body: body && JSON.stringify(body) })
    if (!r.ok) throw new Error(`${method} ${target}: ${r.status} ${await r.text()}`)
    return r.status === 204 ? undefined : r.json()
  }
  behind(a) {
    return (a.build ??= this.daemon('POST', '/api/v1/builds', { id: `s-${createHash('sha256').update(a.id).digest('hex').slice(0, 20)}`, framework: 'node', ...(this.events ? { origins: [this.base] } : {}) }).then(async (b) => {
      const build = { id: b.id, url: b.env.STRIPE_API_BASE, key: b.env.STRIPE_SECRET_KEY }
      if (this.events) await this.listen(a, build)
      return build
    }))
  }
  // What happens in an account is told to the platform, which learns from `account` whose it is.
  async listen(a, build) {
    const r = await fetch(`${build.url}/v1/webhook_endpoints`, { method: 'POST', headers: { Authorization: `Bearer ${build.key}` }, body: new URLSearchParams({ url: `${this.base}/happened/${a.id}`, 'enabled_events[]': '*' }) })
    if (!r.ok) throw new Error(`an endpoint for ${a.id}: ${r.status} ${await r.text()}`)
  }
  async tell(ask) {
    const a = this.accounts.get(ask.params.id)
    if (!a || !this.events) throw error(404, 'nobody is told')
    const body = JSON.stringify({ ...ask.body, account: a.id })
    const at = Math.floor(Date.now() / 1000)
    const signature = `t=${at},v1=${createHmac('sha256', this.events.secret).update(`${at}.${body}`).digest('hex')}`
    const r = await fetch(this.events.url, { method: 'POST', headers: { 'Content-Type': 'application/json; charset=utf-8', 'Stripe-Signature': signature }, body })
    this.told.push({ id: a.id, type: ask.body.type, status: r.status })
    return { status: r.status, body: {} }
  }

  taken(req, res, ask) {
    if (!req.headers['stripe-account'] || ask.path.startsWith('/v1/accounts')) return false
    void this.within(req, res, ask).catch((e) => (res.headersSent ? res.destroy() : this.write(res, e instanceof Refused ? { status: e.status, body: e.body } : { status: 500, body: error(500, String(e)).body })))
    return true
  }
  async within(req, res, ask) {
    this.judge(ask)
    const a = this.of(req.headers['stripe-account'])
    if (!this.data) throw error(500, 'there is nothing behind')
    if (!this.shown(a).charges_enabled && req.method === 'POST' && /payment_intents|checkout/.test(ask.path)) throw error(400, 'Your account cannot currently make live charges.')
    const build = await this.behind(a)
    this.forwarded.push({ id: a.id, name: a.metadata.valetkey ?? null, method: req.method, path: ask.path })
    const to = new URL(build.url)
    const { 'stripe-account': _, ...headers } = req.headers
    const up = http.request({ host: to.hostname, port: to.port, method: req.method, path: req.url, headers: { ...headers, host: to.host, authorization: `Bearer ${build.key}` } }, (r) => {
      res.writeHead(r.statusCode, r.headers)
      r.pipe(res)
      r.on('error', () => res.destroy())
    })
    up.on('error', () => res.destroy())
    req.on('aborted', () => up.destroy())
    req.pipe(up)
  }
}

await program(import.meta, (o) => new StripeConnect(o))
