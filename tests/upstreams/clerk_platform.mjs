// Clerk: the Platform API of one workspace, and the Backend API of its applications. Written from Clerk's description of its Platform API (private
// beta, no client of the vendor's exists); sentences of refusals that it does not give are ours. The people of an application are in a build of a
// second valetkey daemon that plays the vendor (`data`): what comes with the application's own secret key goes to that build, with its key.
//
//   tokens: [{ token, scopes }]: without `scopes` one that may do everything
//   data: { admin: 'http://127.0.0.1:4500', token } of that daemon; none: the Backend API answers 503
//
// Settings: applications (how many the plan allows; then 422).
// Acts: delete { name }, make { name }: behind our back; rename { name, to }.
import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import { Refused, Stand, exactly, program } from './stand.mjs'

export const SCOPES = ['applications:read', 'applications:manage', 'applications:delete', 'application_secret_keys:read', 'users:read']

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const some = (n) => [...randomBytes(n)].map((b) => letters[b % letters.length]).join('')
// They open nothing anywhere: made up here.
const newKey = () => `sk_test_${some(42)}`
export const platformToken = () => `ak_${some(40)}`
const hostOf = (key) => Buffer.from(key.slice(8), 'base64').toString().replace(/\$$/, '')
const ERRORS = { 401: 'authentication_invalid', 402: 'payment_required', 403: 'authorization_invalid', 404: 'resource_not_found', 409: 'conflict', 422: 'form_param_invalid', 429: 'too_many_requests', 500: 'internal_clerk_error' }
const form = (code, why) => ({ errors: [{ message: why, long_message: why, code }], clerk_trace_id: randomBytes(16).toString('hex') })

export class ClerkPlatform extends Stand {
  constructor({ tokens = [], data, ...rest } = {}) {
    super(rest)
    this.tokensOf = new Map(tokens.map((t) => [t.token, { scopes: SCOPES, ...t }]))
    this.applications = new Map() // by id, in the order in which they were made
    this.ended = []
    this.refusals = [] // of the Backend API
    this.forwarded = []
    this.data = data
    this.lines()
    this.acts.delete = ({ name }) => this.named(name).map((a) => this.remove(a)).length
    this.acts.make = ({ name }) => this.make(name).then((a) => a.id)
    this.acts.rename = ({ name, to }) => this.named(name).map((a) => (a.name = to)).length
  }

  named(name) {
    return [...this.applications.values()].filter((a) => a.name === name)
  }
  refused(status, why) {
    return form(ERRORS[status] ?? 'bad_request', why)
  }

  // ---- who asks

  judge(ask) {
    const bearer = /^Bearer (\S+)$/.exec(ask.headers.authorization ?? '')?.[1]
    if (!bearer) throw new Refused(401, 'no token', { body: form('authorization_header_format_invalid', 'Invalid Authorization header format') })
    ask.token = this.tokensOf.get(bearer)
    if (!ask.token) throw new Refused(401, 'unknown token')
  }
  may(ask, scope) {
    if (!ask.token.scopes.includes(scope)) throw new Refused(403, 'Missing scopes', { body: { errors: [{ message: 'Missing scopes', long_message: `The token has not the scope ${scope}`, code: 'authorization_missing_scopes', meta: { scopes: [scope] } }] } })
  }
  one(ask, scope) {
    this.may(ask, scope)
    const a = this.applications.get(ask.params.app)
    if (!a) throw new Refused(404, 'No application was found with that id')
    return a
  }
  secrets(ask) {
    const wants = ask.query.get('include_secret_keys') ?? 'false'
    if (wants !== 'true' && wants !== 'false') throw new Refused(400, 'include_secret_keys is no boolean')
    if (wants === 'true') this.may(ask, 'application_secret_keys:read')
    return wants === 'true'
  }

  // ---- the Platform API

  lines() {
    const all = '/v1/platform/applications'
    const refuse = (why) => { throw new Refused(422, why) }
    this.route('GET', all, (ask) => {
      this.may(ask, 'applications:read')
      const secrets = this.secrets(ask)
      return { body: [...this.applications.values()].map((a) => this.shown(a, secrets)) }
    })
    this.route('POST', all, async (ask) => {
      this.may(ask, 'applications:manage')
      exactly(ask.body, { name: (v) => typeof v === 'string' && v.length > 0 && v.length <= 50, 'environment_types?': (v) => Array.isArray(v) && v.every((t) => t === 'development' || t === 'production'), 'domain?': 'string', 'proxy_path?': 'string', 'template?': 'string' }, refuse)
      if (ask.body.environment_types?.includes('production') && !ask.body.domain) refuse('a production instance needs a domain')
      if (this.applications.size >= (this.settings.applications ?? Infinity)) throw new Refused(422, 'too many', { body: form('application_quota_exceeded', 'The workspace has as many applications as its plan allows') })
      return { body: this.shown(await this.make(ask.body.name), true) }
    })
    this.route('GET', `${all}/{app}`, (ask) => {
      const a = this.one(ask, 'applications:read')
      return { body: this.shown(a, this.secrets(ask)) }
    })
    this.route('PATCH', `${all}/{app}`, (ask) => {
      const a = this.one(ask, 'applications:manage')
      exactly(ask.body, { 'name?': 'string' }, refuse)
      a.name = ask.body.name ?? a.name
      return { body: this.shown(a, false) }
    })
    this.route('DELETE', `${all}/{app}`, (ask) => {
      const a = this.one(ask, 'applications:delete')
      this.remove(a)
      return { body: { deleted: true, object: 'application', id: a.id } }
    })
    const rotate = (ask) => {
      const a = this.one(ask, 'applications:manage')
      exactly(ask.body, { 'delay_old_secrets_expiration_hours?': (v) => Number.isInteger(v) && v >= 0, 'reason?': 'string' }, refuse)
      const until = Date.now() + (ask.body.delay_old_secrets_expiration_hours ?? 0) * 3600_000
      for (const [key, end] of a.keys) a.keys.set(key, Math.min(end, until))
      a.secret = newKey()
      a.keys.set(a.secret, Infinity)
      a.rotated.push(ask.body.reason ?? null)
      return { body: { application_id: a.id, name: a.name, instances: [{ instance_id: a.instance, environment_type: 'development', secret_key: a.secret }] } }
    }
    this.route('POST', `${all}/{app}/rotate_secret_keys`, rotate)
    this.route('POST', `${all}/{app}/instances/{env}/rotate_secret_keys`, rotate)
    this.route('GET', `${all}/{app}/instances/{env}/users`, async (ask) => {
      const a = this.one(ask, 'users:read')
      if (ask.params.env !== 'development' && ask.params.env !== a.instance) throw new Refused(404, 'No instance was found')
      const r = await this.backend(a, 'GET', '/v1/users/count')
      return { body: { data: [], total_count: r.total_count } }
    })
  }

  shown(a, secrets) {
    return { application_id: a.id, name: a.name, instances: [{ instance_id: a.instance, environment_type: 'development', ...(secrets ? { secret_key: a.secret } : {}), publishable_key: a.publishable }] }
  }

  async make(name) {
    const secret = newKey()
    const a = { name, id: `app_${some(27)}`, instance: `ins_${some(27)}`, secret, keys: new Map([[secret, Infinity]]), rotated: [] }
    if (this.data) {
      const build = await this.daemon('POST', '/api/v1/builds', { id: `a-${createHash('sha256').update(a.id).digest('hex').slice(0, 20)}`, framework: 'node' })
      Object.assign(a, { build: build.id, url: build.env.CLERK_API_URL, key: build.env.CLERK_SECRET_KEY })
      // One in the vendor's role has hosts as Clerk has them, which browsers can be led to.
      if (hostOf(build.env.CLERK_PUBLISHABLE_KEY).endsWith('.clerk.accounts.dev')) a.publishable = build.env.CLERK_PUBLISHABLE_KEY
    }
    a.publishable ??= `pk_test_${Buffer.from(`${some(8).toLowerCase()}-1.clerk.accounts.dev$`).toString('base64').replace(/=+$/, '')}`
    this.applications.set(a.id, a)
    return a
  }

  remove(a) {
    this.applications.delete(a.id)
    this.ended.push({ id: a.id, name: a.name })
    if (a.build) void this.daemon('DELETE', `/api/v1/builds/${a.build}`).catch(() => undefined)
  }

  async daemon(method, target, body) {
    const r = await fetch(this.data.admin + target, { method, headers: { Authorization: `Bearer ${this.data.token}`, ...(body ? { 'Content-Type': 'application/json' } : {}) }, body: body && JSON.stringify(body) })
    if (!r.ok) throw new Error(`${method} ${target}: ${r.status} ${await r.text()}`)
    return r.status === 204 ? undefined : r.json()
  }

  async backend(a, method, target) {
    if (!a.url) return { total_count: 0 }
    const r = await fetch(a.url + target, { method, headers: { Authorization: `Bearer ${a.key}` } })
    return r.json()
  }

  state() {
    return { applications: [...this.applications.values()].map((a) => ({ id: a.id, name: a.name, instance: a.instance, publishable_key: a.publishable, rotated: a.rotated, build: a.build ?? null })), ended: this.ended, refusals: this.refusals, forwarded: this.forwarded }
  }

  // ---- the Backend API

  taken(req, res, ask) {
    if (!ask.path.startsWith('/v1/') || ask.path.startsWith('/v1/platform/')) return false
    const bearer = /^Bearer (\S+)$/.exec(req.headers.authorization ?? '')?.[1]
    const a = [...this.applications.values()].find((one) => (one.keys.get(bearer) ?? 0) > Date.now())
    if (!a || !a.url) {
      this.refusals.push({ path: ask.path, platform: this.tokensOf.has(bearer) })
      this.write(res, a ? { status: 503, body: form('internal_clerk_error', 'there is nothing behind') } : { status: 401, body: form('clerk_key_invalid', 'The provided Clerk Secret Key is invalid.') })
      return true
    }
    this.forwarded.push({ id: a.id, name: a.name, method: req.method, path: ask.path })
    const to = new URL(a.url)
    const up = http.request({ host: to.hostname, port: to.port, method: req.method, path: to.pathname + req.url, headers: { ...req.headers, host: to.host, authorization: `Bearer ${a.key}` } }, (r) => {
      res.writeHead(r.statusCode, r.headers)
      r.pipe(res)
      r.on('error', () => res.destroy())
    })
    up.on('error', () => res.destroy())
    req.on('aborted', () => up.destroy())
    req.pipe(up)
    return true
  }
}

await program(import.meta, (o) => new ClerkPlatform(o))
