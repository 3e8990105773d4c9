// Every call of the Backend API that src/services/auth/README.md lists, made by Clerk's own clients: the one of its SDKs 7 and the one of
// its SDKs 6, each on builds of its own. VALETKEY_BIN names the daemon.
import path from 'node:path'
import { cleanUp, Daemon, portBase, root } from '../lib/daemon.mjs'
import { install } from '../lib/project.mjs'
import { check, finish } from '../lib/tap.mjs'

const CLIENTS = { 'backend 3.25.0': '@clerk/backend', 'backend 2.33.8': '@clerk/backend-2' }

try {
  await install(path.join(root, 'tests', 'clerkbackend'))
  const daemon = new Daemon({ portBase: await portBase() })
  if (await check('the daemon starts', async () => void (await daemon.start()))) {
    const { users } = await import('./users.mjs')
    const { sessions } = await import('./sessions.mjs')
    const { refusals } = await import('./refusals.mjs')
    const { open } = await import('./rig.mjs')
    // Both SDKs begin with an empty pool of users; builds of an organisation's one instance share it (tests/brokered).
    const clients = Object.entries(CLIENTS).slice(0, process.env.VALETKEY_TEST_BROKERED ? 1 : undefined)
    for (const [title, name] of clients) {
      await check(`${title}: the checks ran to their end`, async () => {
        const rig = await open(daemon, title, name)
        await users(rig)
        await sessions(rig)
        await refusals(rig)
      })
    }
  }
} finally {
  await cleanUp()
}
finish()
