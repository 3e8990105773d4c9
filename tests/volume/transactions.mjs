// 2,000 builds open a transaction at the same time. Some get one, the others are told to come back; nobody is stuck afterwards.
import http from 'node:http'
import { assert, assertSame, check, ok } from '../lib/tap.mjs'
import { sleep } from '../lib/daemon.mjs'
import { descriptors, growing, MB, pss } from './measure.mjs'

const BUILDS = 2000
const LEAST = 500 // transactions at once that must be possible with the descriptors a process has by default (hard limit 4096 and more)
const BOUND_MB = 200
const AT_ONCE = 32

const exec = (sql) => ({ type: 'execute', stmt: { sql } })
const close = { type: 'close' }

// fn for each of `all`, `n` at a time.
async function each(all, n, fn) {
  let next = 0
  await Promise.all(Array.from({ length: n }, async () => { while (next < all.length) await fn(all[next++]) }))
}

export async function transactions(daemon, pid) {
  const builds = []
  await each(Array.from({ length: BUILDS }, (_, i) => `v${i}`), AT_ONCE, async (id) => {
    const r = await daemon.admin('POST', '/api/v1/builds', { body: { id } })
    assert(r.status === 201 || r.status === 200, `build ${id}: ${r.status} ${r.text}`)
    builds.push({ id, key: r.json().env.TURSO_AUTH_TOKEN })
  })
  // One connection each, kept: 2,000 clients that are there at the same time.
  for (const b of builds) b.agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const ask = (b, requests, more = {}) => daemon.pipeline(b.key, { baton: b.baton ?? null, requests }, { agent: b.agent, timeout: 60000, ...more })
  const before = { files: descriptors(pid), pss: pss(pid) }
  const problems = []
  const problem = (b, r) => problems.push(`${b.id}: ${r.status} ${r.text.slice(0, 200)}`)
  const clear = (r) => r.status === 429 && r.json().code === 'TRANSACTION_BUSY' && r.json().message.length > 20 && r.headers['retry-after'] === '1' && r.type === 'application/json'

  let open = []
  let refused = []
  await check(`${BUILDS} builds open a transaction at once: each has it, or is told 429 TRANSACTION_BUSY`, async () => {
    await Promise.all(builds.map(async (b) => {
      const r = await ask(b, [exec('BEGIN IMMEDIATE'), exec('CREATE TABLE t(a)'), exec("INSERT INTO t VALUES ('mine')")])
      if (r.status === 200 && r.json().baton && r.json().results.every((x) => x.type === 'ok')) open.push(Object.assign(b, { baton: r.json().baton, since: Date.now() }))
      else if (clear(r)) refused.push(b)
      else problem(b, r)
    }))
    assertSame(problems.slice(0, 5), [], `answers of another kind (${problems.length} of ${BUILDS})`)
    assertSame(open.length + refused.length, BUILDS)
    assert(open.length >= LEAST && refused.length > 0, `${open.length} were opened, ${refused.length} refused`)
  })
  const grown = (pss(pid) - before.pss) / MB
  ok(grown <= BOUND_MB, `${open.length} open transactions and ${BUILDS} connections: ${grown.toFixed(0)} of at most ${BOUND_MB} MB, ${((grown * 1024) / open.length).toFixed(0)} KiB each`)
  await check('meanwhile builds without a transaction are served: 400 of those refused read and write', async () => {
    await each(refused.slice(0, 400), AT_ONCE, async (b) => {
      const r = await ask(b, [exec('CREATE TABLE IF NOT EXISTS t(a)'), exec("INSERT INTO t VALUES ('later')"), exec('SELECT count(*) FROM t'), close])
      if (r.status !== 200 || !r.json().results.every((x) => x.type === 'ok')) problem(b, r)
    })
    assertSame(problems.slice(0, 5), [], `${problems.length} were not served`)
  })
  await check('half of the transactions commit', async () => {
    const half = open.splice(0, open.length >> 1)
    await each(half, AT_ONCE, async (b) => {
      const late = Date.now() - b.since > 9000 // on a slow machine some are over by now
      const r = await ask(b, [exec('COMMIT'), close])
      b.baton = null
      b.committed = r.status === 200 && r.json().results[0].type === 'ok'
      if (!b.committed && !(late && r.json().code === 'STREAM_EXPIRED')) problem(b, r)
    })
    assertSame(problems.slice(0, 5), [], `${problems.length} failed`)
    assert(half.some((b) => b.committed), 'none could commit')
  })
  await check('the other half is left alone: rolled back after 10 s, the next use is told so', async () => {
    await sleep(11500)
    await each(open, AT_ONCE, async (b) => {
      const r = await ask(b, [exec('COMMIT'), close])
      b.baton = null
      if (r.status !== 400 || r.json().code !== 'STREAM_EXPIRED') problem(b, r)
    })
    assertSame(problems.slice(0, 5), [], `${problems.length} answers of another kind`)
  })
  await check('nothing is stuck: every build writes, and has what was committed', async () => {
    const { grown: more } = await growing(pid, () => each(builds, AT_ONCE, async (b) => {
      const r = await ask(b, [exec('CREATE TABLE IF NOT EXISTS t(a)'), exec("INSERT INTO t VALUES ('last')"), exec("SELECT sum(a = 'mine'), sum(a = 'last') FROM t"), close])
      const row = r.status === 200 && r.json().results[2].response?.result.rows[0].map((v) => v.value).join()
      if (row !== `${b.committed ? 1 : 0},1`) problem(b, r)
    }))
    assertSame(problems.slice(0, 5), [], `${problems.length} of ${BUILDS} could not`)
    assert(more <= BOUND_MB, `it took ${more.toFixed(0)} MB more`)
  })
  for (const b of builds) b.agent.destroy()
  await check('descriptors return', async () => {
    const until = Date.now() + 60000 // a connection to a database is kept for 30 s
    while (descriptors(pid) > before.files + 8 && Date.now() < until) await sleep(500)
    assert(descriptors(pid) <= before.files + 8, `${descriptors(pid)} are open, ${before.files} were`)
  })
  const left = (pss(pid) - before.pss) / MB
  ok(left <= BOUND_MB / 2, `memory returns: ${left.toFixed(0)} of at most ${BOUND_MB / 2} MB are left of ${BUILDS} builds`)
}

// Builds that take all the connections they can: a transaction that holds the write turn, and requests that have read something and
// wait for it. Others find a connection all the same.
export async function greedy(daemon, pid) {
  const BUILDS = 24
  const WAITING = 60 // 24 × 61 is more than there are
  const key = async (id) => (await daemon.createBuild(id)).env.TURSO_AUTH_TOKEN
  const takers = await Promise.all(Array.from({ length: BUILDS }, (_, i) => key(`greedy${i}`)))
  const others = await Promise.all(Array.from({ length: 50 }, (_, i) => key(`modest${i}`)))
  for (const k of takers) await daemon.sql(k, 'CREATE TABLE t(a)')
  const held = []
  const { grown } = await growing(pid, async () => {
    for (const k of takers) {
      const r = await daemon.pipeline(k, { baton: null, requests: [exec('BEGIN IMMEDIATE')] })
      if (r.status === 200) held.push([k, r.json().baton])
    }
    const waiting = Promise.all(takers.flatMap((k) => Array.from({ length: WAITING }, () =>
      daemon.pipeline(k, { baton: null, requests: [exec('SELECT count(*) FROM t'), exec('INSERT INTO t VALUES (1)'), close] }, { timeout: 60000 }))))
    await sleep(3000)
    await check(`${BUILDS} builds want ${BUILDS * (WAITING + 1)} connections: ${others.length} others read and write meanwhile`, async () => {
      for (const k of others) {
        await daemon.sql(k, 'CREATE TABLE t(a)')
        await daemon.sql(k, 'INSERT INTO t VALUES (1)')
        assertSame((await daemon.sql(k, 'SELECT count(*) FROM t')).rows[0][0].value, '1')
      }
    })
    for (const [k, baton] of held) await daemon.pipeline(k, { baton, requests: [exec('COMMIT'), close] })
    const answers = await waiting
    const counts = {}
    for (const r of answers) counts[r.status] = (counts[r.status] ?? 0) + 1
    ok(Object.keys(counts).every((s) => s === '200' || s === '429') && counts[429] > 0 && counts[200] > 500, `what they asked for is done or refused with 429: ${JSON.stringify(counts)}`)
  })
  ok(grown <= BOUND_MB, `front grew by ${grown.toFixed(0)} of at most ${BOUND_MB} MB`)
}
