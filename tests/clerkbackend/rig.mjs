// One client of the Backend API on a build, and what is asked of the Frontend API beside it, which a browser would do.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { request } from '../lib/daemon.mjs'

export const ORIGIN = 'http://localhost:3000'
const ID = /^[a-z]+_[0-9A-Za-z]{27}$/
const TRACE = /^[0-9a-f]{32}$/

export async function open(daemon, title, name) {
  const sdk = await import(name)
  const slug = title.replace(/[^a-z0-9]/g, '')
  const [one, two] = await Promise.all([`${slug}-one`, `${slug}-two`].map((id) => daemon.createBuild(id, ['--origin', ORIGIN])))
  const client = (env, other = {}) => sdk.createClerkClient({ secretKey: env.CLERK_SECRET_KEY, publishableKey: env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, apiUrl: env.CLERK_API_URL, telemetry: { disabled: true }, ...other })
  return {
    daemon, sdk, one, two, client,
    clerk: client(one.env),
    env: one.env,
    step: (what, fn) => check(`${title}: ${what}`, fn),
    fapi: (method, path, options) => fapi(one.env.NEXT_PUBLIC_CLERK_PROXY_URL, method, path, options),
  }
}

// A call of the Frontend API; `form` is its body, `browser` the dev browser.
async function fapi(base, method, path, { form, browser, origin = ORIGIN, query = {} } = {}) {
  const url = new URL(base + path)
  for (const [k, v] of Object.entries({ ...query, ...(browser && { __clerk_db_jwt: browser }) })) url.searchParams.set(k, v)
  return request(url, { method, headers: { Origin: origin, ...(form && { 'Content-Type': 'application/x-www-form-urlencoded' }) }, body: form && new URLSearchParams(form).toString() })
}

export function isId(value, prefix) {
  assert(ID.test(value) && value.startsWith(`${prefix}_`), `${value} is no id ${prefix}_…`)
}

// What the client throws for an answer that is an error.
export async function refused(call, status, code, param) {
  const e = await call.then((value) => { throw new Error(`not refused: ${JSON.stringify(value)}`) }, (e) => e)
  if (!e.clerkError) throw e
  assertSame([e.constructor.name, e.status, e.errors.map((x) => x.code)], ['ClerkAPIResponseError', status, [code]], 'error')
  assert(TRACE.test(e.clerkTraceId), `trace id ${e.clerkTraceId}`)
  const [first] = e.errors
  assert(first.message && first.longMessage, `texts: ${JSON.stringify(first)}`)
  if (param) assertSame(first.meta.paramName, param, 'parameter')
  return e
}
