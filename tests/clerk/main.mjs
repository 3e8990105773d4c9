// Ordinary apps, made with Clerk's unmodified SDKs, against the real daemon, in headless Chromium: nothing of valetkey is in them but
// what `valetkey run` puts into their environment. VALETKEY_BIN names the daemon, CHROMIUM the browser. Screenshots: tests/.work/.
import path from 'node:path'
import { chromium, WatchedBrowser } from '../lib/browser.mjs'
import { cleanUp, Daemon, portBase } from '../lib/daemon.mjs'
import { install } from '../lib/project.mjs'
import { check, finish } from '../lib/tap.mjs'
import { App, here, Outbox, stopAll } from './harness.mjs'
import { expiry, iframe, neighbours, noProxy, portal, restart } from './corners.mjs'
import { journey, Person } from './journey.mjs'

const full = Boolean(process.env.VALETKEY_TEST_FULL)
const base = await portBase()
let ports = base + 11
const SHORT = 2 // seconds that a token lives, where nobody wants to wait

async function makeApp(daemon, sdk, mode, options) {
  const port = ports++
  const build = `${sdk}-${mode}-${port}`
  const { env } = await daemon.createBuild(build, ['--origin', `http://localhost:${port}`])
  const app = await new App({ sdk, daemon, build, port, ...options }).make()
  if (mode === 'start') await app.compile()
  return { env, app: await app.start(mode), outbox: new Outbox(daemon, build) }
}

// A browser, and the whole way of a person at one app in it.
async function visit(title, { app, outbox }) {
  const browser = await WatchedBrowser.open(here)
  // Every first visit of a page waits for its compilation in `next dev`.
  browser.context.setDefaultTimeout(app.mode === 'dev' ? 90_000 : 30_000)
  const person = new Person({ app, outbox, browser, email: 'ada@example.com' })
  await journey(title, person)
  return { browser, person }
}

async function main() {
  if (!(await check('there is a Chromium', () => (chromium ? undefined : 'none is in PATH: install it (tools/install test), or set CHROMIUM to one')))) return
  for (const folder of ['', 'app7', ...(full ? ['app6'] : [])]) await install(path.join(here, folder))
  const daemon = await new Daemon({ portBase: base }).start()
  const seven = await makeApp(daemon, 'app7', 'start')
  // What takes long is begun before it is needed.
  const sixth = full ? makeApp(daemon, 'app6', 'start') : undefined
  const first = await visit('SDK 7', seven)
  if (!full) {
    await restart('SDK 7', daemon, first, SHORT)
    return void (await first.browser.close())
  }

  const expired = expiry('SDK 7', first)
  const six = await sixth
  const second = await visit('SDK 6', six)
  await second.browser.close()
  await iframe('SDK 7', seven, ports++)
  await iframe('SDK 6', six, ports++)
  for (const [title, sdk] of [['SDK 7', 'app7'], ['SDK 6', 'app6']]) {
    const made = await makeApp(daemon, sdk, 'dev')
    await (await visit(`${title}, next dev`, made)).browser.close()
    await made.app.remove()
  }
  await expired
  await neighbours(first, six)
  const other = await makeApp(daemon, 'app7', 'dev', { changes: { NEXT_PUBLIC_CLERK_PROXY_URL: undefined } })
  await noProxy(other)
  await other.app.stop()
  const pages = `${other.env.NEXT_PUBLIC_CLERK_PROXY_URL}/portal`
  other.app.changes = { NEXT_PUBLIC_CLERK_SIGN_IN_URL: `${pages}/sign-in`, NEXT_PUBLIC_CLERK_SIGN_UP_URL: `${pages}/sign-up` }
  await other.app.start('dev')
  await portal(other, pages)
  await restart('SDK 7', daemon, first, SHORT)
  await first.browser.close()
}

try {
  await check('the checks ran to their end', main)
} finally {
  await stopAll()
  await cleanUp()
}
finish()
