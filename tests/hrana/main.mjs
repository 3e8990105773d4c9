// Hrana over HTTP as the facts have it: recorded exchanges that real clients accepted, the tenant SQL policy, and every rule about
// errors, values, streams and batons. Nothing here knows how the daemon works.
import { check, finish, note } from '../lib/tap.mjs'
import { Daemon, cleanUp, portBase } from '../lib/daemon.mjs'
import * as samples from './samples.mjs'
import * as policy from './policy.mjs'
import * as keys from './keys.mjs'
import * as protocol from './protocol.mjs'
import * as values from './values.mjs'
import * as streams from './streams.mjs'
import * as endpoints from './endpoints.mjs'

const base = await portBase()
const daemon = new Daemon({ portBase: base })
try {
  await daemon.start()
  // What waits for time to pass begins first and is looked at last.
  const slow = streams.begin(daemon)
  for (const part of [samples, policy, keys, protocol, values, endpoints, streams]) await part.run(daemon)
  await streams.end(daemon, await slow)
  await check('the daemon is the same one and answers', async () => {
    const r = await daemon.admin('GET', '/healthz')
    if (r.status !== 200) return `GET /healthz: ${r.status} ${r.text}`
    const end = await daemon.stop()
    return end?.code === 0 || `ended with ${JSON.stringify(end)}`
  })
} catch (e) {
  await check('the suite ran to its end', () => { throw e })
  note(daemon.log.slice(-2000))
} finally {
  await cleanUp()
}
finish()
