// The storage service that a suite drives: that of a daemon of its own, with builds made by the command line. For developers:
// VALETKEY_TEST_S3_ENDPOINT names another S3 server instead (its key: VALETKEY_TEST_S3_KEY, _SECRET, _BUCKET); what only ours has is skipped then.
import http from 'node:http'
import { Daemon, portBase, request } from './daemon.mjs'
import { encodedPath, signed } from './sigv4.mjs'
import { ok, skip } from './tap.mjs'

const endpoint = process.env.VALETKEY_TEST_S3_ENDPOINT
// Set by tests/brokereds3: a module whose start() puts a vendor behind the daemon.
const behind = process.env.VALETKEY_TEST_S3_BEHIND

export class Storage {
  // `options` as for a Daemon.
  static async start(options = {}) {
    const s = new Storage()
    s.own = !endpoint
    if (endpoint) return s
    s.base = await portBase()
    if (behind) s.behind = await (await import(behind)).start()
    s.daemon = new Daemon({ portBase: s.base, ...options, args: [...(options.args ?? []), ...(s.behind?.args ?? [])], env: { ...options.env, ...s.behind?.env } })
    await s.daemon.start()
    await s.behind?.ready(s.daemon)
    return s
  }

  // { id, env } of a new build.
  async build(id, args = []) {
    if (this.own) {
      const b = await this.daemon.createBuild(id, args)
      for (const name of ['R2_ENDPOINT', 'R2_BUCKET', 'R2_ACCESS_KEY_ID', 'R2_SECRET_ACCESS_KEY', 'R2_PREFIX']) if (!b.env[name]) throw new Error(`the environment of build ${id} has no ${name}: ${Object.keys(b.env)}`)
      return { id: b.id ?? id, env: b.env }
    }
    const bucket = `${process.env.VALETKEY_TEST_S3_BUCKET ?? 'made-up'}-${id}`
    const [key, secret] = [process.env.VALETKEY_TEST_S3_KEY ?? 'S3RVER', process.env.VALETKEY_TEST_S3_SECRET ?? 'S3RVER']
    const env = { R2_ENDPOINT: endpoint, R2_BUCKET: bucket, R2_BUCKET_NAME: bucket, R2_ACCESS_KEY_ID: key, R2_SECRET_ACCESS_KEY: secret, R2_PREFIX: `builds/${id}/`, AWS_ENDPOINT_URL_S3: endpoint, AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret, AWS_REGION: 'us-east-1' }
    await raw(env, { method: 'PUT' })
    return { id, env }
  }

  // As tap's check(), for what another server does not have.
  async ours(check, name, fn) {
    return this.own ? check(name, fn) : skip(name, 'another server')
  }

  async stop() {
    await this.daemon?.stop()
    await this.behind?.stop()
    // A process that a sanitizer ended was started again; what it said is the thing to know.
    const at = this.daemon?.log.search(/(WARNING: Thread|ERROR: Address|ERROR: Leak)Sanitizer|runtime error:/) ?? -1
    if (at >= 0) ok(false, 'no sanitizer found anything', this.daemon.log.slice(at, at + 6000))
  }
}

export const agent = new http.Agent({ keepAlive: true, maxSockets: 64 })

// One request signed by us; `key` as the app names it, `path` instead of it when it is not to be encoded. As request() answers.
export function raw(env, { key, path, method = 'GET', query, headers, body, payload, date, ...rest } = {}) {
  const to = path ?? `/${env.R2_BUCKET}${key === undefined ? '' : `/${encodedPath(key)}`}`
  const r = signed(env, { method, path: to, query, headers, body, payload, date })
  return request(r.url, { path: r.url.slice(r.url.indexOf('/', 8)), method, headers: r.headers, body, agent: r.url.startsWith('http:') ? agent : undefined, ...rest })
}

// Runs `fn` for every item, so many at a time.
export async function eachOf(items, width, fn) {
  const todo = [...items]
  await Promise.all(Array.from({ length: width }, async () => {
    while (todo.length) await fn(todo.shift())
  }))
}

// Bytes that differ from place to place, the same for a seed.
export function bytes(n, seed = 1) {
  const b = Buffer.allocUnsafe(n)
  let x = (seed * 2654435761) >>> 0 || 1
  let i = 0
  for (; i + 4 <= n; i += 4) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    b.writeInt32LE(x | 0, i)
  }
  for (; i < n; i++) b[i] = seed + i
  return b
}
