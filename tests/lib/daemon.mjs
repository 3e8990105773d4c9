// Starts, asks and stops a real daemon on its own data folder and ports; what a suite needs and nothing of how it works.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
export const binary = path.resolve(root, process.env.VALETKEY_BIN ?? 'build/valetkey')

export const sleep = (ms) => new Promise((r) => setTimeout(r, ms))

// The services that the builds of a suite have from vendors instead of from the daemon's own files: "database,auth" (lib/brokered.mjs).
const brokered = process.env.VALETKEY_TEST_BROKERED

const folders = new Set()
const daemons = new Set()

export function tempFolder(name = 'valetkey-test') {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), `${name}-`))
  folders.add(dir)
  return dir
}

// What a suite leaves behind goes, however it ends.
export async function cleanUp() {
  for (const d of [...daemons]) await d.stop()
  for (const dir of folders) fs.rmSync(dir, { recursive: true, force: true })
  folders.clear()
}
process.on('exit', () => {
  for (const d of daemons) if (d.pid) try { process.kill(d.pid, 'SIGKILL') } catch {}
  for (const dir of folders) try { fs.rmSync(dir, { recursive: true, force: true }) } catch {}
})
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => process.exit(1))

// Loads here are as fast as the machine; tests/slow tries the rates.
const anyRate = ['--limit', 'key_rate=0', '--limit', 'build_rate=0']

export function run(command, args, { input, env, timeout = 20000, cwd } = {}) {
  return new Promise((resolve, reject) => {
    const p = spawn(command, args, { env: { ...process.env, ...env }, cwd, stdio: ['pipe', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    const timer = setTimeout(() => p.kill('SIGKILL'), timeout)
    p.stdout.setEncoding('utf8').on('data', (d) => (stdout += d))
    p.stderr.setEncoding('utf8').on('data', (d) => (stderr += d))
    p.on('error', (e) => (clearTimeout(timer), reject(e)))
    p.on('close', (code, signal) => (clearTimeout(timer), resolve({ code, signal, stdout, stderr })))
    p.stdin.on('error', () => {})
    p.stdin.end(input ?? '')
  })
}

export { portBase, portFree } from './ports.mjs'

// One request, one answer: { status, headers, text, json() }. `agent` keeps the connection. `path`: as it goes out, where the URL's would
// lose dots and double slashes.
export function request(url, { method = 'GET', headers = {}, body, agent, timeout = 15000, ca, path } = {}) {
  return new Promise((resolve, reject) => {
    const data = body === undefined ? undefined : Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    const h = { ...headers }
    if (data && !Object.keys(h).some((k) => /^content-(length|type)$/i.test(k) && /length/i.test(k))) h['Content-Length'] = data.length
    const req = (String(url).startsWith('https:') ? https : http).request(url, { ca, method, headers: h, agent: agent ?? false, timeout, ...(path ? { path } : {}) }, (res) => {
      const parts = []
      res.on('data', (d) => parts.push(d))
      res.on('error', reject)
      res.on('end', () => {
        const raw = Buffer.concat(parts)
        const text = raw.toString('utf8')
        resolve({ status: res.statusCode, headers: res.headers, type: res.headers['content-type'], raw, text, json: () => JSON.parse(text) })
      })
    })
    req.on('timeout', () => req.destroy(new Error(`no answer within ${timeout} ms: ${method} ${url}`)))
    req.on('error', reject)
    req.end(data)
  })
}

export class Daemon {
  // `tls`: its listeners have it; `ca` is what its clients trust, once it is there.
  constructor({ portBase, data, args = [], env = {}, wrapper = [], tls = false, program = binary }) {
    Object.assign(this, { portBase, args, env, wrapper, tls, program })
    this.data = data ?? path.join(tempFolder(), 'data')
    this.log = ''
  }

  get adminUrl() { return `http${this.tls ? 's' : ''}://127.0.0.1:${this.portBase}` }
  get databaseUrl() { return `http${this.tls ? 's' : ''}://127.0.0.1:${this.portBase + 2}` }

  // Resolves once the ready line is out; .readyMs says how long that took.
  start({ timeout = 15000 } = {}) {
    const t0 = process.hrtime.bigint()
    return new Promise((resolve, reject) => {
      const [cmd, ...rest] = [...this.wrapper, this.program, 'serve', '--data', this.data, '--port-base', String(this.portBase), ...anyRate, ...this.args]
      const p = spawn(cmd, rest, { env: { ...process.env, ...this.env }, stdio: ['ignore', 'pipe', 'pipe'] })
      this.process = p
      this.pid = p.pid
      this.exited = new Promise((r) => p.on('close', (code, signal) => {
        daemons.delete(this)
        this.pid = undefined
        r({ code, signal })
      }))
      daemons.add(this)
      let out = ''
      const fail = (why) => { clearTimeout(timer); reject(new Error(`${why}\n${this.log.slice(-4000)}`)) }
      const timer = setTimeout(() => { p.kill('SIGKILL'); fail(`the daemon was not ready within ${timeout} ms`) }, timeout)
      p.on('error', (e) => fail(e.message))
      p.stderr.setEncoding('utf8').on('data', (d) => (this.log = (this.log + d).slice(-200000)))
      p.stdout.setEncoding('utf8').on('data', (d) => {
        this.log = (this.log + d).slice(-200000)
        out += d
        if (!this.ready && out.includes('\n')) {
          clearTimeout(timer)
          this.ready = out.split('\n')[0]
          this.readyMs = Number(process.hrtime.bigint() - t0) / 1e6
          resolve(this)
        }
      })
      this.ready = undefined
      this.exited.then(({ code, signal }) => { if (!this.ready) fail(`the daemon ended (${signal ?? code}) before it was ready`) })
    })
  }

  // Asks it to end; takes it away when it does not.
  async stop({ timeout = 8000 } = {}) {
    if (!this.pid) return undefined
    const pids = this.children()
    this.process.kill('SIGTERM')
    const end = await Promise.race([this.exited, sleep(timeout)])
    if (!end) {
      for (const c of pids) try { process.kill(c.pid, 'SIGKILL') } catch {}
      this.process.kill('SIGKILL')
      await this.exited
    }
    return end
  }

  async kill9() {
    this.process.kill('SIGKILL')
    return this.exited
  }

  // The processes below the supervisor: [{ pid, role }]; role from the process name, `valetkey: front` or `vk-front`.
  children() {
    const out = []
    if (!this.pid) return out
    let list = ''
    try { list = fs.readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8') } catch { return out }
    for (const pid of list.trim().split(/\s+/).filter(Boolean)) {
      let text = ''
      try { text = fs.readFileSync(`/proc/${pid}/comm`, 'utf8') + fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8') } catch { continue }
      out.push({ pid: Number(pid), role: /front|keeper|courier/.exec(text)?.[0] ?? text.trim() })
    }
    return out
  }

  cli(args, options) {
    return run(binary, [...args, '--data', this.data], options)
  }

  // { id, env } as the command prints it.
  async createBuild(id, args = []) {
    const r = await this.cli(['build', 'create', ...(id ? [id] : []), '--json', ...args])
    if (r.code !== 0) throw new Error(`build create ${id}: exit ${r.code}: ${r.stderr || r.stdout}`)
    const made = JSON.parse(r.stdout)
    if (!brokered || this.program !== binary) return made
    return (await import('./brokered.mjs')).bound(this, made, brokered.split(','))
  }

  async mustCli(args) {
    const r = await this.cli(args)
    if (r.code !== 0) throw new Error(`valetkey ${args.join(' ')}: exit ${r.code}: ${r.stderr || r.stdout}`)
    return r.stdout
  }

  get adminToken() { return fs.readFileSync(path.join(this.data, 'admin.token'), 'utf8').trim() }

  admin(method, target, { body, token = this.adminToken, headers = {}, ...rest } = {}) {
    return request(this.adminUrl + target, {
      method,
      ca: this.ca,
      headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...(body !== undefined ? { 'Content-Type': 'application/json' } : {}), ...headers },
      body,
      ...rest,
    })
  }

  pipeline(token, body, { version = 'v2', headers = {}, ...rest } = {}) {
    return request(`${this.databaseUrl}/${version}/pipeline`, {
      method: 'POST',
      ca: this.ca,
      headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), 'Content-Type': 'application/json', ...headers },
      body,
      ...rest,
    })
  }

  // One statement on a stream of its own; its StmtResult, or an error with `code`.
  async sql(token, sql, args = [], options) {
    const r = await this.pipeline(token, { requests: [{ type: 'execute', stmt: { sql, args } }, { type: 'close' }] }, options)
    if (r.status !== 200) throw Object.assign(new Error(`HTTP ${r.status}: ${r.text}`), { status: r.status })
    const first = r.json().results[0]
    if (first.type !== 'ok') throw Object.assign(new Error(first.error.message), { code: first.error.code })
    return first.response.result
  }
}

export const int = (n) => ({ type: 'integer', value: String(n) })
export const text = (s) => ({ type: 'text', value: s })

// The value a daemon cell stands for, as plain JavaScript (integers as BigInt).
export function plain(cell) {
  switch (cell.type) {
    case 'null': return null
    case 'integer': return BigInt(cell.value)
    case 'float': return cell.value
    case 'text': return cell.value
    case 'blob': return Buffer.from(cell.base64, 'base64')
    default: throw new Error(`cell of type ${cell.type}`)
  }
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

function crc32(s) {
  let c = 0xffffffff
  for (const b of Buffer.from(s)) {
    c ^= b
    for (let i = 0; i < 8; i++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
  }
  return (c ^ 0xffffffff) >>> 0
}

// prefix ‖ body ‖ its right checksum (facts: canonical form of a key): for keys that are well formed and nobody's.
export function withChecksum(prefixAndBody) {
  let n = crc32(prefixAndBody)
  let six = ''
  for (let i = 0; i < 6; i++) {
    six = ALPHABET[n % 62] + six
    n = Math.floor(n / 62)
  }
  return prefixAndBody + six
}

// A seeded generator (xorshift32), so that a failing run can be repeated.
export function seeded(seed) {
  let x = seed >>> 0 || 1
  const next = () => {
    x ^= x << 13; x >>>= 0
    x ^= x >>> 17
    x ^= x << 5; x >>>= 0
    return x
  }
  return { next, below: (n) => next() % n, pick: (a) => a[next() % a.length], chance: (p) => next() / 0x100000000 < p }
}
