// The table against services that are there: valetkey's own, which answer as the vendors do. As they are, each is refused; without their
// mark every rung passes, and nothing is left behind.
import http from 'node:http'
import { Daemon, portBase } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { signed } from '../lib/sigv4.mjs'

export default async function daemon(load) {
  const { runLadders } = load('./key-ladder.js')
  const rules = structuredClone(load('./key-rules.js').KEY_RULES)
  for (const service of Object.values(rules.services)) {
    service.ladder = service.ladder.filter(({ id }) => id !== 'ours').map((rule) => ({ ...rule, needs: rule.needs?.filter((id) => id !== 'ours') }))
  }
  const one = new Daemon({ portBase: await portBase() })
  await one.start()
  try {
    const { env } = await one.createBuild('checked')
    const keys = {
      clerk: { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY ?? env.CLERK_PUBLISHABLE_KEY, CLERK_SECRET_KEY: env.CLERK_SECRET_KEY },
      database: { TURSO_DATABASE_URL: 'libsql://made-up.turso.io', TURSO_AUTH_TOKEN: env.TURSO_AUTH_TOKEN },
      storage: { R2_ENDPOINT: env.R2_ENDPOINT.replace(/^http:/, 'https:'), R2_BUCKET: env.R2_BUCKET, R2_PREFIX: env.R2_PREFIX, R2_ACCESS_KEY_ID: env.R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY: env.R2_SECRET_ACCESS_KEY },
      stripe: { NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY: env.NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY ?? env.STRIPE_PUBLISHABLE_KEY, STRIPE_SECRET_KEY: env.STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET: env.STRIPE_WEBHOOK_SECRET },
    }
    const places = { 'api.clerk.com': env.CLERK_API_URL, 'api.stripe.com': env.STRIPE_API_BASE, 'made-up.turso.io': env.TURSO_DATABASE_URL, '127.0.0.1': env.R2_ENDPOINT }
    const log = []
    const sendTo = (marked) => (ask) =>
      new Promise((resolve, reject) => {
        const { hostname, pathname, search } = new URL(ask.url)
        const place = new URL(places[hostname] ?? env.NEXT_PUBLIC_CLERK_PROXY_URL ?? env.CLERK_PROXY_URL)
        log.push(ask)
        const request = http.request({ host: '127.0.0.1', port: place.port, method: ask.method, path: place.pathname.replace(/\/$/, '') + pathname + search, headers: { ...ask.headers, host: place.host, ...(ask.body !== undefined && { 'content-length': Buffer.byteLength(ask.body) }) }, agent: false, timeout: 10_000 })
        request.on('error', reject).on('response', (response) => {
          const chunks = []
          response.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
            const headers = { ...response.headers }
            if (!marked) delete headers['valetkey-served-by']
            resolve({ status: response.statusCode, headers, body: Buffer.concat(chunks) })
          })
        })
        request.end(ask.body)
      })
    const runWith = (table, marked) => runLadders(table, keys, { send: sendTo(marked), postgres: sendTo(marked), now: () => new Date(), random: (n) => crypto.getRandomValues(new Uint8Array(n)) })

    const own = await runWith(load('./key-rules.js').KEY_RULES, true)
    for (const [service, { valid, error }] of Object.entries(own)) await check(`a build's own keys are refused: ${service}`, () => assert(!valid && / is a key that valetkey gave out/.test(error), error))
    assertSame(log.length, 0, 'calls with keys that are refused')
    const marked = await runWith(rules, true)
    for (const [service, { valid, error }] of Object.entries(marked)) await check(`valetkey's own service is refused: ${service}`, () => assert(!valid && /^valetkey itself answered there/.test(error), error))

    log.length = 0
    const passed = await runWith(rules, false)
    for (const [service, report] of Object.entries(passed)) {
      await check(`every rung at a service that is there: ${service}`, () => {
        assert(report.valid, JSON.stringify(report.checks, null, 1))
        const other = report.checks.filter(({ id, verdict }) => verdict !== 'pass' && !['webhook', 'other-shape', 'tables'].includes(id))
        assertSame(other, [], 'checks that did not simply pass')
      })
    }
    await check('nothing is left behind: no object, no table, no intent that waits', async () => {
      const put = log.find(({ method }) => method === 'PUT')
      assert(put && put.url.includes(`/${env.R2_PREFIX}.valetkey-probe/`), 'an object below the prefix')
      const list = signed(env, { path: `/${env.R2_BUCKET}`, query: [['list-type', '2'], ['prefix', env.R2_PREFIX]] })
      const objects = await (await fetch(list.url, { headers: list.headers })).text()
      assert(objects.includes('<KeyCount>0</KeyCount>'), objects)
      const { results } = await (await fetch(`${env.TURSO_DATABASE_URL}/v2/pipeline`, { method: 'POST', headers: { authorization: `Bearer ${env.TURSO_AUTH_TOKEN}` }, body: JSON.stringify({ requests: [{ type: 'execute', stmt: { sql: "SELECT count(*) FROM sqlite_schema WHERE name LIKE '_vk_probe%'" } }] }) })).json()
      assertSame(results[0].response.result.rows[0][0].value, '0', 'tables')
      const intents = await (await fetch(`${env.STRIPE_API_BASE}/v1/setup_intents?limit=10`, { headers: { authorization: `Bearer ${env.STRIPE_SECRET_KEY}` } })).json()
      assertSame(intents.data?.map(({ status }) => status), ['canceled'], 'intents')
    })
  } finally {
    await one.stop()
  }
}
