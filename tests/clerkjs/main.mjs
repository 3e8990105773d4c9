// clerk-js as our gateway serves it, on a page with nothing else. The Frontend API gives a browser new ids (header Clerk-Db-Jwt): that is
// safe only as long as each of Clerk's scripts takes them, in each of its tabs.
import { existsSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { chromium } from 'playwright-core'

import { cleanUp, portBase, root } from '../lib/daemon.mjs'
import { assert, assertSame, check, finish, ok } from '../lib/tap.mjs'
import { Pool, startDaemon } from '../auth/lib.mjs'

const PASSWORD = 'a long enough one'
const executablePath = process.env.CHROMIUM ?? ['chromium', 'chromium-browser', 'google-chrome'].flatMap((n) => process.env.PATH.split(':').map((d) => path.join(d, n))).find((f) => existsSync(f))

// The app: a page that loads the script, at /5 and /6.
async function serve(pool, port) {
  const page = (major) => `<!doctype html><title>app</title><script async crossorigin="anonymous" src="${new URL(pool.gateway).origin}/npm/@clerk/clerk-js@${major}/dist/clerk.browser.js"
    data-clerk-publishable-key="${pool.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY}" data-clerk-proxy-url="${pool.gateway}"></script>`
  const server = http.createServer((q, r) => {
    const major = /^\/([56])/.exec(q.url)?.[1]
    r.writeHead(major ? 200 : 404, { 'Content-Type': 'text/html' }).end(major ? page(major) : '')
  })
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  return server
}

async function open(context, url) {
  const page = await context.newPage()
  await page.goto(url)
  await load(page)
  return page
}
async function load(page) {
  await page.waitForFunction(() => window.Clerk)
  await page.evaluate(() => window.Clerk.load({ telemetry: false }))
}

const userOf = (page) => page.evaluate(() => window.Clerk.user?.id ?? null)

// The browser's id in the app's cookies; both names have the same.
async function idOf(context, app) {
  const ids = (await context.cookies(app)).filter((c) => c.name.startsWith('__clerk_db_jwt')).map((c) => c.value)
  assert(ids.length === 2 && ids[0] === ids[1], `two cookies of one value: ${ids.length}`)
  return ids[0]
}

async function major(browser, pool, app, n) {
  const address = `somebody${n}@example.com`
  const context = await browser.newContext()
  const planted = await pool.browser()
  const seen = async () => (await planted.call('GET', '/client')).body
  const nothing = { response: null, client: null }
  let page
  let user

  await check(`clerk-js ${n} takes the id that somebody put into the app's address`, async () => {
    await planted.call('PUT', '/client')
    page = await open(context, `${app}/${n}?__clerk_db_jwt=${planted.id}`)
    assertSame((await page.evaluate(() => window.Clerk.version)).split('.')[0], n)
    assertSame(await idOf(context, app), planted.id)
    assert((await seen()).response, 'who put it there shares its client')
  })
  await check(`clerk-js ${n}: it holds nothing from the moment that a sign-up begins`, async () => {
    await page.evaluate(async ([emailAddress, password]) => {
      const s = await window.Clerk.client.signUp.create({ emailAddress, password })
      await s.prepareEmailAddressVerification({ strategy: 'email_code' })
    }, [address, PASSWORD])
    const began = await idOf(context, app)
    assert(began !== planted.id, 'a new id')
    assertSame(await seen(), nothing)
    user = await page.evaluate(async (code) => {
      const s = await window.Clerk.client.signUp.attemptEmailAddressVerification({ code })
      await window.Clerk.setActive({ session: s.createdSessionId })
      return window.Clerk.user.id
    }, await pool.code(address))
    assert(![began, planted.id].includes(await idOf(context, app)), 'and another for the session')
    assertSame(await seen(), nothing)
    await page.reload()
    await load(page)
    assertSame(await userOf(page), user, 'after a reload')
  })
  await check(`clerk-js ${n}: a second tab, sign-out, and a sign-in in the first`, async () => {
    const second = await open(context, `${app}/${n}`)
    assertSame(await userOf(second), user)
    await page.evaluate(() => window.Clerk.signOut(() => {})) // without a way to go it would leave the page
    assertSame(await userOf(page), null)
    await page.waitForFunction(() => !document.cookie.includes('__session='))
    const session = await page.evaluate(async ([identifier, password]) => {
      const s = await window.Clerk.client.signIn.create({ identifier })
      const done = await s.attemptFirstFactor({ strategy: 'password', password })
      await window.Clerk.setActive({ session: done.createdSessionId })
      return done.createdSessionId
    }, [address, PASSWORD])
    assertSame(await userOf(page), user)
    const id = await idOf(context, app)
    // The second still has the old id in memory: it must not take the first one's cookies away when it comes to the front.
    await second.bringToFront()
    await second.evaluate(() => window.dispatchEvent(new Event('focus')))
    await second.waitForTimeout(1500)
    assertSame(await idOf(context, app), id)
    const cookies = Object.fromEntries((await context.cookies(app)).map((c) => [c.name, c.value]))
    assert(Number(cookies.__client_uat) > 0 && cookies.__session?.startsWith('eyJ'), 'still signed in, for the app')
    await second.reload()
    await load(second)
    assertSame([await userOf(second), await second.evaluate(() => window.Clerk.session.id)], [user, session])
    assert((await second.evaluate(() => window.Clerk.session.getToken({ skipCache: true }))).startsWith('eyJ'), 'a token')
    await page.reload()
    await load(page)
    assertSame(await userOf(page), user, 'the first tab')
  })
  await context.close()
}

if (ok(executablePath, 'a Chromium is there', 'install one (tools/install), or name it in CHROMIUM')) {
  const port = (await portBase()) + 50
  const app = `http://localhost:${port}`
  const daemon = await startDaemon()
  const pool = new Pool(daemon, 'page', (await daemon.createBuild('page', ['--origin', app, '--origin', 'http://localhost:3000'])).env)
  const served = existsSync(path.join(root, '.tools/share/clerk/bundles.list'))
  if (ok(served, "Clerk's scripts are there", 'node tools/clerk-bundles.mjs')) {
    const server = await serve(pool, port)
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'] })
    for (const n of ['6', '5']) await major(browser, pool, app, n)
    await browser.close()
    server.close()
  }
  await daemon.stop()
}
await cleanUp()
finish()
