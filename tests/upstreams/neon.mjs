// Neon: its API for the projects of one organisation. Written from Neon's own description of it (OpenAPI, "Neon API v2"): changes go on in the background
// as operations, and a project that has one that is not finished answers the next change with 423. Names of projects are not unique.
//
//   org: 'org-…';  keys: [{ key, kind: 'org' | 'person' }]; a person's key must say org_id
//   postgres: the address of an administrator of a real PostgreSQL on this machine, and `psql`, which has SQL done there (none: the program of that name);
//   without it projects have an address, and nobody answers there. Each project gets a role and a database of its own there; what it is told is "app" and "app", as at Neon, and a
//   door of the project's own (a port) puts the real names in their place.
//
// Settings: operation (ms until an operation is finished; 100), projects (how many the plan allows; then 422), page (most projects in one answer)
// Acts: delete { id | name }, make { name }: behind our back; finish: all operations; unavailable { id, on }: Neon cannot look at it in time
import { execFile } from 'node:child_process'
import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import net from 'node:net'
import os from 'node:os'
import { Refused, Stand, exactly, program } from './stand.mjs'

const API = '/api/v2'
const ADJECTIVES = ['quiet', 'floral', 'shiny', 'winter', 'spring', 'bold', 'misty', 'cool']
const NOUNS = ['mud', 'king', 'wind', 'boat', 'cloud', 'sun', 'leaf', 'bread']
const ID = /^[a-z0-9-]{1,60}$/

export const apiKey = () => `napi_${randomBytes(32).toString('hex')}`
const pick = (list) => list[randomInt(list.length)]
const named = (prefix = '') => `${prefix}${pick(ADJECTIVES)}-${pick(NOUNS)}-${String(randomInt(1e8)).padStart(8, '0')}`
const now = () => new Date().toISOString()

/** A way into a PostgreSQL server by which "app" is called otherwise: in the first message of a connection the names are put in place. */
class Door {
  constructor(to, user, database) {
    Object.assign(this, { to, user, database, sockets: new Set() })
    this.server = net.createServer((c) => this.come(c))
  }
  async open() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    this.port = this.server.address().port
    return this
  }
  drop() {
    for (const s of this.sockets) s.destroy()
  }
  close() {
    this.server.close()
    this.drop()
  }
  come(c) {
    let got = Buffer.alloc(0)
    this.sockets.add(c)
    c.on('error', () => c.destroy()).on('close', () => this.sockets.delete(c))
    const more = (bytes) => {
      got = Buffer.concat([got, bytes])
      if (got.length > 10_000) return c.destroy()
      if (got.length < 8 || got.length < got.readUInt32BE(0)) return undefined
      const n = got.readUInt32BE(0), code = got.readUInt32BE(4)
      if (code === 80877103 || code === 80877104) { // SSLRequest, GSSENCRequest: not here
        got = got.subarray(n)
        c.write('N')
        return got.length ? more(Buffer.alloc(0)) : undefined
      }
      if (code === 80877102) return c.destroy() // CancelRequest
      c.off('data', more)
      const words = got.subarray(8, n).toString('latin1').split('\0')
      for (let i = 0; i + 1 < words.length && words[i]; i += 2) {
        if (words[i] === 'user') words[i + 1] = words[i + 1] === 'app' ? this.user : 'nobody'
        if (words[i] === 'database') words[i + 1] = words[i + 1] === 'app' ? this.database : 'nothing'
      }
      const body = Buffer.from(words.join('\0'), 'latin1')
      const head = Buffer.alloc(8)
      head.writeUInt32BE(body.length + 8, 0)
      head.writeUInt32BE(code, 4)
      const up = net.connect(this.to.port, this.to.host, () => {
        up.write(Buffer.concat([head, body, got.subarray(n)]))
        c.pipe(up).pipe(c)
      })
      up.on('error', () => c.destroy()).on('close', () => c.destroy())
      c.on('close', () => up.destroy())
      return undefined
    }
    c.on('data', more)
  }
}

export class Neon extends Stand {
  constructor({ org = 'org-cool-sun-12345678', keys = [], postgres, psql, ...rest } = {}) {
    super(rest)
    Object.assign(this, { org, postgres, run: psql })
    this.keys = new Map(keys.map((k) => [k.key, { kind: 'org', ...k }]))
    this.projects = new Map()
    this.deleted = []
    this.lines()
    this.deeds()
  }

  refused(status, why) {
    const [, code, message] = /^([A-Z_]+): (.*)$/s.exec(why) ?? [undefined, '', why]
    return { request_id: randomUUID(), code, message }
  }
  judge(ask) {
    ask.key = this.keys.get(/^Bearer (\S+)$/.exec(ask.headers.authorization ?? '')?.[1])
    if (!ask.key) throw new Refused(401, 'supplied credentials do not pass authentication')
  }
  ofOrg(ask, org) {
    if (org === undefined || org === null) {
      if (ask.key.kind === 'person') throw new Refused(400, 'org_id is required, you can find it on your organization settings page')
    } else if (org !== this.org) throw new Refused(403, 'user is not a member of the organization')
  }
  of(ask) {
    const p = this.projects.get(ask.params.project)
    if (!p) throw new Refused(404, 'project not found')
    return p
  }
  branch(ask) {
    const p = this.of(ask)
    if (p.branch.id !== ask.params.branch) throw new Refused(404, 'branch not found')
    return p
  }
  role(ask) {
    const p = this.branch(ask)
    if (p.role.name !== ask.params.role) throw new Refused(404, 'role not found')
    return p
  }

  // ---- operations

  begin(p, ...actions) {
    const at = Date.now()
    const begun = actions.map((action, i) => ({ id: randomUUID(), project_id: p.id, branch_id: p.branch.id, endpoint_id: p.endpoint.id, action, status: 'scheduling', failures_count: 0, created_at: now(), updated_at: now(), total_duration_ms: 0, from: at, until: at + (this.settings.operation ?? 100) * (i + 1) }))
    p.operations.unshift(...begun)
    return begun.map((o) => this.operation(o))
  }
  operation({ from, until, ...o }) {
    const t = Date.now()
    const status = o.status === 'failed' ? o.status : t >= until ? 'finished' : t > from ? 'running' : 'scheduling'
    return { ...o, status }
  }
  busy(p) {
    return p.operations.some((o) => !['finished', 'failed'].includes(this.operation(o).status))
  }
  idle(p) {
    if (this.busy(p)) throw new Refused(423, 'project already has running conflicting operations, scheduling of new ones is prohibited')
    return p
  }

  // ---- the API

  lines() {
    const refuse = (why) => { throw new Refused(400, why) }
    const all = `${API}/projects`
    const one = `${all}/{project}`
    const branch = `${one}/branches/{branch}`
    this.route('GET', `${API}/users/me`, (ask) => {
      if (ask.key.kind !== 'person') throw new Refused(404, 'not found')
      return { body: { id: randomUUID(), email: 'someone@example.com', login: 'someone', name: 'Some', last_name: 'One', image: '', active_seconds_limit: 0, projects_limit: this.settings.projects ?? 1000, branches_limit: 10, max_autoscaling_limit: 2, auth_accounts: [], plan: 'scale' } }
    })
    this.route('GET', `${API}/organizations/{org}`, (ask) => {
      this.ofOrg(ask, ask.params.org)
      return { body: { id: this.org, name: 'Acme', handle: 'acme', plan: 'scale', created_at: now(), updated_at: now(), managed_by: 'console' } }
    })
    this.route('GET', all, (ask) => {
      const q = ask.query
      for (const name of q.keys()) if (!['cursor', 'limit', 'search', 'org_id', 'timeout', 'recoverable'].includes(name)) refuse(`unknown parameter ${name}`)
      this.ofOrg(ask, q.get('org_id'))
      const limit = Number(q.get('limit') ?? 10)
      if (!(limit >= 1 && limit <= 400)) refuse('limit must be from 1 to 400')
      if (q.get('recoverable') === 'true') return { body: { projects: this.deleted.map((p) => ({ ...this.listed(p), deleted_at: p.deletedAt })) } }
      const search = q.get('search')
      const wanted = [...this.projects.values()].filter((p) => !search || p.name.includes(search) || p.id.includes(search))
      const from = q.get('cursor') ? wanted.findIndex((p) => p.id === q.get('cursor')) + 1 : 0
      const page = wanted.slice(from, from + Math.min(limit, this.settings.page ?? limit))
      return {
        body: {
          projects: page.filter((p) => !p.unavailable).map((p) => this.listed(p)),
          unavailable_project_ids: page.filter((p) => p.unavailable).map((p) => p.id),
          applications: {},
          integrations: {},
          ...(page.length ? { pagination: { cursor: page.at(-1).id } } : {}),
        },
      }
    })
    this.route('POST', all, (ask) => {
      exactly(ask.body, { project: 'object' }, refuse)
      const p = exactly(ask.body.project, { 'name?': (v) => typeof v === 'string' && v.length >= 1 && v.length <= 256, 'org_id?': (v) => ID.test(v), 'region_id?': 'string', 'pg_version?': (v) => v >= 14 && v <= 18, 'store_passwords?': 'boolean', 'history_retention_seconds?': 'number', 'settings?': 'object', 'branch?': 'object', 'default_endpoint_settings?': 'object', 'provisioner?': 'string' }, refuse, 'project.')
      exactly(p.branch ?? {}, { 'name?': 'string', 'role_name?': 'string', 'database_name?': 'string', 'annotations?': 'object' }, refuse, 'project.branch.')
      exactly(p.settings?.quota ?? {}, Object.fromEntries(['active_time_seconds?', 'compute_time_seconds?', 'data_transfer_bytes?', 'logical_size_bytes?', 'written_data_bytes?'].map((n) => [n, (v) => Number.isInteger(v) && v >= 0])), refuse, 'project.settings.quota.')
      if (p.region_id !== undefined && !/^(aws|azure)-[a-z0-9-]+$/.test(p.region_id)) refuse('region does not exist')
      this.ofOrg(ask, p.org_id)
      if (this.projects.size >= (this.settings.projects ?? Infinity)) throw new Refused(422, `PROJECTS_LIMIT_EXCEEDED: projects limit of ${this.settings.projects} exceeded, got ${this.projects.size}`)
      return this.make(p).then((made) => {
        const operations = this.begin(made, 'create_timeline', 'start_compute')
        return { status: 201, body: { project: this.shown(made), connection_uris: [{ connection_uri: this.uri(made), connection_parameters: { database: made.database, role: made.role.name, password: made.password, host: made.host, pooler_host: made.host } }], roles: [{ ...made.role, password: made.password }], databases: [this.databaseOf(made)], operations, branch: made.branch, endpoints: [made.endpoint] } }
      })
    })
    this.route('GET', one, (ask) => ({ body: { project: this.shown(this.of(ask)) } }))
    this.route('PATCH', one, (ask) => {
      const p = this.idle(this.of(ask))
      exactly(ask.body, { project: 'object' }, refuse)
      Object.assign(p, { name: ask.body.project.name ?? p.name, settings: { ...p.settings, ...ask.body.project.settings } })
      return { body: { project: this.shown(p), operations: this.begin(p, 'apply_config') } }
    })
    this.route('DELETE', one, (ask) => {
      const p = this.idle(this.of(ask))
      return this.remove(p).then(() => ({ body: { project: this.shown(p) } }))
    })
    this.route('GET', `${one}/operations`, (ask) => ({ body: { operations: this.of(ask).operations.slice(0, Number(ask.query.get('limit') ?? 1000)).map((o) => this.operation(o)), pagination: { cursor: now() } } }))
    this.route('GET', `${one}/operations/{operation}`, (ask) => {
      const o = this.of(ask).operations.find((x) => x.id === ask.params.operation)
      if (!o) throw new Refused(404, 'operation not found')
      return { body: { operation: this.operation(o) } }
    })
    this.route('GET', `${one}/connection_uri`, (ask) => {
      const p = this.of(ask)
      for (const name of ['database_name', 'role_name']) if (!ask.query.get(name)) refuse(`${name} is missing`)
      if (ask.query.get('database_name') !== p.database) throw new Refused(404, 'database not found')
      if (ask.query.get('role_name') !== p.role.name) throw new Refused(404, 'role not found')
      if (!p.store) throw new Refused(412, 'storing passwords is disabled')
      return { body: { uri: this.uri(p) } }
    })
    this.route('GET', `${one}/branches`, (ask) => ({ body: { branches: [this.of(ask).branch], annotations: {} } }))
    this.route('GET', branch, (ask) => ({ body: { branch: this.branch(ask).branch } }))
    this.route('GET', `${branch}/roles`, (ask) => ({ body: { roles: [this.branch(ask).role] } }))
    this.route('GET', `${branch}/databases`, (ask) => ({ body: { databases: [this.databaseOf(this.branch(ask))] } }))
    this.route('GET', `${branch}/roles/{role}`, (ask) => ({ body: { role: this.role(ask).role } }))
    this.route('GET', `${branch}/roles/{role}/reveal_password`, (ask) => {
      const p = this.role(ask)
      if (!p.store) throw new Refused(412, 'storing passwords is disabled')
      return { body: { password: p.password } }
    })
    this.route('POST', `${branch}/roles/{role}/reset_password`, (ask) => {
      const p = this.idle(this.role(ask))
      const operations = this.begin(p, 'apply_config', 'suspend_compute')
      p.password = randomBytes(16).toString('hex')
      p.resets++
      // The old one is valid until the operations have finished.
      this.after(this.settings.operation ?? 100, () => void this.setPassword(p))
      return { body: { role: { ...p.role, password: p.password }, operations } }
    })
    this.route('GET', `${one}/endpoints`, (ask) => ({ body: { endpoints: [this.of(ask).endpoint] } }))
  }

  deeds() {
    this.acts.delete = ({ id, name }) => Promise.all([...this.projects.values()].filter((p) => p.id === id || p.name === name).map((p) => this.remove(p))).then((gone) => gone.length)
    this.acts.make = ({ name }) => this.make({ name }).then((p) => p.id)
    this.acts.finish = () => { for (const p of this.projects.values()) for (const o of p.operations) o.until = 0 }
    this.acts.unavailable = ({ id, on = true }) => { this.projects.get(id).unavailable = on }
  }

  // ---- a project

  async make(want) {
    const id = named()
    const p = {
      id, name: want.name ?? id, region: want.region_id ?? 'aws-us-east-2', settings: want.settings ?? {}, store: want.store_passwords ?? true, created: now(),
      database: want.branch?.database_name ?? 'neondb', password: randomBytes(16).toString('hex'), operations: [], resets: 0, real: `neon_${id.replaceAll('-', '_')}`,
      used: { synthetic_storage_size: 31457280, active_time_seconds: 0, compute_time_seconds: 0, written_data_bytes: 0, data_transfer_bytes: 0 },
    }
    const times = { created_at: p.created, updated_at: p.created }
    p.branch = { id: named('br-'), project_id: id, name: want.branch?.name ?? 'main', current_state: 'ready', state_changed_at: p.created, creation_source: 'console', default: true, primary: true, protected: false, cpu_used_sec: 0, active_time_seconds: 0, compute_time_seconds: 0, written_data_bytes: 0, data_transfer_bytes: 0, ...times }
    p.role = { branch_id: p.branch.id, name: want.branch?.role_name ?? `${p.database}_owner`, protected: false, ...times }
    p.endpoint = { id: named('ep-'), project_id: id, branch_id: p.branch.id, type: 'read_write', current_state: 'active', region_id: p.region, disabled: false, autoscaling_limit_min_cu: 0.25, autoscaling_limit_max_cu: 1, pooler_enabled: false, pooler_mode: 'transaction', passwordless_access: true, creation_source: 'console', provisioner: 'k8s-neonvm', settings: {}, suspend_timeout_seconds: 0, ...times }
    this.projects.set(id, p)
    if (this.postgres) {
      await this.psql(`CREATE ROLE ${p.real} LOGIN PASSWORD '${p.password}'`, `CREATE DATABASE ${p.real} OWNER ${p.real}`)
      const to = new URL(this.postgres)
      p.door = await new Door({ host: to.hostname, port: Number(to.port) }, p.real, p.real).open()
    }
    p.host = `127.0.0.1:${p.door?.port ?? 9}`
    p.endpoint.host = p.endpoint.proxy_host = p.host
    return p
  }

  async remove(p) {
    if (!this.projects.delete(p.id)) return
    p.deletedAt = now()
    this.deleted.push(p)
    p.door?.close()
    if (this.postgres) await this.psql(`DROP DATABASE ${p.real} WITH (FORCE)`, `DROP ROLE ${p.real}`)
  }

  async setPassword(p) {
    if (!this.postgres || !this.projects.has(p.id)) return
    await this.psql(`ALTER ROLE ${p.real} PASSWORD '${p.password}'`)
    p.door.drop()
  }

  async psql(...lines) {
    if (this.run) {
      for (const line of lines) await this.run(line)
      return
    }
    await new Promise((resolve, reject) => {
      const args = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', this.postgres, ...lines.flatMap((l) => ['-c', l])]
      execFile('psql', args, { env: { PATH: process.env.PATH, HOME: os.tmpdir() }, timeout: 60_000 }, (e, _, stderr) => (e ? reject(new Error(`${lines}: ${stderr}`)) : resolve()))
    })
  }

  uri(p) {
    return `postgresql://${p.role.name}:${p.password}@${p.host}/${p.database}`
  }
  databaseOf(p) {
    return { id: 1, branch_id: p.branch.id, name: p.database, owner_name: p.role.name, created_at: p.created, updated_at: p.created }
  }
  listed(p) {
    return { id: p.id, platform_id: 'aws', region_id: p.region, name: p.name, provisioner: 'k8s-neonvm', pg_version: 17, proxy_host: `${p.region}.aws.neon.tech`, branch_logical_size_limit: 0, branch_logical_size_limit_bytes: p.settings.quota?.logical_size_bytes ?? 0, cpu_used_sec: 0, active_time: 0, store_passwords: p.store, creation_source: 'console', created_at: p.created, updated_at: p.created, owner_id: this.org, org_id: this.org, synthetic_storage_size: p.used.synthetic_storage_size, settings: p.settings }
  }
  shown(p) {
    const { active_time: _, ...rest } = this.listed(p)
    return { ...rest, ...p.used, data_storage_bytes_hour: 0, history_retention_seconds: 86400, consumption_period_start: p.created, consumption_period_end: p.created }
  }
  state() {
    return {
      projects: [...this.projects.values()].map((p) => ({ id: p.id, name: p.name, region: p.region, settings: p.settings, resets: p.resets, busy: this.busy(p) })),
      deleted: this.deleted.map((p) => ({ id: p.id, name: p.name })),
    }
  }
  async stop() {
    for (const p of this.projects.values()) p.door?.close()
    await super.stop()
  }
}

await program(import.meta, (o) => new Neon(o))
