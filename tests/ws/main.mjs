// The app of tests/e2e over ws://, then the protocol by hand, then everything that can end a connection.
import path from 'node:path'
import { check, finish, note, ok } from '../lib/tap.mjs'
import { e2e, install, script, versions } from '../lib/clients.mjs'
import { Daemon, cleanUp, withChecksum, portBase } from '../lib/daemon.mjs'
import * as frames from './frames.mjs'
import * as endings from './endings.mjs'

const daemon = new Daemon({ portBase: await portBase() })
const overWs = (env) => ({ ...env, TURSO_DATABASE_URL: env.TURSO_DATABASE_URL.replace(/^http:/, 'ws:') })
const later = []
try {
  for (const v of versions) await install(path.join(e2e, v))
  ok(versions.length >= 2, `client versions: ${versions.join(', ')}`)
  await daemon.start()
  for (const v of versions) {
    const id = v.replaceAll('.', '-')
    const app = await daemon.createBuild(id)
    await script('app.mjs', v, overWs(app.env))
    const revoked = await daemon.createBuild(`${id}-revoked`)
    later.push([v, await daemon.createBuild(`${id}-expired`, ['--ttl', '60s'])])
    await daemon.mustCli(['build', 'revoke', revoked.id])
    await script('refused.mjs', v, overWs(revoked.env), ['revoked'])
    const forged = withChecksum(app.env.TURSO_AUTH_TOKEN.slice(0, 20) + 'A'.repeat(15))
    await script('refused.mjs', v, { ...overWs(app.env), TURSO_AUTH_TOKEN: forged }, ['forged'])
    await script('refused.mjs', v, { ...overWs(app.env), TURSO_AUTH_TOKEN: 'not-a-key' }, ['junk'])
  }
  await frames.run(daemon)
  await endings.run(daemon)
  await check('the daemon is still the one that was started', () => daemon.pid !== undefined)
  await endings.stop(daemon)
  daemon.env = { VALETKEY_TEST_CLOCK_OFFSET_MS: '61000' }
  await daemon.start()
  for (const [v, build] of later) await script('refused.mjs', v, overWs(build.env), ['expired'])
  await daemon.stop()
} catch (e) {
  await check('the suite ran to its end', () => { throw e })
  note(daemon.log.slice(-2000))
} finally {
  await cleanUp()
}
finish()
