// A hundred builds are made at once at a vendor that takes a few requests a second and answers others with 429, fails now and then after the
// deed, and is cut off: a hundred things in the end, each of one build. Then all are deleted at once, and nothing is left.
import { Daemon, cleanUp, portBase, sleep } from '../lib/daemon.mjs'
import { entered } from '../lib/brokered.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'
import { VENDORS } from '../lib/vendors.mjs'

const BUILDS = 100
const RATE = { perSecond: 40, burst: 20 }

const data = await new Daemon({ portBase: await portBase() }).start() // where what the stand-ins hand out works
const daemon = await new Daemon({ portBase: await portBase() }).start()
const api = async (method, target, body) => {
  const r = await daemon.admin(method, `/api/v1${target}`, { body, timeout: 120_000 })
  return { status: r.status, text: r.text, ...(r.text ? r.json() : {}) }
}
async function until(what, ask, seconds) {
  const m = new Meanwhile()
  for (const begun = Date.now(); ; await sleep(200)) {
    const got = await ask()
    if (got) return got
    assert(m.allows((Date.now() - begun) / 1000, seconds), `${await what()}: not within ${seconds} s`)
  }
}
const resources = async (vendor) => {
  const all = []
  for (let after = ''; ; ) {
    const r = await api('GET', `/resources?limit=50${after && `&after=${encodeURIComponent(after)}`}`)
    assertSame(r.status, 200, r.text)
    all.push(...r.resources.filter((x) => x.vendor === vendor))
    if (!r.next) return all
    after = r.next
  }
}

const only = process.argv.length > 2 ? process.argv.slice(2) : ['turso', 'clerk'] // all six take ten minutes
for (const [vendor, { service, start }] of Object.entries(VENDORS)) {
  if (!only.includes(vendor)) continue
  const v = await start({ admin: data.adminUrl, token: data.adminToken })
  const each = v.each ?? 1
  await entered(daemon, ['keys', 'set', vendor], v.keys)
  const before = (await v.all()).sort()
  const ids = Array.from({ length: BUILDS }, (_, i) => `${vendor}-${i}`)
  if (v.stand) {
    v.stand.settings.rate = RATE
    v.stand.plan(
      { method: '*', path: '/**', kind: 'error', when: 'after', skip: 30, count: 3 },
      { method: '*', path: '/**', kind: 'cut', when: 'after', skip: 60, count: 3 },
    )
  }

  await check(`${vendor}: ${BUILDS} builds at once`, async () => {
    const answers = await Promise.all(ids.map((id) => api('POST', '/builds', { id, drivers: { [service]: { driver: vendor } } })))
    for (const r of answers) assert([201, 202].includes(r.status), `${r.status} ${r.text}`)
    await until(async () => JSON.stringify((await resources(vendor)).filter((r) => r.state !== 'ready').slice(0, 3)), async () => {
      const all = await resources(vendor)
      assert(!all.some((r) => r.state === 'failed'), JSON.stringify(all.find((r) => r.state === 'failed')))
      return all.filter((r) => r.state === 'ready').length === BUILDS
    }, 240)
    const made = await resources(vendor)
    assertSame([new Set(made.map((r) => r.name)).size, new Set(made.map((r) => r.build)).size], [BUILDS, BUILDS])
    const there = (await v.all()).filter((name) => !before.includes(name))
    assertSame(there.sort(), made.flatMap((r) => Array(each).fill(r.name)).sort())
  })

  await check(`${vendor}: all of them deleted at once`, async () => {
    const answers = await Promise.all(ids.map((id) => api('DELETE', `/builds/${id}`)))
    for (const r of answers) assertSame(r.status, 204, r.text)
    await until(async () => JSON.stringify((await resources(vendor)).slice(0, 3)), async () => !(await resources(vendor)).length, 300)
    assertSame((await v.all()).sort(), before)
    if (v.stand) assert(v.stand.log.some((x) => x.status === 429), 'the limit was met')
  })
  await v.stand?.stop()
  await v.stop?.()
}

await check('the audit holds together', async () => {
  await daemon.mustCli(['audit', 'verify'])
  await daemon.stop()
})
await data.stop()
await cleanUp()
finish()
