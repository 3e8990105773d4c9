// Each part runs on one daemon, so that what one of them breaks is seen by those behind it. Names of parts as arguments run only these.
import { check, finish, note } from '../lib/tap.mjs'
import { cleanUp, portBase } from '../lib/daemon.mjs'
import { World } from './world.mjs'

const only = process.argv.slice(2)
const parts = ['scope', 'auth', 'framing', 'stored', 'advisories', 'timing', 'races', 'monkey'].filter((p) => !only.length || only.includes(p))
const w = await World.start(await portBase())
for (const name of parts) {
  const t0 = Date.now()
  try {
    await (await import(`./${name}.mjs`)).run(w)
  } catch (e) {
    await check(`${name}: the part ran to its end`, () => { throw e })
  }
  note(`${name}: ${((Date.now() - t0) / 1000).toFixed(1)} s`)
}
await check('the front that answers is the one that was started, and it ends when it is asked to', async () => {
  if (/a role (ended|cannot be started|does not answer)|Sanitizer|runtime error/.test(w.daemon.log)) throw new Error(w.daemon.log.slice(-4000))
  const end = await w.daemon.stop()
  if (end?.code !== 0) throw new Error(`it ended with ${JSON.stringify(end)}\n${w.daemon.log.slice(-3000)}`)
})
w.pool.close()
await w.behind?.stop()
await cleanUp()
finish()
process.exit() // sockets of clients that are gone
