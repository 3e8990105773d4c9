// Who is not let in, and what there is not.
import { request } from '../lib/daemon.mjs'
import { assert, assertSame } from '../lib/tap.mjs'
import { ORIGIN, refused } from './rig.mjs'

const withOther = (key) => key.slice(0, -1) + (key.endsWith('a') ? 'b' : 'a')

export async function refusals({ clerk, step, env, two, client, fapi }) {
  await step('a wrong key, the key of another build and none at all are refused alike', async () => {
    for (const secretKey of [withOther(env.CLERK_SECRET_KEY), two.env.CLERK_SECRET_KEY, `sk_test_${'a'.repeat(40)}`]) {
      const other = client(env, { secretKey })
      const e = await other.users.getCount().catch((e) => e)
      assertSame([e.constructor.name, e.status], ['ClerkAPIResponseError', 401], 'count')
      assert(/^[0-9a-f]{32}$/.test(e.clerkTraceId), `trace id ${e.clerkTraceId}`)
      assert(!JSON.stringify(e).includes(secretKey), 'the key is in the error')
      await refused(other.users.createUser({ emailAddress: ['eve@example.com'], password: 'correct-horse-9' }), 401, e.errors[0].code)
    }
    const r = await request(`${env.CLERK_API_URL}/v1/users`)
    assertSame([r.status, r.headers['content-type']], [401, 'application/json'], 'no key')
  })

  await step('answers are application/json and nothing behind it', async () => {
    const bearer = { Authorization: `Bearer ${env.CLERK_SECRET_KEY}`, 'Content-Type': 'application/json' }
    for (const path of ['/v1/users', '/v1/users/count', '/v1/jwks', '/v1/instance', '/v1/domains', `/v1/users/user_${'0'.repeat(27)}`, '/v1/organizations']) {
      const r = await request(env.CLERK_API_URL + path, { headers: bearer })
      assertSame(r.headers['content-type'], 'application/json', path)
      r.json()
    }
  })

  await step('what valetkey does not have says so', async () => {
    for (const call of [() => clerk.organizations.getOrganizationList(), () => clerk.redirectUrls.getRedirectUrlList(), () => clerk.users.getUserOauthAccessToken(`user_${'0'.repeat(27)}`, 'google')]) {
      const e = await call().then((v) => { throw new Error(`answered: ${JSON.stringify(v)}`) }, (e) => e)
      assertSame([e.constructor.name, e.status], ['ClerkAPIResponseError', 501], 'error')
      assert(/valetkey/.test(e.errors[0].longMessage ?? e.errors[0].message), `text: ${JSON.stringify(e.errors)}`)
    }
  })

  await step('bodies that are none, or too much, are refused and change nothing', async () => {
    const before = await clerk.users.getCount()
    const headers = { Authorization: `Bearer ${env.CLERK_SECRET_KEY}`, 'Content-Type': 'application/json' }
    for (const [body, what] of [['{"email_address":', 'half a text'], ['[]', 'a list'], ['"x"', 'a text'], [`{"unsafe_metadata":${'['.repeat(5000)}`, 'a depth'], [`{"email_address":["big@example.com"],"password":"correct-horse-9","public_metadata":{"x":"${'x'.repeat(100_000)}"}}`, '100 kB of metadata']]) {
      const r = await request(`${env.CLERK_API_URL}/v1/users`, { method: 'POST', headers, body })
      assert(r.status >= 400 && r.status < 500 && r.json().errors.length >= 1, `${what}: ${r.status} ${r.text.slice(0, 200)}`)
    }
    assertSame(await clerk.users.getCount(), before, 'count')
  })

  await step('a handshake leads to no stranger, and pages of strangers may read nothing', async () => {
    for (const to of ['https://evil.example/', `${ORIGIN}.evil.example/`, `${ORIGIN}@evil.example/`, '//evil.example', `javascript:alert(1)//${ORIGIN}`, '']) {
      const r = await fapi('GET', '/v1/client/handshake', { query: { redirect_url: to, format: 'nonce' } })
      assertSame([r.status, r.headers.location], [400, undefined], to)
    }
    const stranger = await fapi('GET', '/v1/environment', { origin: 'https://evil.example' })
    assertSame(stranger.headers['access-control-allow-origin'], undefined, 'CORS of a stranger')
    const own = await fapi('GET', '/v1/environment')
    assertSame([own.headers['access-control-allow-origin'], own.headers['access-control-allow-credentials'], /origin/i.test(own.headers.vary)], [ORIGIN, 'true', true], 'CORS of the app')
  })
}
