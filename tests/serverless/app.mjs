// An app on the unmodified @tursodatabase/serverless, configured by TURSO_DATABASE_URL and TURSO_AUTH_TOKEN.
import { connect, Session } from '@tursodatabase/serverless'
import { createClient } from '@tursodatabase/serverless/compat'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'

const url = process.env.TURSO_DATABASE_URL
const authToken = process.env.TURSO_AUTH_TOKEN
const open = (more) => connect({ url, authToken, ...more })
const db = open()

async function fails(act, message) {
  let e
  try { await act() } catch (x) { e = x }
  assert(e, 'it was not refused')
  assert(message.test(e.message), `message: ${e.message}`)
  return e
}

// ---- run, get, all, exec ----
await check('exec: several statements', () => db.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t(v) VALUES ('a'); INSERT INTO t(v) VALUES ('b');"))
await check('run: changes and lastInsertRowid', async () => {
  assertSame(await db.run('INSERT INTO t(v) VALUES (?)', 'c'), { changes: 1, lastInsertRowid: 3 })
  assertSame((await db.run('UPDATE t SET v = v || ?', ['!'])).changes, 3)
})
await check('get: a row, no row', async () => {
  assertSame(await db.get('SELECT id, v FROM t WHERE id = ?', 2), { id: 2, v: 'b!' })
  assertSame(await db.get('SELECT id FROM t WHERE id = 99'), undefined)
})
await check('all: named arguments', async () => assertSame(await db.all('SELECT v FROM t WHERE id >= :low AND id < :high ORDER BY id', { low: 1, high: 3 }), [{ v: 'a!' }, { v: 'b!' }]))
await check('prepare: columns, get, all, raw, pluck, run', async () => {
  const s = await db.prepare('SELECT id, v FROM t WHERE id > ? ORDER BY id')
  assertSame(s.columns(), [{ name: 'id', type: 'INTEGER' }, { name: 'v', type: '' }].map((c, i) => ({ ...c, type: s.columns()[i].type })))
  assertSame([s.columns()[0].type, s.reader], ['INTEGER', true])
  assertSame(await s.get(1), { id: 2, v: 'b!' })
  assertSame(await s.all([2]), [{ id: 3, v: 'c!' }])
  assertSame(await s.raw().all([1]), [[2, 'b!'], [3, 'c!']])
  assertSame(await s.pluck().all([1]), [2, 3])
  const insert = await db.prepare('INSERT INTO t(v) VALUES (?)')
  assertSame([insert.reader, await insert.run(['d'])], [false, { changes: 1, lastInsertRowid: 4 }])
})
await check('pragma: table_info', async () => assertSame((await db.pragma('table_info(t)')).rows.map((r) => r.name), ['id', 'v']))
await check('100 connections at once, each closed after use', async () => {
  const one = async (i) => {
    const c = open()
    try { return await c.get('SELECT ? AS i', i) } finally { await c.close() }
  }
  const all = await Promise.all(Array.from({ length: 100 }, (_, i) => one(i)))
  assertSame(all.map((r) => r.i), Array.from({ length: 100 }, (_, i) => i))
})
// The vendor's own examples close none.
await check('200 connections in a row, none closed, each quick; run, exec and get', async () => {
  await db.exec('CREATE TABLE unclosed(id INTEGER PRIMARY KEY)')
  for (let i = 0; i < 200; i++) {
    const t0 = Date.now()
    const c = open()
    await c.run('INSERT INTO unclosed VALUES (?)', i)
    if (i % 10 === 0) await c.exec('SELECT 1; SELECT 2')
    assertSame((await c.get('SELECT last_insert_rowid() AS id, changes() AS n')), { id: i, n: 1 })
    const ms = Date.now() - t0
    assert(ms < 1500, `connection ${i} took ${ms} ms`)
  }
  assertSame((await db.get('SELECT count(*) AS n FROM unclosed')).n, 200)
})

// ---- values ----
for (const [name, value] of [['null', null], ['text', 'naïve 😀 "\\\n'], ['the empty text', ''], ['U+0000', 'a\0b'], ['integer', 42], ['negative', -1], ['2^53 - 1', 2 ** 53 - 1], ['float', 0.1], ['the smallest', 5e-324], ['the largest', Number.MAX_VALUE]])
  await check(`value: ${name}`, async () => assertSame((await db.get('SELECT ? AS v', [value])).v, value))
await check('value: both ends of int64 as BigInt', async () => {
  const c = open()
  c.defaultSafeIntegers()
  assertSame(await c.get('SELECT ? AS a, ? AS b', [2n ** 63n - 1n, -(2n ** 63n)]), { a: 2n ** 63n - 1n, b: -(2n ** 63n) })
})
await check('value: a number without a fraction is an integer, with one a real', async () => assertSame(await db.get('SELECT typeof(?) AS a, typeof(?) AS b', [7, 7.5]), { a: 'integer', b: 'real' }))
for (const n of [0, 1, 2, 3, 256, 1 << 20])
  await check(`value: blob of ${n} bytes`, async () => {
    const b = Buffer.from(Uint8Array.from({ length: n }, (_, i) => (i * 31) & 255))
    const r = await db.get('SELECT ? AS v, length(?1) AS n, typeof(?1) AS t', [b])
    assert(Buffer.isBuffer(r.v) && r.v.equals(b), 'the same bytes')
    assertSame([r.n, r.t], [n, 'blob'])
  })
await check('value: infinities', async () => assertSame(await db.get('SELECT 9e999 AS a, -9e999 AS b'), { a: Infinity, b: -Infinity }))

// ---- streaming ----
const rows = (n, bytes) => `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ${n}) SELECT n, printf('%.*c', ${bytes}, 'x') AS v FROM c`
const stream = async (sql) => { const s = new Session({ url, authToken }); return { s, entries: (await s.executeRaw(sql)).entries } }
await check('iterate: 20,000 rows, far over 64 kB, in order', async () => {
  let n = 0
  for await (const r of db.iterate(rows(20000, 50))) assertSame([r.n, r.v.length], [++n, 50])
  assertSame(n, 20000)
})
await check('cursor: left in the middle, the same session goes on', async () => {
  const { s, entries } = await stream(rows(200000, 50))
  let n = 0
  for await (const e of entries) if (e.type === 'row' && ++n === 1000) break
  assertSame((await s.execute('SELECT 5 AS five')).rows[0].five, 5)
  await s.close()
})
await check('cursor: 3 left in the middle hold nothing up', async () => {
  for (let i = 0; i < 3; i++) {
    const { s, entries } = await stream(rows(100000, 100))
    for await (const e of entries) if (e.type === 'row') break
    await s.close()
  }
  await db.reconnect()
  await db.run("INSERT INTO t(v) VALUES ('after')")
  assertSame((await db.get("SELECT count(*) AS n FROM t WHERE v = 'after'")).n, 1)
})
await check('cursor: 48 MB stream through, the app holds a part of them', async () => {
  const { s, entries } = await stream(rows(48000, 1000))
  let n = 0
  let bytes = 0
  let most = 0
  globalThis.gc()
  const before = process.memoryUsage().rss
  for await (const e of entries) {
    if (e.type === 'error' || e.type === 'step_error') throw new Error(JSON.stringify(e))
    if (e.type !== 'row') continue
    n++
    bytes += e.row[1].value.length
    if (n % 4000 === 0) { globalThis.gc(); most = Math.max(most, process.memoryUsage().rss - before) }
  }
  await s.close()
  assertSame([n, bytes], [48000, 48000000])
  assert(most < 40 << 20, `grew by ${most} bytes`)
})
await check('all: a result of 20 MB', async () => assertSame((await db.all(rows(20000, 1000))).length, 20000))

// ---- batch, transactions ----
await check('batch: results in order, as one transaction', async () => {
  const r = await db.batch([{ sql: 'INSERT INTO t(id, v) VALUES (?, ?)', args: [50, 'x'] }, 'SELECT v FROM t WHERE id = 50', { sql: 'DELETE FROM t WHERE id = :id', args: { id: 50 } }], 'immediate')
  assertSame([r.length, r[0].rowsAffected, r[1].rows[0].v, r[2].rowsAffected], [3, 1, 'x', 1])
})
await check('batch: a failing statement undoes those before it', async () => {
  await fails(() => db.batch(["INSERT INTO t(id, v) VALUES (60, 'x')", "INSERT INTO t(id, v) VALUES (60, 'y')"], 'immediate'), /UNIQUE constraint failed: t\.id/)
  assertSame([(await db.get('SELECT count(*) AS n FROM t WHERE id = 60')).n, db.inTransaction], [0, false])
})
await check('batch: without a mode the one before stays', async () => {
  await fails(() => db.batch(["INSERT INTO t(id, v) VALUES (61, 'x')", "INSERT INTO t(id, v) VALUES (61, 'y')"]), /UNIQUE/)
  assertSame((await db.get('SELECT count(*) AS n FROM t WHERE id = 61')).n, 1)
})
await check('batch: 500 inserts', async () => {
  await db.exec('CREATE TABLE many(n INTEGER)')
  await db.batch(Array.from({ length: 500 }, (_, i) => ({ sql: 'INSERT INTO many VALUES (?)', args: [i] })), 'immediate')
  assertSame(await db.get('SELECT count(*) AS n, sum(n) AS s FROM many'), { n: 500, s: 124750 })
})
await check('transaction: commits, and the client knows it is in one', async () => {
  const add = db.transaction(async (v) => {
    await db.run('INSERT INTO t(id, v) VALUES (70, ?)', v)
    return db.inTransaction
  })
  assertSame([await add('x'), db.inTransaction, (await db.get('SELECT v FROM t WHERE id = 70')).v], [true, false, 'x'])
})
await check('transaction: what throws is rolled back', async () => {
  await fails(() => db.transaction(async () => { await db.run("INSERT INTO t(id, v) VALUES (71, 'x')"); throw new Error('changed my mind') }).immediate(), /changed my mind/)
  assertSame([(await db.get('SELECT count(*) AS n FROM t WHERE id = 71')).n, db.inTransaction], [0, false])
})
await check('transactionAsync: on a stream of its own, unseen until it commits', async () => {
  await db.transactionAsync(async (tx) => {
    await tx.run("INSERT INTO t(id, v) VALUES (72, 'x')")
    assertSame((await db.get('SELECT count(*) AS n FROM t WHERE id = 72')).n, 0)
  }).immediate()
  assertSame((await db.get('SELECT count(*) AS n FROM t WHERE id = 72')).n, 1)
})

// ---- errors ----
await check('errors: constraints', async () => {
  await db.exec('CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p INTEGER NOT NULL REFERENCES p(id), n INTEGER CHECK (n > 0))')
  assertSame((await fails(() => db.run('INSERT INTO c VALUES (9, 1)'), /FOREIGN KEY constraint failed/)).code, 'SQLITE_CONSTRAINT')
  await fails(() => db.run('INSERT INTO c VALUES (NULL, 1)'), /NOT NULL constraint failed: c\.p/)
  await fails(() => db.run('INSERT INTO c VALUES (1, 0)'), /CHECK constraint failed/)
})
await check('errors: syntax, no such table, what the policy refuses, prepare', async () => {
  await fails(() => db.all('SELEKT 1'), /syntax error/)
  await fails(() => db.all('SELECT * FROM nope'), /no such table: nope/)
  await fails(() => db.run("ATTACH 'x.db' AS x"), /not authorized/)
  await fails(() => db.prepare('SELECT nope'), /no such column: nope/)
})
await check('errors: in the middle of rows', async () => {
  await fails(() => db.all("SELECT CASE WHEN value < 900 THEN value ELSE json('{') END AS v FROM (WITH RECURSIVE c(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM c WHERE value < 1000) SELECT value FROM c)"), /malformed JSON/)
  assertSame((await db.get('SELECT 1 AS one')).one, 1)
})
await check('a time limit of the client, and on we go', async () => {
  await fails(() => db.all('WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c', { queryTimeout: 300 }), /timed out/i)
  assertSame((await db.get('SELECT 1 AS one')).one, 1)
})

// ---- the client with the interface of @libsql/client ----
const compat = createClient({ url, authToken })
await check('compat: execute, batch, executeMultiple', async () => {
  assertSame((await compat.execute({ sql: 'SELECT ? AS a', args: ['x'] })).rows[0].a, 'x')
  const r = await compat.batch([{ sql: 'INSERT INTO t(id, v) VALUES (?, ?)', args: [80, 'x'] }, 'SELECT v FROM t WHERE id = 80'], 'write')
  assertSame([r[0].rowsAffected, r[1].rows[0].v], [1, 'x'])
  await compat.executeMultiple("INSERT INTO t(id, v) VALUES (81, 'y'); DELETE FROM t WHERE id = 80")
  assertSame((await compat.execute('SELECT count(*) AS n FROM t WHERE id IN (80, 81)')).rows[0].n, 1)
})
await check('compat: an interactive transaction, committed and rolled back', async () => {
  for (const [id, end, n] of [[82, 'commit', 1], [83, 'rollback', 0]]) {
    const tx = await compat.transaction('write')
    await tx.execute({ sql: 'INSERT INTO t(id, v) VALUES (?, 1)', args: [id] })
    await tx[end]()
    assertSame((await compat.execute({ sql: 'SELECT count(*) AS n FROM t WHERE id = ?', args: [id] })).rows[0].n, n, end)
  }
})
await check('compat: an error has the name and the code', async () => {
  const e = await fails(() => compat.execute('INSERT INTO t(id) VALUES (82)'), /UNIQUE constraint failed/)
  assertSame([e.name, e.code], ['LibsqlError', 'SQLITE_CONSTRAINT'])
})

// ---- addresses, builds ----
for (const u of [url, `${url}/`, url.replace('127.0.0.1', 'localhost')])
  await check(`address ${u.replace(/\d+(?=\/?$)/, 'PORT')}`, async () => assertSame((await connect({ url: u, authToken }).get('SELECT count(*) AS n FROM p')).n, 0))
await check('another build: nothing of this one is there', async () => {
  const other = connect({ url, authToken: process.env.OTHER_TOKEN })
  await fails(() => other.all('SELECT * FROM t'), /no such table: t/)
  await other.exec('CREATE TABLE mine(a)')
  await fails(() => db.all('SELECT * FROM mine'), /no such table: mine/)
})
await check("another build's key does not go on with a stream", async () => {
  const s = new Session({ url, authToken })
  await s.sequence('BEGIN')
  assert(s.inTransaction && s.baton, 'a stream is open')
  const thief = new Session({ url, authToken: process.env.OTHER_TOKEN })
  thief.baton = s.baton
  await fails(() => thief.execute('SELECT * FROM t'), /baton|HTTP error! status: 400/)
  await s.close()
})
await db.close()
finish()
