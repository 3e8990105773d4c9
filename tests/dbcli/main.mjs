import { check, finish, note } from '../lib/tap.mjs'
import { Daemon, cleanUp, portBase } from '../lib/daemon.mjs'
import { apply } from './apply.mjs'
import { snapshots } from './snapshots.mjs'
import { diff } from './diff.mjs'
import { api } from './api.mjs'
import { prompt } from './prompt.mjs'
import { load } from './load.mjs'
import { killed } from './killed.mjs'

const base = await portBase()
const daemon = new Daemon({ portBase: base })
try {
  await daemon.start()
  for (const part of [apply, snapshots, diff, api, prompt, load, killed]) {
    const ended = await check(`the part "${part.name}" ran to its end`, () => part(daemon))
    if (!ended) note(daemon.log.slice(-3000))
  }
} finally {
  await cleanUp()
}
finish()
