import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import pg from 'pg'
import postgres from 'postgres'
import { Daemon, cleanUp, portBase, sleep, tempFolder } from '../lib/daemon.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { Postgres, refusesTcp } from '../lib/postgres.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'
import { hits } from './memory.mjs'

const base = await portBase()
const server = await Postgres.start(base + 20)
// Its administrator is no superuser, as docs/ORG-SETUP.md wants it.
const org = { user: 'valetkey', password: `org${server.password}` }
await server.rows(`CREATE ROLE ${org.user} LOGIN CREATEDB CREATEROLE NOSUPERUSER PASSWORD '${org.password}'; GRANT CONNECT ON DATABASE postgres TO ${org.user}`)
const daemon = new Daemon({ portBase: base, args: ['--limit', 'postgres_look=1s', '--limit', 'postgres_bytes=64M'], env: { VALETKEY_DEBUG_DUMPABLE: '1' } })
await daemon.start()

const within = async (ms, what, until) => {
  const m = new Meanwhile()
  for (const t0 = Date.now(); ; await sleep(50)) {
    if (await until()) return
    if (!m.allows(Date.now() - t0, ms)) throw new Error(`not within ${ms} ms: ${what}`)
  }
}
const api = async (method, path, body) => {
  const r = await daemon.admin(method, `/api/v1${path}`, { body, timeout: 60000 })
  return { status: r.status, ...(r.text ? r.json() : {}) }
}
const named = (what) => server.rows(`SELECT ${what === 'role' ? 'rolname FROM pg_roles WHERE rolname' : 'datname FROM pg_database WHERE datname'} LIKE 'vk\\_%'`)
const alive = async () => ({ roles: await named('role'), databases: await named('database') })
const enter = async (values) => {
  const r = await daemon.cli(['keys', 'set', 'postgres'], { input: Object.entries(values).map(([k, v]) => `${k}=${v}\n`).join('') })
  assert(r.code === 0, r.stderr)
}
const create = (id) => daemon.createBuild(id, ['--driver', 'database=postgres'])
const keeper = () => daemon.children().find((c) => c.role === 'keeper')?.pid

await enter({ admin_url: server.url(org) })

await check('a server that is not closed to builds: keys check and build create say what is to be done', async () => {
  const r = await daemon.cli(['keys', 'check', 'postgres'])
  assert(r.code !== 0 && r.stdout.includes('REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;'), r.stdout + r.stderr)
  const made = await daemon.cli(['build', 'create', 'early', '--driver', 'database=postgres'], { timeout: 60000 })
  assert(made.code !== 0 && (made.stdout + made.stderr).includes('REVOKE CONNECT ON DATABASE'), made.stdout + made.stderr)
  await daemon.cli(['build', 'delete', 'early', '--yes'])
  assertSame(await alive(), { roles: [], databases: [] })
})
await server.closeToBuilds()

await check('keys check', async () => {
  const r = await daemon.cli(['keys', 'check', 'postgres'])
  assertSame(r.code, 0, r.stdout + r.stderr)
  await enter({ admin_url: server.url() })
  const wide = await daemon.cli(['keys', 'check', 'postgres'])
  assert(wide.code === 0 && /superuser/.test(wide.stdout), wide.stdout + wide.stderr)
  await enter({ admin_url: server.url({ ...org, password: 'another' }) })
  const no = await daemon.cli(['keys', 'check', 'postgres'])
  assert(no.code !== 0 && /password/.test(no.stdout + no.stderr), no.stdout + no.stderr)
  await enter({ admin_url: server.url(org), sslmode: 'verify-full' })
  const tls = await daemon.cli(['keys', 'check', 'postgres'])
  assert(tls.code !== 0 && /TLS/.test(tls.stdout + tls.stderr), tls.stdout + tls.stderr)
  await enter({ admin_url: server.url(org), sslmode: '' })
})

// ---- a build's life

const { env } = await create('shop')
const url = env.DATABASE_URL
const name = decodeURIComponent(new URL(url).username)

await check('its environment', async () => {
  assert(/^postgresql:\/\/vk_[a-z2-7]+:[A-Za-z0-9]{32}@127\.0\.0\.1:\d+\/vk_[a-z2-7]+$/.test(url), url.replace(/:[^:@]*@/, ':…@'))
  assertSame(Object.keys(env).filter((k) => k.startsWith('TURSO_')), [])
  assert(env.STRIPE_SECRET_KEY && env.CLERK_SECRET_KEY, 'the other services are there')
  const shown = await daemon.mustCli(['build', 'show', 'shop'])
  assert(!shown.includes(new URL(url).password), 'build show tells the password')
})

await check('pg', async () => {
  const pool = new pg.Pool({ connectionString: url, max: 5 })
  try {
    await pool.query('CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, at timestamptz DEFAULT now(), data jsonb)')
    await Promise.all(Array.from({ length: 20 }, (_, i) => pool.query('INSERT INTO items (name, data) VALUES ($1, $2)', [`item ${i}`, { i }])))
    const c = await pool.connect()
    try {
      await c.query('BEGIN')
      await c.query("UPDATE items SET name = 'taken back'  WHERE data->>'i' = '1'")
      await c.query('ROLLBACK')
    } finally {
      c.release()
    }
    const { rows } = await pool.query("SELECT name, data FROM items WHERE data->>'i' = $1", ['1'])
    assertSame(rows, [{ name: 'item 1', data: { i: 1 } }])
    const e = await pool.query("INSERT INTO items (name) VALUES ('item 1')").catch((x) => x)
    assertSame(e.code, '23505')
  } finally {
    await pool.end()
  }
})

await check('postgres.js', async () => {
  const sql = postgres(url, { max: 3 })
  try {
    const [{ n }] = await sql`SELECT count(*)::int AS n FROM items`
    assertSame(n, 20)
    await sql.begin((t) => t`INSERT INTO items ${t({ name: 'by postgres.js', data: t.json({ a: [1, 2] }) })}`)
    assertSame([...(await sql`SELECT data FROM items WHERE name = 'by postgres.js'`)], [{ data: { a: [1, 2] } }])
  } finally {
    await sql.end()
  }
})

await check('psql', async () => {
  assertSame(await server.rows('SELECT count(*) FROM items; SELECT current_user, current_database()', { url }), ['21', `${name}|${name}`])
})

await check('what it uses', async () => {
  const r = await api('GET', '/builds/shop/resources/database/usage')
  assertSame(r.status, 200, r)
  const usage = r.usage ?? r
  assert(usage.storage_bytes > 5000000 && usage.storage_bytes_most === 64 << 20 && usage.closed === 0 && usage.read_only === 0, JSON.stringify(r))
})

await check('after a restart of everything the same environment', async () => {
  await daemon.stop()
  await daemon.start()
  assertSame((await create('shop')).env.DATABASE_URL === url, true) // made once, answered again
  assertSame((await alive()).databases, [name])
})

await check('the passwords lie in locked memory of keeper, and nowhere else in it', async () => {
  const mine = [org.password, new URL(url).password].map((p) => p.slice(6, 30))
  let found
  await within(15000, 'nothing is left elsewhere', () => {
    found = hits(keeper(), mine)
    return found.every((h) => h.locked)
  }).catch((e) => { throw new Error(`${e.message}: ${JSON.stringify(found.filter((h) => !h.locked).map(({ name: n, at }) => ({ n, at })))}`) })
  assert(found.some((h) => h.text === mine[0]), 'the search finds nothing at all')
})

await check('a build whose time is over is cut off, and let in again when it has more: with the same password, whatever it made of it', async () => {
  const { env: e } = await daemon.createBuild('short', ['--driver', 'database=postgres', '--ttl', '60s'])
  const role = decodeURIComponent(new URL(e.DATABASE_URL).username)
  const lets = async () => (await server.rows(`SELECT rolcanlogin FROM pg_roles WHERE rolname = '${role}'`))[0]
  await server.rows(`ALTER ROLE ${role} PASSWORD 'of its own'`, { url: e.DATABASE_URL })
  const at = async (ms) => {
    await daemon.stop()
    daemon.env.VALETKEY_TEST_CLOCK_OFFSET_MS = String(ms)
    await daemon.start()
  }
  await at(3600e3)
  await within(20000, 'it may not log in', async () => (await lets()) === 'f')
  await at(0)
  await within(20000, 'it may log in', async () => (await lets()) === 't')
  assertSame(await server.rows('SELECT current_user', { url: e.DATABASE_URL }), [role])
  await daemon.mustCli(['build', 'delete', 'short', '--yes'])
  await within(20000, 'it is gone', async () => !(await alive()).roles.includes(role))
})

await check('a revoked build is cut off', async () => {
  const c = new pg.Client({ connectionString: url })
  c.on('error', () => {})
  await c.connect()
  await daemon.mustCli(['build', 'revoke', 'shop'])
  await within(15000, 'its connection is ended', async () => (await c.query('SELECT 1').catch((e) => e)) instanceof Error)
  await c.end().catch(() => {})
  await within(15000, 'it cannot log in', async () => (await server.psql('SELECT 1', { url })).code !== 0)
  assertSame((await alive()).databases, [name], 'its data are there still')
})

await check('a deleted build leaves nothing', async () => {
  await daemon.mustCli(['build', 'delete', 'shop', '--yes'])
  await within(20000, 'it is gone', async () => JSON.stringify(await alive()) === JSON.stringify({ roles: [], databases: [] }))
  const audit = await daemon.mustCli(['audit', 'show', '--json'])
  for (const op of ['role.create', 'database.create', 'schema.grant', 'role.login', 'role.suspend', 'role.renew', 'database.drop', 'role.drop', 'database.find'])
    assert(audit.includes(op), `${op} is not in the audit`)
})

// ---- things that go wrong

await check('keeper is killed in the middle, again and again', async () => {
  for (let i = 0; i < 6; i++) {
    const id = `killed-${i}`
    const made = daemon.cli(['build', 'create', id, '--driver', 'database=postgres', '--json'], { timeout: 60000 })
    await sleep(15 + 25 * i)
    const pid = keeper()
    if (pid) try { process.kill(pid, 'SIGKILL') } catch {}
    const r = await made
    await within(20000, 'keeper is back', async () => (await api('GET', '/keys')).status === 200)
    if (r.code !== 0) await create(id)
  }
  const { roles, databases } = await alive()
  assertSame([roles.length, databases.length], [6, 6])
  assertSame(roles.sort(), databases.sort())
  const urls = new Set()
  for (let i = 0; i < 6; i++) {
    const { env: e } = await create(`killed-${i}`)
    urls.add(e.DATABASE_URL)
    assertSame((await server.psql('CREATE TABLE t (a int)', { url: e.DATABASE_URL })).code, 0)
  }
  assertSame(urls.size, 6)
  for (let i = 0; i < 6; i++) {
    await daemon.mustCli(['build', 'delete', `killed-${i}`, '--yes'])
    if (i % 2) try { process.kill(keeper(), 'SIGKILL') } catch {}
    await within(20000, 'keeper is back', async () => (await api('GET', '/keys')).status === 200)
  }
  await within(60000, 'all are gone', async () => (await named('role')).length + (await named('database')).length === 0)
})

await check('the server is away while a build is made, and while one ends', async () => {
  await create('stays')
  await server.down()
  assert(await refusesTcp(server.port), 'it is away')
  const made = daemon.cli(['build', 'create', 'waits', '--driver', 'database=postgres', '--json'], { timeout: 120000 })
  await within(15000, 'it is said why', async () => {
    const r = await api('GET', '/builds/waits/resources')
    return r.status === 200 && JSON.stringify(r).includes('cannot be reached')
  })
  assertSame((await daemon.cli(['build', 'delete', 'stays', '--yes'])).code, 0)
  await server.up()
  const r = await made
  assertSame(r.code, 0, r.stdout + r.stderr)
  const after = JSON.parse(r.stdout)
  assertSame((await server.psql('SELECT 1', { url: after.env.DATABASE_URL })).code, 0)
  await within(90000, 'the other one is gone', async () => (await named('database')).length === 1)
  await daemon.mustCli(['build', 'delete', 'waits', '--yes'])
  await within(60000, 'all are gone', async () => (await named('role')).length + (await named('database')).length === 0)
})

await check('TLS: the certificate is looked at, by the authority that valetkey was given', async () => {
  await enter({ admin_url: server.url(org) })
  const no = await daemon.cli(['keys', 'check', 'postgres'])
  assertSame(no.code, 0, no.stdout + no.stderr)
  const folder = tempFolder()
  const x509 = (name, ...args) => execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', `${folder}/${name}.key`, '-out', `${folder}/${name}.crt`, ...args], { stdio: 'pipe' })
  x509('server', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost')
  x509('other', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost')
  const tls = await Postgres.start(base + 22, { settings: { ssl: 'on', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key' }, files: { 'server.crt': `${folder}/server.crt`, 'server.key': `${folder}/server.key` } })
  await tls.closeToBuilds()
  const trusting = async (file) => {
    await daemon.stop()
    daemon.env.SSL_CERT_FILE = file
    await daemon.start()
    await enter({ admin_url: tls.url().replace('127.0.0.1', 'localhost'), sslmode: 'verify-full' })
    return daemon.cli(['keys', 'check', 'postgres'])
  }
  const wrong = await trusting(`${folder}/other.crt`)
  assert(wrong.code !== 0 && /TLS/.test(wrong.stdout + wrong.stderr), wrong.stdout + wrong.stderr)
  const right = await trusting(`${folder}/server.crt`)
  assertSame(right.code, 0, right.stdout + right.stderr)
  await enter({ admin_url: tls.url(), sslmode: 'verify-full' }) // 127.0.0.1 is no name of the certificate
  const name = await daemon.cli(['keys', 'check', 'postgres'])
  assert(name.code !== 0 && /TLS/.test(name.stdout + name.stderr), name.stdout + name.stderr)
  await enter({ admin_url: tls.url().replace('127.0.0.1', 'localhost') })
  const { env: e } = await create('sealed')
  assert(e.DATABASE_URL.endsWith('?sslmode=require'), e.DATABASE_URL.replace(/:[^:@]*@/, ':…@'))
  assertSame(await tls.rows('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()', { url: e.DATABASE_URL }), ['t'])
  const client = new pg.Client({ connectionString: e.DATABASE_URL.replace('?sslmode=require', ''), ssl: { ca: fs.readFileSync(`${folder}/server.crt`) } })
  await client.connect()
  assertSame((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }])
  await client.end()
  assertSame(hits(keeper(), [tls.password.slice(6, 30)]).filter((h) => !h.locked), [])
  await daemon.mustCli(['build', 'delete', 'sealed', '--yes'])
  await within(20000, 'it is gone', async () => (await tls.rows("SELECT 1 FROM pg_roles WHERE rolname LIKE 'vk\\_%'")).length === 0)
  await tls.down()
})

const open = await Postgres.start(base + 21, { hba: 'host all all 127.0.0.1/32 trust' })
await check('the keys are of another server by now: that nothing is there proves nothing', async () => {
  await enter({ admin_url: server.url(org), sslmode: '' })
  await create('far')
  await enter({ admin_url: open.url() })
  await daemon.mustCli(['build', 'delete', 'far', '--yes'])
  await within(20000, 'it is said', async () => /of another one by now/.test(JSON.stringify(await api('GET', '/resources?state=ending'))))
  assertSame((await named('database')).length, 1)
  await enter({ admin_url: server.url(org) })
  await within(90000, 'with the right keys it goes', async () => (await named('role')).length + (await named('database')).length === 0)
})

await check('a server that trusts everybody gets no build', async () => {
  await open.closeToBuilds()
  await enter({ admin_url: open.url(), sslmode: '' })
  const look = await daemon.cli(['keys', 'check', 'postgres'])
  assert(look.code !== 0 && /scram-sha-256/.test(look.stdout), look.stdout)
  const made = await daemon.cli(['build', 'create', 'open', '--driver', 'database=postgres'], { timeout: 60000 })
  assert(made.code !== 0 && /pg_hba\.conf/.test(made.stdout + made.stderr), made.stdout + made.stderr)
  await within(20000, 'nothing is left there', async () => (await open.rows("SELECT 1 FROM pg_roles WHERE rolname LIKE 'vk\\_%' UNION ALL SELECT 1 FROM pg_database WHERE datname LIKE 'vk\\_%'")).length === 0)
  await open.down()
})

await check('no password is in a log', () => {
  for (const p of [org.password, new URL(url).password]) {
    assert(!daemon.log.includes(p), 'of the daemon')
    assert(!server.log.replace(/CREATE ROLE valetkey.*/g, '').includes(p), 'of the server')
  }
})

await cleanUp()
await server.down()
finish()
