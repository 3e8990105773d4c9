// keeper ends by a kill at every point of every step of a role and a database, at a real server: before it, when it was said, when it was
// done, when that was written down. A second run ends in one of each, or in none when the build ends; what is others' stays.
import { Daemon, cleanUp, portBase, sleep } from '../lib/daemon.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { Postgres } from '../lib/postgres.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'
import { buildVendor, vendorBinary } from '../lib/vendor_build.mjs'

const STEPS = { make: 4, suspend: 1, end: 4 }
const POINTS = ['before', 'sent', 'answered', 'kept']

buildVendor()
const base = await portBase()
const server = await Postgres.start(base + 20)
await server.closeToBuilds()
await server.rows('CREATE ROLE vk_foreign; CREATE DATABASE vk_foreign OWNER vk_foreign; REVOKE ALL ON DATABASE vk_foreign FROM PUBLIC')
const daemon = new Daemon({ portBase: base, program: vendorBinary })
const keeper = () => daemon.children().find((c) => c.role === 'keeper')?.pid
const named = (what) => server.rows(`SELECT ${what === 'role' ? 'rolname FROM pg_roles WHERE rolname' : 'datname FROM pg_database WHERE datname'} LIKE 'vk\\_%' ORDER BY 1`)
const alive = async () => ({ roles: await named('role'), databases: await named('database') })
const others = { roles: ['vk_foreign'], databases: ['vk_foreign'] }
const within = async (ms, what, until) => {
  const m = new Meanwhile()
  for (const t0 = Date.now(); ; await sleep(50)) {
    if (await until()) return
    if (!m.allows(Date.now() - t0, ms)) throw new Error(`not within ${ms} ms: ${what}`)
  }
}
const restart = async (at) => {
  await daemon.stop()
  daemon.env.VALETKEY_TEST_PROVISION_CRASH = at
  await daemon.start()
}
const create = (...more) => daemon.cli(['build', 'create', 'shop', '--driver', 'database=postgres', '--json', ...more], { timeout: 60000 })
const one = async () => {
  const { roles, databases } = await alive()
  assertSame([roles.length, databases.length], [2, 2], 'roles and databases, with those of others')
  assertSame(roles, databases)
}

const begin = {
  make: () => create('--no-wait'),
  suspend: () => daemon.cli(['build', 'revoke', 'shop']),
  end: () => daemon.cli(['build', 'delete', 'shop', '--yes']),
}
const after = {
  async make() {
    const again = await create()
    assertSame(again.code, 0, again.stdout + again.stderr)
    await one()
    assertSame((await server.psql('CREATE TABLE t (a int)', { url: JSON.parse(again.stdout).env.DATABASE_URL })).code, 0)
  },
  async suspend() {
    await within(20000, 'it may not log in', async () => (await server.rows("SELECT 1 FROM pg_roles WHERE rolname LIKE 'vk\\_%' AND rolcanlogin")).length === 0)
    await one()
  },
  async end() {},
}

await daemon.start()
const entered = await daemon.cli(['keys', 'set', 'postgres'], { input: `admin_url=${server.url()}\n` })
assert(entered.code === 0, entered.stderr)
for (const [list, n] of Object.entries(STEPS))
  for (let step = 0; step < n; step++)
    for (const point of POINTS)
      await check(`killed at ${list}:${step}:${point}`, async () => {
        if (list !== 'make') {
          await restart('')
          const made = await create()
          assertSame(made.code, 0, made.stdout + made.stderr)
        }
        await restart(`postgres:${list}:${step}:${point}`)
        const first = keeper()
        await begin[list]()
        await within(20000, 'keeper was killed', () => keeper() !== first)
        await restart('')
        await after[list]()
        await daemon.cli(['build', 'delete', 'shop', '--yes'])
        await within(30000, 'it is gone', async () => JSON.stringify(await alive()) === JSON.stringify(others))
      })

await cleanUp()
await server.down()
finish()
