// What stand-ins of vendors' management APIs have in common: a server on loopback with routes, a log of what it was asked, a plan of what is to go
// wrong, and a control path for tests that are no JavaScript. One file a vendor stands on it (turso.mjs, neon.mjs, …): it says the routes, how an
// error looks, who may do what, and has the state.
//
//   class Turso extends Stand {
//     constructor(o) {
//       super(o)
//       this.route('GET', '/v1/organizations/{org}/databases/{name}', (ask) => ({ body: { database: this.database(ask.params.name) } }))
//     }
//     judge(ask) { if (ask.headers.authorization !== …) throw new Refused(401, { error: '…' }) }   // before every route
//     refused(status, why) { return { error: why } }                                               // the vendor's form of an error
//     state() { return { databases: … } }                                                          // for GET /__stand/state
//   }
//   const turso = await new Turso({…}).start();  turso.base;  await turso.stop()
//
// A handler gets { method, path, params, query (URLSearchParams), headers, raw (Buffer), body (JSON or undefined) } and gives, perhaps later,
// { status: 200, body: JSON | string | Buffer | undefined, headers }. It does its effect before it gives. What it throws as Refused is answered.
//
// A fault of the plan: { method: 'POST' | '*', path: '/v1/*/databases/**' ('*' one part, 'a*' one that begins so, '**' the rest), kind, …
//   when: 'before' | 'after'   the effect (before); that of a half commit is 'after'
//   count: 1                   how many requests it meets; 0: all. skip: 0, how many go by first }
//   kind 'rate'     429, with Retry-After: `retryAfter` (seconds or a date; 1)
//        'error'    `status` (500), `body` in place of the vendor's form
//        'hang'     nothing comes, until the client goes or the stand-in ends
//        'cut'      the connection ends without an answer; `part`: after that many bytes of it
//        'late'     the answer, or with 'before' the effect too, comes after `ms` (500)
//        'twice'    a second answer follows the first on the connection
//        'garbage'  200 with what is no JSON
//        'endless'  200, and a body without an end, until the client goes
//        'change'   the answer, with the members of `body` merged into its own; `status` in place of its own
//        'act'      `act` with `args` (see acts) takes place; all else as usual
//        'blind'    the effect takes place, and the answer is as before it: { status: 404 } or `status`, `body`
// Faults are met in the order of the plan; the first that fits is taken.
//
// Control: POST /__stand/plan [fault,…] adds ({"clear":true} takes all away), GET /__stand/state { state, plan, most, requests }, GET /__stand/log,
// POST /__stand/set {…} into `settings`, POST /__stand/act {"act":"delete","args":{…}}. Settings of all: rate { perSecond, burst }: a real limit, with 429.
import http from 'node:http'
import https from 'node:https'
import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { fileURLToPath } from 'node:url'

const BODY_MAX = 64 * 1024 * 1024
const LOG_MAX = 100_000

/** An answer that is a refusal. `body` undefined: the vendor's form of `why`. */
export class Refused extends Error {
  constructor(status, why, { body, headers } = {}) {
    super(why)
    Object.assign(this, { status, body, headers })
  }
}

/** A short name of a credential, for logs: the same one gives the same name, and it is no credential. */
export const nameOf = (secret) => createHash('sha256').update(secret ?? '').digest('hex').slice(0, 12)

/**
 * Looks at a JSON object as strictly as the documentation does. `shape`: { name: 'string' | 'number' | 'boolean' | 'array' | 'object' | (value) => boolean },
 * a '?' at the end of a name: may be left out. `refuse(why)` throws. Unknown members are refused, unless the shape has '...': true.
 */
export function exactly(value, shape, refuse, at = '') {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return refuse(`${at || 'the body'} must be an object`)
  const known = new Map(Object.entries(shape).filter(([name]) => name !== '...').map(([name, kind]) => [name.replace(/\?$/, ''), { kind, optional: name.endsWith('?') }]))
  for (const name of Object.keys(value)) if (!known.has(name) && !shape['...']) refuse(`unknown member ${at}${name}`)
  for (const [name, { kind, optional }] of known) {
    const v = value[name]
    if (v === undefined) {
      if (!optional) refuse(`${at}${name} is missing`)
    } else if (typeof kind === 'function' ? !kind(v) : kind === 'array' ? !Array.isArray(v) : kind === 'object' ? v === null || typeof v !== 'object' || Array.isArray(v) : typeof v !== kind) refuse(`${at}${name} is not valid`)
  }
  return value
}

const partsOf = (path) => path.split('/').slice(1)

/** The parameters when `path` fits, else undefined. In a pattern: {name} or * one part, build-* one that begins so, ** the rest. */
export function fits(pattern, path) {
  const want = partsOf(pattern), have = partsOf(path), params = {}
  for (let i = 0; i < want.length; i++) {
    if (want[i] === '**') return params
    if (have[i] === undefined || have[i] === '') return undefined
    const name = /^\{(\w+)\}$/.exec(want[i])?.[1]
    if (name) params[name] = decodeURIComponent(have[i])
    else if (want[i].endsWith('*') ? !have[i].startsWith(want[i].slice(0, -1)) : want[i] !== have[i]) return undefined
  }
  return want.length === have.length ? params : undefined
}

const KINDS = { rate: 429, error: 500, hang: 0, cut: 0, late: 0, twice: 0, garbage: 0, endless: 0, change: 0, act: 0, blind: 404 }

function fault(f) {
  if (!(f?.kind in KINDS)) throw new TypeError(`no such fault: ${f?.kind}`)
  if (f.when !== undefined && f.when !== 'before' && f.when !== 'after') throw new TypeError(`when: ${f.when}`)
  return { method: '*', path: '/**', when: 'before', count: 1, skip: 0, ...f, met: 0 }
}

export class Stand extends EventEmitter {
  /** `tls`: { key, cert }; none: http. `port`: 0 for any. */
  constructor({ tls, port = 0 } = {}) {
    super()
    this.setMaxListeners(0)
    Object.assign(this, { tls, port, settings: {}, routes: [], faults: [], log: [], acts: {}, now: 0, most: 0, requests: 0, tokens: undefined, timers: new Set() })
  }

  // ---- what a vendor's own class may replace

  judge() {}
  refused(status, why) {
    return { error: why }
  }
  notFound(ask) {
    throw new Refused(404, `no such call: ${ask.method} ${ask.path}`)
  }
  state() {
    return {}
  }
  /** Requests that are not the API's (a data plane on the same port): true when it has taken req and res over. */
  taken() {
    return false
  }

  /** `free`: without `judge`. Routes are looked at in their order. */
  route(method, pattern, handler, { free = false } = {}) {
    this.routes.push({ method, pattern, handler, free })
    return this
  }

  async start() {
    const serve = (req, res) => void this.serve(req, res).catch((e) => (res.headersSent ? res.destroy() : this.write(res, { status: 500, body: { standIn: String(e?.stack ?? e) } })))
    this.server = this.tls ? https.createServer(this.tls, serve) : http.createServer(serve)
    this.server.keepAliveTimeout = 30_000
    this.server.on('upgrade', (req, socket, head) => (this.upgrade ? this.upgrade(req, socket, head) : socket.destroy()))
    await new Promise((resolve, reject) => this.server.once('error', reject).listen(this.port, '127.0.0.1', resolve))
    this.port = this.server.address().port
    this.base = `${this.tls ? 'https' : 'http'}://127.0.0.1:${this.port}`
    return this
  }

  async stop() {
    for (const timer of this.timers) clearTimeout(timer)
    this.timers.clear()
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  // ---- the plan

  /** Adds to it; without faults: takes all away. */
  plan(...faults) {
    if (!faults.length) this.faults = []
    this.faults.push(...faults.map(fault))
    return this
  }

  /** Those of the plan that were not met as often as they were to be. */
  unmet() {
    return this.faults.filter((f) => f.count && f.met < f.count)
  }

  find(ask) {
    for (const f of this.faults) {
      if ((f.method !== '*' && f.method !== ask.method) || !fits(f.path, ask.path) || (f.count && f.met >= f.count)) continue
      if (f.skip > 0) {
        f.skip--
        continue
      }
      f.met++
      return f
    }
    return undefined
  }

  after(ms, then) {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      then()
    }, ms)
    this.timers.add(timer)
  }
  late(ms) {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  async act(name, args = {}) {
    if (!this.acts[name]) throw new Refused(404, `no such act: ${name}`)
    return this.acts[name](args)
  }

  // ---- the log

  /** Of requests with that method and path (a pattern), those whose answer was begun. */
  asked(method, path) {
    return this.log.filter((e) => (method === '*' || e.method === method) && fits(path, e.path))
  }

  /** Waits until there are `n` of them in the log. */
  async seen(method, path, n = 1, ms = 60_000) {
    if (this.asked(method, path).length >= n) return this.asked(method, path)
    return new Promise((resolve, reject) => {
      const look = () => {
        const got = this.asked(method, path)
        if (got.length < n) return
        done()
        resolve(got)
      }
      const timer = setTimeout(() => {
        done()
        reject(new Error(`${method} ${path}: ${this.asked(method, path).length} of ${n} within ${ms} ms`))
      }, ms)
      const done = () => {
        clearTimeout(timer)
        this.off('logged', look)
      }
      this.on('logged', look)
    })
  }

  // ---- a request

  async serve(req, res) {
    const url = new URL(req.url, 'http://stand')
    const ask = { method: req.method, path: url.pathname, query: url.searchParams, headers: req.headers, params: {}, raw: Buffer.alloc(0), req }
    if (url.pathname.startsWith('/__stand/')) return this.control(ask, req, res)
    if (this.taken(req, res, ask)) return undefined
    this.requests++
    this.most = Math.max(this.most, ++this.now)
    res.once('close', () => this.now--)
    const chunks = []
    let n = 0
    for await (const chunk of req) {
      n += chunk.length
      if (n > BODY_MAX) return res.destroy()
      chunks.push(chunk)
    }
    ask.raw = Buffer.concat(chunks)
    const entry = { n: this.requests, at: Date.now(), method: ask.method, path: ask.path, search: url.search, credential: nameOf(req.headers.authorization), body: this.readable(ask) }
    return this.meet(ask, res, entry)
  }

  readable(ask) {
    const type = ask.headers['content-type'] ?? ''
    try {
      if (type.startsWith('application/json')) ask.body = ask.raw.length ? JSON.parse(ask.raw.toString()) : undefined
      else if (type.startsWith('application/x-www-form-urlencoded')) ask.form = new URLSearchParams(ask.raw.toString())
    } catch {
      ask.broken = true
    }
    return ask.body ?? (ask.form ? Object.fromEntries(ask.form) : ask.raw.length ? `${ask.raw.length} bytes` : undefined)
  }

  note(entry, more) {
    Object.assign(entry, more)
    if (this.log.length < LOG_MAX) this.log.push(entry)
    this.emit('logged', entry)
  }

  limited() {
    const rate = this.settings.rate
    if (!rate) return undefined
    const now = performance.now()
    const t = (this.tokens ??= { left: rate.burst ?? rate.perSecond, at: now })
    t.left = Math.min(rate.burst ?? rate.perSecond, t.left + ((now - t.at) / 1000) * rate.perSecond)
    t.at = now
    if (t.left >= 1) {
      t.left--
      return undefined
    }
    return Math.max(1, Math.ceil((1 - t.left) / rate.perSecond))
  }

  refusal(status, why, headers) {
    return { status, body: this.refused(status, why), headers }
  }

  async answer(ask, entry) {
    entry.effect = true
    try {
      for (const { method, pattern, handler, free } of this.routes) {
        const params = method === ask.method ? fits(pattern, ask.path) : undefined
        if (!params) continue
        ask.params = params
        if (!free) await this.judge(ask)
        if (ask.broken) throw new Refused(400, 'the body is not valid')
        return (await handler(ask)) ?? { status: 200 }
      }
      await this.judge(ask)
      return (await this.notFound(ask)) ?? { status: 404 }
    } catch (e) {
      if (!(e instanceof Refused)) throw e
      return e.body === undefined ? this.refusal(e.status, e.message, e.headers) : { status: e.status, body: e.body, headers: e.headers }
    }
  }

  async meet(ask, res, entry) {
    const wait = this.limited()
    if (wait !== undefined) {
      this.note(entry, { status: 429, effect: false })
      return this.write(res, this.refusal(429, 'too many requests', { 'Retry-After': String(wait) }))
    }
    const f = this.find(ask)
    if (f) entry.fault = f.kind
    if (f?.kind === 'late' && f.when === 'before') await this.late(f.ms ?? 500)
    if (f?.kind === 'act' && f.when === 'before') await this.act(f.act, f.args)
    const instead = f && ['rate', 'error', 'hang', 'cut', 'garbage', 'endless'].includes(f.kind)
    const answer = instead && f.when === 'before' ? undefined : await this.answer(ask, entry)
    if (f?.kind === 'late' && f.when === 'after') await this.late(f.ms ?? 500)
    if (f?.kind === 'act' && f.when === 'after') await this.act(f.act, f.args)
    this.note(entry, { status: answer?.status ?? 200, effect: entry.effect === true })
    return this.spoil(f, answer, res, entry)
  }

  spoil(f, answer, res, entry) {
    switch (f?.kind) {
      case 'rate':
        entry.status = 429
        return this.write(res, this.refusal(429, 'too many requests', { 'Retry-After': String(f.retryAfter ?? 1) }))
      case 'error':
      case 'blind':
        entry.status = f.status ?? KINDS[f.kind]
        return this.write(res, f.body !== undefined ? { status: entry.status, body: f.body } : this.refusal(entry.status, f.kind === 'error' ? 'internal error' : 'not found'))
      case 'hang':
        return undefined
      case 'cut':
        if (f.part) res.socket?.write(this.wire(answer ?? { status: 200, body: {} }).subarray(0, f.part), () => res.destroy())
        else res.destroy()
        return undefined
      case 'twice':
        res.socket?.write(Buffer.concat([this.wire(answer), this.wire(answer)]), () => res.socket?.end())
        return undefined
      case 'garbage':
        return this.write(res, { status: f.status ?? 200, body: f.body ?? '{"it begins as JSON":"\u0001 and ends', headers: { 'Content-Type': 'application/json' } })
      case 'endless': {
        const part = Buffer.alloc(65536, ' ')
        const more = () => {
          while (!res.destroyed && res.write(part));
        }
        res.writeHead(200, { 'Content-Type': 'application/json' })
        res.on('drain', more)
        more()
        return undefined
      }
      case 'change':
        return this.write(res, { ...answer, status: f.status ?? answer.status, body: f.body === undefined ? answer.body : merged(answer.body, f.body) })
      default:
        return this.write(res, answer)
    }
  }

  bytes(answer) {
    const b = answer.body
    return b === undefined ? Buffer.alloc(0) : Buffer.isBuffer(b) ? b : Buffer.from(typeof b === 'string' ? b : JSON.stringify(b))
  }
  heads(answer, n) {
    const json = answer.body !== undefined && typeof answer.body !== 'string' && !Buffer.isBuffer(answer.body)
    return { ...(json ? { 'Content-Type': 'application/json' } : {}), 'Content-Length': String(n), ...answer.headers }
  }
  wire(answer) {
    const body = this.bytes(answer)
    const lines = Object.entries(this.heads(answer, body.length)).map(([name, value]) => `${name}: ${value}\r\n`).join('')
    return Buffer.concat([Buffer.from(`HTTP/1.1 ${answer.status ?? 200} X\r\n${lines}\r\n`), body])
  }
  write(res, answer) {
    const body = this.bytes(answer)
    res.writeHead(answer.status ?? 200, this.heads(answer, body.length))
    res.end(body)
  }

  async control(ask, req, res) {
    const chunks = []
    for await (const chunk of req) chunks.push(chunk)
    const say = (status, body) => this.write(res, { status, body })
    const what = `${ask.method} ${ask.path.slice('/__stand/'.length)}`
    try {
      const body = chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : undefined
      if (what === 'GET state') return say(200, { state: this.state(), plan: this.faults, unmet: this.unmet(), most: this.most, requests: this.requests })
      if (what === 'GET log') return say(200, this.log)
      if (what === 'POST plan') {
        if (body?.clear) this.plan()
        else this.plan(...(Array.isArray(body) ? body : [body]))
        return say(200, { plan: this.faults })
      }
      if (what === 'POST set') {
        Object.assign(this.settings, body)
        this.tokens = undefined
        return say(200, this.settings)
      }
      if (what === 'POST act') return say(200, { did: (await this.act(body.act, body.args)) ?? null })
      return say(404, { error: `no such control: ${what}` })
    } catch (e) {
      return say(e instanceof Refused ? e.status : 400, { error: String(e?.message ?? e) })
    }
  }
}

function merged(into, from) {
  if (from === null || typeof from !== 'object' || Array.isArray(from) || into === null || typeof into !== 'object' || Array.isArray(into)) return from
  const out = { ...into }
  for (const [name, value] of Object.entries(from)) {
    if (value === null) delete out[name]
    else out[name] = name in out ? merged(out[name], value) : value
  }
  return out
}

/**
 * For a stand-in that is run as a program: `node tests/upstreams/turso.mjs '{"org":"acme"}'`. Prints one line of JSON, { base, … of `about` }, and ends
 * when its standard input does.
 */
export async function program(meta, make, about = () => ({})) {
  if (process.argv[1] !== fileURLToPath(meta.url)) return
  const stand = await (await make(JSON.parse(process.argv[2] ?? '{}'))).start()
  process.stdout.write(`${JSON.stringify({ base: stand.base, ...about(stand) })}\n`)
  process.stdin.resume()
  process.stdin.once('end', () => void stand.stop().then(() => process.exit(0)))
}
