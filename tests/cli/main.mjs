import { note, finish, check } from '../lib/tap.mjs'
import { Daemon, cleanUp, portBase } from '../lib/daemon.mjs'
import { commands } from './commands.mjs'
import { files } from './files.mjs'
import { shell } from './shell.mjs'
import { badInput } from './bad-input.mjs'
import { api } from './api.mjs'
import { page } from './page.mjs'

const base = await portBase()
const daemon = new Daemon({ portBase: base })
try {
  await daemon.start()
  note(daemon.ready)
  for (const part of [commands, files, shell, badInput, api, page])
    await check(`the part "${part.name}" ran to its end`, () => part(daemon))
} finally {
  await cleanUp()
}
finish()
