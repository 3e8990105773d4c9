import { Daemon, cleanUp, portBase } from '../lib/daemon.mjs'
import { entered } from '../lib/brokered.mjs'
import { Postgres } from '../lib/postgres.mjs'
import { create, gone, resources, until } from '../lib/provision.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'
import { Neon, apiKey } from '../upstreams/neon.mjs'

const ORG = 'org-cool-sun-12345678'
const postgres = await Postgres.start(await portBase())
const [key, person] = [apiKey(), apiKey()]
const neon = await new Neon({ org: ORG, keys: [{ key }, { key: person, kind: 'person' }], postgres: postgres.url(), psql: (sql) => postgres.rows(sql) }).start()
const daemon = await new Daemon({ portBase: await portBase() }).start()
const enter = (more) => entered(daemon, ['keys', 'set', 'neon'], { api_base: neon.base, region: 'aws-eu-central-1', size_limit: '512mb', ...more })
await enter({ api_key: key })

const DRIVER = ['--driver', 'database=neon', '--delivery', 'database=direct']
const ALL = '/api/v2/projects'
const sql = async (url, text) => {
  const r = await postgres.psql(text, { url })
  return r.code === 0 ? r.stdout.trim() : `exit ${r.code}: ${r.stderr}`
}
const at = (id) => neon.state().projects.filter((p) => p.name.startsWith(`build-${id}-`))

await check('a build gets a project, ready when it is said to be, and its app the address', async () => {
  neon.settings.operation = 1500
  const r = await create(daemon, 'shop', DRIVER)
  assertSame(r.code, 0, r.text)
  const [p, ...more] = at('shop')
  assertSame([more.length, p.region, p.settings.quota.logical_size_bytes, p.busy], [0, 'aws-eu-central-1', 1 << 29, false])
  assert(/^build-shop-[a-z2-7]{8}$/.test(p.name), p.name)
  assert(neon.asked('GET', `${ALL}/*/operations`).length >= 2, 'it was waited for')
  assertSame(await sql(r.json.env.DATABASE_URL, 'CREATE TABLE t (a int); INSERT INTO t VALUES (7); SELECT a FROM t'), '7')
  assert(!r.text.includes(key), 'no key of the organisation')
  const [made] = await resources(daemon, '?build=shop')
  assertSame([made.state, made.vendor, made.name, made.values.project_id], ['ready', 'neon', p.name, p.id])
  neon.settings.operation = 100
})
await check('what it has used is read back', async () => {
  const r = await daemon.admin('GET', '/api/v1/builds/shop/resources/database/usage')
  assertSame([r.status, r.json().usage?.storage_bytes], [200, 31457280], r.text)
})
await check('the password ends with the build’s keys', async () => {
  const r = await create(daemon, 'over', DRIVER)
  const url = r.json.env.DATABASE_URL
  assertSame(await sql(url, 'SELECT 1'), '1')
  await daemon.mustCli(['build', 'revoke', 'over'])
  await until(async () => /authentication failed/.test(await sql(url, 'SELECT 1')), 'the end of the password')
  assertSame(at('over')[0].resets, 1)
  await gone(daemon, 'over')
  assertSame(at('over').length, 0)
})

const FAULTS = {
  'rate limit': [{ method: 'POST', path: ALL, kind: 'rate', retryAfter: 1, count: 2 }],
  '503 before the effect': [{ method: 'POST', path: ALL, kind: 'error', status: 503 }],
  '500 after the effect': [{ method: 'POST', path: ALL, kind: 'error', when: 'after' }],
  'cut after the effect': [{ method: 'POST', path: ALL, kind: 'cut', when: 'after' }],
  'cut in the midst of the answer': [{ method: 'POST', path: ALL, kind: 'cut', when: 'after', part: 60 }],
  'lost, and not in the list at first': [{ method: 'POST', path: ALL, kind: 'cut', when: 'after' }, { method: 'GET', path: ALL, kind: 'change', body: { projects: [] } }],
  'an answer without an address': [{ method: 'POST', path: ALL, kind: 'change', body: { connection_uris: [] } }],
  'locked while it is asked how far it is': [{ method: 'GET', path: `${ALL}/*/operations`, kind: 'error', status: 423, count: 2 }],
}
for (const [name, plan] of Object.entries(FAULTS))
  await check(`${name}: one project, and it works`, async () => {
    neon.plan(...plan)
    const id = `f${Object.keys(FAULTS).indexOf(name)}`
    const r = await create(daemon, id, DRIVER)
    assertSame(r.code, 0, r.text)
    assertSame([at(id).length, neon.unmet().length], [1, 0])
    assertSame(await sql(r.json.env.DATABASE_URL, 'SELECT 1'), '1')
    await gone(daemon, id)
    assertSame(at(id).length, 0)
  })

const REFUSED = {
  garbage: [[{ method: 'POST', path: ALL, kind: 'garbage', status: 201 }], /another project/],
  'another project in the answer': [[{ method: 'POST', path: ALL, kind: 'change', body: { project: { name: 'build-other-abcdefgh' } } }], /another project/],
  'an address at somebody’s host': [[{ method: 'POST', path: ALL, kind: 'change', body: { connection_uris: [{ connection_uri: 'postgresql://app:p@10.0.0.1/app' }] } }], /address of the database/],
  'a plan that is full': [[{ method: 'POST', path: ALL, kind: 'error', status: 422, body: { code: 'PROJECTS_LIMIT_EXCEEDED', message: 'projects limit of 1 exceeded, got 1' } }], /limit of 1 exceeded/],
  'a key that Neon no longer knows': [[{ method: 'POST', path: ALL, kind: 'error', status: 401, body: { code: '', message: 'supplied credentials do not pass authentication' } }], /do not pass authentication/],
}
for (const [name, [plan, said]] of Object.entries(REFUSED))
  await check(`${name}: said, and nothing is left`, async () => {
    neon.plan(...plan)
    const id = `r${Object.keys(REFUSED).indexOf(name)}`
    const r = await create(daemon, id, DRIVER, { json: false })
    assert(r.code !== 0 && said.test(r.text), r.text)
    await gone(daemon, id)
    assertSame(at(id).length, 0)
  })
await check('a person’s key must say the organisation: without it refused, with it taken', async () => {
  await enter({ api_key: person })
  const r = await create(daemon, 'person', DRIVER, { json: false })
  assert(r.code !== 0 && /org_id is required/.test(r.text), r.text)
  await enter({ api_key: person, org_id: ORG })
  // What failed before can be ended by now.
  await gone(daemon, 'person')
  assertSame((await create(daemon, 'person', DRIVER)).code, 0)
  await gone(daemon, 'person')
})
await check('deleted behind our back: the build ends all the same', async () => {
  await create(daemon, 'behind', DRIVER)
  await neon.act('delete', { name: at('behind')[0].name })
  await gone(daemon, 'behind')
})
await check('an end waits until nothing else goes on there, and is proven', async () => {
  await create(daemon, 'lied', DRIVER)
  const [{ id, name }] = at('lied')
  neon.plan({ method: 'DELETE', path: `${ALL}/${id}`, kind: 'error', status: 423 }, { method: 'DELETE', path: `${ALL}/${id}`, kind: 'error', status: 200, body: { project: { id, name } } })
  await gone(daemon, 'lied')
  assertSame([at('lied').length, neon.asked('DELETE', `${ALL}/${id}`).length], [0, 3])
})
await check('projects of people with names like ours stay', async () => {
  const names = ['build-shop', `${at('shop')[0].name}x`, 'production']
  for (const name of names) await neon.act('make', { name })
  await gone(daemon, 'shop')
  assertSame(neon.state().projects.map((p) => p.name).sort(), [...names].sort())
})
await check('the sweep goes through all pages, and deletes what it is told', async () => {
  await create(daemon, 'kept', DRIVER)
  const tag = at('kept')[0].name.slice(-8, -5)
  neon.settings.page = 2
  await neon.act('make', { name: `build-orphan-${tag}aaaaa` })
  const sweep = (body) => daemon.admin('POST', '/api/v1/resources/sweep', { body: { vendor: 'neon', ...body }, timeout: 60_000 }).then((r) => r.json())
  const found = await sweep({})
  assertSame(found.orphans.map((o) => o.name), [`build-orphan-${tag}aaaaa`], found)
  assertSame((await sweep({ delete: [`build-orphan-${tag}aaaaa`, 'production'] })).deleted, [`build-orphan-${tag}aaaaa`])
  assertSame(at('orphan').length, 0)
  assertSame(at('kept').length, 1)
  await gone(daemon, 'kept')
  assert(![key, person].some((k) => daemon.log.includes(k)) && !daemon.log.includes('postgresql://'), 'a secret in the log')
})
await neon.stop()
await postgres.down()
await cleanUp()
finish()
