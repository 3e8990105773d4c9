// What SQL of a tenant may do: tests/data/tenant-sql-policy.json, the same through other doors, and what must not stay on a connection.
import fs from 'node:fs'
import path from 'node:path'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { int, root, text } from '../lib/daemon.mjs'

const file = JSON.parse(fs.readFileSync(`${root}/tests/data/tenant-sql-policy.json`, 'utf8'))

async function outcome(daemon, token, sql, args = []) {
  const r = await daemon.pipeline(token, { requests: [{ type: 'execute', stmt: { sql, args } }, { type: 'close' }] })
  assertSame(r.status, 200, `status (${r.text.slice(0, 200)})`)
  const first = r.json().results[0]
  return first.type === 'ok' ? { ok: true, result: first.response.result } : { ok: false, ...first.error }
}

const noPath = (o) => !o.ok || o.result.rows.every((row) => row.every((c) => !String(c.value ?? '').includes('/')))

export async function run(daemon) {
  const token = (await daemon.createBuild('policy')).env.TURSO_AUTH_TOKEN
  await daemon.sql(token, file.table_t)
  for (const c of file.cases) {
    // The stand-in answered a surplus argument before it came to the statement; what counts is the statement.
    const args = c.sql.includes('?') && !c.sql.includes("'file:") ? c.args : []
    await check(`policy: ${c.sql} → ${c.required}`, async () => {
      const o = await outcome(daemon, token, c.sql, args)
      if (c.required === 'ok') return o.ok || `refused: ${o.code} ${o.message}`
      if (c.required.startsWith('error')) {
        assert(!o.ok, 'was allowed')
        assertSame(o.code, c.code, `code (${o.message})`)
        assert(o.message.length > 5, 'no message')
      } else if (c.required.startsWith('refuse or hide')) {
        assert(noPath(o), `shows the path: ${JSON.stringify(o.result?.rows)}`)
      } else {
        // Allowed either way; a refusal must be readable.
        assert(o.ok || (o.code && o.message.length > 10), JSON.stringify(o))
      }
    })
  }
  await doors(daemon, token)
  await leftovers(daemon, token)
  await check('policy: no file appeared that a tenant named', () => {
    const own = new Set(['database.db', 'database.db-wal', 'database.db-shm', 'ddl.log', 'ddl.log.1'])
    const there = fs.readdirSync(path.join(daemon.data, 'builds/policy')).filter((f) => !own.has(f))
    assertSame(there, [], 'files in the folder of the build')
    for (const dir of [process.cwd(), daemon.data, path.join(daemon.data, 'builds')])
      for (const f of ['x.db', 'y.db', 'z.db', 'a']) assert(!fs.existsSync(path.join(dir, f)), `${f} in ${dir}`)
  })
}

// The same things by every other way in.
async function doors(daemon, token) {
  const forbidden = [
    "ATTACH DATABASE 'x.db' AS x", "/* c */ attach\t'x.db' as x", "ATTACH 'x'||'.db' AS x", 'ATTACH $p AS x',
    "VACUUM main INTO 'y.db'", "vacuum/**/into 'y.db'", 'PRAGMA main.journal_mode=DELETE', 'PRAGMA main.journal_mode(MEMORY)', "PRAGMA journal_mode='off'",
    'PRAGMA wal_autocheckpoint=0', 'PRAGMA wal_checkpoint(TRUNCATE)', 'PRAGMA synchronous(0)', 'PRAGMA main.synchronous=1',
    'PRAGMA ignore_check_constraints=1', 'PRAGMA cell_size_check=0', 'PRAGMA fullfsync=0', 'PRAGMA mmap_size(99999999)', 'PRAGMA data_store_directory',
    'PRAGMA temp_store=1', 'PRAGMA locking_mode(EXCLUSIVE)', 'PRAGMA max_page_count(999999)',
    'PRAGMA lock_status', 'PRAGMA vdbe_trace=1', "PRAGMA key='x'", 'PRAGMA shrink_memory', 'PRAGMA soft_heap_limit=1',
  ]
  const shapes = {
    execute: (sql) => ({ type: 'execute', stmt: { sql } }),
    batch: (sql) => ({ type: 'batch', batch: { steps: [{ stmt: { sql } }] } }),
    sequence: (sql) => ({ type: 'sequence', sql: `SELECT 1; ${sql};` }),
  }
  for (const [name, make] of Object.entries(shapes)) {
    await check(`policy: ${forbidden.length} forbidden statements as ${name}`, async () => {
      for (const sql of forbidden) {
        const r = await daemon.pipeline(token, { requests: [make(sql), { type: 'close' }] })
        assertSame(r.status, 200, `${sql}: ${r.text.slice(0, 200)}`)
        const first = r.json().results[0]
        const refused = first.type === 'error' || (name === 'batch' && first.response.result.step_errors[0] !== null)
        assert(refused, `allowed: ${sql}`)
      }
    })
  }
  await check('policy: a stored text and a described one are held to it too', async () => {
    const r = await daemon.pipeline(token, { requests: [{ type: 'store_sql', sql_id: 1, sql: "ATTACH 'x.db' AS x" }, { type: 'execute', stmt: { sql_id: 1 } }, { type: 'describe', sql: "ATTACH 'x.db' AS x" }, { type: 'close' }] })
    const [, run, describe] = r.json().results
    assertSame([run.type, run.error?.code], ['error', 'SQLITE_AUTH'])
    assert(describe.type === 'error' || describe.response.result.is_readonly !== undefined, 'describe')
  })
  await check('policy: functions that reach out are refused in views, triggers, checks and defaults as well', async () => {
    const bad = [
      "CREATE VIEW v1 AS SELECT load_extension('x')", 'CREATE TABLE g1(a, b AS (load_extension(a)))', "CREATE TABLE g2(a CHECK (load_extension('x')))",
    ]
    for (const sql of bad) {
      const o = await outcome(daemon, token, sql)
      if (!o.ok) continue
      const use = sql.includes('VIEW') ? 'SELECT * FROM v1' : sql.includes('g1') ? "INSERT INTO g1(a) VALUES ('x')" : "INSERT INTO g2 VALUES ('x')"
      let used = await outcome(daemon, token, use)
      if (used.ok && sql.includes('g1')) used = await outcome(daemon, token, 'SELECT b FROM g1')
      assert(!used.ok, `${sql}, then ${use}: allowed`)
      await outcome(daemon, token, 'DROP VIEW IF EXISTS v1')
    }
    await outcome(daemon, token, "CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT load_extension('x'); END")
    const o = await outcome(daemon, token, 'INSERT INTO t(a) VALUES (1234)')
    await outcome(daemon, token, 'DROP TRIGGER IF EXISTS tr')
    const there = await daemon.sql(token, 'SELECT count(*) FROM sqlite_schema WHERE name = ?', [text('tr')])
    assert(!o.ok || there.rows[0][0].value === '0', 'the trigger ran')
  })
  await check('policy: the schema table is not writable, however named', async () => {
    for (const sql of ["DELETE FROM sqlite_master", "INSERT INTO main.sqlite_schema VALUES('table','q','q',9,'CREATE TABLE q(a)')", "UPDATE sqlite_schema SET rootpage=2"]) {
      const o = await outcome(daemon, token, sql)
      assert(!o.ok, `allowed: ${sql}`)
    }
  })
}

// Nothing that one stream set may be met by the next one, on any pooled connection.
async function leftovers(daemon, token) {
  const many = (fn) => Promise.all(Array.from({ length: 12 }, (_, i) => fn(i)))
  await check('policy: temporary tables, views and triggers end with their stream', async () => {
    await many((i) => daemon.pipeline(token, { requests: [
      { type: 'sequence', sql: `CREATE TEMP TABLE left${i}(x); INSERT INTO left${i} VALUES (1); CREATE TEMP VIEW lv AS SELECT 7 AS x; CREATE TEMP TRIGGER lt AFTER INSERT ON t BEGIN DELETE FROM t; END` }, { type: 'close' }] }))
    await many(async (i) => {
      const o = await outcome(daemon, token, `SELECT * FROM left${i}`)
      assertSame([o.ok, o.code], [false, 'SQLITE_UNKNOWN'])
      const n = await daemon.sql(token, 'SELECT count(*) FROM sqlite_temp_schema')
      assertSame(n.rows[0][0].value, '0', 'temporary things seen')
    })
  })
  await check('policy: PRAGMA values end with their stream', async () => {
    await many(() => daemon.pipeline(token, { requests: [
      { type: 'sequence', sql: 'PRAGMA foreign_keys=OFF; PRAGMA recursive_triggers=ON; PRAGMA legacy_alter_table=ON; PRAGMA case_sensitive_like=ON; PRAGMA defer_foreign_keys=ON' }, { type: 'close' }] }))
    await many(async () => {
      const r = await daemon.pipeline(token, { requests: ['PRAGMA foreign_keys', 'PRAGMA recursive_triggers', 'PRAGMA legacy_alter_table', "SELECT 'A' LIKE 'a'"].map((sql) => ({ type: 'execute', stmt: { sql } })).concat({ type: 'close' }) })
      const got = r.json().results.slice(0, 4).map((x) => x.response?.result.rows[0][0].value)
      assertSame(got, ['1', '0', '0', '1'], 'foreign_keys, recursive_triggers, legacy_alter_table, LIKE')
    })
  })
  await check('policy: an allowed ATTACH of nothing does not break VACUUM later', async () => {
    await many(() => outcome(daemon, token, "ATTACH '' AS x"))
    const all = await many(() => outcome(daemon, token, 'VACUUM'))
    for (const o of all) assert(o.ok || /locked|not allowed|busy|progress/i.test(o.message), `VACUUM: ${o.message}`)
  })
  await check('policy: an open transaction is rolled back with its stream', async () => {
    const id = 900001
    await daemon.pipeline(token, { requests: [{ type: 'sequence', sql: `BEGIN; INSERT INTO t(id) VALUES (${id})` }, { type: 'close' }] })
    const n = await daemon.sql(token, 'SELECT count(*) FROM t WHERE id = ?', [int(id)])
    assertSame(n.rows[0][0].value, '0')
  })
  await check('policy: last_insert_rowid() and changes() of another stream are not seen', async () => {
    await many((i) => daemon.sql(token, 'INSERT INTO t(id) VALUES (?)', [int(910000 + i)]))
    await many(async () => {
      const r = await daemon.sql(token, 'SELECT last_insert_rowid()')
      assertSame(r.rows[0][0].value, '0')
    })
  })
}
