// The suite: one daemon, a build of its own for each part. A part is a file of this folder that exports `run({ stripe, env, build, base })`.
import { cleanUp } from '../lib/daemon.mjs'
import { install } from '../lib/project.mjs'
import { check, finish, note } from '../lib/tap.mjs'

await install(import.meta.dirname)
const { Payments } = await import('./rig.mjs')
const wanted = process.argv.slice(2)

const PARTS = ['catalogue', 'cards', 'intents', 'secure', 'setups', 'refunds', 'checkout', 'amounts', 'subscriptions', 'invoices', 'owned', 'links', 'expand', 'later', 'time', 'majors', 'replay', 'crash']

const payments = await Payments.start()
try {
  for (const name of PARTS) {
    if (wanted.length && !wanted.includes(name)) continue
    const t0 = performance.now()
    await check(`${name}: ran to its end`, async () => {
      const { run } = await import(`./${name}.mjs`)
      await run(await payments.build(name), payments)
    })
    note(`${name}: ${Math.round(performance.now() - t0)} ms`)
  }
} finally {
  await payments.stop()
  await cleanUp()
}
finish()
