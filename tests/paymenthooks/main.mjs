import { cleanUp } from '../lib/daemon.mjs'
import { check, finish } from '../lib/tap.mjs'
import { daemon } from './rig.mjs'
import * as signed from './signed.mjs'
import * as endpoints from './endpoints.mjs'
import * as tries from './tries.mjs'
import * as pages from './pages.mjs'
import * as ends from './ends.mjs'

try {
  await daemon.start()
  const only = process.argv[2]
  const long = process.env.VALETKEY_TEST_FULL ? [] : ['many_dead_receivers_leave_room'] // half a minute
  for (const part of [signed, endpoints, tries, pages, ends])
    for (const [name, fn] of Object.entries(part))
      if (only ? name.includes(only) : !long.includes(name)) await check(name.replaceAll('_', ' '), fn)
  if (process.env.SHOW_LOG) console.error(daemon.log)
} finally {
  await cleanUp()
}
finish()
