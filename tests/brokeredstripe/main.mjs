// The suite: payments that Stripe answers, in both ways that a build can have it (src/services/payments/stripe/README.md). Who plays Stripe:
//   flow, isolation   a second daemon in the vendor's role, whose one build is the organisation's account
//   wire, lies        a stand-in that notes what reaches it, and that lies
//   emulate           somebody else's
import { cleanUp } from '../lib/daemon.mjs'
import { install } from '../lib/project.mjs'
import { check, finish, note } from '../lib/tap.mjs'
import path from 'node:path'

await install(path.join(import.meta.dirname, '../payments'))
const { buildVendor } = await import('../lib/vendor_build.mjs')
const PARTS = ['wire', 'lies', 'flow', 'isolation', 'inbound', 'emulate']
const wanted = process.argv.slice(2)

try {
  if (await check('the daemon in the vendors\' role is compiled', buildVendor))
    for (const name of PARTS) {
      if (wanted.length && !wanted.includes(name)) continue
      const t0 = performance.now()
      await check(`${name}: ran to its end`, async () => (await import(`./${name}.mjs`)).run())
      note(`${name}: ${Math.round(performance.now() - t0)} ms`)
    }
} finally {
  await cleanUp()
}
finish()
