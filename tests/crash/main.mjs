// Crashes: kill -9 of every process under write load, of the daemon while builds are made, and a disk that is full.
// COUNT=n kills each process n times (5; 50 with VALETKEY_TEST_FULL=1).
import { check, finish, note } from '../lib/tap.mjs'
import { cleanUp, portBase } from '../lib/daemon.mjs'
import * as kill from './kill.mjs'
import * as create from './create.mjs'
import * as full from './full.mjs'
import * as objects from './objects.mjs'

const base = await portBase()
// `main.mjs full`: the last part alone, as full.mjs starts it in a name space of its own. `main.mjs objects`: for developers.
for (const part of process.argv[2] === 'full' ? [full] : process.argv[2] === 'objects' ? [objects] : [kill, objects, create, full]) {
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
