// Keys end by themselves: at their time, on open connections too, and use moves that time at most once a day.
import http from 'node:http'
import path from 'node:path'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Daemon, request, sleep, tempFolder } from '../lib/daemon.mjs'
import { manyBadKeys, build, bytes } from './world.mjs'

const HOUR = 3600e3
const DAY = 24 * HOUR

export async function run(base) {
  const data = path.join(tempFolder(), 'data')
  const at = async (ms, fn) => {
    const d = new Daemon({ portBase: base, data, args: [...manyBadKeys, '--loops', '2'], env: { VALETKEY_TEST_CLOCK_OFFSET_MS: String(Math.round(ms)) } })
    await d.start()
    try { return await fn(d) } finally { await d.stop() }
  }
  const status = async (d, b) => (await d.pipeline(b.token, { requests: [{ type: 'execute', stmt: { sql: 'SELECT 1' } }, { type: 'close' }] })).status
  const write = { requests: [{ type: 'execute', stmt: { sql: 'INSERT INTO t(v) VALUES (1)' } }, { type: 'close' }] }
  const ask = (d, b, agent) => request(`${d.databaseUrl}/v2/pipeline`, { method: 'POST', agent, headers: { Authorization: `Bearer ${b.token}`, 'Content-Type': 'application/json' }, body: write })
  const refusedNow = async (d, agents) => {
    const digest = bytes(d, 'short')
    for (const r of await Promise.all([...agents, undefined, undefined].map((agent) => ask(d, short, agent)))) assertSame([r.status, r.json().code], [401, 'AUTH_JWT_EXPIRED'], r.text)
    assertSame(bytes(d, 'short'), digest, 'bytes of the database')
    for (const a of agents) a.destroy()
  }

  let short, hour, used, unused, shortMade
  const t0 = Date.now()
  await at(0, async (d) => {
    short = await build(d, 'short', ['--ttl', '60s'])
    shortMade = Date.now() // its minute began at this time or before
    hour = await build(d, 'hour', ['--ttl', '1h'])
    used = await build(d, 'used', ['--ttl', '3d'])
    unused = await build(d, 'unused', ['--ttl', '3d'])
    await check('ttl: less than a minute and nonsense are refused with a sentence', async () => {
      for (const ttl of ['1s', '0', '-5m', 'soon', '11y']) {
        const r = await d.cli(['build', 'create', 'bad', '--ttl', ttl])
        assert(r.code !== 0 && /ttl/i.test(r.stderr), `${ttl}: exit ${r.code} ${r.stderr}`)
      }
    })
  })

  // Started so that 2 s are left: the end comes while connections are open. They are opened with another build's key, since a use in
  // the second half of a key's time moves its end.
  const left = 2000
  await at(60000 - (Date.now() - shortMade) - left, async (d) => {
    await check('ttl: a key ends at its time, on connections that were open before and on new ones', async () => {
      const agents = Array.from({ length: 8 }, () => new http.Agent({ keepAlive: true, maxSockets: 1 }))
      const first = await Promise.all(agents.map((agent) => ask(d, hour, agent)))
      assertSame(first.map((r) => r.status), Array(8).fill(200), 'before')
      await sleep(left + 700)
      await refusedNow(d, agents)
    })
    await check('ttl: another build goes on', async () => assertSame(await status(d, hour), 200))
  })
  if (process.env.VALETKEY_TEST_FULL === '1')
    await at(0, async (d) => check('ttl: the same in real time, with a key that was just served', async () => {
      await d.mustCli(['build', 'delete', 'short'])
      short = await build(d, 'short', ['--ttl', '60s'])
      const agents = Array.from({ length: 8 }, () => new http.Agent({ keepAlive: true, maxSockets: 1 }))
      const born = Date.now()
      while (Date.now() - born < 25000) {
        for (const r of await Promise.all(agents.map((agent) => ask(d, short, agent)))) assertSame(r.status, 200, r.text)
        await sleep(2000)
      }
      await sleep(born + 61500 - Date.now())
      await refusedNow(d, agents)
    }))
  await at(HOUR - 60000 - (Date.now() - t0), async (d) => check('ttl: just before its end a key is good', async () => assertSame(await status(d, hour), 200)))
  await at(HOUR + 60000 - (Date.now() - t0), async (d) => check('ttl: that use moved the end', async () => assertSame(await status(d, hour), 200)))
  await at(2 * HOUR, async (d) => check('ttl: and then it ends', async () => assertSame(await status(d, hour), 401)))
  await at(2 * DAY, async (d) => check('ttl: use after a day moves the end', async () => assertSame(await status(d, used), 200)))
  await at(4 * DAY, async (d) => check('ttl: the one that was used lives, the other does not', async () => assertSame([await status(d, used), await status(d, unused)], [200, 401])))
  await at(0, async (d) => {
    await check('expired builds are shown as such, and their data is kept', async () => {
      const r = await d.admin('GET', '/api/v1/builds')
      assert(r.status === 200, r.text)
      assert(bytes(d, 'unused').length === 64)
    })
  })
}
