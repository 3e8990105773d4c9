// Where cookies and keys of several apps, sites and times meet.
import http from 'node:http'
import { WatchedBrowser } from '../lib/browser.mjs'
import { sleep } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { here } from './harness.mjs'
import { claims, handshakes, Person } from './journey.mjs'

const SKEW_MS = 5000 // what the SDK lets clocks be off

// A tab that was elsewhere until its token had expired: the app's server sends it to the daemon, which knows the person.
export function expiry(title, { browser, person }, seconds = 60) {
  return check(`${title}: a token of ${seconds} s that expired meanwhile is renewed by a handshake, and the page is shown`, async () => {
    await person.page.goto('about:blank')
    await sleep(1000 * seconds + SKEW_MS + 1500)
    const before = handshakes(browser).length
    await person.open('/dashboard')
    assertSame((await person.dashboard()).user, person.id, 'user id')
    const made = handshakes(browser).slice(before)
    assertSame(made.map((r) => r.status), [307], 'handshakes')
    assertSame(new URL(person.page.url()).search, '', 'what is left of it in the address')
    assertSame(browser.foreign, [], 'requests for other hosts')
  })
}

// The daemon anew, with tokens that live for a moment. People stay signed in.
export async function restart(title, daemon, { browser, person }, seconds) {
  await check(`${title}: the daemon is restarted, the person stays signed in and gets the next token of it`, async () => {
    await person.page.goto('about:blank')
    await daemon.stop()
    daemon.env = { VALETKEY_TEST_TOKEN_SECONDS: String(seconds) }
    await daemon.start()
    await person.open('/token')
    await person.button('Get a new one').click()
    const { sub, exp, iat } = claims(await person.frame.getByTestId('token').first().textContent())
    assertSame([sub, exp - iat], [person.id, seconds], 'claims')
  })
  await expiry(title, { browser, person }, seconds)
}

// The preview of an app builder: the app in an iframe of another site.
export async function iframe(title, { app, outbox }, port) {
  const server = http.createServer((_, answer) => {
    answer.setHeader('Content-Type', 'text/html; charset=utf-8')
    answer.end(`<!doctype html><title>Builder</title><h1>Builder</h1><iframe src="${app.url}/dashboard" style="width: 900px; height: 750px"></iframe>`)
  })
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  const browser = await WatchedBrowser.open(here)
  await check(`${title}: in an iframe of another site, a person signs up and stays signed in`, async () => {
    const { page } = browser
    await page.goto(`http://127.0.0.1:${port}/`)
    const frame = await (await page.waitForSelector('iframe')).contentFrame()
    const person = await new Person({ app, browser, outbox, frame, email: `in-a-frame-${port}+clerk_test@example.com` }).signUp()
    await page.reload()
    const again = await (await page.waitForSelector('iframe')).contentFrame()
    const shown = await new Person({ app, browser, outbox, frame: again, email: person.email }).dashboard()
    assertSame([shown.user, shown.email], [person.id, person.email], 'dashboard in the iframe after a reload')
    await browser.shot(`clerk-${title.replace(/\W+/g, '-')}-iframe`)
    assertSame(browser.foreign, [], 'requests for other hosts')
    assert(handshakes(browser).length <= 3, `${handshakes(browser).length} handshakes: the frame was sent to and fro`)
  })
  await browser.close()
  server.close()
}

// Cookies know no ports: two apps on localhost share them.
export async function neighbours({ browser, person }, other) {
  await check('two builds in one browser on one host name: each has its own person', async () => {
    const page = await browser.context.newPage()
    const second = new Person({ ...other, browser, page, email: 'neighbour@example.com' })
    await second.signUp()
    for (let i = 0; i < 2; i++) {
      await person.open('/dashboard')
      assertSame((await person.dashboard()).user, person.id, 'user of the first')
      await second.open('/dashboard')
      assertSame((await second.dashboard()).user, second.id, 'user of the second')
      assertSame([(await person.me()).userId, (await second.me()).userId], [person.id, second.id], 'what their APIs say')
    }
    await second.signOut()
    await second.expectSignedOut()
    await person.open('/dashboard')
    assertSame((await person.dashboard()).user, person.id, 'user of the first, after the second has left')
    await page.close()
  })
}

// The address is what leads to the daemon; without it the SDK makes one of the key's host, which is nobody's and never can be.
export async function noProxy({ app }) {
  const host = `${app.build}.vk_accounts.dev`
  const browser = await WatchedBrowser.open(here)
  await check('without NEXT_PUBLIC_CLERK_PROXY_URL nothing comes from elsewhere, and the browser names the host that is none', async () => {
    const error = await browser.page.goto(`${app.url}/dashboard`, { timeout: 60_000 }).then(() => undefined, (e) => e)
    assert(error?.message.includes('ERR_NAME_NOT_RESOLVED'), `the protected page: ${error?.message ?? 'it was shown'}`)
    await browser.page.getByText(host).first().waitFor() // in the browser's own words
    await browser.shot('clerk-no-proxy')
    assert(browser.foreign.length > 0, 'the SDK asked no other host: this test proves nothing')
    assertSame([...new Set(browser.foreign.map((url) => new URL(url).host))], [host], 'hosts that were asked')
    assertSame(browser.requests.filter((r) => browser.foreign.includes(r.url) && r.status !== undefined), [], 'answers from elsewhere')
  })
  await browser.close()
}

// An app that has no pages for it sends people to the daemon's, whose cookies are another site's.
export async function portal({ app, outbox }, pages) {
  const browser = await WatchedBrowser.open(here)
  browser.context.setDefaultTimeout(90_000)
  await check('the hosted pages: sign-up there leads back to the page that was asked for, and so does sign-in', async () => {
    const { page } = browser
    const person = new Person({ app, browser, outbox, email: 'guest@example.com' })
    const at = (flow) => page.waitForURL((url) => `${url.origin}${url.pathname}` === `${pages}/${flow}`)
    await person.open('/dashboard')
    await at('sign-in')
    await person.frame.getByRole('link', { name: 'Sign up' }).click()
    await at('sign-up')
    await person.field('emailAddress').fill(person.email)
    await person.field('password').fill(person.password)
    await browser.shot('clerk-portal-sign-up')
    await person.button('Continue').click()
    await person.typeCode((await outbox.next(person.email)).code)
    const { user, email } = await person.dashboard()
    assertSame(email, person.email, 'address on the dashboard')
    assertSame((await person.me()).azp, app.url, 'whose token it is')
    await person.signOut()
    await person.open('/dashboard')
    await at('sign-in')
    await person.field('identifier').fill(person.email)
    await person.button('Continue').click()
    await person.said('Enter your password')
    await person.field('password').fill(person.password)
    await person.button('Continue').click()
    assertSame((await person.dashboard()).user, user, 'user id')
    assertSame(new URL(page.url()).search, '', 'what is left of it in the address')
    assertSame(browser.foreign, [], 'requests for other hosts')
  })
  await browser.close()
}
