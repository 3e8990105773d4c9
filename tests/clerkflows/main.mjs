// clerk-js is the one that the daemon serves, on the page of a build that mounts Clerk's components; its newer calls (`signIn.password()`,
// `signUp.verifications.sendEmailCode()`) are those behind `useSignIn` and `useSignUp`. With and without protection against enumeration.
import http from 'node:http'
import path from 'node:path'

import { Pool, startDaemon } from '../auth/lib.mjs'
import { cleanUp, portBase, root } from '../lib/daemon.mjs'
import { install } from '../lib/project.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'

await install(path.join(root, 'tests', 'browser'))
const { Browser, chromium, stopAll } = await import('../browser/harness.mjs')

const PASSWORD = 'correct horse battery'
const address = 'ada@example.com'
const app = http.createServer((req, res) => res.setHeader('content-type', 'text/html').end('<!doctype html><title>The app</title><h1>The app</h1>'))
const port = await portBase()
app.listen(port, '127.0.0.1')
const origin = `http://localhost:${port}`

async function flows(title, args) {
  const daemon = await startDaemon(['--auth-fixed-code', 'off', ...args])
  const { env } = await daemon.createBuild('flows', ['--origin', origin])
  const pool = new Pool(daemon, 'flows', env)
  let browser = await Browser.open()
  const page = () => browser.page
  const fresh = async () => {
    await browser.stop()
    browser = await Browser.open()
  }
  const open = async (what = 'sign-in') => {
    await page().goto(`${pool.gateway}/portal/${what}?redirect_url=${encodeURIComponent(origin)}`)
    await page().waitForFunction(() => globalThis.Clerk?.loaded)
  }
  // In the page; what a newer call answers is { error }.
  const inPage = (code, arg) => page().evaluate(code, arg)
  const active = () => inPage(async () => {
    const { client } = globalThis.Clerk
    await globalThis.Clerk.setActive({ session: client.lastActiveSessionId })
    return [globalThis.Clerk.user.primaryEmailAddress.emailAddress, globalThis.Clerk.session.status, client.sessions.length]
  })
  const backIn = async () => assert((await page().waitForURL(`${origin}/**`).then(() => true, () => false)), `at ${page().url()}`)

  await check(`${title}: a sign-up, field by field`, async () => {
    await open()
    const begun = await inPage(async (emailAddress) => {
      const up = globalThis.Clerk.client.signUp.__internal_future
      const errors = [(await up.create({ emailAddress, unsafeMetadata: { plan: 'free' } })).error]
      const missing = up.missingFields
      errors.push((await up.password({ password: 'short' })).error?.errors?.[0]?.code)
      errors.push((await up.password({ password: 'correct horse battery' })).error, (await up.verifications.sendEmailCode()).error)
      errors.push((await up.verifications.verifyEmailCode({ code: '000000' })).error?.errors?.[0]?.code)
      return { errors, missing, status: up.status, unverified: up.unverifiedFields }
    }, address)
    assertSame(begun, { errors: [null, 'form_password_length_too_short', null, null, 'form_code_incorrect'], missing: ['password'], status: 'missing_requirements', unverified: ['email_address'] })
    const done = await inPage(async (code) => {
      const up = globalThis.Clerk.client.signUp.__internal_future
      return [(await up.verifications.verifyEmailCode({ code })).error, up.status]
    }, await pool.code(address))
    assertSame(done, [null, 'complete'])
    assertSame(await active(), [address, 'active', 1])
    assertSame(await inPage(() => globalThis.Clerk.user.unsafeMetadata), { plan: 'free' })
  })

  const steps = {
    'by password, after a wrong one': async () => {
      const got = await inPage(async ([identifier, password]) => {
        const { signIn } = globalThis.Clerk.client
        const wrong = await signIn.__internal_future.password({ identifier, password: `${password}.` })
        const right = await signIn.__internal_future.password({ identifier, password })
        return [wrong.error.errors[0].code, right.error, signIn.status]
      }, [address, PASSWORD])
      assertSame(got, ['form_password_incorrect', null, 'complete'])
    },
    'by a code': async () => {
      const sent = await inPage(async (emailAddress) => {
        globalThis.mine = globalThis.Clerk.client.signIn
        return (await globalThis.mine.__internal_future.emailCode.sendCode({ emailAddress })).error
      }, address)
      const got = await inPage(async (code) => [(await globalThis.mine.__internal_future.emailCode.verifyCode({ code })).error, globalThis.mine.status], await pool.code(address))
      assertSame([sent, ...got], [null, null, 'complete'])
    },
    'by a code and a new password, in two calls': async () => {
      const begun = await inPage(async (identifier) => {
        globalThis.mine = await globalThis.Clerk.client.signIn.create({ identifier, strategy: 'reset_password_email_code' })
        return [globalThis.mine.status, globalThis.mine.firstFactorVerification.strategy]
      }, address)
      assertSame(begun, ['needs_first_factor', 'reset_password_email_code'])
      assertSame(await inPage(async (code) => (await globalThis.mine.attemptFirstFactor({ strategy: 'reset_password_email_code', code, password: 'another password' })).status, await pool.code(address)), 'complete')
    },
    'by a code and a new password, step by step': async () => {
      const begun = await inPage(async (identifier) => {
        globalThis.mine = globalThis.Clerk.client.signIn
        const future = globalThis.mine.__internal_future
        return [(await future.create({ identifier })).error, (await future.resetPasswordEmailCode.sendCode()).error]
      }, address)
      assertSame(begun, [null, null])
      const got = await inPage(async ([code, password]) => {
        const { resetPasswordEmailCode: reset } = globalThis.mine.__internal_future
        return [(await reset.verifyCode({ code })).error, globalThis.mine.status, (await reset.submitPassword({ password })).error, globalThis.mine.status]
      }, [await pool.code(address), PASSWORD])
      assertSame(got, [null, 'needs_new_password', null, 'complete'])
    },
  }
  for (const [name, step] of Object.entries(steps))
    await check(`${title}: a sign-in ${name}`, async () => {
      await fresh()
      await open()
      await step()
      assertSame(await active(), [address, 'active', 1])
    })

  await check(`${title}: the link of an invitation leads to the sign-up, which asks for a password only`, async () => {
    await fresh()
    const { body } = await pool.backend('POST', '/invitations', { email_address: 'invited@example.com', public_metadata: { role: 'editor' } })
    await page().goto(body.url)
    await page().fill('input[name=password]', PASSWORD)
    await page().click('button.cl-formButtonPrimary')
    await backIn()
    const [user] = (await pool.backend('GET', '/users?email_address=invited@example.com')).body
    assertSame([user.public_metadata, user.email_addresses[0].verification.strategy], [{ role: 'editor' }, 'ticket'])
  })

  await check(`${title}: the link of a sign-in token signs in without a question`, async () => {
    await fresh()
    const [user] = (await pool.backend('GET', '/users?email_address=invited@example.com')).body
    const { body } = await pool.backend('POST', '/sign_in_tokens', { user_id: user.id })
    await page().goto(body.url)
    await backIn()
    assertSame((await pool.backend('GET', `/sessions?user_id=${user.id}&status=active&paginated=true`)).body.total_count, 2)
  })

  await check(`${title}: the component about an address that nobody has`, async () => {
    await fresh()
    await open()
    await page().fill('input[name=identifier]', 'nobody@example.com')
    await page().click('button.cl-formButtonPrimary')
    if (!args.length) return assertSame(await page().locator('.cl-formFieldErrorText').first().textContent(), "Couldn't find your account.")
    await page().locator('input[name=password]:visible').fill('not the password')
    await page().click('button.cl-formButtonPrimary')
    assertSame(await page().locator('.cl-formFieldErrorText').first().textContent(), 'Password is incorrect. Try again, or use another method.')
  })

  await browser.stop()
  await daemon.stop()
}

if (await check('there is a Chromium', () => (chromium ? undefined : 'none is in PATH: install it (tools/install test), or set CHROMIUM to one'))) {
  await check('usual: ran to its end', () => flows('usual', []))
  await check('strict: ran to its end', () => flows('strict', ['--auth-enumeration-protection']))
}
await stopAll()
app.close()
await cleanUp()
finish()
