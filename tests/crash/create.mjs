// `build create` is all or nothing: killed in the middle, an id is there with all it needs or not at all, and asking again gives the same.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Daemon, sleep } from '../lib/daemon.mjs'
import { COUNT } from './common.mjs'

export async function run(base) {
  const daemon = new Daemon({ portBase: base })
  await daemon.start()
  const acked = new Map()
  const tried = new Set()
  let n = 0

  // Clients that make builds until told to stop; every second by an idempotency key.
  const client = async (on) => {
    while (on.yes) {
      const id = `b-${n++}`
      tried.add(id)
      try {
        const r = await daemon.admin('POST', '/api/v1/builds', { body: { id }, headers: n % 2 ? { 'Idempotency-Key': `key-${id}` } : {}, timeout: 4000 })
        if (r.status === 201 || r.status === 200) acked.set(id, r.json().env)
      } catch { await sleep(3) }
    }
  }

  await check(`killed ${2 * COUNT} times while builds are made: acknowledged ones keep their keys`, async () => {
    for (let i = 0; i < 2 * COUNT; i++) {
      const on = { yes: true }
      const clients = [client(on), client(on), client(on)]
      await sleep(40 + 17 * (i % 11))
      if (i % 2) {
        await daemon.kill9()
        on.yes = false
        await Promise.all(clients)
        await daemon.start()
      } else {
        const front = daemon.children().find((c) => c.role === 'front')
        process.kill(front.pid, 'SIGKILL')
        await sleep(30)
        on.yes = false
        await Promise.all(clients)
      }
    }
    assert(acked.size > 5 * COUNT, `only ${acked.size} builds were acknowledged`)
    for (const [id, env] of acked) {
      const r = await daemon.admin('GET', `/api/v1/builds/${id}/env`)
      assertSame([r.status, r.json()], [200, env], id)
    }
  })
  await check('every id that was tried is complete or absent; made again it has one key for good, which opens it', async () => {
    let absent = 0
    let unheard = 0
    for (const id of tried) {
      const show = await daemon.admin('GET', `/api/v1/builds/${id}`)
      assert([200, 404].includes(show.status), `${id}: ${show.status}`)
      if (show.status === 404) absent++
      else if (!acked.has(id)) unheard++
      if (acked.has(id) && !id.endsWith('7')) continue // a sample of the many acknowledged ones is enough here
      if (acked.has(id)) assertSame(show.status, 200, id)
      const first = await daemon.admin('POST', '/api/v1/builds', { body: { id } })
      const second = await daemon.admin('POST', '/api/v1/builds', { body: { id } })
      assert([200, 201].includes(first.status) && second.status === 200, `${id}: ${first.status} ${second.status} ${second.text}`)
      assertSame(second.json().env, first.json().env, `${id}: keys`)
      if (acked.has(id)) assertSame(first.json().env, acked.get(id), `${id}: keys after the acknowledgement`)
      await daemon.sql(first.json().env.TURSO_AUTH_TOKEN, 'CREATE TABLE IF NOT EXISTS t(a)')
    }
    return { absent, unheard }.absent >= 0
  })
  await check('an idempotency key still gives its build, and no second one', async () => {
    const id = [...acked.keys()].find((x) => Number(x.slice(2)) % 2 === 0)
    const again = await daemon.admin('POST', '/api/v1/builds', { body: { id }, headers: { 'Idempotency-Key': `key-${id}` } })
    assertSame([again.status, again.json().env], [200, acked.get(id)], again.text.slice(0, 200))
    const other = await daemon.admin('POST', '/api/v1/builds', { body: { id: 'another' }, headers: { 'Idempotency-Key': `key-${id}` } })
    assertSame(other.status, 422, other.text)
    assertSame((await daemon.admin('GET', '/api/v1/builds/another')).status, 404)
  })
  await check('no two builds share a key', () => {
    const keys = [...acked.values()].map((e) => e.TURSO_AUTH_TOKEN)
    assertSame(new Set(keys).size, keys.length)
  })
  await check('killed while builds are deleted: a deleted one stays deleted, its folder goes, its key is dead', async () => {
    const victims = [...acked.keys()].slice(0, 12)
    for (const id of victims) await daemon.sql(acked.get(id).TURSO_AUTH_TOKEN, 'CREATE TABLE IF NOT EXISTS big AS SELECT zeroblob(200000) AS z')
    const gone = []
    for (const [i, id] of victims.entries()) {
      const asked = daemon.admin('DELETE', `/api/v1/builds/${id}`, { timeout: 4000 }).then((r) => { if (r.status < 300) gone.push(id) }, () => {})
      await sleep(i % 6)
      if (i % 3 === 2) { await daemon.kill9(); await asked; await daemon.start() } else await asked
    }
    const fs = await import('node:fs')
    for (const id of victims) {
      const show = await daemon.admin('GET', `/api/v1/builds/${id}`)
      const status = (await daemon.pipeline(acked.get(id).TURSO_AUTH_TOKEN, { requests: [{ type: 'close' }] })).status
      const folder = fs.existsSync(`${daemon.data}/builds/${id}`)
      if (gone.includes(id)) assertSame([show.status, status, folder], [404, 401, false], `${id}, acknowledged`)
      else assert((show.status === 404 && status === 401 && !folder) || (show.status === 200 && status === 200 && folder), `${id}: half deleted: ${show.status} ${status} ${folder}`)
    }
    assert(gone.length >= 6, `only ${gone.length} were acknowledged`)
  })
  await daemon.stop()
}
