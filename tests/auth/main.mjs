// One file an area; each brings its own daemon and builds.
import { cleanUp } from '../lib/daemon.mjs'
import { check, finish } from '../lib/tap.mjs'

const areas = ['attempts', 'backend', 'client', 'me', 'storm']
const asked = process.argv.slice(2)

for (const area of areas.filter((a) => !asked.length || asked.includes(a)))
  await check(`${area}: ran to its end`, async () => { await (await import(`./${area}.mjs`)).default() })
await cleanUp()
finish()
