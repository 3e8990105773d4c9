// Turso: the Platform API of one organisation, and the hosts of its databases. Written from Turso's documentation (OpenAPI and pages of the Platform
// API); sentences of refusals that it does not give are ours. The SQL of a database runs in a second valetkey daemon (`data`), a build each: the
// host of a database takes the database's own tokens only and puts that build's key in their place.
//
//   org, groups: ['default'];  tokens: [{ token, group, scopes }]; without `group` a token of the whole organisation, which may do everything
//   data: { admin: 'http://127.0.0.1:4500', token } of that daemon; none: databases answer 503
//
// Settings: life (s: no token lives longer), databases (how many the plan allows; then 402), lag (ms for which tokens go on after they have ended), rotation (ms for which a database
// answers 503 after its tokens were ended), emptyRotate (the answer to that has no body, as the documentation has it; the vendor's client needs one).
// Acts: delete { name }, make { name, group }: behind our back; protect { name, on }; use { name, … }: what it has used; expire { name }: its tokens
import { execFile } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { Refused, Stand, exactly, program } from './stand.mjs'

export const SCOPES = ['read', 'db:create', 'db:delete', 'db:configure', 'db:mint-token', 'db:rotate-creds', 'group:configure', 'group:mint-token', 'group:rotate-creds']
export const WANTED = SCOPES.slice(0, 6)

const b64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
/** Looks like a JWT of theirs; nobody signed it. */
export const jwt = (claims) => `${b64({ alg: 'EdDSA', typ: 'JWT' })}.${b64(claims)}.${randomBytes(64).toString('base64url')}`
export const platformToken = (claims = {}) => jwt({ iat: Math.floor(Date.now() / 1000), id: randomUUID(), ...claims })

const UNITS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 }
/** "2w1d30m" as seconds, "never" as Infinity, undefined when it is none. */
function lifeOf(text) {
  if (text === 'never') return Infinity
  if (!/^(\d+[smhdwy])+$/.test(text)) return undefined
  return [...text.matchAll(/(\d+)([smhdwy])/g)].reduce((sum, [, n, unit]) => sum + Number(n) * UNITS[unit], 0)
}

const HEADER = Buffer.from('SQLite format 3\0')

export class Turso extends Stand {
  constructor({ org = 'acme', groups = ['default'], tokens = [], data, ...rest } = {}) {
    super(rest)
    this.org = org
    this.groups = new Map(groups.map((name) => [name, { name, uuid: randomUUID(), version: 'v0.24.33', locations: ['aws-us-east-1'], primary: 'aws-us-east-1', delete_protection: false }]))
    this.platform = new Map(tokens.map((t) => [t.token, { scopes: SCOPES, ...t }]))
    this.databases = new Map()
    this.data = data
    this.ended = []
    this.refusals = [] // of the databases' hosts
    this.lines()
    this.deeds()
  }

  // ---- who asks

  judge(ask) {
    const bearer = /^Bearer (\S+)$/.exec(ask.headers.authorization ?? '')?.[1]
    const token = this.platform.get(bearer)
    if (!token) throw new Refused(401, [...this.databases.values()].some((d) => d.tokens.has(bearer)) ? 'could not parse jwt id: invalid token' : 'invalid token')
    ask.token = token
  }
  may(ask, scope, group) {
    const { token } = ask
    if (ask.params.org !== this.org) throw new Refused(404, 'organization not found')
    if (!token.scopes.includes(scope)) throw new Refused(403, `the token is missing the scope ${scope}`)
    if (group !== undefined && token.group && token.group !== group) throw new Refused(403, `the token is restricted to the group ${token.group}`)
  }
  of(ask, scope) {
    this.may(ask, scope)
    const name = ask.params.db
    const d = this.databases.get(name)
    if (!d) throw new Refused(404, `could not find database with name [${name}]: record not found`)
    this.may(ask, scope, d.group)
    return d
  }
  group(ask, scope) {
    this.may(ask, scope, ask.params.group)
    const g = this.groups.get(ask.params.group)
    if (!g) throw new Refused(404, 'group not found')
    return g
  }
  // The vendor's client sends JSON without saying so.
  readable(ask) {
    ask.headers = { ...ask.headers, ...(ask.raw.length ? { 'content-type': 'application/json' } : {}) }
    return super.readable(ask)
  }

  // ---- the Platform API

  lines() {
    const all = '/v1/organizations/{org}/databases'
    const one = `${all}/{db}`
    const refuse = (why) => { throw new Refused(400, why) }
    const validate = (ask) => ({ body: { exp: ask.token.exp ?? -1 } })
    this.route('GET', '/v1/auth/validate', validate)
    this.route('GET', '/v1/auth/api-tokens/validate', validate)
    this.route('GET', '/v1/locations', () => ({ body: { locations: { 'aws-us-east-1': 'AWS US East (Virginia)', 'aws-eu-west-1': 'AWS EU West (Ireland)' } } }))
    this.route('GET', '/v1/organizations', (ask) => {
      if (ask.token.group) throw new Refused(403, 'the token is restricted to one group')
      return { body: { organizations: [{ name: this.org, slug: this.org, type: 'team', overages: false, blocked_reads: false, blocked_writes: false }] } }
    })
    this.route('GET', '/v1/organizations/{org}/groups', (ask) => {
      this.may(ask, 'read')
      return { body: { groups: [...this.groups.values()].filter((g) => !ask.token.group || g.name === ask.token.group) } }
    })
    this.route('POST', '/v1/organizations/{org}/groups', (ask) => {
      this.may(ask, 'read')
      if (ask.token.group) throw new Refused(403, 'the token is restricted to one group')
      exactly(ask.body, { name: 'string', location: 'string', 'extensions?': () => true }, refuse)
      if (this.groups.has(ask.body.name)) throw new Refused(409, 'group already exists')
      const g = { name: ask.body.name, uuid: randomUUID(), version: 'v0.24.33', locations: [ask.body.location], primary: ask.body.location, delete_protection: false }
      this.groups.set(g.name, g)
      return { body: { group: g } }
    })
    this.route('GET', '/v1/organizations/{org}/groups/{group}', (ask) => ({ body: { group: this.group(ask, 'read') } }))
    this.route('POST', '/v1/organizations/{org}/groups/{group}/auth/tokens', (ask) => {
      const g = this.group(ask, 'group:mint-token')
      return { body: { jwt: this.mint(ask, { gid: g.uuid }) } }
    })
    this.route('GET', all, (ask) => {
      this.may(ask, 'read')
      const group = ask.query.get('group')
      return { body: { databases: [...this.databases.values()].filter((d) => (!ask.token.group || d.group === ask.token.group) && (!group || d.group === group)).map((d) => this.shown(d)) } }
    })
    this.route('POST', all, (ask) => {
      exactly(ask.body, { name: 'string', group: 'string', 'seed?': 'object', 'size_limit?': (v) => /^\d+(b|kb|mb|gb|tb)?$/i.test(v), 'remote_encryption?': 'object' }, refuse)
      this.may(ask, 'db:create', ask.body.group)
      const { name, group } = ask.body
      if (!/^[a-z0-9-]{1,64}$/.test(name)) refuse('database name must contain only lowercase letters, numbers and dashes')
      if (!this.groups.has(group)) refuse('group not found')
      if (this.databases.has(name)) throw new Refused(409, `database with name [${name}] already exists`)
      if (this.databases.size >= (this.settings.databases ?? Infinity)) throw new Refused(402, 'databases limit exceeded: upgrade your plan')
      return this.make({ name, group, size: ask.body.size_limit, seed: ask.body.seed }).then((d) => ({ body: { database: { DbId: d.id, Hostname: d.hostname, Name: name } } }))
    })
    this.route('GET', one, (ask) => ({ body: { database: this.shown(this.of(ask, 'read')) } }))
    this.route('DELETE', one, (ask) => {
      const d = this.of(ask, 'db:delete')
      if (d.delete_protection) throw new Refused(400, `database ${d.name} is protected from deletion`)
      return this.remove(d).then(() => ({ body: { database: d.name } }))
    })
    this.route('POST', `${one}/auth/tokens`, (ask) => {
      const d = this.of(ask, 'db:mint-token')
      return { body: { jwt: this.mint(ask, {}, d) } }
    })
    this.route('POST', `${one}/auth/rotate`, (ask) => {
      const d = this.of(ask, 'db:rotate-creds')
      for (const t of d.tokens.values()) t.until = Math.min(t.until, Date.now() + (this.settings.lag ?? 0))
      d.awayUntil = Date.now() + (this.settings.rotation ?? 0)
      d.rotated++
      return { body: this.settings.emptyRotate ? undefined : {} }
    })
    this.route('GET', `${one}/usage`, (ask) => {
      const d = this.of(ask, 'read')
      for (const name of ['from', 'to']) if (ask.query.has(name) && Number.isNaN(Date.parse(ask.query.get(name)))) refuse(`invalid ${name}`)
      return { body: { database: { uuid: d.id, instances: [{ uuid: randomUUID(), usage: d.usage }], total: d.usage } } }
    })
    this.route('GET', `${one}/stats`, (ask) => (this.of(ask, 'read'), { body: { top_queries: null } }))
    this.route('GET', `${one}/configuration`, (ask) => ({ body: this.configuration(this.of(ask, 'read')) }))
    this.route('PATCH', `${one}/configuration`, (ask) => {
      const d = this.of(ask, 'db:configure')
      exactly(ask.body, { 'size_limit?': 'string', 'block_reads?': 'boolean', 'block_writes?': 'boolean', 'delete_protection?': 'boolean', 'allowed_ips?': 'array', 'allow_attach?': 'boolean' }, refuse)
      Object.assign(d, ask.body)
      return { body: this.configuration(d) }
    })
    this.route('GET', `${one}/instances`, (ask) => (this.of(ask, 'read'), { body: { instances: [] } }))
  }

  deeds() {
    this.acts.delete = ({ name }) => this.databases.has(name) && this.remove(this.databases.get(name)).then(() => true)
    this.acts.make = ({ name, group = [...this.groups.keys()][0] }) => this.make({ name, group }).then((d) => d.id)
    this.acts.protect = ({ name, on = true }) => ((this.databases.get(name).delete_protection = on), true)
    this.acts.use = ({ name, ...used }) => Object.assign(this.databases.get(name).usage, used)
    this.acts.expire = ({ name }) => {
      for (const t of this.databases.get(name).tokens.values()) t.until = Date.now() + (this.settings.lag ?? 0)
    }
  }

  configuration(d) {
    return { size_limit: d.size_limit, block_reads: d.block_reads, block_writes: d.block_writes, delete_protection: d.delete_protection, allowed_ips: d.allowed_ips ?? [] }
  }
  shown(d) {
    return { Name: d.name, DbId: d.id, Hostname: d.hostname, block_reads: d.block_reads, block_writes: d.block_writes, regions: ['aws-us-east-1'], primaryRegion: 'aws-us-east-1', group: d.group, delete_protection: d.delete_protection, parent: null }
  }
  mint(ask, claims, d) {
    const expiration = ask.query.get('expiration') ?? 'never'
    const authorization = ask.query.get('authorization') ?? 'full-access'
    const asked = lifeOf(expiration)
    const life = asked === undefined ? asked : Math.min(asked, this.settings.life ?? Infinity)
    if (life === undefined) throw new Refused(400, 'Invalid expiration format')
    if (authorization !== 'full-access' && authorization !== 'read-only') throw new Refused(400, 'Invalid authorization')
    if (ask.body !== undefined) exactly(ask.body, { 'permissions?': 'object' }, (why) => { throw new Refused(400, why) })
    const now = Math.floor(Date.now() / 1000)
    const token = jwt({ a: authorization === 'read-only' ? 'ro' : 'rw', iat: now, ...(d ? { id: d.id } : {}), ...claims, ...(life === Infinity ? {} : { exp: now + life }), jti: randomUUID() })
    d?.tokens.set(token, { reads: authorization === 'read-only', until: Date.now() + life * 1000, never: life === Infinity })
    return token
  }

  async make({ name, group, size, seed }) {
    const d = { name, group, id: randomUUID(), size_limit: size, seed, block_reads: false, block_writes: false, delete_protection: false, tokens: new Map(), rotated: 0, awayUntil: 0, usage: { rows_read: 0, rows_written: 0, storage_bytes: 4096, bytes_synced: 0 } }
    this.databases.set(name, d) // before anything waits: of two requests for one name the second is refused
    d.server = http.createServer((req, res) => void this.host(d, req, res).catch(() => res.destroy()))
    d.server.on('upgrade', (req, socket, head) => void this.socket(d, req, socket, head).catch(() => socket.destroy()))
    await new Promise((resolve) => d.server.listen(0, '127.0.0.1', resolve))
    d.hostname = `http://127.0.0.1:${d.server.address().port}`
    return d
  }

  async remove(d) {
    this.databases.delete(d.name)
    this.ended.push({ name: d.name, id: d.id })
    d.server.closeAllConnections()
    d.server.close()
    const build = await d.build?.catch(() => undefined)
    if (build) await this.daemon('DELETE', `/api/v1/builds/${build.id}`).catch(() => undefined)
  }

  async stop() {
    for (const d of this.databases.values()) {
      d.server.closeAllConnections()
      d.server.close()
    }
    await super.stop()
  }

  state() {
    return {
      databases: [...this.databases.values()].map((d) => ({ name: d.name, id: d.id, group: d.group, hostname: d.hostname, size_limit: d.size_limit, delete_protection: d.delete_protection, tokens: d.tokens.size, never: [...d.tokens.values()].filter((t) => t.never).length, rotated: d.rotated })),
      ended: this.ended,
      refusals: this.refusals,
    }
  }

  // ---- the host of a database

  async daemon(method, target, body) {
    const r = await fetch(this.data.admin + target, { method, headers: { Authorization: `Bearer ${this.data.token}`, ...(body ? { 'Content-Type': 'application/json' } : {}) }, body: body && JSON.stringify(body) })
    if (!r.ok) throw new Error(`${method} ${target}: ${r.status} ${await r.text()}`)
    return r.status === 204 ? undefined : r.json()
  }
  // The build that has the rows of a database: { id, url, key }.
  behind(d) {
    return (d.build ??= this.daemon('POST', '/api/v1/builds', { id: `d-${createHash('sha256').update(d.id).digest('hex').slice(0, 20)}`, framework: 'node' }).then((b) => ({ id: b.id, url: b.env.TURSO_DATABASE_URL, key: b.env.TURSO_AUTH_TOKEN })))
  }
  tokenOf(d, req) {
    const bearer = /^Bearer (\S+)$/.exec(req.headers.authorization ?? '')?.[1]
    const t = d.tokens.get(bearer)
    const why = !bearer ? 'no token' : !t ? 'a token of another database, or of nobody' : t.until <= Date.now() ? 'the token has ended' : undefined
    if (why) this.refusals.push({ name: d.name, why })
    return why ? undefined : t
  }

  async host(d, req, res) {
    const say = (status, body) => this.write(res, { status, body })
    if (d.awayUntil > Date.now()) return say(503, { error: 'the database restarts' })
    const t = this.tokenOf(d, req)
    if (!t) return say(401, { error: 'Unauthorized: `the token is not valid`' })
    if (!this.data) return say(503, { error: 'there is nothing behind' })
    const build = await this.behind(d)
    if (req.url === '/v1/upload') return this.upload(d, build, req, res)
    d.usage.rows_read++
    const to = new URL(build.url)
    const up = http.request({ host: to.hostname, port: to.port, method: req.method, path: req.url, headers: { ...req.headers, host: to.host, authorization: `Bearer ${build.key}` } }, (r) => {
      res.writeHead(r.statusCode, r.headers)
      r.pipe(res)
      r.on('error', () => res.destroy())
    })
    up.on('error', () => res.destroy())
    req.on('aborted', () => up.destroy())
    req.pipe(up)
    return undefined
  }

  async socket(d, req, socket, head) {
    const refuse = (status) => socket.end(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
    if (!this.tokenOf(d, req)) return refuse(401)
    if (!this.data) return refuse(503)
    const build = await this.behind(d)
    const to = new URL(build.url)
    const up = http.request({ host: to.hostname, port: to.port, path: req.url, headers: { ...req.headers, host: to.host, authorization: `Bearer ${build.key}` } })
    up.on('upgrade', (r, there, first) => {
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${Object.entries(r.headers).map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`)
      if (first.length) socket.write(first)
      if (head.length) there.write(head)
      socket.pipe(there).pipe(socket)
      for (const s of [socket, there]) s.on('error', () => (socket.destroy(), there.destroy()))
    })
    up.on('response', (r) => refuse(r.statusCode))
    up.on('error', () => socket.destroy())
    up.end()
    return undefined
  }

  // A whole SQLite file, of a database that was made for it: looked at as the documentation says, then loaded.
  async upload(d, build, req, res) {
    const say = (status, body) => this.write(res, { status, body })
    const refuse = (why) => say(400, { error: why })
    const chunks = []
    for await (const chunk of req) chunks.push(chunk)
    const file = Buffer.concat(chunks)
    if (req.method !== 'POST') return say(404, { error: 'not found' })
    if (req.headers['content-length'] === undefined) return refuse('Content-Length is missing')
    if (d.seed?.type !== 'database_upload' || d.uploaded) return refuse('the database was not made for an upload')
    if (file.length < 100 || !file.subarray(0, 16).equals(HEADER)) return refuse('not an SQLite file')
    if (file[18] !== 2 || file[19] !== 2) return refuse('the database must be in WAL mode')
    if (file.readUInt16BE(16) !== 4096) return refuse('the page size must be 4096')
    if (file.readUInt32BE(52) !== 0) return refuse('auto_vacuum must be off')
    if (file.readUInt32BE(56) > 1) return refuse('the encoding must be UTF-8')
    const folder = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'vk-upload-'))
    try {
      const at = path.join(folder, 'u.db')
      await fs.promises.writeFile(at, file)
      const { stdout } = await promisify(execFile)('python3', ['-c', 'import sqlite3,sys\nfor line in sqlite3.connect(sys.argv[1]).iterdump():\n    sys.stdout.write(line + "\\n")', at], { maxBuffer: 1 << 28 })
      const sql = stdout.replace(/^BEGIN TRANSACTION;\n/, '').replace(/\nCOMMIT;\n$/, '\n')
      const r = await fetch(`${build.url}/v2/pipeline`, { method: 'POST', headers: { Authorization: `Bearer ${build.key}`, 'Content-Type': 'application/json' }, body: JSON.stringify({ requests: [{ type: 'sequence', sql: `BEGIN;\n${sql}\nCOMMIT;` }, { type: 'close' }] }) })
      const said = await r.json()
      if (!r.ok || said.results[0].type !== 'ok') return refuse(`not loaded: ${JSON.stringify(said)}`)
      d.uploaded = true
      return say(200)
    } finally {
      await fs.promises.rm(folder, { recursive: true, force: true })
    }
  }
}

await program(import.meta, (o) => new Turso(o))
