// A daemon with builds, and browsers that call their Frontend API as clerk-js does.
import { readFileSync } from 'node:fs'

import { Daemon, portBase, request } from '../lib/daemon.mjs'

// What is tried here comes from one address.
export const manyGuesses = ['--limit', 'bad_key_rate=0']

export const sample = (name) => JSON.parse(readFileSync(new URL(`../data/auth/${name}.json`, import.meta.url)))

export async function startDaemon(args = [], more = {}) {
  return new Daemon({ portBase: await portBase(), args: [...manyGuesses, ...args], ...more }).start()
}

// The same data under a clock that is ahead by so much, of a daemon built for tests.
export async function restartAt(daemon, ms) {
  await daemon.stop()
  daemon.env = { ...daemon.env, VALETKEY_TEST_CLOCK_OFFSET_MS: String(ms) }
  await daemon.start()
}

export class Pool {
  static async of(daemon, build) {
    const { env } = await daemon.createBuild(build)
    return new Pool(daemon, build, env)
  }

  constructor(daemon, build, env) {
    Object.assign(this, { daemon, build, env, secretKey: env?.CLERK_SECRET_KEY })
  }

  get gateway() { return `http://127.0.0.1:${this.daemon.portBase + 1}/b/${this.build}` }

  // The Backend API, as the app's server calls it: { status, body }.
  async backend(method, path, body, { key = this.secretKey } = {}) {
    const r = await request(`${this.gateway}/bapi/v1${path}`, { method, body, headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' } })
    return { status: r.status, body: r.text ? r.json() : null, headers: r.headers }
  }

  // Newest first: [{ n, address, what, code, at_ms }].
  async outbox(address) {
    const r = await this.daemon.admin('GET', `/api/v1/builds/${this.build}/services/auth/outbox`)
    if (r.status !== 200) throw new Error(`outbox: ${r.status} ${r.text}`)
    return r.json().messages.filter((m) => !address || m.address === address)
  }

  // As the operator exports them.
  async users() {
    const r = await this.daemon.admin('GET', `/api/v1/builds/${this.build}/services/auth/users/export`)
    if (r.status !== 200) throw new Error(`users: ${r.status} ${r.text}`)
    return r.json().users
  }

  // The code that went to the address last.
  async code(address) {
    const [newest] = await this.outbox(address)
    if (!newest) throw new Error(`nothing was sent to ${address}`)
    return newest.code
  }

  async browser() {
    const b = new Browser(this)
    b.id = (await b.call('POST', '/dev_browser')).body.id
    return b
  }
}

// A form as clerk-js writes it: what is undefined is left out, objects are JSON.
export const form = (fields) =>
  new URLSearchParams(Object.entries(fields).filter(([, v]) => v !== undefined).map(([k, v]) => [k, v !== null && typeof v === 'object' ? JSON.stringify(v) : String(v ?? '')])).toString()

export class Browser {
  constructor(pool) { this.pool = pool }

  // { status, body, code (of the first error), response, client }. `raw`: the body as it is. `browser`: another id, or null for none.
  async call(method, path, fields, { raw, browser = this.id, headers = {}, query = {} } = {}) {
    const wire = method === 'GET' ? 'GET' : 'POST'
    const q = new URLSearchParams({ __clerk_api_version: '2026-08-20', _clerk_js_version: '6.40.0', ...query })
    if (wire !== method) q.set('_method', method)
    if (browser) q.set('__clerk_db_jwt', browser)
    const body = raw ?? (wire === 'GET' ? undefined : form(fields ?? {}))
    const r = await request(`${this.pool.gateway}/v1${path}?${q}`, { method: wire, body, headers: { ...(wire === 'GET' ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' }), Origin: 'http://localhost:3000', ...headers } })
    if (r.headers['clerk-db-jwt']) this.id = r.headers['clerk-db-jwt']
    const json = r.text ? r.json() : null
    return { status: r.status, headers: r.headers, text: r.text, body: json, code: json?.errors?.[0]?.code, param: json?.errors?.[0]?.meta?.param_name, response: json?.response, client: json?.client ?? json?.meta?.client }
  }

  // A user of that address and password, signed in here; the sign-up's last answer.
  async signUp(address, password, fields = {}) {
    const made = await this.call('POST', '/client/sign_ups', { email_address: address, password, ...fields })
    if (made.status !== 200) throw new Error(`sign-up of ${address}: ${made.status} ${made.text}`)
    const at = `/client/sign_ups/${made.response.id}`
    const sent = await this.call('POST', `${at}/prepare_verification`, { strategy: 'email_code' })
    if (sent.status !== 200) throw new Error(`code for ${address}: ${sent.status} ${sent.text}`)
    const done = await this.call('POST', `${at}/attempt_verification`, { strategy: 'email_code', code: await this.pool.code(address) })
    if (done.status !== 200) throw new Error(`verification of ${address}: ${done.status} ${done.text}`)
    return done
  }
}

// What differs between an object and a sample in names and types; values are others'. [] when nothing does.
export function differences(got, want, at = '') {
  const kind = (v) => (v === null ? 'null' : Array.isArray(v) ? 'array' : typeof v)
  if (kind(got) !== kind(want)) return [`${at}: ${kind(got)} where the sample has ${kind(want)}`]
  if (kind(got) === 'array') return want.length && got.length ? differences(got[0], want[0], `${at}[0]`) : []
  if (kind(got) !== 'object') return []
  const names = [...new Set([...Object.keys(got), ...Object.keys(want)])]
  return names.flatMap((n) => (!(n in got) ? [`${at}.${n} is missing`] : !(n in want) ? [`${at}.${n} is not in the sample`] : differences(got[n], want[n], `${at}.${n}`)))
}
