// Two builds on one real PostgreSQL server: one of them is hostile. Each thing it tries is refused, or shown to do no harm; what it can
// undo by itself, keeper sees to.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Daemon, cleanUp, portBase, run, sleep } from '../lib/daemon.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { Postgres } from '../lib/postgres.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'
import { attacks, traps } from './attacks.mjs'

const MB = 1 << 20
const base = await portBase()
const server = await Postgres.start(base + 20, { settings: { max_prepared_transactions: 5 } })
await server.closeToBuilds()
const daemon = new Daemon({
  portBase: base,
  args: ['postgres_bytes=33554432', 'postgres_connections=8', 'postgres_statement=2s', 'postgres_idle=2s', 'postgres_transaction=8s', 'postgres_temp=8M', 'postgres_look=1s'].flatMap((l) => ['--limit', l]),
})
await daemon.start()
const entered = await daemon.cli(['keys', 'set', 'postgres'], { input: `admin_url=${server.url()}\n` })
assert(entered.code === 0, entered.stderr)

async function build(id) {
  const { env } = await daemon.createBuild(id, ['--driver', 'database=postgres'])
  const url = new URL(env.DATABASE_URL)
  return { id, url: env.DATABASE_URL, name: decodeURIComponent(url.username), database: url.pathname.slice(1) }
}
const a = await build('hostile')
const b = await build('other')
const as = (who, sql, o) => server.psql(sql, { url: who.url, ...o })
const within = async (ms, what, until) => {
  const m = new Meanwhile()
  for (const t0 = Date.now(); ; await sleep(100)) {
    if (await until()) return
    if (!m.allows(Date.now() - t0, ms)) throw new Error(`not within ${ms} ms: ${what}`)
  }
}
const one = async (sql) => (await server.rows(sql))[0]

const stage = {
  async cannotConnect(who, database) {
    const r = await as(who, 'SELECT 1', { url: who.url.replace(/\/[^/]*$/, `/${database}`) })
    assert(r.code !== 0 && /permission denied for database|not currently accepting/.test(r.stderr), `${who.id} is in ${database}: ${r.stdout} ${r.stderr}`)
  },
  async isPlain(who) {
    assertSame(await one(`SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolinherit FROM pg_roles WHERE rolname = '${who.name}'`), 'f|f|f|f|f|f')
    assertSame(await server.rows(`SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles w ON w.oid = m.member WHERE w.rolname = '${who.name}'`), [])
  },
}

await check('both have what a build needs', async () => {
  for (const who of [a, b]) {
    assertSame(who.name, who.database)
    assert(/^vk_[a-z2-7]+$/.test(who.name), who.name)
    const r = await as(who, 'CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t VALUES (1, \'x\'); SELECT b FROM t; CREATE SCHEMA s; CREATE EXTENSION pgcrypto; DROP TABLE t; DROP SCHEMA s')
    assertSame([r.code, r.stdout.trim()], [0, 'x'], r.stderr)
  }
  assert(!a.url.includes('hostile') && !(await server.rows('SELECT datname FROM pg_database')).some((n) => /hostile|other/.test(n)), 'names say which build it is')
})

for (const database of ['postgres', 'template1', 'template0', b.name])
  await check(`no way into ${database === b.name ? 'another build\'s database' : database}`, () => stage.cannotConnect(a, database))

await check('another role with its own password', async () => {
  for (const user of [b.name, 'admin']) {
    const r = await as(a, 'SELECT 1', { url: a.url.replace(a.name, user) })
    assert(r.code !== 0 && /password authentication failed/.test(r.stderr), r.stdout + r.stderr)
  }
})

await check('a connection for replication', async () => {
  const r = await run('psql', ['-X', '-d', `host=127.0.0.1 port=${server.port} user=${a.name} dbname=${a.name} replication=database`, '-c', 'IDENTIFY_SYSTEM'], { env: { PGPASSWORD: new URL(a.url).password } })
  assert(r.code !== 0 && /replication/.test(r.stderr), r.stdout + r.stderr)
})

// Sessions to be attacked: another build's, and an administrator's.
const needle = `needle_${process.pid}`
const victim = (url) => server.psql(`SELECT '${needle}';\n\\! sleep 15\nSELECT 'over';\n`, { url })
const victims = [victim(b.url), victim(server.url())]
await within(10000, 'the sessions are there', async () => Number(await one(`SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%${needle}%' AND pid <> pg_backend_pid()`)) === 2)
await check('what others ask is not to be seen', async () => {
  const r = await as(a, 'SELECT query FROM pg_stat_activity')
  assert(r.code === 0 && !r.stdout.includes(needle) && r.stdout.includes('<insufficient privilege>'), r.stdout)
})
const marker = path.join(os.tmpdir(), `vk-hostile-${process.pid}`)
const rows = attacks(a, b, marker)
for (const [name, sql, want] of rows)
  await check(name, async () => {
    const r = await as(a, sql)
    if (want.refused) return (r.code !== 0 && want.refused.test(r.stderr)) || `exit ${r.code}: ${r.stdout} ${r.stderr}`
    await want.harmless(stage)
  })
await check('nothing was written outside, and the sessions went to their ends', async () => {
  assert(!fs.existsSync(marker), marker)
  for (const v of await Promise.all(victims)) assert(v.code === 0 && /over/.test(v.stdout), v.stdout + v.stderr)
  await stage.isPlain(a)
  await stage.isPlain(b)
})
await check('after DROP OWNED it has shut itself out, and the other one not', async () => {
  assertSame((await as(b, 'SELECT 1')).code, 0)
})
// It gets its rights back from its owner, for what follows.
await server.rows(`GRANT CONNECT, TEMPORARY, CREATE ON DATABASE ${a.name} TO ${a.name}`)
await server.rows(`DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public AUTHORIZATION ${a.name}`, { url: server.url({ database: a.name }) })

await check('LISTEN and NOTIFY stay in one database', async () => {
  const listening = as(b, "LISTEN shared; SELECT pg_sleep(1.5); SELECT 'over'")
  await sleep(300)
  await as(a, "NOTIFY shared, 'from a'")
  const r = await listening
  assert(r.code === 0 && /over/.test(r.stdout) && !/from a/.test(r.stdout), r.stdout)
})

await check('advisory locks stay in one database', async () => {
  const held = as(a, 'SELECT pg_advisory_lock(42); SELECT pg_sleep(1.5)')
  await sleep(300)
  assertSame((await as(b, 'SELECT pg_try_advisory_lock(42)')).stdout.trim(), 't')
  await held
})

// ---- what takes too long, or too much

const ended = /terminating connection|server closed the connection/
for (const [name, sql] of [
  ['a statement with its timeout taken away', 'SET statement_timeout = 0; SELECT pg_sleep(600)'],
  ['one that catches what would cancel it', 'SET statement_timeout = 0; DO $$BEGIN LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END$$'],
  ['a timeout that its role has for later', `ALTER ROLE ${a.name} SET statement_timeout = 0; ALTER ROLE ${a.name} SET idle_in_transaction_session_timeout = 0; \\c\nSHOW statement_timeout; SELECT pg_sleep(600)`],
  ['a long transaction of short statements', `SET statement_timeout = 0; BEGIN; SELECT 1;\n${'SELECT pg_sleep(1);\n'.repeat(60)}`],
])
  await check(`${name} is ended`, async () => {
    const t0 = Date.now()
    const r = await as(a, sql, { timeout: 60000 })
    assert(r.code !== 0 && ended.test(r.stderr), `exit ${r.code} after ${Date.now() - t0} ms: ${r.stdout} ${r.stderr}`)
  })

await check('an idle transaction with its timeout taken away is ended', async () => {
  const r = await as(a, 'SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT 1;\n\\! sleep 8\nSELECT 2;\n', { timeout: 60000 })
  assert(r.code !== 0 && ended.test(r.stderr), `${r.code}: ${r.stdout} ${r.stderr}`)
})

await check('a sort that is too large for temporary files ends', async () => {
  const r = await as(a, "SET work_mem = '64kB'; SELECT count(*) FROM (SELECT i, repeat('x', 200) FROM generate_series(1, 300000) AS i ORDER BY 2, 1 OFFSET 1) AS s")
  assert(r.code !== 0 && /temp_file_limit/.test(r.stderr), `${r.code}: ${r.stderr}`)
})

await check('more connections than it may have are refused, and others are served', async () => {
  const all = Array.from({ length: 14 }, () => as(a, 'SELECT pg_sleep(1.5)'))
  await within(10000, 'its connections are there', async () => Number(await one(`SELECT count(*) FROM pg_stat_activity WHERE usename = '${a.name}'`)) >= 6)
  assertSame((await as(b, 'SELECT 1')).code, 0)
  const refused = (await Promise.all(all)).filter((r) => /too many connections for role/.test(r.stderr)).length
  assert(refused >= 14 - 8, `${refused} were refused`)
})

const status = () => one(`SELECT rolconnlimit, 'default_transaction_read_only=on' = ANY (COALESCE(rolconfig, '{}')) FROM pg_roles WHERE rolname = '${a.name}'`)
const size = async () => Number(await one(`SELECT pg_database_size('${a.name}')`))
// Large objects of so many megabytes, which no compression makes smaller; sessions are ended in the middle.
const fill = (mb) => as(a, Array.from({ length: mb }, () => "SELECT lo_from_bytea(0, (SELECT string_agg(decode(md5(random()::text || i), 'hex'), '') FROM generate_series(1, 65536) AS i));").join('\n'))

await check('too large a database is read only, and the app may still delete', async () => {
  while ((await size()) < 33 * MB && (await status()) === '8|f') await fill(2)
  await within(20000, 'it is read only', async () => (await status()) === '8|t')
  const no = await as(a, 'CREATE TABLE more (a int)')
  assert(no.code !== 0 && /read-only transaction/.test(no.stderr), no.stderr)
  const r = await as(a, 'SELECT count(*) FROM pg_largeobject_metadata')
  assertSame(r.code, 0, r.stderr)
  const gone = await as(a, 'SET statement_timeout = 0; SET default_transaction_read_only = off; SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata')
  assertSame(gone.code, 0, gone.stderr)
  await server.rows('VACUUM FULL pg_largeobject', { url: server.url({ database: a.name }) })
  await within(20000, 'it is open again', async () => (await status()) === '8|f')
  assertSame((await as(a, 'CREATE TABLE again (a int); DROP TABLE again')).code, 0)
})

await check('one that goes on all the same is closed', async () => {
  for (let i = 0; i < 200 && (await status()) !== '0|t'; i++) {
    const r = await as(a, `ALTER ROLE ${a.name} RESET default_transaction_read_only`)
    if (/too many connections/.test(r.stderr)) break
    await as(a, "SET default_transaction_read_only = off; SELECT lo_from_bytea(0, (SELECT string_agg(decode(md5(random()::text || i), 'hex'), '') FROM generate_series(1, 131072) AS i))")
  }
  await within(20000, 'it is closed', async () => (await status()) === '0|t')
  const r = await as(a, 'SELECT 1')
  assert(r.code !== 0 && /too many connections for role/.test(r.stderr), r.stderr)
  assertSame((await as(b, 'CREATE TABLE fine (a int); DROP TABLE fine')).code, 0)
  await server.rows('SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata; VACUUM FULL pg_largeobject', { url: server.url({ database: a.name }) })
  await within(20000, 'it is open again', async () => (await status()) === '8|f')
})

// ---- what keeper does itself must not fall into anything that lies there

await check('traps in its own database', async () => {
  const r = await as(a, traps(a))
  assertSame(r.code, 0, r.stderr)
})

await check('a transaction that is prepared, and sessions that hold its own role, keep nothing from ending', async () => {
  assertSame((await as(b, "BEGIN; CREATE TABLE x (a int); PREPARE TRANSACTION 'it''s mine'")).code, 0)
  let over = false
  const holding = Array.from({ length: 4 }, async () => {
    while (!over) {
      const r = await as(a, `SET statement_timeout = 0; BEGIN; ALTER ROLE ${a.name} SET statement_timeout = 0; GRANT CONNECT ON DATABASE ${a.name} TO PUBLIC; SELECT pg_sleep(2)`)
      if (/does not exist|not permitted|authentication failed/.test(r.stderr)) return
      await sleep(20)
    }
  })
  try {
    await sleep(500)
    await daemon.mustCli(['build', 'revoke', a.id])
    await within(30000, 'the role may not log in', async () => (await one(`SELECT rolcanlogin FROM pg_roles WHERE rolname = '${a.name}'`)) === 'f')
    await within(20000, 'its sessions are gone', async () => (await one(`SELECT count(*) FROM pg_stat_activity WHERE usename = '${a.name}'`)) === '0')
  } finally {
    over = true
    await Promise.all(holding)
  }
  const caught = await server.rows('SELECT who, what FROM public.caught', { url: server.url({ database: a.name }) })
  assertSame(caught, [], 'what was caught')
  await stage.isPlain(a)
  for (const who of [a, b]) await daemon.mustCli(['build', 'delete', who.id, '--yes'])
  await within(60000, 'nothing is left', async () =>
    (await one(`SELECT (SELECT count(*) FROM pg_database WHERE datname LIKE 'vk\\_%') + (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'vk\\_%')`)) === '0')
  assertSame(await server.rows("SELECT datname FROM pg_database ORDER BY 1"), ['postgres', 'template0', 'template1'])
})

await check('no password is in the server\'s log', () => {
  for (const who of [a, b]) assert(!server.log.includes(new URL(who.url).password), `the password of ${who.id}`)
  assert(server.log.includes('SCRAM-SHA-256$'), 'its statements are in the log')
})

await cleanUp()
await server.down()
finish()
