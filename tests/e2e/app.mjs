// An app on the unmodified @libsql/client of the current folder, configured by TURSO_DATABASE_URL and TURSO_AUTH_TOKEN alone:
// over HTTP here, over WebSocket in tests/ws.
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'

const { createClient, LibsqlError } = await import(pathToFileURL(path.resolve('client.mjs')))
const open = (more) => createClient({ url: process.env.TURSO_DATABASE_URL, authToken: process.env.TURSO_AUTH_TOKEN, ...more })
const db = open()
const http = db.protocol === 'http'
const sleep = (ms) => new Promise((r) => setTimeout(r, ms))

async function refused(act, code, message) {
  let got
  try { got = await act() } catch (e) {
    assert(e instanceof LibsqlError, `not a LibsqlError: ${e?.stack}`)
    assertSame(e.code, code, `code (${e.message})`)
    assert(message instanceof RegExp ? message.test(e.message) : e.message === `${code}: ${message}`, `message: ${e.message}`)
    return e
  }
  throw new Error(`was not refused: ${JSON.stringify(got, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))}`)
}

const count = async (sql = 'SELECT count(*) AS n FROM t') => (await db.execute(sql)).rows[0].n

// Begun first, looked at last: a transaction that is left alone for longer than 10 s.
await db.execute('CREATE TABLE idle(id INTEGER PRIMARY KEY)')
const idle = await db.transaction('deferred')
await idle.execute('SELECT 1')
const idleSince = Date.now()

// ---- execute ----
await check('execute: create, insert, select', async () => {
  await db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v)')
  const i = await db.execute({ sql: 'INSERT INTO t(v) VALUES (?)', args: ['first'] })
  assertSame([i.rowsAffected, i.lastInsertRowid, i.columns, i.rows.length], [1, 1n, [], 0])
  const s = await db.execute('SELECT id, v, 1 + 1 AS two FROM t')
  assertSame([s.columns, s.columnTypes], [['id', 'v', 'two'], ['INTEGER', '', '']])
  assertSame({ ...s.rows[0] }, { id: 1, v: 'first', two: 2 })
  assertSame([s.rows[0][0], s.rows[0][2], s.rows[0].length], [1, 2, 3])
})
await check('execute: the form with two arguments', async () => assertSame((await db.execute('SELECT ? AS a', ['x'])).rows[0].a, 'x'))
await check('execute: rowsAffected of UPDATE, DELETE and DDL', async () => {
  await db.execute("INSERT INTO t(v) VALUES ('a'), ('b'), ('c')")
  assertSame((await db.execute("UPDATE t SET v = v || '!' WHERE id > 1")).rowsAffected, 3)
  assertSame((await db.execute('DELETE FROM t WHERE id > 2')).rowsAffected, 2)
  assertSame((await db.execute('CREATE INDEX tv ON t(v)')).rowsAffected, 0)
})
await check('execute: INSERT … RETURNING', async () => {
  const r = await db.execute({ sql: 'INSERT INTO t(v) VALUES (?) RETURNING id, v', args: ['r'] })
  assertSame([r.rows.length, r.rows[0].v, r.rowsAffected, r.lastInsertRowid], [1, 'r', 1, BigInt(r.rows[0].id)])
})
await check('execute: 100 at once, each with its own answer', async () => {
  const all = await Promise.all(Array.from({ length: 100 }, (_, i) => db.execute({ sql: 'SELECT ? AS i', args: [i] })))
  assertSame(all.map((r) => r.rows[0].i), Array.from({ length: 100 }, (_, i) => i))
})

// ---- arguments ----
await check('args: positional, numbered, named with : @ $', async () => {
  assertSame([...one(await db.execute({ sql: 'SELECT ?, ?', args: [1, 'two'] }))], [1, 'two'])
  assertSame([...one(await db.execute({ sql: 'SELECT ?2, ?1', args: ['a', 'b'] }))], ['b', 'a'])
  assertSame([...one(await db.execute({ sql: 'SELECT :a, @b, $c', args: { a: 1, b: 2, c: 3 } }))], [1, 2, 3])
  assertSame([...one(await db.execute({ sql: 'SELECT :a, @b, $c', args: { ':a': 1, '@b': 2, $c: 3 } }))], [1, 2, 3])
})
function one(r) { return Array.from({ length: r.columns.length }, (_, i) => r.rows[0][i]) }
await check('args: too many are refused', async () => {
  await refused(() => db.execute({ sql: 'SELECT ?', args: [1, 2] }), 'ARGS_INVALID', /too many parameters, expected 1 found 2/)
})

// ---- values ----
const values = [
  ['null', null, null], ['a text', 'x', 'x'], ['the empty text', '', ''], ['U+0000 in the middle', 'a\0b', 'a\0b'], ['beyond the BMP', '😀 𝄞', '😀 𝄞'],
  ['line ends and quotes', '"\\\'\r\n\t\u2028', '"\\\'\r\n\t\u2028'], ['42', 42, 42], ['-0', -0, 0], ['1.5', 1.5, 1.5], ['0.1', 0.1, 0.1],
  ['1e308', 1e308, 1e308], ['5e-324', 5e-324, 5e-324], ['the largest double', Number.MAX_VALUE, Number.MAX_VALUE], ['true', true, 1], ['false', false, 0],
  ['a small BigInt', 7n, 7], ['2^53 - 1', 9007199254740991n, 9007199254740991],
  ['a Date', new Date(1700000000123), 1700000000123],
]
for (const [name, put, want] of values)
  await check(`value: ${name}`, async () => {
    const r = await db.execute({ sql: 'SELECT ? AS v', args: [put] })
    assert(Object.is(r.rows[0].v, want), `got ${String(r.rows[0].v)} (${typeof r.rows[0].v})`)
  })
await check('value: a JavaScript number arrives as a float, a BigInt as an integer', async () => {
  assertSame(one(await db.execute({ sql: 'SELECT typeof(?), typeof(?), typeof(?)', args: [42, 42n, true] })), ['real', 'integer', 'integer'])
})
await check('value: a column of type INTEGER takes the number as an integer', async () => {
  await db.execute('CREATE TABLE aff(i INTEGER, r REAL, t TEXT)')
  await db.execute({ sql: 'INSERT INTO aff VALUES (?, ?, ?)', args: [42, 42, 42] })
  assertSame(one(await db.execute('SELECT typeof(i), typeof(r), typeof(t), t FROM aff')), ['integer', 'real', 'text', '42.0'])
})
for (const [name, bytes] of [['empty', []], ['one byte', [0]], ['all bytes', Array.from({ length: 256 }, (_, i) => i)], ['1 MB', Array.from({ length: 1 << 20 }, (_, i) => (i * 31) & 255)]])
  await check(`value: blob, ${name}`, async () => {
    const u = Uint8Array.from(bytes)
    const r = await db.execute({ sql: 'SELECT ? AS a, ? AS b, typeof(?1) AS t', args: [u, u.buffer] })
    assert(r.rows[0].a instanceof ArrayBuffer, 'an ArrayBuffer')
    assert(Buffer.from(r.rows[0].a).equals(Buffer.from(u)) && Buffer.from(r.rows[0].b).equals(Buffer.from(u)), 'the same bytes')
    assertSame(r.rows[0].t, 'blob')
  })
await check('value: infinities come out', async () => assertSame(one(await db.execute('SELECT 9e999, -9e999, 9e999 - 9e999')), [Infinity, -Infinity, null]))
await check('value: integers beyond 2^53 as number are a RangeError, not a wrong number', async () => {
  try { await db.execute('SELECT 9007199254740993 AS v') } catch (e) { return e instanceof RangeError || e.stack }
  throw new Error('it was served')
})
await check('intMode bigint: both ends of int64 there and back', async () => {
  const c = open({ intMode: 'bigint' })
  const r = await c.execute({ sql: 'SELECT ? AS a, ? AS b, 1 AS c, 1.5 AS d', args: [9223372036854775807n, -9223372036854775808n] })
  assertSame(one(r), [9223372036854775807n, -9223372036854775808n, 1n, 1.5])
  c.close()
})
await check('intMode string', async () => {
  const c = open({ intMode: 'string' })
  assertSame(one(await c.execute('SELECT 9223372036854775807, 5')), ['9223372036854775807', '5'])
  c.close()
})

// ---- errors ----
await check('errors: code and message', async () => {
  await refused(() => db.execute('SELECT foobar'), 'SQL_INPUT_ERROR', 'SQL input error: no such column: foobar (at offset 7)')
  await refused(() => db.execute('SELECT * FROM nope'), 'SQLITE_UNKNOWN', 'SQLite error: no such table: nope')
  await refused(() => db.execute('SELECT 1; SELECT 2'), 'SQL_MANY_STATEMENTS', 'SQL string contains more than one statement')
  await refused(() => db.execute('-- nothing'), 'SQL_NO_STATEMENT', 'SQL string does not contain any statement')
  await refused(() => db.execute("ATTACH 'x.db' AS x"), 'SQLITE_AUTH', /not authorized/)
})
await check('errors: constraints, foreign keys are on', async () => {
  await db.executeMultiple(`CREATE TABLE parent(id INTEGER PRIMARY KEY, email TEXT UNIQUE NOT NULL, n INTEGER CHECK (n >= 0));
    CREATE TABLE child(id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent(id) ON DELETE CASCADE);
    INSERT INTO parent VALUES (1, 'a@example.com', 0); INSERT INTO child VALUES (1, 1);`)
  const insert = (sql) => () => db.execute(sql)
  await refused(insert("INSERT INTO parent VALUES (2, 'a@example.com', 0)"), 'SQLITE_CONSTRAINT', 'SQLite error: UNIQUE constraint failed: parent.email')
  await refused(insert('INSERT INTO parent VALUES (2, NULL, 0)'), 'SQLITE_CONSTRAINT', 'SQLite error: NOT NULL constraint failed: parent.email')
  await refused(insert("INSERT INTO parent VALUES (2, 'b@example.com', -1)"), 'SQLITE_CONSTRAINT', /CHECK constraint failed: n >= 0/)
  await refused(insert('INSERT INTO child VALUES (2, 77)'), 'SQLITE_CONSTRAINT', 'SQLite error: FOREIGN KEY constraint failed')
  await db.execute('DELETE FROM parent WHERE id = 1')
  assertSame(await count('SELECT count(*) AS n FROM child'), 0, 'children after a cascade')
})
await check('errors: a response that is too large', async () => {
  await refused(() => db.execute('WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 300) SELECT hex(zeroblob(40000)) FROM c'), 'RESPONSE_TOO_LARGE', /Response is too large/)
  assertSame((await db.execute('SELECT 1 AS a')).rows[0].a, 1, 'and the next one')
})

// ---- big ----
await check('big: a row of 4 MB there and back', async () => {
  const s = 'é'.repeat(2e6)
  await db.execute('CREATE TABLE big(id INTEGER PRIMARY KEY, s TEXT, b BLOB)')
  await db.execute({ sql: 'INSERT INTO big VALUES (1, ?, ?)', args: [s, new Uint8Array(1e6).fill(7)] })
  const r = await db.execute('SELECT s, b, length(s) AS n FROM big')
  assert(r.rows[0].s === s && r.rows[0].b.byteLength === 1e6 && r.rows[0].n === 2e6, 'what came back differs')
})
await check('big: 20000 rows in one answer', async () => {
  const r = await db.execute('WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20000) SELECT x, x * 2.5 AS y FROM c')
  assert(r.rows.length === 20000 && r.rows[19999].y === 50000, `${r.rows.length} rows`)
})
await check('big: a batch of 500 statements', async () => {
  await db.execute('CREATE TABLE many(i INTEGER PRIMARY KEY)')
  const r = await db.batch(Array.from({ length: 500 }, (_, i) => ({ sql: 'INSERT INTO many VALUES (?)', args: [i] })), 'write')
  assertSame([r.length, r[499].lastInsertRowid, await count('SELECT count(*) AS n FROM many')], [500, 499n, 500])
})
await check('big: a statement of 300 kB', async () => {
  const r = await db.execute(`SELECT '${'x'.repeat(300000)}' AS s`)
  assertSame(r.rows[0].s.length, 300000)
})

// ---- batch ----
for (const mode of ['write', 'read', 'deferred', undefined])
  await check(`batch: mode ${mode ?? 'by default'}`, async () => {
    const r = await db.batch(['SELECT 1 AS a', { sql: 'SELECT ? AS b', args: ['x'] }, ['SELECT :c AS c', { c: 3 }]], mode)
    assertSame(r.map((x) => one(x)), [[1], ['x'], [3]])
  })
await check('batch: commits all of it', async () => {
  await db.execute('CREATE TABLE b(id INTEGER PRIMARY KEY, v TEXT UNIQUE)')
  const r = await db.batch([{ sql: 'INSERT INTO b(v) VALUES (?)', args: ['x'] }, { sql: 'INSERT INTO b(v) VALUES (?)', args: ['y'] }, 'SELECT count(*) AS n FROM b'], 'write')
  assertSame([r[0].lastInsertRowid, r[1].lastInsertRowid, r[2].rows[0].n], [1n, 2n, 2])
})
for (const mode of ['write', 'deferred'])
  await check(`batch: an error rolls back all of it, mode ${mode}`, async () => {
    const e = await refused(() => db.batch(["INSERT INTO b(v) VALUES ('z')", "INSERT INTO b(v) VALUES ('x')", "INSERT INTO b(v) VALUES ('never')"], mode), 'SQLITE_CONSTRAINT', /UNIQUE constraint failed: b.v/)
    assertSame(e.statementIndex, 1)
    assertSame(await count('SELECT count(*) AS n FROM b'), 2)
  })
await check('batch: the same text many times (texts are stored)', async () => {
  const sql = 'SELECT ? AS a, 12345 AS filler_that_is_long_enough_to_be_worth_storing'
  assertSame((await db.batch(Array.from({ length: 40 }, (_, i) => ({ sql, args: [i] })))).map((r) => r.rows[0].a), Array.from({ length: 40 }, (_, i) => i))
})
await check('batch: DDL and data together', async () => {
  await db.batch(['CREATE TABLE d(a)', 'INSERT INTO d VALUES (1)', 'ALTER TABLE d ADD COLUMN b', 'INSERT INTO d VALUES (2, 3)'], 'write')
  assertSame(await count('SELECT count(*) AS n FROM d'), 2)
})

// ---- migrate, executeMultiple ----
await check('migrate: foreign keys are off inside, on again after', async () => {
  await db.executeMultiple('CREATE TABLE mp(id INTEGER PRIMARY KEY); CREATE TABLE mc(id INTEGER PRIMARY KEY, p INTEGER REFERENCES mp(id)); INSERT INTO mp VALUES (1); INSERT INTO mc VALUES (1, 1)')
  await db.migrate(['CREATE TABLE mp2(id INTEGER PRIMARY KEY, name TEXT)', 'INSERT INTO mp2(id) SELECT id FROM mp', 'DROP TABLE mp', 'ALTER TABLE mp2 RENAME TO mp'])
  assertSame(await count('SELECT count(*) AS n FROM mc'), 1)
  await refused(() => db.execute('INSERT INTO mc VALUES (2, 99)'), 'SQLITE_CONSTRAINT', /FOREIGN KEY/)
})
await check('migrate: an error leaves nothing', async () => {
  await refused(() => db.migrate(['CREATE TABLE half(a)', 'CREATE TABLE half(a)']), 'SQL_INPUT_ERROR', /already exists/)
  await refused(() => db.execute('SELECT * FROM half'), 'SQLITE_UNKNOWN', /no such table: half/)
})
await check('executeMultiple: a script; stops at the first error', async () => {
  await db.executeMultiple("CREATE TABLE e(a); INSERT INTO e VALUES ('a;b'); -- comment; \n INSERT INTO e VALUES (2);")
  assertSame(await count('SELECT count(*) AS n FROM e'), 2)
  await refused(() => db.executeMultiple('INSERT INTO e VALUES (3); INSERT INTO nope VALUES (1); INSERT INTO e VALUES (4)'), 'SQLITE_UNKNOWN', /no such table: nope/)
  assertSame(await count('SELECT count(*) AS n FROM e'), 3)
})

// ---- interactive transactions ----
await check('transaction: commit', async () => {
  const tx = await db.transaction('write')
  await tx.execute("INSERT INTO b(v) VALUES ('tx1')")
  assertSame((await tx.execute("SELECT count(*) AS n FROM b WHERE v = 'tx1'")).rows[0].n, 1)
  assertSame(await count("SELECT count(*) AS n FROM b WHERE v = 'tx1'"), 0, 'seen from outside before the commit')
  await tx.commit()
  assert(tx.closed, 'closed')
  assertSame(await count("SELECT count(*) AS n FROM b WHERE v = 'tx1'"), 1)
})
await check('transaction: rollback', async () => {
  const tx = await db.transaction('write')
  await tx.batch(["INSERT INTO b(v) VALUES ('tx2')", "INSERT INTO b(v) VALUES ('tx3')"])
  await tx.rollback()
  assertSame(await count("SELECT count(*) AS n FROM b WHERE v IN ('tx2', 'tx3')"), 0)
})
await check('transaction: close without commit rolls back and frees the lock', async () => {
  const tx = await db.transaction('write')
  await tx.execute("INSERT INTO b(v) VALUES ('tx4')")
  tx.close()
  await refused(() => tx.execute('SELECT 1'), 'TRANSACTION_CLOSED', /closed/)
  await db.execute("INSERT INTO b(v) VALUES ('after tx4')")
  assertSame(await count("SELECT count(*) AS n FROM b WHERE v = 'tx4'"), 0)
})
await check('transaction: close before anything was done', async () => {
  const tx = await db.transaction('write')
  tx.close()
  await (await db.transaction('write')).commit()
})
await check('transaction: a statement’s error does not end it', async () => {
  const tx = await db.transaction('write')
  await tx.execute("INSERT INTO b(v) VALUES ('tx5')")
  await refused(() => tx.execute("INSERT INTO b(v) VALUES ('tx5')"), 'SQLITE_CONSTRAINT', /UNIQUE/)
  await refused(() => tx.execute('SELECT nope'), 'SQL_INPUT_ERROR', /no such column/)
  await refused(() => tx.batch(["INSERT INTO b(v) VALUES ('tx6')", 'SELECT nope', "INSERT INTO b(v) VALUES ('tx7')"]), 'SQL_INPUT_ERROR', /no such column/)
  await tx.commit()
  assertSame((await db.execute("SELECT v FROM b WHERE v LIKE 'tx5' OR v LIKE 'tx6' OR v LIKE 'tx7' ORDER BY v")).rows.map((r) => r.v), ['tx5', 'tx6'])
})
await check('transaction: executeMultiple and batch inside', async () => {
  const tx = await db.transaction('write')
  await tx.executeMultiple("INSERT INTO b(v) VALUES ('m1'); INSERT INTO b(v) VALUES ('m2')")
  assertSame((await tx.batch(["INSERT INTO b(v) VALUES ('m3')", "SELECT count(*) AS n FROM b WHERE v LIKE 'm_'"]))[1].rows[0].n, 3)
  await tx.commit()
  assertSame(await count("SELECT count(*) AS n FROM b WHERE v LIKE 'm_'"), 3)
})
await check('transaction: savepoints', async () => {
  const tx = await db.transaction('write')
  await tx.execute('SAVEPOINT s1')
  await tx.execute("INSERT INTO b(v) VALUES ('s1')")
  await tx.execute('ROLLBACK TO s1')
  await tx.execute('RELEASE s1')
  await tx.execute("INSERT INTO b(v) VALUES ('s2')")
  await tx.commit()
  assertSame((await db.execute("SELECT v FROM b WHERE v IN ('s1', 's2')")).rows.map((r) => r.v), ['s2'])
})
await check('transaction: read mode reads one snapshot', async () => {
  const tx = await db.transaction('read')
  const before = (await tx.execute('SELECT count(*) AS n FROM b')).rows[0].n
  await db.execute("INSERT INTO b(v) VALUES ('while reading')")
  assertSame((await tx.execute('SELECT count(*) AS n FROM b')).rows[0].n, before)
  await tx.commit()
  assertSame(await count('SELECT count(*) AS n FROM b'), before + 1)
})
await check('transaction: deferred mode, two readers, one writes', async () => {
  const a = await db.transaction('deferred')
  const b = await db.transaction('deferred')
  await a.execute('SELECT count(*) FROM b')
  await b.execute('SELECT count(*) FROM b')
  await a.execute("INSERT INTO b(v) VALUES ('deferred')")
  await a.commit()
  await refused(() => b.execute("INSERT INTO b(v) VALUES ('too late')"), 'SQLITE_BUSY', /locked/)
  await b.rollback()
})
await check('transaction: two at once wait for each other', async () => {
  const a = await db.transaction('write')
  await a.execute("INSERT INTO b(v) VALUES ('one')")
  const second = (async () => { const t = await db.transaction('write'); await t.execute("INSERT INTO b(v) VALUES ('two')"); await t.commit() })()
  await sleep(300)
  await a.commit()
  await second
  assertSame(await count("SELECT count(*) AS n FROM b WHERE v IN ('one', 'two')"), 2)
})

// ---- many streams ----
await check('10 concurrent streams, with DROP and CREATE between their statements', async () => {
  await Promise.all(Array.from({ length: 10 }, async (_, i) => {
    const c = open()
    for (let k = 0; k < 8; k++) {
      const tx = await c.transaction('write')
      await tx.executeMultiple(`DROP TABLE IF EXISTS shared; CREATE TABLE shared(${k % 2 ? 'a' : 'a, b'})`)
      await tx.execute({ sql: k % 2 ? 'INSERT INTO shared VALUES (?)' : 'INSERT INTO shared VALUES (?, 0)', args: [i] })
      assertSame((await tx.execute('SELECT a FROM shared')).rows.map((r) => r.a), [i])
      await tx.commit()
    }
    c.close()
  }))
})
await check('8 clients insert 25 rows each, none is lost or doubled', async () => {
  await db.execute('CREATE TABLE race(client INTEGER, n INTEGER, UNIQUE (client, n))')
  await Promise.all(Array.from({ length: 8 }, async (_, i) => {
    const c = open()
    for (let n = 0; n < 25; n++) await c.execute({ sql: 'INSERT INTO race VALUES (?, ?)', args: [i, n] })
    c.close()
  }))
  assertSame(await count('SELECT count(*) AS n FROM race'), 200)
})
await check('20 transactions at once, each counts up one row: none is lost', async () => {
  await db.executeMultiple('CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES (0)')
  await Promise.all(Array.from({ length: 20 }, async () => {
    const tx = await db.transaction('write')
    const { n } = (await tx.execute('SELECT n FROM counter')).rows[0]
    await tx.execute({ sql: 'UPDATE counter SET n = ?', args: [n + 1] })
    await tx.commit()
  }))
  assertSame(await count('SELECT n FROM counter'), 20)
})

// ---- the wire ----
if (http) await check('a baton that was used already is refused readably', async () => {
  // A fetch that answers every later request of a stream with the first baton.
  let first
  const c = open({ fetch: async (request) => {
    const body = JSON.parse(await request.text())
    if (first && body.baton) body.baton = first
    const r = await fetch(new Request(request.url, { method: 'POST', headers: request.headers, body: JSON.stringify(body) }))
    const answer = await r.text()
    if (r.ok) first ??= JSON.parse(answer).baton
    return new Response(answer, { status: r.status, headers: r.headers })
  } })
  const tx = await c.transaction('write')
  await tx.execute('SELECT 1')
  await tx.execute('SELECT 2')
  const e = await tx.execute('SELECT 3').then(() => null, (x) => x)
  assert(e instanceof LibsqlError && /baton/i.test(e.message), `got ${e?.stack}`)
  c.close()
})
if (/^http:/.test(process.env.TURSO_DATABASE_URL)) await check('libsql:// without TLS is the same service', async () => {
  const c = open({ url: process.env.TURSO_DATABASE_URL.replace('http:', 'libsql:') + '?tls=0' })
  assertSame([c.protocol, (await c.execute('SELECT 1 AS a')).rows[0].a], ['http', 1])
  c.close()
})
await check('close, reconnect', async () => {
  const c = open()
  await c.execute('SELECT 1')
  await c.reconnect?.()
  assertSame((await c.execute('SELECT 2 AS a')).rows[0].a, 2)
  c.close()
  assert(c.closed, 'closed')
})
await check('a transaction left alone for 10 s is over, and the client says so', async () => {
  await sleep(Math.max(0, idleSince + 11700 - Date.now()))
  await refused(() => idle.execute('SELECT 1'), 'STREAM_EXPIRED', /expired due to inactivity/)
  await db.execute('INSERT INTO idle VALUES (1)')
})
db.close()
finish()
