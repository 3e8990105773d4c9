// Isolation: the table of requests × credentials, revocation and expiry, two builds that run at once.
import { check, finish, note } from '../lib/tap.mjs'
import { cleanUp, portBase } from '../lib/daemon.mjs'
import * as table from './table.mjs'
import * as sockets from './sockets.mjs'
import * as revocation from './revocation.mjs'
import * as expiry from './expiry.mjs'
import * as differential from './differential.mjs'
import * as shared from './shared.mjs'

const base = await portBase()
for (const part of [table, sockets, revocation, expiry, differential, shared]) {
  try {
    await part.run(base)
  } catch (e) {
    await check('the part ran to its end', () => { throw e })
    note(e.log ?? '')
  } finally {
    await cleanUp()
  }
}
finish()
