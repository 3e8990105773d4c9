import { createClient } from '@libsql/client'
import { Daemon, cleanUp, portBase } from '../lib/daemon.mjs'
import { entered } from '../lib/brokered.mjs'
import { create, gone, resources, until } from '../lib/provision.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'
import { Turso, platformToken } from '../upstreams/turso.mjs'

// What docs/ORG-SETUP.md says that the token needs.
const NEEDED = ['read', 'db:create', 'db:delete', 'db:mint-token', 'db:rotate-creds']
const data = await new Daemon({ portBase: await portBase() }).start()
const [token, weak] = [platformToken(), platformToken()]
const turso = await new Turso({
  org: 'acme',
  groups: ['default', 'other'],
  tokens: [{ token, group: 'default', scopes: NEEDED }, { token: weak, group: 'default', scopes: ['read'] }],
  data: { admin: data.adminUrl, token: data.adminToken },
}).start()
const daemon = await new Daemon({ portBase: await portBase() }).start()
const enter = (secret) => entered(daemon, ['keys', 'set', 'turso'], { org: 'acme', group: 'default', api_base: turso.base, token: secret })
await enter(token)

const DRIVER = ['--driver', 'database=turso']
const ALL = '/v1/organizations/acme/databases'
const sql = (env, text, args) => createClient({ url: env.TURSO_DATABASE_URL, authToken: env.TURSO_AUTH_TOKEN }).execute({ sql: text, args: args ?? [] })
const fails = (promise) => promise.then(() => undefined, (e) => String(e))
const at = (id) => turso.state().databases.filter((d) => d.name.startsWith(`build-${id}-`))

// Faults that take long: they go on beside all others.
const hanging = (async () => {
  turso.plan({ method: 'POST', path: `${ALL}/build-hang-*/auth/tokens`, kind: 'hang', when: 'after' })
  return create(daemon, 'hang', DRIVER)
})()

await check('a build gets a database, and its queries go there through the gateway', async () => {
  const r = await create(daemon, 'shop', DRIVER)
  assertSame(r.code, 0, r.text)
  const [d, ...more] = at('shop')
  assertSame([more.length, d.group, d.size_limit, d.never, d.tokens], [0, 'default', '512mb', 0, 1])
  assert(/^build-shop-[a-z2-7]{8}$/.test(d.name), d.name)
  assertSame(r.json.env.TURSO_DATABASE_URL, daemon.databaseUrl)
  assert(!JSON.stringify(r.json.env).includes(d.hostname), 'the gateway’s app knows nothing of the vendor')
  await sql(r.json.env, 'CREATE TABLE t (a TEXT)')
  await sql(r.json.env, 'INSERT INTO t VALUES (?)', ['one'])
  assertSame((await sql(r.json.env, 'SELECT a FROM t')).rows[0].a, 'one')
  const [made] = await resources(daemon, '?build=shop')
  assertSame([made.state, made.vendor, made.name, made.values.hostname], ['ready', 'turso', d.name, d.hostname])
  assert(Date.parse(made.expires_at) - Date.now() > 6 * 86_400_000, made)
})
await check('what it has used is read back', async () => {
  turso.acts.use({ name: at('shop')[0].name, storage_bytes: 123456 })
  const r = await daemon.admin('GET', '/api/v1/builds/shop/resources/database/usage')
  assertSame([r.status, r.json().usage?.storage_bytes], [200, 123456], r.text)
})
await check('delivery=direct: the app has a token of this database alone, and it ends with the build', async () => {
  const r = await create(daemon, 'direct', [...DRIVER, '--delivery', 'database=direct'])
  assertSame(r.code, 0, r.text)
  const [d] = at('direct')
  assertSame(r.json.env.TURSO_DATABASE_URL, d.hostname)
  await sql(r.json.env, 'CREATE TABLE t (a)')
  const other = at('shop')[0]
  assert(await fails(createClient({ url: other.hostname, authToken: r.json.env.TURSO_AUTH_TOKEN }).execute('SELECT 1')), 'its token at another database')
  assert(!r.text.includes(token), 'no platform token')
  await daemon.mustCli(['build', 'revoke', 'direct'])
  await until(() => fails(sql(r.json.env, 'SELECT 1')), 'the end of its token')
  assertSame(at('direct')[0].rotated, 1)
  await gone(daemon, 'direct')
  assertSame(at('direct').length, 0)
})

const FAULTS = {
  'rate limit': [{ method: 'POST', path: ALL, kind: 'rate', retryAfter: 1, count: 2 }],
  '503 before the effect': [{ method: 'POST', path: ALL, kind: 'error', status: 503 }],
  '502 after the effect': [{ method: 'POST', path: ALL, kind: 'error', status: 502, when: 'after' }],
  'cut after the effect': [{ method: 'POST', path: ALL, kind: 'cut', when: 'after' }],
  'cut in the midst of the answer': [{ method: 'POST', path: ALL, kind: 'cut', when: 'after', part: 60 }],
  'no token the first time': [{ method: 'POST', path: `${ALL}/*/auth/tokens`, kind: 'error', status: 500, count: 2 }],
  'the same answer twice': [{ method: 'POST', path: ALL, kind: 'twice' }],
  'lost, and not to be found at first': [{ method: 'POST', path: ALL, kind: 'cut', when: 'after' }, { method: 'GET', path: `${ALL}/*`, kind: 'error', status: 404 }],
}
for (const [name, plan] of Object.entries(FAULTS))
  await check(`${name}: one database, and it works`, async () => {
    turso.plan(...plan)
    const id = `f${Object.keys(FAULTS).indexOf(name)}`
    const r = await create(daemon, id, DRIVER)
    assertSame(r.code, 0, r.text)
    assertSame([at(id).length, turso.unmet().filter((f) => f.kind !== 'hang').length], [1, 0])
    await sql(r.json.env, 'SELECT 1')
    await gone(daemon, id)
    assertSame(at(id).length, 0)
  })

const REFUSED = {
  garbage: [[{ method: 'POST', path: ALL, kind: 'garbage' }], /another database/],
  'another database in the answer': [[{ method: 'POST', path: ALL, kind: 'change', body: { database: { Name: 'build-other-abcdefgh' } } }], /another database/],
  'a host of somebody’s in the answer': [[{ method: 'POST', path: ALL, kind: 'change', body: { database: { Hostname: 'http://10.0.0.1:80' } } }], /host of the database/],
  'a token that never ends': [[{ method: 'POST', path: `${ALL}/*/auth/tokens`, kind: 'change', body: { jwt: `eyJhbGciOiJFZERTQSJ9.${Buffer.from('{"a":"rw"}').toString('base64url')}.c2lnbmVk` } }], /never ends/],
  'a plan that is full': [[{ method: 'POST', path: ALL, kind: 'error', status: 402, body: { error: 'databases limit exceeded: upgrade your plan' } }], /upgrade your plan/],
  'gone before it has a token': [[{ method: 'POST', path: `${ALL}/*/auth/tokens`, kind: 'error', status: 404, body: { error: 'could not find database' } }], /could not find database/],
}
for (const [name, [plan, said]] of Object.entries(REFUSED))
  await check(`${name}: said, and nothing is left`, async () => {
    turso.plan(...plan)
    const id = `r${Object.keys(REFUSED).indexOf(name)}`
    const r = await create(daemon, id, DRIVER, { json: false })
    assert(r.code !== 0 && said.test(r.text), r.text)
    await gone(daemon, id)
    assertSame(at(id).length, 0)
    assertSame((await daemon.admin('GET', `/api/v1/builds/${id}`)).status, 404)
  })
await check('a token without the scopes: said; with them it goes on', async () => {
  await enter(weak)
  const r = await create(daemon, 'weak', [...DRIVER, '--keep'], { json: false })
  assert(r.code !== 0 && /missing the scope db:create/.test(r.text), r.text)
  await enter(token)
  const again = await daemon.cli(['build', 'provision', 'weak'], { timeout: 60_000 })
  assertSame(again.code, 0, `${again.stdout}${again.stderr}`)
  assertSame(at('weak').length, 1)
  await gone(daemon, 'weak')
})
await check('a token that ends soon: another one before it does', async () => {
  turso.settings.life = 24 // renewed at half of it; no credential is renewed more often than every 10 s
  const r = await create(daemon, 'renew', DRIVER)
  assertSame(r.code, 0, r.text)
  delete turso.settings.life
  const [first] = await resources(daemon, '?build=renew')
  await until(() => at('renew')[0].tokens >= 2, 'another token')
  await until(async () => (await resources(daemon, '?build=renew'))[0].expires_at !== first.expires_at, 'its end')
  turso.refusals.length = 0
  await sql(r.json.env, 'SELECT 1')
  assertSame(turso.refusals, [])
  await gone(daemon, 'renew')
})
await check('deleted behind our back: said, and the build ends all the same', async () => {
  const r = await create(daemon, 'behind', DRIVER)
  await turso.act('delete', { name: at('behind')[0].name })
  assert(await fails(sql(r.json.env, 'SELECT 1')), 'a query')
  assert((await daemon.admin('GET', '/api/v1/builds/behind/resources/database/usage')).status >= 400, 'usage')
  await gone(daemon, 'behind')
})
await check('somebody else’s database under the name that was ours: it stays', async () => {
  await create(daemon, 'taken', DRIVER)
  const { name } = at('taken')[0]
  await turso.act('delete', { name })
  const theirs = await turso.act('make', { name })
  await gone(daemon, 'taken')
  assertSame(at('taken').map((d) => d.id), [theirs])
  await turso.act('delete', { name })
})
await check('an end is proven: an answer that it was deleted is not enough', async () => {
  await create(daemon, 'lied', DRIVER)
  const { name } = at('lied')[0]
  turso.plan({ method: 'DELETE', path: `${ALL}/${name}`, kind: 'error', status: 200, body: { database: name } })
  await gone(daemon, 'lied')
  assertSame([at('lied').length, turso.asked('DELETE', `${ALL}/${name}`).length], [0, 2])
})
await check('twelve at once before a rate limit: one database each, none twice', async () => {
  turso.settings.rate = { perSecond: 15, burst: 5 }
  turso.tokens = undefined
  turso.most = 0
  const ids = Array.from({ length: 12 }, (_, i) => `m${i}`)
  const all = await Promise.all(ids.map((id) => create(daemon, id, DRIVER)))
  assertSame(all.map((r) => r.code), ids.map(() => 0), all.find((r) => r.code)?.text)
  assertSame(ids.map((id) => at(id).length), ids.map(() => 1))
  assert(turso.most <= 8 + 1, `at most eight at once, and was ${turso.most}`)
  delete turso.settings.rate
  await gone(daemon, ...ids)
})
await check('the sweep finds what has our names and no record, and deletes what it is told', async () => {
  const tag = at('shop')[0].name.slice(-8, -5)
  await turso.act('make', { name: `build-orphan-${tag}aaaaa` })
  await turso.act('make', { name: 'build-orphan-zzzaaaaa' })
  await turso.act('make', { name: 'production' })
  const sweep = (body) => daemon.admin('POST', '/api/v1/resources/sweep', { body: { vendor: 'turso', ...body }, timeout: 60_000 }).then((r) => r.json())
  const found = await sweep({})
  assertSame(found.orphans.map((o) => o.name), [`build-orphan-${tag}aaaaa`], found)
  assertSame((await sweep({ delete: [`build-orphan-${tag}aaaaa`, 'production'] })).deleted, [`build-orphan-${tag}aaaaa`])
  const left = turso.state().databases.map((d) => d.name)
  assert(left.includes('production') && left.includes('build-orphan-zzzaaaaa') && !left.includes(`build-orphan-${tag}aaaaa`), left)
})
await check('an answer that never comes: another is asked for', async () => {
  const r = await hanging
  assertSame(r.code, 0, r.text)
  await sql(r.json.env, 'SELECT 1')
  assertSame(at('hang').length, 1)
})
await check('one that a person has protected stays, with a sentence, until it is no longer protected', async () => {
  const { name } = at('hang')[0]
  turso.acts.protect({ name })
  await daemon.admin('DELETE', '/api/v1/builds/hang')
  const r = await until(async () => (await resources(daemon, '?state=ending')).find((x) => x.build === 'hang' && /protected/.test(x.why)), 'the sentence')
  assertSame(r.name, name)
  turso.acts.protect({ name, on: false })
  await until(() => at('hang').length === 0, 'its end')
})
await check('builds end; no token was in the log', async () => {
  await gone(daemon, 'shop', 'hang')
  assertSame(turso.state().databases.map((d) => d.name).sort(), ['build-orphan-zzzaaaaa', 'production'])
  assert(!daemon.log.includes(token) && !/eyJ[\w-]+\.eyJ/.test(daemon.log), 'a token in the log')
})
await turso.stop()
await cleanUp()
finish()
