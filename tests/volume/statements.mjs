// Many statements in one request, by the unmodified client and as Hrana has it.
import { createRequire } from 'node:module'
import path from 'node:path'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { e2e, install } from '../lib/clients.mjs'
import { bounded } from './measure.mjs'

export const folder = path.join(e2e, 'libsql-0.18')

export async function client(env, protocol = 'http') {
  await install(folder)
  const { createClient } = createRequire(path.join(folder, 'client.mjs'))('@libsql/client')
  return createClient({ url: env.TURSO_DATABASE_URL.replace(/^http/, protocol), authToken: env.TURSO_AUTH_TOKEN })
}

export async function statements(daemon, pid) {
  const { env } = await daemon.createBuild('statements')
  const key = env.TURSO_AUTH_TOKEN
  for (const protocol of ['http', 'ws']) {
    const db = await client(env, protocol)
    await db.execute('DROP TABLE IF EXISTS t')
    await db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)')
    const wrote = await bounded(pid, 16, () => db.batch(Array.from({ length: 1000 }, (_, i) => ({ sql: 'INSERT INTO t VALUES (?, ?)', args: [i, `row ${i}`] })), 'write'))
    await check(`${protocol}: 1,000 statements in one batch, each with its result (${wrote.said})`, async () => {
      assertSame(wrote.value.map((r) => r.lastInsertRowid), Array.from({ length: 1000 }, (_, i) => BigInt(i)))
      assertSame({ ...(await db.execute('SELECT count(*) AS n, sum(id) AS s FROM t')).rows[0] }, { n: 1000, s: 499500 })
    })
    const read = await bounded(pid, 16, () => db.batch(Array.from({ length: 1000 }, (_, i) => ({ sql: 'SELECT v FROM t WHERE id = ?', args: [i] })), 'read'))
    await check(`${protocol}: 1,000 SELECTs in one batch (${read.said})`, () => assertSame(read.value.map((r) => r.rows[0].v), Array.from({ length: 1000 }, (_, i) => `row ${i}`)))
    await check(`${protocol}: one of 1,000 that fails takes all of them back`, async () => {
      const bad = Array.from({ length: 1000 }, (_, i) => ({ sql: 'INSERT INTO t VALUES (?, ?)', args: [2000 + i - (i === 999 ? 999 : 0), 'x'] }))
      let code
      try { await db.batch(bad, 'write') } catch (e) { code = e.code }
      assertSame(code, 'SQLITE_CONSTRAINT')
      assertSame((await db.execute('SELECT count(*) AS n FROM t')).rows[0].n, 1000)
    })
    db.close()
  }
  // As many steps as a batch may have, each with another text, so that no prepared statement is used twice.
  const most = 16384
  const steps = (n) => Array.from({ length: n }, (_, i) => ({ stmt: { sql: `SELECT ${i} AS c${i}` } }))
  const batch = (n) => daemon.pipeline(key, { baton: null, requests: [{ type: 'batch', batch: { steps: steps(n) } }, { type: 'close' }] }, { timeout: 60000 })
  const full = await bounded(pid, 24, () => batch(most))
  await check(`a batch of ${most} different statements (${full.said})`, () => {
    const { step_results: r, step_errors: e } = full.value.json().results[0].response.result
    assert(e.every((x) => x === null), 'no errors')
    assertSame(r.map((x) => x.rows[0][0].value), Array.from({ length: most }, (_, i) => String(i)))
  })
  await check('one more is refused as a whole', async () => {
    const r = await batch(most + 1)
    assert(r.status === 400 && r.text.length > 10, `${r.status} ${r.text.slice(0, 200)}`)
  })
}
