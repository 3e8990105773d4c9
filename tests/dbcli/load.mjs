// A restore while clients write and read: they see errors to try again at most, no wrong rows, and no acknowledged write is
// lost: it is in the database or in the snapshot of what was before.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { int, sleep } from '../lib/daemon.mjs'
import { json, rows } from './lib.mjs'

const RETRY = new Set(['SQLITE_BUSY', 'TRANSACTION_BUSY', 'STREAM_EXPIRED', 'TRANSACTION_TIMEOUT'])
const ex = (sql, args = []) => ({ type: 'execute', stmt: { sql, args } })
const ok = (step) => ({ type: 'ok', step })

export async function load(daemon) {
  const token = (await daemon.createBuild('load')).env.TURSO_AUTH_TOKEN
  for (const sql of ['CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL)', 'CREATE TABLE c (n INTEGER NOT NULL)', 'INSERT INTO c VALUES (0)']) await daemon.sql(token, sql)
  const acked = new Map() // id → when its answer was there
  const problems = []
  let reads = 0, retries = 0, running = true, next = 1

  const refusal = (status, code, text) => {
    retries++
    if (!(status === 429 || status === 503 || RETRY.has(code))) problems.push(`HTTP ${status} ${code} ${text.slice(0, 200)}`)
  }
  // True: every request of the pipeline and every step was done.
  const fine = (r) => {
    if (r.status !== 200) return refusal(r.status, r.json().code, r.text), false
    for (const x of r.json().results) {
      const error = x.error ?? x.response?.result?.step_errors?.find(Boolean)
      if (error) return refusal(200, error.code, r.text), false
    }
    return true
  }
  const batchWriter = async () => {
    while (running) {
      const id = next++
      const r = await daemon.pipeline(token, { requests: [{ type: 'batch', batch: { steps: [{ stmt: { sql: 'BEGIN IMMEDIATE' } }, { condition: ok(0), stmt: { sql: 'INSERT INTO t VALUES (?, ?)', args: [int(id), { type: 'text', value: `v${id}` }] } },
        { condition: ok(1), stmt: { sql: 'UPDATE c SET n = n + 1' } }, { condition: ok(2), stmt: { sql: 'COMMIT' } }] } }, { type: 'close' }] })
      if (fine(r) && r.json().results[0].response.result.step_results[3]) acked.set(id, performance.now())
    }
  }
  // A transaction over three requests.
  const batonWriter = async () => {
    while (running) {
      const id = next++
      let r = await daemon.pipeline(token, { requests: [ex('BEGIN IMMEDIATE'), ex('INSERT INTO t VALUES (?, ?)', [int(id), { type: 'text', value: `v${id}` }])] })
      if (!fine(r)) { if (r.status === 200 && r.json().baton) await daemon.pipeline(token, { baton: r.json().baton, requests: [{ type: 'close' }] }); continue }
      await sleep(3)
      r = await daemon.pipeline(token, { baton: r.json().baton, requests: [ex('UPDATE c SET n = n + 1')] })
      if (!fine(r)) continue
      r = await daemon.pipeline(token, { baton: r.json().baton, requests: [ex('COMMIT'), { type: 'close' }] })
      if (fine(r)) acked.set(id, performance.now())
    }
  }
  const reader = async () => {
    while (running) {
      const r = await daemon.pipeline(token, { requests: [ex("SELECT (SELECT count(*) FROM t), (SELECT n FROM c), (SELECT count(*) FROM t WHERE v <> 'v' || id)"), { type: 'close' }] })
      if (!fine(r)) continue
      const [a, b, wrong] = r.json().results[0].response.result.rows[0].map((x) => Number(x.value))
      if (a !== b || wrong) problems.push(`${a} rows, ${b} counted, ${wrong} wrong`)
      reads++
    }
  }
  const cursorReader = async () => {
    const { request } = await import('../lib/daemon.mjs')
    while (running) {
      let r
      try {
        r = await request(`${daemon.databaseUrl}/v3/cursor`, { method: 'POST', headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: { baton: null, batch: { steps: [{ stmt: { sql: 'SELECT id, v FROM t' } }] } } })
      } catch (e) { // cut off in the middle: the client knows that it has not seen the end
        retries++
        if (!/aborted|ECONNRESET|socket hang up/.test(String(e?.message ?? e))) problems.push(`cursor: ${e}`)
        continue
      }
      const lines = r.text.trim().split('\n').map((l) => JSON.parse(l))
      if (r.status !== 200) { refusal(r.status, lines[0].code, r.text); continue }
      const error = lines.find((l) => l.type === 'step_error')
      if (error) { refusal(200, error.error.code, r.text); continue }
      if (lines.some((l) => l.type === 'row' && l.row[1].value !== `v${l.row[0].value}`)) problems.push('cursor: a wrong row')
    }
  }

  const clients = [batchWriter(), batchWriter(), batonWriter(), batonWriter(), reader(), reader(), cursorReader()]
  const ids = async () => new Set((await rows(daemon, token, 'SELECT id FROM t')).map((r) => r[0]))
  const restores = []
  const meanwhile = new Meanwhile()
  await sleep(600)
  assertSame((await json(daemon, ['db', 'snapshot', 'load', '--name', 'base'])).code, 0)
  const rounds = process.env.VALETKEY_TEST_FULL ? 8 : 3
  for (let i = 0; i < rounds; i++) {
    await sleep(500)
    const begin = performance.now()
    const r = await json(daemon, ['db', 'restore', 'load', 'base'])
    restores.push({ code: r.code, why: r.stderr, before: r.out?.before.id, begin, end: performance.now() })
    await sleep(200)
  }
  running = false
  await Promise.all(clients)

  await check(`${rounds} restores under load succeeded, none long`, () => {
    assertSame(restores.map((r) => r.code), restores.map(() => 0), restores.map((r) => r.why).join())
    const longest = Math.max(...restores.map((r) => r.end - r.begin))
    assert(meanwhile.allows(longest, 8000), `the longest took ${Math.round(longest)} ms`)
  })
  await check(`clients saw errors to try again only (${retries}), and no wrong rows in ${reads} reads`, () => {
    assertSame(problems.slice(0, 5), [])
    assert(reads > 50 && acked.size > 50, `${reads} reads, ${acked.size} writes`)
  })
  await check(`every one of ${acked.size} acknowledged writes is in the database or in what was kept before a restore`, async () => {
    // The last state, then each state that was put aside, looked at by restoring it.
    const states = [{ begin: restores.at(-1).end, ids: await ids() }]
    for (const r of [...restores].reverse()) {
      const back = await json(daemon, ['db', 'restore', 'load', r.before])
      assertSame(back.code, 0, back.stderr)
      states.push({ id: r.before, ids: await ids() })
    }
    const inOrder = states.reverse() // before restore 1, 2, …, and the end
    const base = new Set(inOrder.map((s) => s.ids).reduce((a, b) => [...a].filter((x) => b.has(x))))
    const lost = []
    for (const [id, at] of acked) {
      const i = restores.findIndex((r) => at < r.begin)
      const j = restores.findLastIndex((r) => at > r.end)
      if (base.has(id)) continue
      // Answered before restore i began and after restore j ended: it is in the state between, or, in a restore, in one of two.
      const from = j + 1, to = i < 0 ? inOrder.length - 1 : i
      if (!inOrder.slice(from, to + 1).some((s) => s.ids.has(id))) lost.push(id)
    }
    assertSame(lost, [])
  })
}
