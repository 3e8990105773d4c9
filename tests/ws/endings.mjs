// What ends a connection from our side: revocation, deletion, the end of the daemon; and what a connection that is cut leaves.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { plain, sleep } from '../lib/daemon.mjs'
import { Socket } from '../lib/ws.mjs'

const endless = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n'

async function sockets(port, token, n) {
  const all = []
  for (let i = 0; i < n; i++) {
    const s = await Socket.open(port)
    assertSame(await s.hello(token), { type: 'hello_ok' })
    assertSame((await s.ask({ type: 'open_stream', stream_id: 1 })).type, 'response_ok')
    all.push(s)
  }
  return all
}

async function ending(daemon, how) {
  const port = daemon.portBase + 2
  const id = `ws-${how}`
  const token = (await daemon.createBuild(id)).env.TURSO_AUTH_TOKEN
  const other = (await daemon.createBuild(`${id}-other`)).env.TURSO_AUTH_TOKEN
  await daemon.sql(token, 'CREATE TABLE t(a)')
  const all = await sockets(port, token, 12)
  const [stays] = await sockets(port, other, 1)
  await all[1].sql(1, 'BEGIN IMMEDIATE')
  await all[1].sql(1, 'INSERT INTO t VALUES (1)')
  const waits = all[2].sql(1, 'INSERT INTO t VALUES (2)')
  const runs = all[3].sql(1, endless)
  await sleep(300)
  const r = how === 'revoke' ? await daemon.admin('POST', `/api/v1/builds/${id}/revoke`) : await daemon.admin('DELETE', `/api/v1/builds/${id}`)
  const answered = process.hrtime.bigint()
  const meanwhile = new Meanwhile()
  await check(`${how}: answered, though sockets are open`, () => (r.status >= 200 && r.status < 300) || `${r.status} ${r.text}`)
  await check(`${how}: every socket is closed with a reason within a second of the answer`, async () => {
    const ends = await Promise.all(all.map((s) => s.closed))
    for (const c of ends) assertSame(c.code, 1008, c.reason)
    for (const c of ends) assert(/revoked|unknown/.test(c.reason), c.reason)
    const slowest = Math.max(...ends.map((c) => Number(c.at - answered) / 1e6))
    assert(meanwhile.allows(slowest, 1000), `the slowest one after ${slowest} ms`)
  })
  await check(`${how}: what waited and what ran was not done`, async () => {
    for (const a of [await waits, await runs]) assert(!a || a.type === 'response_error', JSON.stringify(a))
  })
  await check(`${how}: the other build’s socket goes on, the key opens no new one`, async () => {
    assertSame((await stays.sql(1, 'SELECT 1')).type, 'response_ok')
    stays.end()
    const s = await Socket.open(port)
    assertSame((await s.hello(token)).type, 'hello_error')
    assertSame((await s.closed).code, 1008)
  })
}

export async function run(daemon) {
  const port = daemon.portBase + 2
  await ending(daemon, 'revoke')
  await ending(daemon, 'delete')
  await check('a connection that is cut leaves no lock and none of its transaction', async () => {
    const token = (await daemon.createBuild('ws-cut')).env.TURSO_AUTH_TOKEN
    await daemon.sql(token, 'CREATE TABLE t(a)')
    for (let i = 0; i < 10; i++) {
      const [s] = await sockets(port, token, 1)
      await s.sql(1, 'BEGIN IMMEDIATE')
      s.sql(1, 'INSERT INTO t VALUES (1)')
      s.sql(1, 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000) SELECT count(*) FROM n')
      await sleep(i * 3)
      s.end()
      const meanwhile = new Meanwhile()
      const t0 = Date.now()
      await daemon.sql(token, "INSERT INTO t VALUES ('kept')")
      assert(meanwhile.allows(Date.now() - t0, 2500), `waited ${Date.now() - t0} ms`)
    }
    const r = await daemon.sql(token, 'SELECT count(*), count(DISTINCT a) FROM t')
    assertSame(r.rows[0].map(plain), [10n, 1n])
  })
  await check('a transaction that keeps another connection waiting for 5 s is over, and is told so', async () => {
    const token = (await daemon.createBuild('ws-take')).env.TURSO_AUTH_TOKEN
    await daemon.sql(token, 'CREATE TABLE t(a)')
    const [a, b] = await sockets(port, token, 2)
    await a.sql(1, 'BEGIN IMMEDIATE')
    await a.sql(1, "INSERT INTO t VALUES ('a')")
    const meanwhile = new Meanwhile()
    const t0 = Date.now()
    assertSame((await b.sql(1, "INSERT INTO t VALUES ('b')")).type, 'response_ok')
    assert(Date.now() - t0 > 4000 && meanwhile.allows(Date.now() - t0, 9000), `after ${Date.now() - t0} ms`)
    const late = await Promise.all([a.sql(1, "INSERT INTO t VALUES ('a')"), a.sql(1, "INSERT INTO t VALUES ('a')"), a.sql(1, 'COMMIT')])
    for (const x of late) assertSame(x.error, { message: 'Transaction timed out', code: 'TRANSACTION_TIMEOUT' })
    assertSame((await a.sql(1, 'ROLLBACK')).type, 'response_ok')
    assertSame((await a.sql(1, 'SELECT a FROM t')).response.result.rows.map((x) => plain(x[0])), ['b'])
    a.end()
    b.end()
  })
}

// The last thing: leaves the daemon stopped.
export async function stop(daemon) {
  const port = daemon.portBase + 2
  const token = (await daemon.createBuild('ws-stop')).env.TURSO_AUTH_TOKEN
  await daemon.sql(token, 'CREATE TABLE t(a)')
  const all = await sockets(port, token, 10)
  await all[0].sql(1, 'BEGIN IMMEDIATE')
  all[1].sql(1, 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000000) SELECT count(*) FROM n')
  await sleep(100)
  await check('the daemon ends cleanly with open sockets, which are told', async () => {
    const end = await daemon.stop({ timeout: 15000 })
    assertSame(end?.code, 0, `exit; ${daemon.log.slice(-1000)}`)
    const ends = await Promise.all(all.map((s) => s.closed))
    assertSame(ends.map((c) => c.code), ends.map(() => 1001), JSON.stringify(ends.map((c) => c.reason)))
  })
}
