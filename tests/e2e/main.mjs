// Runs app.mjs and refused.mjs with each version of the unmodified client.
import path from 'node:path'
import { check, finish, note, ok } from '../lib/tap.mjs'
import { e2e, install, script, versions } from '../lib/clients.mjs'
import { Daemon, cleanUp, withChecksum, portBase } from '../lib/daemon.mjs'

const base = await portBase()

const daemon = new Daemon({ portBase: base })
const later = []
try {
  for (const v of versions) await install(path.join(e2e, v))
  ok(versions.length >= 2, `client versions: ${versions.join(', ')}`)
  await daemon.start()
  for (const v of versions) {
    const id = v.replaceAll('.', '-')
    const app = await daemon.createBuild(id)
    await check(`${v}: the environment names the database the way its documentation does`, () =>
      /^http:\/\/127\.0\.0\.1:\d+$/.test(app.env.TURSO_DATABASE_URL) && app.env.TURSO_AUTH_TOKEN?.length > 20 && app.id === id || JSON.stringify(Object.keys(app.env)))
    await script('app.mjs', v, app.env)

    // Keys that open nothing any more, or never did: the developer must read why.
    const revoked = await daemon.createBuild(`${id}-revoked`)
    later.push([v, await daemon.createBuild(`${id}-expired`, ['--ttl', '60s'])])
    await daemon.mustCli(['build', 'revoke', revoked.id])
    await script('refused.mjs', v, revoked.env, ['revoked'])
    const forged = withChecksum(app.env.TURSO_AUTH_TOKEN.slice(0, 20) + 'A'.repeat(15))
    await script('refused.mjs', v, { ...app.env, TURSO_AUTH_TOKEN: forged }, ['forged'])
    await script('refused.mjs', v, { ...app.env, TURSO_AUTH_TOKEN: 'not-a-key' }, ['junk'])
  }
  // A minute passes, by the seam for it.
  await daemon.stop()
  daemon.env = { VALETKEY_TEST_CLOCK_OFFSET_MS: '61000' }
  await daemon.start()
  for (const [v, build] of later) await script('refused.mjs', v, build.env, ['expired'])
  await check('the daemon ends cleanly', async () => {
    const end = await daemon.stop()
    return end?.code === 0 || `ended with ${JSON.stringify(end)}\n${daemon.log.slice(-2000)}`
  })
} catch (e) {
  await check('the suite ran to its end', () => { throw e })
  note(daemon.log.slice(-2000))
} finally {
  await cleanUp()
}
finish()
