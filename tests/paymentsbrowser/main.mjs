// `./run NAME…` runs the checks whose name has one of these words in it.
import path from 'node:path'
import { chromium } from '../lib/browser.mjs'
import { cleanUp, root } from '../lib/daemon.mjs'
import { install } from '../lib/project.mjs'
import { assertSame, check, finish, ok } from '../lib/tap.mjs'

await install(path.join(root, 'tests', 'paymentsbrowser'))
if (!chromium) {
  ok(false, 'there is a Chromium', 'set CHROMIUM, or install one')
  finish()
} else {
  const { base, browser, daemon, Shop } = await import('./rig.mjs')
  try {
    await daemon.start()
    const shop = await new Shop().open('acme-store', base + 50)
    const parts = [await import('./paying.mjs'), await import('./asking.mjs'), await import('./hostile.mjs'), await import('./people.mjs')]
    const only = process.argv.slice(2)
    for (const part of parts)
      for (const [name, fn] of Object.entries(part)) {
        const words = name.replaceAll('_', ' ')
        if (only.length === 0 || only.some((w) => words.includes(w))) await check(words, () => fn(shop))
      }
    await check('no page asked for anything elsewhere', () => assertSame(browser.foreign, []))
    // A status that is no success is said on the console by the browser itself; so is nothing else.
    await check('no page said anything on the console', () => assertSame(browser.problems.filter((p) => !/^Failed to load resource: the server responded with a status of (400|402|403|404|410|413) /.test(p)), []))
    await check('every webhook had a right signature', () => assertSame(shop.bad, []))
    await shop.close()
  } finally {
    if (process.env.SHOW_LOG) console.error(daemon.log)
    await browser.close()
    await cleanUp()
  }
  finish()
}
