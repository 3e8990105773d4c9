// Two builds with random work at the same time: what the first one sees must be exactly what it sees alone. SEED=n repeats a run.
import { assertSame, check, note } from '../lib/tap.mjs'
import { Daemon, int, seeded, text } from '../lib/daemon.mjs'
import { manyBadKeys } from './world.mjs'

const STATEMENTS = 400

// A script of pipelines: `stream` says which of its streams a pipeline belongs to.
function script(seed) {
  const r = seeded(seed)
  const out = []
  const table = () => r.pick(['a', 'b', 'c'])
  const one = () => {
    const t = table()
    const n = r.below(1000)
    return r.pick([
      () => ({ type: 'execute', stmt: { sql: `CREATE TABLE IF NOT EXISTS ${t}(id INTEGER PRIMARY KEY, v TEXT, n INTEGER)` } }),
      () => ({ type: 'execute', stmt: { sql: `INSERT INTO ${t}(id, v, n) VALUES (?, ?, ?)`, args: [int(n), text('x'.repeat(r.below(300))), int(r.below(50))] } }),
      () => ({ type: 'execute', stmt: { sql: `INSERT INTO ${t}(v, n) VALUES (?, ?)`, args: [text(`v${n}`), int(n)] } }),
      () => ({ type: 'execute', stmt: { sql: `SELECT count(*), sum(n), max(id) FROM ${t}` } }),
      () => ({ type: 'execute', stmt: { sql: `SELECT id, v, n FROM ${t} WHERE n > ? ORDER BY id LIMIT 20`, args: [int(r.below(50))] } }),
      () => ({ type: 'execute', stmt: { sql: `UPDATE ${t} SET n = n + 1 WHERE id % ? = 0`, args: [int(1 + r.below(7))] } }),
      () => ({ type: 'execute', stmt: { sql: `DELETE FROM ${t} WHERE id % ? = 1`, args: [int(2 + r.below(9))] } }),
      () => ({ type: 'execute', stmt: { sql: r.pick([`DROP TABLE IF EXISTS ${t}`, `ALTER TABLE ${t} ADD COLUMN c${n % 4}`, `CREATE INDEX IF NOT EXISTS i${t} ON ${t}(n)`, 'SELECT last_insert_rowid(), changes()', 'PRAGMA user_version', `PRAGMA user_version = ${n}`, 'SELECT nonsense', 'SELECT name FROM sqlite_schema ORDER BY name', 'PRAGMA page_count', 'CREATE TEMP TABLE IF NOT EXISTS tmp(x)', 'SELECT count(*) FROM tmp']) } }),
      () => ({ type: 'sequence', sql: `CREATE TABLE IF NOT EXISTS ${t}(id INTEGER PRIMARY KEY, v TEXT, n INTEGER); INSERT INTO ${t}(n) VALUES (${n}); INSERT INTO ${t}(id) VALUES (1)` }),
      () => ({ type: 'batch', batch: { steps: [{ stmt: { sql: `INSERT INTO ${t}(id, n) VALUES (${n}, 1)` } }, { condition: { type: 'ok', step: 0 }, stmt: { sql: `SELECT count(*) FROM ${t}` } }, { condition: { type: 'error', step: 0 }, stmt: { sql: `DELETE FROM ${t} WHERE id = ${n}` } }] } }),
      () => ({ type: 'describe', sql: `SELECT * FROM ${t} WHERE id = :id` }),
      () => ({ type: 'get_autocommit' }),
    ])()
  }
  let n = 0
  while (n < STATEMENTS) {
    // Sometimes a transaction over several requests, which no other stream of this build is inside of.
    if (r.chance(0.2)) {
      const k = 1 + r.below(4)
      out.push({ open: true, requests: [{ type: 'execute', stmt: { sql: r.pick(['BEGIN', 'BEGIN IMMEDIATE', 'BEGIN DEFERRED']) } }, one()] })
      for (let i = 0; i < k; i++) out.push({ next: true, requests: [one()] })
      out.push({ next: true, requests: [r.pick([{ type: 'execute', stmt: { sql: 'COMMIT' } }, { type: 'execute', stmt: { sql: 'ROLLBACK' } }, { type: 'get_autocommit' }]), { type: 'close' }] })
      n += k + 3
    } else {
      const k = 1 + r.below(3)
      out.push({ requests: [...Array.from({ length: k }, one), { type: 'close' }] })
      n += k
    }
  }
  return out
}

const masked = (v) => JSON.parse(JSON.stringify(v, (k, x) => (['query_duration_ms', 'rows_read', 'rows_written', 'baton'].includes(k) ? undefined : x)))

async function play(daemon, token, pipelines) {
  const seen = []
  let baton = null
  for (const p of pipelines) {
    const r = await daemon.pipeline(token, { baton: p.next ? baton : null, requests: p.requests })
    const answer = r.status === 200 ? r.json() : { status: r.status, text: r.text }
    baton = answer.baton ?? null
    seen.push(masked(answer))
  }
  return seen
}

export async function run(base) {
  const seed = Number(process.env.SEED ?? (Date.now() & 0x7fffffff))
  const rounds = process.env.VALETKEY_TEST_FULL === '1' ? 12 : 2
  note(`seed ${seed}`)
  const daemon = new Daemon({ portBase: base, args: [...manyBadKeys, '--loops', '2'] })
  await daemon.start()
  for (let i = 0; i < rounds; i++) {
    const [a, b, alone] = await Promise.all(['a', 'b', 'alone'].map((x) => daemon.createBuild(`${x}-${i}`)))
    const mine = script(seed + i)
    const theirs = script(seed + 7919 * (i + 1))
    const [together] = await Promise.all([play(daemon, a.env.TURSO_AUTH_TOKEN, mine), play(daemon, b.env.TURSO_AUTH_TOKEN, theirs), play(daemon, b.env.TURSO_AUTH_TOKEN, script(seed + 31 * (i + 1)))])
    const solo = await play(daemon, alone.env.TURSO_AUTH_TOKEN, mine)
    await check(`two builds at once see what each sees alone (round ${i}, ${mine.length} pipelines, seed ${seed + i})`, () => {
      const at = together.findIndex((x, k) => JSON.stringify(x) !== JSON.stringify(solo[k]))
      if (at >= 0) assertSame(together[at], solo[at], `pipeline ${at}: ${JSON.stringify(mine[at])}`)
      const good = solo.filter((x) => x.results?.some((y) => y.type === 'ok')).length
      return good > mine.length / 2 || `only ${good} of ${mine.length} pipelines did anything`
    })
  }
  await daemon.stop()
}
