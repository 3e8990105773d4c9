// Revoked and deleted under load: from the answer on nothing is served any more, on no loop and no connection; open streams are gone.
import http from 'node:http'
import fs from 'node:fs'
import path from 'node:path'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { Daemon, request, sleep } from '../lib/daemon.mjs'
import { manyBadKeys, build } from './world.mjs'

const now = () => process.hrtime.bigint()

// Clients on connections of their own that never stop; every answer with the moment its request began.
function load(daemon, token, clients, body) {
  const seen = []
  let on = true
  const all = Array.from({ length: clients }, async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    while (on) {
      const began = now()
      try {
        const r = await request(`${daemon.databaseUrl}/v2/pipeline`, { method: 'POST', agent, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body })
        seen.push({ began, status: r.status, text: r.status === 200 ? '' : r.text })
        if (r.status !== 200) await sleep(2)
      } catch (e) {
        seen.push({ began, failed: e.code ?? e.message })
        await sleep(2)
      }
    }
    agent.destroy()
  })
  return { seen, stop: async () => { on = false; await Promise.all(all) } }
}

const write = { requests: [{ type: 'execute', stmt: { sql: "INSERT INTO t(v) VALUES ('load')" } }, { type: 'close' }] }
const read = { requests: [{ type: 'execute', stmt: { sql: 'SELECT count(*) FROM t' } }, { type: 'close' }] }

async function ending(daemon, how, act) {
  const gone = await build(daemon, `gone-${how}`)
  const stays = await build(daemon, `stays-${how}`)
  const streams = []
  for (let i = 0; i < 8; i++) {
    const r = await daemon.pipeline(gone.token, { requests: [{ type: 'execute', stmt: { sql: i ? 'BEGIN' : 'BEGIN IMMEDIATE' } }, { type: 'execute', stmt: { sql: i ? 'SELECT * FROM t' : "INSERT INTO t(v) VALUES ('open')" } }] })
    streams.push(r.json().baton)
  }
  await daemon.pipeline(gone.token, { baton: streams.shift(), requests: [{ type: 'close' }] })
  const loads = [load(daemon, gone.token, 12, read), load(daemon, gone.token, 4, write), load(daemon, stays.token, 6, read), load(daemon, stays.token, 2, write)]
  await sleep(600)
  await act(gone)
  const answered = now()
  const rightAway = await Promise.all(Array.from({ length: 24 }, () => daemon.pipeline(gone.token, read)))
  const continued = await Promise.all(streams.map((baton) => daemon.pipeline(gone.token, { baton, requests: [{ type: 'execute', stmt: { sql: 'SELECT 1' } }] })))
  await sleep(600)
  for (const l of loads) await l.stop()
  const before = loads.slice(0, 2).flatMap((l) => l.seen).filter((x) => x.began < answered)
  const after = loads.slice(0, 2).flatMap((l) => l.seen).filter((x) => x.began > answered)
  const others = loads.slice(2).flatMap((l) => l.seen)

  await check(`${how}: the load was real (${before.length} before, ${after.length} after, ${others.length} of the other build)`, () =>
    (before.filter((x) => x.status === 200).length > 50 && after.length > 50 && others.length > 100) || JSON.stringify(before.slice(-3)))
  await check(`${how}: no request that began after the answer was served`, () => {
    const served = after.filter((x) => ![401, 403].includes(x.status))
    assertSame(served, [])
    for (const x of after) assert(/"code":"AUTH_/.test(x.text), x.text)
  })
  await check(`${how}: nothing before it failed in another way than being refused`, () => {
    const odd = before.filter((x) => ![200, 401, 403].includes(x.status) && !(x.status === 400 && /baton|stream/i.test(x.text)))
    assertSame(odd.slice(0, 3), [])
  })
  await check(`${how}: 24 fresh connections at once are refused, and so is going on with open streams`, () => {
    assertSame([...new Set([...rightAway, ...continued].map((r) => [401, 403].includes(r.status)))], [true], [...rightAway, ...continued].map((r) => r.status).join())
  })
  await check(`${how}: the other build did not notice`, () => {
    assertSame(others.filter((x) => x.status !== 200).slice(0, 3), [])
  })
  return { gone, stays }
}

export async function run(base) {
  const daemon = new Daemon({ portBase: base, args: [...manyBadKeys, '--loops', '3'] })
  await daemon.start()
  const { gone } = await ending(daemon, 'revoke', (b) => daemon.mustCli(['build', 'revoke', b.id]))
  await check('revoke: the data is kept, and no open transaction got into it', async () => {
    const out = path.join(path.dirname(daemon.data), 'kept.db')
    const r = await daemon.cli(['db', 'download', gone.id, '--out', out])
    assertSame(r.code, 0, r.stderr)
    assert(fs.statSync(out).size >= 8192, 'the download is small')
  })
  await check('revoke: twice is fine; creating it again is refused with a sentence', async () => {
    await daemon.mustCli(['build', 'revoke', gone.id])
    const r = await daemon.cli(['build', 'create', gone.id, '--json'])
    assert(r.code === 1 && /revoked/.test(r.stderr), `exit ${r.code}: ${r.stderr}`)
  })

  const d = await ending(daemon, 'delete', (b) => daemon.mustCli(['build', 'delete', b.id]))
  await check('delete: the files are gone, for ever; the same id starts empty with other keys', async () => {
    assert(!fs.existsSync(path.join(daemon.data, 'builds', d.gone.id)), 'the folder is there')
    const again = await daemon.createBuild(d.gone.id)
    assert(again.env.TURSO_AUTH_TOKEN !== d.gone.token, 'the same key again')
    assertSame((await daemon.pipeline(d.gone.token, read)).status, 401, 'the old key')
    await daemon.sql(again.env.TURSO_AUTH_TOKEN, 'CREATE TABLE t(id)')
    assertSame((await daemon.sql(again.env.TURSO_AUTH_TOKEN, 'SELECT count(*) FROM t')).rows[0][0].value, '0')
  })
  await check('revocation holds over a restart', async () => {
    await daemon.stop()
    await daemon.start()
    for (const b of [gone, d.gone]) assertSame((await daemon.pipeline(b.token, read)).status, 401, b.id)
    assertSame((await daemon.pipeline(d.stays.token, read)).status, 200, 'the other one')
  })
  await check('a running statement of a revoked build is ended soon', async () => {
    const b = await build(daemon, 'long')
    const long = daemon.pipeline(b.token, { requests: [{ type: 'execute', stmt: { sql: 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c' } }, { type: 'close' }] }, { timeout: 40000 }).then((r) => r, (e) => e)
    await sleep(300)
    const meanwhile = new Meanwhile()
    const t0 = Date.now()
    await daemon.mustCli(['build', 'revoke', b.id])
    const r = await long
    assert(meanwhile.allows(Date.now() - t0, 3000), `took ${Date.now() - t0} ms`)
    assert(r instanceof Error || r.status !== 200 || r.json().results[0].type === 'error', 'it was served')
  })
  await daemon.stop()
}
