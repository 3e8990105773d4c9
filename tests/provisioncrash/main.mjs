// For every vendor, every step of making and of ending, and every point of it: keeper is killed just there, once, and is started again by
// its supervisor. Then there is exactly one thing at the vendor for a build, and none once it was deleted; what others have there stays.
import fs from 'node:fs'
import path from 'node:path'
import { Daemon, cleanUp, portBase, sleep } from '../lib/daemon.mjs'
import { entered } from '../lib/brokered.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'
import { buildVendor, vendorBinary } from '../lib/vendor_build.mjs'
import { VENDORS } from '../lib/vendors.mjs'

const STEPS = 12 // more than any list has
const POINTS = ['before', 'sent', 'answered', 'kept']

buildVendor()
const data = await new Daemon({ portBase: await portBase() }).start() // where what the stand-ins hand out works
const place = { admin: data.adminUrl, token: data.adminToken }
const daemon = await new Daemon({ portBase: await portBase(), program: vendorBinary }).start()
const crash = path.join(daemon.data, 'vault', 'crash')

async function until(what, ask, seconds = 60) {
  const m = new Meanwhile()
  for (const begun = Date.now(); ; await sleep(20)) {
    const got = await ask()
    if (got) return got
    assert(m.allows((Date.now() - begun) / 1000, seconds), `${typeof what === 'function' ? await what() : what}: not within ${seconds} s`)
  }
}
/** Until it is another answer than that keeper is away. */
const api = async (method, target, body) => {
  let r
  await until(() => `${method} ${target}: ${r?.text}`, async () => {
    r = await daemon.admin(method, `/api/v1${target}`, { body, timeout: 60_000 })
    return r.status !== 503
  })
  return { status: r.status, text: r.text, ...(r.text ? r.json() : {}) }
}
const resources = async (id) => (await api('GET', `/resources?build=${id}`)).resources

const only = process.argv.slice(2)
for (const [vendor, { service, start }] of Object.entries(VENDORS)) {
  if (only.length && !only.includes(vendor)) continue
  const v = await start(place)
  v.each ??= 1
  await entered(daemon, ['keys', 'set', vendor], v.keys)
  const before = (await v.all()).sort()
  const at = { make: 0, suspend: 0, end: 0 } // points that were met
  let n = 0
  const create = async (id) => {
    const r = await api('POST', '/builds', { id, drivers: { [service]: { driver: vendor } } })
    assert([200, 201, 202].includes(r.status), `${r.status} ${r.text}`)
  }
  const ready = (id) => until(async () => JSON.stringify(await resources(id)), async () => {
    const [r] = (await api('GET', `/builds/${id}/resources`)).resources ?? []
    assert(r?.state !== 'failed', JSON.stringify(r))
    return r?.state === 'ready' && r
  })
  /** Whether keeper came by and was killed; `otherwise` says that it does not come any more. */
  const met = (otherwise) => until('keeper comes by', async () => (!fs.existsSync(crash) ? 'met' : (await otherwise()) && fs.existsSync(crash) && 'not met'))

  await check(`${vendor}: killed at every step of making: one, and it is the build's`, async () => {
    for (let step = 0; step < STEPS; step++)
      for (const point of POINTS) {
        const id = `${vendor}-${n++}`
        fs.writeFileSync(crash, `${vendor}:make:${step}:${point}`)
        await create(id)
        const came = await met(async () => (await resources(id))[0]?.state === 'ready')
        fs.rmSync(crash, { force: true })
        const r = await ready(id)
        at.make += came === 'met'
        const now = (await v.all()).filter((name) => !before.includes(name))
        assertSame([now.filter((name) => name === r.name).length, now.length], [v.each, v.each * n], `${vendor}:make:${step}:${point} ${came}`)
        if (came !== 'met' && point === POINTS[0]) break // not needed, or there is none
      }
    assert(at.make >= POINTS.length, `only ${at.make} points were met`)
  })

  if (v.suspends !== false) await check(`${vendor}: killed at every step of suspending: it is suspended, and still there`, async () => {
    for (let step = 0; step < STEPS; step++)
      for (const point of POINTS) {
        const id = `${vendor}-${n++}`
        await create(id)
        await ready(id)
        fs.writeFileSync(crash, `${vendor}:suspend:${step}:${point}`)
        assertSame((await api('POST', `/builds/${id}/revoke`)).status, 200)
        const suspended = async () => (await resources(id))[0]?.state === 'suspended'
        const came = await met(suspended)
        fs.rmSync(crash, { force: true })
        await until(async () => JSON.stringify(await resources(id)), suspended)
        at.suspend += came === 'met'
        assertSame((await v.all()).length - before.length, v.each * n, `${vendor}:suspend:${step}:${point} ${came}`)
        if (came !== 'met' && point === POINTS[0]) break
      }
  })

  await check(`${vendor}: killed at every step of ending: nothing is left, and what is of others stays`, async () => {
    const points = []
    for (let step = 0; step < STEPS; step++) for (const point of POINTS) points.push(`${vendor}:end:${step}:${point}`)
    for (let i = 0; i < n || points.length; i++) {
      const id = `${vendor}-${i}`
      if (i >= n) {
        await create(id)
        await ready(id)
      }
      const point = points.shift()
      if (point) fs.writeFileSync(crash, point)
      const r = await api('DELETE', `/builds/${id}`)
      assertSame(r.status, 204, r.text)
      const came = point && await met(async () => !(await resources(id))?.length)
      fs.rmSync(crash, { force: true })
      at.end += came === 'met'
      if (came === 'not met' && point.endsWith(POINTS[0])) points.splice(0, POINTS.length - 1) // not needed, or there is none
    }
    await until(async () => `what is left: ${JSON.stringify((await api('GET', '/resources')).resources)}`, async () => !(await api('GET', '/resources')).resources.length, 120)
    assertSame((await v.all()).sort(), before)
    assert(at.end >= POINTS.length, `only ${at.end} points were met`)
  })

  await check(`${vendor}: it was killed at ${at.make} points of making, ${at.suspend} of suspending and ${at.end} of ending; the sweep finds nothing`, async () => {
    const r = await api('POST', '/resources/sweep', { vendor, delete: [] })
    assertSame([r.status, r.orphans, r.lost], [200, [], []], r.text)
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
