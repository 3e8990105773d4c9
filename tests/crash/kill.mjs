// kill -9 of the supervisor, front, keeper and courier, each COUNT times, while eight clients write to two builds.
import { assert, assertSame, check, note } from '../lib/tap.mjs'
import { Daemon, portFree, request, sleep } from '../lib/daemon.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { COUNT, Writer, alive, databaseFile, integrity, prepare, verify } from './common.mjs'

const READY_MS = 500

// Those of `took` that are over the limit, and further than others on this machine explain.
const late = (over, took) => over.length === 0 || `${over.length} of ${took.length} took longer: ${over.map((x) => x.toFixed(0))}`

// Milliseconds until the daemon is whole again: the role is another process, health says ok and a build is served.
async function back(daemon, role, old, token) {
  const t0 = process.hrtime.bigint()
  const ms = () => Number(process.hrtime.bigint() - t0) / 1e6
  for (;;) {
    if (ms() > 15000) throw new Error(`${role} is not back after 15 s\n${daemon.log.slice(-1500)}`)
    try {
      const now = daemon.children().find((c) => c.role === role)
      if (now && now.pid !== old) {
        const h = await request(`${daemon.adminUrl}/api/v1/health`, { timeout: 2000 })
        if (h.status === 200 && Object.values(h.json().roles).every((x) => x === 'ok')) {
          const r = await daemon.pipeline(token, { requests: [{ type: 'execute', stmt: { sql: 'SELECT 1' } }, { type: 'close' }] }, { timeout: 2000 })
          if (r.status === 200) return ms()
        }
      }
    } catch {}
    await sleep(2)
  }
}

export async function run(base) {
  const daemon = new Daemon({ portBase: base, args: ['--loops', '2'] })
  await daemon.start()
  const builds = [await prepare(daemon, 'one'), await prepare(daemon, 'two')]
  const writers = builds.map(() => [])
  let range = 0
  const load = () => builds.forEach((b, i) => { for (let k = 0; k < 4; k++) writers[i].push(new Writer(daemon, b.token, 1 + 1000000 * range++)) })
  const halt = () => Promise.all(writers.flat().map((w) => w.stop()))
  const total = () => writers.flat().reduce((n, w) => n + w.acked.length, 0)

  for (const role of ['front', 'keeper', 'courier']) {
    const took = []
    const over = []
    const before = total()
    load()
    await check(`kill -9 of ${role}, ${COUNT} times: it is back by itself within ${READY_MS} ms each time`, async () => {
      for (let i = 0; i < COUNT; i++) {
        await sleep(100 + 37 * (i % 9))
        const victim = daemon.children().find((c) => c.role === role)
        assert(victim, `there is no ${role}: ${JSON.stringify(daemon.children())}`)
        const meanwhile = new Meanwhile()
        process.kill(victim.pid, 'SIGKILL')
        took.push(await back(daemon, role, victim.pid, builds[0].token))
        if (!meanwhile.allows(took.at(-1), READY_MS)) over.push(took.at(-1))
      }
      note(`${role}: back after ${took.map((x) => x.toFixed(0)).join(' ')} ms`)
      return late(over, took)
    })
    await sleep(100)
    await halt()
    await check(`kill -9 of ${role}: the load went on, every acknowledged row is there, the files are sound`, async () => {
      assert(total() - before > 20 * COUNT, `only ${total() - before} rows were acknowledged`)
      for (const [i, b] of builds.entries()) await verify(daemon, b, writers[i])
      assertSame([...new Set(writers.flat().flatMap((w) => w.odd))].slice(0, 5), [], 'unexpected answers')
    })
  }

  const ready = []
  const over = []
  const gone = []
  const freed = []
  const before = total()
  await check(`kill -9 of the supervisor, ${COUNT} times: no process and no port remains, the next start is ready within ${READY_MS} ms`, async () => {
    for (let i = 0; i < COUNT; i++) {
      load()
      await sleep(150 + 53 * (i % 7))
      const family = daemon.children()
      assertSame(family.map((c) => c.role).sort(), ['courier', 'front', 'keeper'])
      const meanwhile = new Meanwhile()
      const t0 = Date.now()
      await daemon.kill9()
      while (family.some((c) => alive(c.pid)) && Date.now() - t0 < 3000) await sleep(1)
      gone.push(Date.now() - t0)
      assertSame(family.filter((c) => alive(c.pid)), [], 'processes that remain')
      // A process whose first thread has ended counts as gone; its others may need a moment more.
      for (const port of [base, base + 2]) {
        while (!(await portFree(port)) && Date.now() - t0 < 10 * READY_MS) await sleep(1)
        assert((await portFree(port)) && meanwhile.allows(Date.now() - t0, READY_MS), `port ${port} was held for ${Date.now() - t0} ms`)
      }
      freed.push(Date.now() - t0)
      await halt()
      const starting = new Meanwhile()
      await daemon.start()
      ready.push(daemon.readyMs)
      if (!starting.allows(daemon.readyMs, READY_MS)) over.push(daemon.readyMs)
      // All rows of all rounds, but not each time: of the rest this round's.
      if (i % 10 === 9) for (const [k, b] of builds.entries()) await verify(daemon, b, writers[k])
      else for (const [k, b] of builds.entries()) await verify(daemon, b, writers[k].slice(-4), writers[k].at(-4).first)
    }
    note(`ready after ${ready.map((x) => x.toFixed(0)).join(' ')} ms; the children were gone after ${gone.join(' ')} ms, the ports free after ${freed.join(' ')} ms`)
    return late(over, ready)
  })
  await check(`kill -9 of the supervisor: ${total() - before} rows were acknowledged around it, all are there, the files are sound`, async () => {
    assert(total() - before > 20 * COUNT, 'too little load')
    for (const [i, b] of builds.entries()) await verify(daemon, b, writers[i])
  })
  // Nobody may start before the killed one's children are gone: at once, without waiting.
  await check('a start right after kill -9, while its children may still end, is ready, too', async () => {
    for (let i = 0; i < Math.min(COUNT, 10); i++) {
      daemon.process.kill('SIGKILL')
      await daemon.exited
      await daemon.start()
      assertSame((await daemon.pipeline(builds[0].token, { requests: [{ type: 'close' }] })).status, 200)
    }
  })
  await check('the ready line is one line, and the end by SIGTERM is clean', async () => {
    assert(/ready/.test(daemon.ready), daemon.ready)
    const end = await daemon.stop()
    assertSame(end?.code, 0, `${JSON.stringify(end)} ${daemon.log.slice(-800)}`)
    for (const b of builds) assertSame(integrity(databaseFile(daemon, b.id)), 'ok', b.id)
  })
}
