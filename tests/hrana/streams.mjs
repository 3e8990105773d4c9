// Streams and batons: life, expiry, transactions, what two requests at once may do.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { int, sleep } from '../lib/daemon.mjs'

const ex = (sql, args) => ({ type: 'execute', stmt: { sql, ...(args ? { args } : {}) } })
const close = { type: 'close' }

// What needs seconds to pass: an idle stream in a transaction (10 s), and two writers (5 s).
export async function begin(daemon) {
  const token = (await daemon.createBuild('slow')).env.TURSO_AUTH_TOKEN
  const waiters = (await daemon.createBuild('waiters')).env.TURSO_AUTH_TOKEN
  await daemon.sql(token, 'CREATE TABLE t(id INTEGER PRIMARY KEY)')
  await daemon.sql(waiters, 'CREATE TABLE t(id INTEGER PRIMARY KEY)')
  const idle = (await daemon.pipeline(token, { requests: [ex('BEGIN IMMEDIATE'), ex('INSERT INTO t VALUES (1)')] })).json()
  const since = Date.now()
  const second = (async () => {
    const held = (await daemon.pipeline(waiters, { requests: [ex('BEGIN IMMEDIATE'), ex('INSERT INTO t VALUES (1)')] })).json()
    const meanwhile = new Meanwhile()
    const t0 = Date.now()
    const other = await daemon.pipeline(waiters, { requests: [ex('INSERT INTO t VALUES (2)'), close] }, { timeout: 20000 })
    const took = Date.now() - t0
    const soon = meanwhile.allows(took, 12000)
    const commit = await daemon.pipeline(waiters, { baton: held.baton, requests: [ex('COMMIT'), close] })
    return { other, took, soon, commit }
  })()
  return { token, waiters, idle, since, second: second.catch((e) => ({ failed: e })) }
}

export async function end(daemon, { token, waiters, idle, since, second }) {
  await check('two writers: the one who waits gets in or is told so, in bounded time', async () => {
    const { failed, other, took, soon, commit } = await second
    if (failed) throw failed
    assertSame(other.status, 200, other.text)
    const first = other.json().results[0]
    assert(soon, `waited ${took} ms`)
    const rows = (await daemon.sql(waiters, 'SELECT id FROM t ORDER BY id')).rows.map((r) => r[0].value)
    if (first.type === 'ok') {
      // The lock was taken over from a transaction older than 5 s: the loser is told, and nothing of it is there.
      assert(took >= 4000, `the lock was taken after ${took} ms already`)
      const told = commit.status === 200 ? commit.json().results[0].error?.code : commit.json().code
      assert(['TRANSACTION_TIMEOUT', 'STREAM_EXPIRED'].includes(told), `the loser got ${commit.status} ${commit.text.slice(0, 200)}`)
      assertSame(rows, ['2'])
    } else {
      assert(['SQLITE_BUSY', 'TRANSACTION_BUSY', 'TRANSACTION_TIMEOUT'].includes(first.error.code), JSON.stringify(first.error))
      // On a busy machine we may come back later than an idle stream lives: then it is gone with all of its work.
      if (commit.status === 400) assertSame([commit.json().code, rows], ['STREAM_EXPIRED', []])
      else assertSame([commit.status, commit.json().results?.[0].type, rows], [200, 'ok', ['1']])
    }
  })
  await check('an idle stream ends after 10 s, says so, and holds no lock', async () => {
    await sleep(Math.max(0, since + 9000 - Date.now()))
    await sleep(Math.max(0, since + 11600 - Date.now()))
    const r = await daemon.pipeline(token, { baton: idle.baton, requests: [ex('SELECT 1')] })
    assertSame([r.status, r.type], [400, 'application/json'], r.text)
    assertSame(r.json(), { message: 'The stream has expired due to inactivity', code: 'STREAM_EXPIRED' })
    await daemon.sql(token, 'INSERT INTO t VALUES (2)')
    assertSame((await daemon.sql(token, 'SELECT id FROM t')).rows.map((x) => x[0].value), ['2'])
  })
}

// Statements that never end: bounded by 30 s, and meanwhile others are served. Long, so only with --full.
async function endless(daemon) {
  const busy = (await daemon.createBuild('endless')).env.TURSO_AUTH_TOKEN
  const calm = (await daemon.createBuild('calm')).env.TURSO_AUTH_TOKEN
  const forever = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c'
  const whole = new Meanwhile()
  const t0 = Date.now()
  const runs = [ex(forever), { type: 'sequence', sql: forever }, { type: 'batch', batch: { steps: [{ stmt: { sql: forever } }] } }].map((r) =>
    daemon.pipeline(busy, { requests: [r, close] }, { timeout: 120000 }).then((a) => ({ a, ms: Date.now() - t0 })))
  await check('while a build runs statements that never end, another one is served quickly', async () => {
    const took = []
    const meanwhile = new Meanwhile()
    while (Date.now() - t0 < 8000) {
      const t = Date.now()
      await daemon.sql(calm, 'SELECT 1')
      took.push(Date.now() - t)
      await sleep(20)
    }
    took.sort((a, b) => a - b)
    return meanwhile.allows(took[Math.floor(took.length * 0.9)], 200) || `9 of 10 within ${took[Math.floor(took.length * 0.9)]} ms`
  })
  await check('a statement that never ends is ended, and the error says so', async () => {
    for (const { a, ms } of await Promise.all(runs)) {
      assert(whole.allows(ms, 95000), `ended after ${ms} ms`)
      assertSame(a.status, 200, a.text)
      const r = a.json().results[0]
      const error = r.type === 'error' ? r.error : r.response.result.step_errors?.[0]
      assert(error && /time|interrupt/i.test(error.message) && error.code, a.text.slice(0, 300))
    }
    await daemon.sql(busy, 'SELECT 1')
  })
}

export async function run(daemon) {
  if (process.env.VALETKEY_TEST_FULL === '1') await endless(daemon)
  const token = (await daemon.createBuild('streams')).env.TURSO_AUTH_TOKEN
  const pipe = (baton, ...requests) => daemon.pipeline(token, { baton, requests })
  await daemon.sql(token, 'CREATE TABLE t(id INTEGER PRIMARY KEY, v)')

  await check('every answer carries another baton, and only the last one counts', async () => {
    const seen = new Set()
    let r = await pipe(null, ex('BEGIN'))
    for (let i = 0; i < 20; i++) {
      const b = r.json().baton
      assert(typeof b === 'string' && !seen.has(b), `baton ${b} came twice`)
      seen.add(b)
      r = await pipe(b, ex('INSERT INTO t(v) VALUES (?)', [int(i)]), { type: 'get_autocommit' })
      assertSame(r.json().results[1].response.is_autocommit, false)
    }
    const last = r.json().baton
    for (const b of seen) {
      const old = await pipe(b, ex('SELECT 1'))
      assertSame([old.status, old.type], [400, 'text/plain'], old.text)
      assert(/^Received an? (invalid )?baton/.test(old.text), old.text)
    }
    const done = await pipe(last, ex('COMMIT'), { type: 'get_autocommit' }, close)
    assertSame(done.status, 200, done.text)
    assertSame([done.json().results[1].response.is_autocommit, done.json().baton], [true, null])
    assertSame((await daemon.sql(token, 'SELECT count(*) FROM t')).rows[0][0].value, '20')
  })

  await check('a closed stream’s baton is invalid', async () => {
    const b = (await pipe(null, ex('SELECT 1'))).json().baton
    assertSame((await pipe(b, close)).json().baton, null)
    const r = await pipe(b, ex('SELECT 1'))
    assertSame([r.status, r.type], [400, 'text/plain'], r.text)
  })

  await check('a changed baton is invalid and does not hurt the stream', async () => {
    const b = (await pipe(null, ex('BEGIN'))).json().baton
    for (const i of [0, Math.floor(b.length / 2), b.length - 1]) {
      const c = b[i] === 'A' || b[i] === 'a' ? (b[i] === 'A' ? 'B' : 'b') : (/[a-z]/.test(b[i]) ? 'a' : 'A')
      const r = await pipe(b.slice(0, i) + c + b.slice(i + 1), ex('SELECT 1'))
      assertSame(r.status, 400, r.text)
    }
    assertSame((await pipe(b, close)).status, 200)
  })

  await check('the same baton twice at once: exactly one is served', async () => {
    for (let round = 0; round < 10; round++) {
      const b = (await pipe(null, ex('BEGIN'))).json().baton
      const all = await Promise.all(Array.from({ length: 6 }, () => pipe(b, ex('SELECT 1'))))
      const good = all.filter((r) => r.status === 200)
      assertSame(good.length, 1, `round ${round}: ${all.map((r) => r.status)}`)
      for (const r of all) if (r.status !== 200) assertSame([r.status, r.type], [400, 'text/plain'], r.text)
      assertSame((await pipe(good[0].json().baton, close)).status, 200)
    }
  })

  await check('store_sql lives as long as its stream', async () => {
    const a = (await pipe(null, { type: 'store_sql', sql_id: 5, sql: 'SELECT 5' })).json().baton
    const r = await pipe(a, { type: 'execute', stmt: { sql_id: 5 } }, close)
    assertSame(r.json().results[0].response.result.rows, [[int(5)]])
    assertSame((await pipe(null, { type: 'execute', stmt: { sql_id: 5 } })).status, 400)
  })

  await check('two streams of one build do not see each other’s open transaction', async () => {
    const a = (await pipe(null, ex('BEGIN IMMEDIATE'), ex('INSERT INTO t(id) VALUES (7000)'))).json().baton
    assertSame((await daemon.sql(token, 'SELECT count(*) FROM t WHERE id = 7000')).rows[0][0].value, '0')
    const mine = await pipe(a, ex('SELECT count(*) FROM t WHERE id = 7000'))
    assertSame(mine.json().results[0].response.result.rows[0][0].value, '1')
    await pipe(mine.json().baton, ex('COMMIT'), close)
    assertSame((await daemon.sql(token, 'SELECT count(*) FROM t WHERE id = 7000')).rows[0][0].value, '1')
  })

  await check('close rolls back', async () => {
    const a = (await pipe(null, ex('BEGIN IMMEDIATE'), ex('DELETE FROM t'))).json().baton
    await pipe(a, close)
    assert((await daemon.sql(token, 'SELECT count(*) FROM t')).rows[0][0].value !== '0', 'the rows are gone')
  })

  await check('a transaction that a batch left open goes on under the baton', async () => {
    const a = await pipe(null, { type: 'batch', batch: { steps: [{ stmt: { sql: 'BEGIN' } }, { stmt: { sql: 'INSERT INTO t(id) VALUES (7100)' } }] } })
    const b = await pipe(a.json().baton, { type: 'get_autocommit' }, ex('ROLLBACK'), { type: 'get_autocommit' }, close)
    assertSame(b.json().results.filter((x) => x.response.type === 'get_autocommit').map((x) => x.response.is_autocommit), [false, true])
  })

  await check('a schema that another stream changed is noticed, 10 streams with DROP and CREATE between', async () => {
    const errors = []
    await Promise.all(Array.from({ length: 10 }, async (_, i) => {
      for (let k = 0; k < 15; k++) {
        if (i === 0) await pipe(null, { type: 'sequence', sql: k % 2 ? 'DROP TABLE IF EXISTS s; CREATE TABLE s(a, b)' : 'DROP TABLE IF EXISTS s; CREATE TABLE s(a)' }, close)
        const r = await pipe(null, ex('SELECT count(*) FROM pragma_table_info(\'s\')'), ex('SELECT count(*) FROM t'), close)
        if (r.status !== 200) errors.push(`${r.status} ${r.text}`)
        else for (const x of r.json().results) if (x.type !== 'ok') errors.push(JSON.stringify(x.error))
      }
    }))
    assertSame(errors, [])
    await pipe(null, { type: 'sequence', sql: 'DROP TABLE IF EXISTS s; CREATE TABLE s(a)' }, close)
    await Promise.all(Array.from({ length: 10 }, () => daemon.sql(token, 'SELECT * FROM s')))
    await pipe(null, { type: 'sequence', sql: 'DROP TABLE s; CREATE TABLE s(a, b)' }, close)
    const all = await Promise.all(Array.from({ length: 10 }, () => daemon.sql(token, 'INSERT INTO s VALUES (1, 2)')))
    assert(all.every((r) => r.affected_row_count === 1), 'an INSERT into the new shape failed')
  })

  await check('streams that have nothing open are not bounded by that: 200 that nobody closes, each answered at once', async () => {
    let last
    for (let i = 0; i < 200; i++) {
      const t0 = Date.now()
      last = await pipe(null, ex('SELECT 1'))
      assertSame(last.status, 200, `stream ${i}: ${last.text}`)
      assert(Date.now() - t0 < 2000, `stream ${i} waited ${Date.now() - t0} ms`)
    }
    assertSame((await pipe(last.json().baton, ex('SELECT 2'), close)).json().results[0].response.result.rows, [[int(2)]])
  })

  await check('a stream has its own last_insert_rowid(), changes() and total_changes(), whatever others do between its requests', async () => {
    const counts = ex('SELECT last_insert_rowid(), changes(), total_changes()')
    let r = await pipe(null, counts)
    assertSame(r.json().results[0].response.result.rows[0], [int(0), int(0), int(0)])
    r = await pipe(r.json().baton, ex('INSERT INTO t(id) VALUES (8001), (8002)'))
    await Promise.all(Array.from({ length: 20 }, (_, i) => daemon.sql(token, 'INSERT INTO t(id) VALUES (?)', [int(8100 + i)])))
    r = await pipe(r.json().baton, counts)
    assertSame(r.json().results[0].response.result.rows[0], [int(8002), int(2), int(2)])
    r = await pipe(r.json().baton, ex('DELETE FROM t WHERE id = -1'))
    await daemon.sql(token, 'DELETE FROM t WHERE id > 8100 AND id < 8110')
    r = await pipe(r.json().baton, counts, close)
    assertSame(r.json().results[0].response.result.rows[0], [int(8002), int(0), int(2)])
  })

  await check('streams kept open are bounded: what is refused is 429 with a readable message, and closing makes room', async () => {
    const limited = (await daemon.createBuild('many')).env.TURSO_AUTH_TOKEN
    const open = []
    let refused
    for (let i = 0; i < 200 && !refused; i++) {
      const r = await daemon.pipeline(limited, { requests: [ex('BEGIN')] })
      if (r.status === 200) open.push(r.json().baton)
      else refused = r
    }
    assert(open.length >= 16, `only ${open.length} streams could be open: ${refused?.status} ${refused?.text}`)
    assert(refused, 'more than 200 transactions were kept open')
    assertSame([refused.status, refused.type], [429, 'application/json'], refused.text)
    assert(refused.json().message.length > 10 && refused.json().code, refused.text)
    assert(Number(refused.headers['retry-after']) >= 0, 'no Retry-After')
    // A pipeline that closes its own stream is never counted.
    assertSame((await daemon.pipeline(limited, { requests: [ex('SELECT 1'), close] })).status, 200)
    assertSame((await daemon.pipeline(limited, { baton: open[0], requests: [close] })).status, 200)
    assertSame((await daemon.pipeline(limited, { requests: [ex('BEGIN')] })).status, 200, 'after one was closed')
    // Another build is not touched by it.
    assertSame((await pipe(null, ex('SELECT 1'), close)).status, 200)
  })

  await check('64 connections that write at once all get through', async () => {
    const n = 64 * 8
    await Promise.all(Array.from({ length: 64 }, async (_, i) => {
      for (let k = 0; k < 8; k++) await daemon.sql(token, 'INSERT INTO t(id, v) VALUES (?, 1)', [int(10000 + i * 8 + k)], { timeout: 60000 })
    }))
    assertSame((await daemon.sql(token, 'SELECT count(*) FROM t WHERE id >= 10000')).rows[0][0].value, String(n))
  })
}
