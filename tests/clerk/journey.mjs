// What a person does with an app, from the first visit to a forgotten password, and what app and browser must show meanwhile.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { sleep } from '../lib/daemon.mjs'
import { signedInLongAgo } from './harness.mjs'

const PASSWORDS = ['correct-horse-9', 'other-horse-10', 'third-horse-11']
const FIXED_CODE = '424242' // of Clerk's test addresses
// What the browser says of things that a step does on purpose: a refused code or password, a proof that
// is wanted, and the app's own 401. The apps have no icon.
// Hydration: SDK 6 renders something else than its server did when its script is there before React is.
const EXPECTED = /React error #418;|Hydration failed|status of 404 .*\/favicon\.ico$|status of 422 .*\/(attempt_verification|attempt_first_factor)\?|status of 403 .*\/change_password\?|status of 401 .*\/api\/me$/

export const claims = (jwt) => JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'))

/* One person in one browser at one app. `email` is new to the build, whose users `users` counts once there is one more. */
export class Person {
  constructor({ app, browser, outbox, email, page = browser.page, frame = page }) {
    Object.assign(this, { app, browser, outbox, email, page, frame, password: PASSWORDS[0] })
  }

  field(name) { return this.frame.locator(`input[name=${name}]`) }
  // The first: while one view fades into the next, both have it.
  button(name) { return this.frame.getByRole('button', { name, exact: true }).first() }
  said(text) { return this.frame.getByText(text, { exact: true }).filter({ visible: true }).first().waitFor() }

  at(path) { return this.frame.waitForURL((url) => url.pathname === path) }

  // Sent as soon as it is complete. A page that was replaced meanwhile has lost it.
  async typeCode(code) {
    for (let tries = 0; tries < 3; tries++) {
      const sent = this.page.waitForRequest((r) => /\/attempt_(verification|first_factor)\?/.test(r.url()), { timeout: 5000 }).catch(() => null)
      await this.frame.locator('input[autocomplete=one-time-code]').first().click()
      await this.page.keyboard.press('Control+A')
      await this.page.keyboard.type(code)
      if (await sent) return
    }
    throw new Error('the form does not send the code')
  }

  async open(path) {
    await (this.frame.goto(this.app.url + path))
  }

  // What the app's server says of who is signed in; as the browser asks it.
  me() {
    return this.frame.evaluate(async () => {
      const r = await fetch('/api/me')
      return { status: r.status, ...(await r.json()) }
    })
  }

  // The dashboard as its server wrote it.
  async dashboard() {
    await this.at('/dashboard')
    const text = (id) => this.frame.getByTestId(id).textContent()
    return { user: await text('user'), email: await text('email'), name: await text('name'), users: Number(await text('users')) }
  }

  async fillSignUp() {
    await this.field('emailAddress').fill(this.email)
    await this.field('password').fill(this.password)
    // The form asks for the code before the service has sent it.
    const sent = this.page.waitForResponse((r) => /\/prepare_verification\?/.test(r.url()) && r.request().method() === 'POST')
    await this.button('Continue').click()
    await this.at('/sign-up/verify-email-address')
    await sent
  }

  async signUp() {
    await this.open('/sign-up')
    await this.fillSignUp()
    await this.typeCode(this.email.includes('+clerk_test@') ? FIXED_CODE : (await this.outbox.next(this.email)).code)
    this.id = (await this.dashboard()).user
    return this
  }

  async openPassword() {
    await this.open('/dashboard')
    await this.at('/sign-in')
    await this.field('identifier').fill(this.email)
    await this.button('Continue').click()
    await this.at('/sign-in/factor-one')
  }

  async signOut() {
    await this.open('/dashboard')
    await this.button('Open user menu').click()
    await this.frame.getByText('Sign out', { exact: true }).click()
    await this.frame.waitForURL((url) => url.pathname !== '/dashboard')
    await this.frame.waitForFunction(() => window.Clerk?.loaded && !window.Clerk.session)
  }

  async expectSignedOut() {
    assertSame((await this.me()).status, 401, 'GET /api/me')
    await this.open('/dashboard')
    await this.at('/sign-in')
  }
}

const wrongOf = (code) => [1, 2].map((n) => String((Number(code) + n) % 1_000_000).padStart(6, '0')).find((other) => other !== FIXED_CODE)

/* The whole way, as checks. False when one failed; those after it would say nothing. `title` stands before their names. */
export async function journey(title, person) {
  const { app, browser, page, outbox, email } = person
  const shot = (name) => browser.shot(`clerk-${title.replace(/\W+/g, '-')}-${name}`)
  const steps = {
    'who is not signed in gets no page but the sign-in form, and 401 of the API': async () => {
      await person.open('/')
      await person.expectSignedOut()
      await person.field('identifier').waitFor()
      await shot('sign-in')
    },
    'sign-up: a wrong code is refused, the one that was sent leads to the page, whose server knows the user': async () => {
      await person.frame.getByRole('link', { name: 'Sign up' }).click()
      await person.at('/sign-up')
      await person.fillSignUp()
      const { code, what } = await outbox.next(email)
      assert(/^\d{6}$/.test(code) && typeof what === 'string' && what.length > 3, `message: ${code} ${what}`)
      await person.typeCode(wrongOf(code))
      await person.said('Incorrect code')
      await shot('wrong-code')
      await person.typeCode(code)
      const shown = await person.dashboard()
      person.id = shown.user
      assert(/^user_[0-9A-Za-z]{27}$/.test(person.id), `user id ${person.id}`)
      assertSame([shown.email, shown.name, shown.users], [email, '', 1], 'dashboard')
    },
    'the route handler sees the user, the origin, and the Backend API': async () => {
      const { sessionId, ...rest } = await person.me()
      assert(/^sess_[0-9A-Za-z]{27}$/.test(sessionId), `session ${sessionId}`)
      assertSame(rest, { status: 200, userId: person.id, azp: app.url, email: [email], metadata: {} }, 'GET /api/me')
    },
    'the user button opens, with the address and a picture that loads': async () => {
      await person.button('Open user menu').click()
      await person.said('Manage account')
      await person.said(email)
      await page.waitForFunction(() => [...document.querySelectorAll('img')].filter((i) => i.src.startsWith('http')).every((i) => i.complete && i.naturalWidth > 0))
      await shot('user-button')
      await page.keyboard.press('Escape')
    },
    'a hard reload keeps the person signed in, without a handshake': async () => {
      const before = handshakes(browser).length
      await page.reload()
      assertSame((await person.dashboard()).user, person.id, 'user id')
      assertSame(handshakes(browser).length, before, 'handshakes')
    },
    'getToken({skipCache}) brings a token of now, with the right claims': async () => {
      await person.open('/token')
      const tokens = []
      for (let i = 0; i < 2; i++) {
        if (i) await sleep(1100) // tokens count in seconds
        await person.button('Get a new one').click()
        tokens.push(await person.frame.getByTestId('token').nth(i).textContent())
      }
      const [one, two] = tokens.map(claims)
      assert(two.iat > one.iat, `iat ${one.iat}, then ${two.iat}`)
      assertSame([two.sub, two.azp, two.exp - two.iat, two.iat - two.nbf, two.sts, two.v], [person.id, app.url, 60, 10, 'active', 2], 'claims')
    },
    'the profile: a name, which the server then has': async () => {
      await person.open('/profile')
      await person.button('Update profile').click()
      await person.field('firstName').fill('Ada')
      await person.field('lastName').fill('Quill')
      await person.button('Save').click()
      await person.said('Ada Quill')
      await person.button('Update profile').waitFor()
    },
    'the profile: a second address, once its code was right': async () => {
      const second = email.replace('@', '.second@')
      await person.button('Add email address').click()
      await person.field('emailAddress').fill(second)
      await person.button('Add').click()
      await person.frame.locator('input[autocomplete=one-time-code]').first().waitFor()
      const { code } = await outbox.next(second)
      await person.typeCode(wrongOf(code))
      await person.said('Incorrect code')
      await shot('second-address')
      await person.typeCode(code)
      await person.button('Add email address').waitFor()
      await person.said(second)
      await shot('profile')
      assertSame((await person.me()).email, [email, second], 'addresses that the server sees')
    },
    'the profile: another password, before which who has been signed in for long must prove who they are': async () => {
      await person.button('Security').click()
      await person.button('Update password').click()
      for (const name of ['newPassword', 'confirmPassword']) await person.field(name).fill(PASSWORDS[1])
      await signedInLongAgo(person)
      await person.button('Save').click()
      await person.said('Verification required')
      const prove = async (password) => {
        await person.field('password').fill(password)
        await person.button('Continue').click()
      }
      await prove('not-my-password')
      await person.said('Password is incorrect. Try again, or use another method.')
      await shot('proof')
      const changed = page.waitForResponse((r) => r.url().includes('/me/change_password') && r.ok())
      await prove(person.password)
      await changed
      person.password = PASSWORDS[1]
    },
    'sign-out closes the protected page': async () => {
      await person.open('/dashboard')
      assertSame(await person.dashboard(), { user: person.id, email, name: 'Ada Quill', users: 1 }, 'dashboard before')
      await person.signOut()
      await person.expectSignedOut()
    },
    'sign-in: a wrong password is refused, also the one of before; the right one brings the same user': async () => {
      await person.openPassword()
      for (const wrong of ['not-my-password', PASSWORDS[0]]) {
        await person.field('password').fill(wrong)
        const answer = page.waitForResponse((r) => r.url().includes('/attempt_first_factor'))
        await person.button('Continue').click()
        assertSame((await answer).status(), 422, `answer to ${wrong}`)
        await person.said('Password is incorrect. Try again, or use another method.')
      }
      await shot('wrong-password')
      await person.field('password').fill(person.password)
      await person.button('Continue').click()
      assertSame((await person.dashboard()).user, person.id, 'user id')
    },
    'a forgotten password: a code, and a new one': async () => {
      await person.signOut()
      await person.openPassword()
      await person.frame.getByText('Forgot password?').click()
      await person.button('Reset your password').click()
      await person.typeCode((await outbox.next(email)).code)
      await person.at('/sign-in/reset-password')
      for (const name of ['password', 'confirmPassword']) await person.field(name).fill(PASSWORDS[2])
      await shot('new-password')
      await person.button('Reset Password').click()
      assertSame((await person.dashboard()).user, person.id, 'user id')
      person.password = PASSWORDS[2]
    },
    'another method: a code by e-mail signs in': async () => {
      await person.signOut()
      await person.openPassword()
      await person.frame.getByText('Use another method').click()
      await shot('methods')
      await person.button(`Email code to ${email}`).click()
      await person.frame.locator('input[autocomplete=one-time-code]').first().waitFor()
      await person.typeCode((await outbox.next(email)).code)
      assertSame((await person.dashboard()).user, person.id, 'user id')
      await shot('dashboard')
    },
    'no page asked another host for anything, and none had an error that nobody meant': () => {
      assertSame(browser.foreign, [], 'requests for other hosts')
      assertSame(browser.problems.filter((p) => !EXPECTED.test(p)), [], 'errors')
    },
  }
  for (const [name, step] of Object.entries(steps)) {
    const went = await check(`${title}: ${name}`, step)
    if (!went) {
      await browser.shot('clerk-failed').catch(() => {})
      return false
    }
  }
  return true
}

export const handshakes = (browser) => browser.requests.filter((r) => r.url.includes('/v1/client/handshake'))
