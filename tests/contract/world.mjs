// A daemon with every service, builds in all states, and what tells whether anything of them changed.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { assert, assertSame } from '../lib/tap.mjs'
import { Daemon, sleep, tempFolder } from '../lib/daemon.mjs'
import { adapters, send } from './adapters.mjs'

// What is tried here with keys that open nothing comes from one address; tests/slow is about that limit.
export const manyBadKeys = ['--limit', 'bad_key_rate=0']

// The services of a running daemon as it reports them, each with its adapter.
export async function registered(daemon) {
  const status = (await daemon.admin('GET', '/api/v1/status')).json()
  return status.services.map((s) => ({ ...s, ...adapters[s.name], name: s.name, url: `http://127.0.0.1:${s.port}`, hasAdapter: s.name in adapters }))
}

export const write = (service, env, text, how) => send(service.store(env, text), how)

export async function put(service, env, text, how) {
  const r = await write(service, env, text, how)
  assertSame(r.status, 200, `${service.name}: a write (${r.text.slice(0, 300)})`)
}

export async function all(service, env, how) {
  const r = await service.read(env, how)
  assertSame(r.status, 200, `${service.name}: a read (${r.text.slice(0, 300)})`)
  return service.lines(r).sort()
}

// A write whose head has been sent and looked at, and whose body comes when the function that is returned is called; it gives the answer, or
// { status: 0 } when the connection was ended instead.
export async function begun(service, env, text) {
  const q = service.store(env, text)
  const r = http.request(q.url, { method: q.method, agent: false, headers: { ...q.headers, 'Content-Length': Buffer.byteLength(q.body) }, timeout: 15000 })
  const answer = new Promise((resolve) => {
    r.on('error', () => resolve({ status: 0 }))
    r.on('timeout', () => r.destroy())
    r.on('response', (res) => {
      let body = ''
      res.setEncoding('utf8').on('data', (d) => (body += d)).on('error', () => resolve({ status: 0 }))
      res.on('end', () => resolve({ status: res.statusCode, type: res.headers['content-type'], text: body, json: () => JSON.parse(body) }))
    })
  })
  r.write(q.body.slice(0, 1))
  await sleep(60)
  return () => {
    r.end(q.body.slice(1))
    return answer
  }
}

// The same environment with other keys.
export function withKeys(service, env, keys) {
  const out = { ...env }
  for (const name of service.keys) out[name] = typeof keys === 'function' ? keys(env[name], name) : keys[name]
  return out
}

// Throws unless the answer refuses the key, in the service's own format. It must not show a key of `env` (an id that is shown with each
// request, `service.shown`, may come back).
export function refused(service, r, what, env = {}) {
  const mark = `${service.name}, ${what}: ${r.status} ${r.text.slice(0, 200)}`
  assert((service.refusals ?? [401, 403]).includes(r.status), mark)
  const kind = service.problem(r)
  assert(typeof kind === 'string' && kind.length > 2, mark)
  for (const name of service.keys) assert(!env[name] || service.shown?.includes(name) || !r.text.includes(env[name]), `it shows a key; ${mark}`)
  return kind
}

// Files below a folder, as relative paths; folders end in a slash.
export function tree(dir, below = '') {
  if (!fs.existsSync(path.join(dir, below))) return []
  return fs.readdirSync(path.join(dir, below), { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? [`${below}${e.name}/`, ...tree(dir, `${below}${e.name}/`)] : [`${below}${e.name}`]).sort()
}

// Names and bytes of everything that builds have. A -shm is no data: it is memory that a reader maps.
export function fingerprint(daemon) {
  const dir = path.join(daemon.data, 'builds')
  const hash = createHash('sha256')
  for (const f of tree(dir)) {
    hash.update(`${f}:`)
    if (!f.endsWith('/') && !f.endsWith('-shm')) hash.update(fs.readFileSync(path.join(dir, f)))
  }
  return hash.digest('hex')
}

export const folder = (daemon, id) => path.join(daemon.data, 'builds', id)

// Variables as a server's code reads them; what frameworks make of the names is tests/cli's.
export const made = (daemon, id, args = []) => daemon.createBuild(id, ['--framework', 'node', ...args])

// A build whose every service has been used once: its environment, with what was written as `text`.
export async function build(daemon, services, id, args = []) {
  const { env } = await made(daemon, id, args)
  for (const s of services) {
    if (!s.hasAdapter) continue
    await s.settle?.(daemon, id)
    await put(s, env, `first-of-${id}`)
  }
  return { id, env }
}

// Another installation's build "own", and an expired one in the data folder of the daemon that is returned.
export async function everybody(base) {
  const other = new Daemon({ portBase: base + 20 })
  const data = path.join(tempFolder(), 'data')
  const early = new Daemon({ portBase: base, data, env: { VALETKEY_TEST_CLOCK_OFFSET_MS: '-120000' } })
  await Promise.all([other.start(), early.start()])
  const services = await registered(early)
  const ctx = { foreign: await made(other, 'own'), expired: await build(early, services, 'expired', ['--ttl', '60s']) }
  await Promise.all([other.stop(), early.stop()])

  const daemon = new Daemon({ portBase: base, data, args: [...manyBadKeys, '--share', tempFolder()] })
  await daemon.start()
  for (const id of ['own', 'other', 'revoked']) ctx[id] = await build(daemon, services, id)
  ctx.idle = await made(daemon, 'idle')
  await daemon.mustCli(['build', 'revoke', 'revoked'])
  return { daemon, services, ctx }
}

// Bytes as they are to a port; the one answer that comes.
export function raw(port, text, timeout = 10000) {
  return new Promise((resolve, reject) => {
    const parts = []
    const s = net.connect(port, '127.0.0.1')
    const timer = setTimeout(() => { s.destroy(); reject(new Error('no answer')) }, timeout)
    const end = () => {
      clearTimeout(timer)
      const all = Buffer.concat(parts).toString('utf8')
      const at = all.indexOf('\r\n\r\n')
      const head = all.slice(0, at)
      const headers = Object.fromEntries(head.split('\r\n').slice(1).map((l) => [l.slice(0, l.indexOf(':')).toLowerCase(), l.slice(l.indexOf(':') + 1).trim()]))
      const body = all.slice(at + 4)
      if (at < 0) return reject(new Error(`no answer, but: ${all.slice(0, 200)}`))
      resolve({ status: Number(head.split(' ')[1]), headers, type: headers['content-type'], text: body, json: () => JSON.parse(body) })
    }
    s.on('data', (d) => parts.push(d))
    s.on('error', (e) => { if (!parts.length) { clearTimeout(timer); reject(e) } })
    s.on('close', end)
    s.write(text)
  })
}
