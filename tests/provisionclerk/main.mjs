import { createClerkClient, verifyToken } from '@clerk/backend'
import { Daemon, cleanUp, portBase } from '../lib/daemon.mjs'
import { entered } from '../lib/brokered.mjs'
import { Provisioned } from '../lib/provisioned.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'
import { ClerkPlatform, platformToken } from '../upstreams/clerk_platform.mjs'

const ALL = '/v1/platform/applications'
const token = platformToken()
const data = await new Daemon({ portBase: await portBase() }).start()
const stand = await new ClerkPlatform({ tokens: [{ token }], data: { admin: data.adminUrl, token: data.adminToken } }).start()
const daemon = await new Daemon({ portBase: await portBase() }).start()
const p = new Provisioned({ daemon, stand, driver: 'auth=clerk', named: (name) => stand.named(name), all: () => [...stand.applications.values()] })
const client = (env) => createClerkClient({ secretKey: env.CLERK_SECRET_KEY, publishableKey: env.CLERK_PUBLISHABLE_KEY, apiUrl: env.CLERK_API_URL, telemetry: { disabled: true } })
const status = (promise) => promise.then(() => 200, (e) => e.status)
let shop, blog

await check('a platform token is enough, and is checked', async () => {
  await p.enter({ platform_token: token, api_base: stand.base })
  const r = await daemon.cli(['keys', 'check', 'clerk', '--json'])
  assertSame([r.code, JSON.parse(r.stdout).check.ok], [0, true], r.stdout + r.stderr)
  assertSame(stand.asked('GET', ALL).length, 1)
})

await check('a build gets an application of its own', async () => {
  shop = await p.mustCreate('shop')
  const [one] = stand.named(await p.name('shop'))
  assertSame(shop.env.CLERK_PUBLISHABLE_KEY, one.publishable, 'publishable key')
  assert(shop.env.CLERK_SECRET_KEY !== one.secret && !JSON.stringify(shop).includes(one.secret), 'its secret key stays in keeper')
  const shown = JSON.parse(await daemon.mustCli(['build', 'show', 'shop', '--json']))
  assert(JSON.stringify(shown).includes('an application of its own'), shown)
  assertSame((await p.mustCreate('shop')).env, shop.env, 'asked for again it is the same')
  assertSame(p.all().length, 1)
})

await check('what its server asks goes there with that application’s key, and two builds are apart', async () => {
  blog = await p.mustCreate('blog')
  const [a, b] = [client(shop.env), client(blog.env)]
  const user = await a.users.createUser({ emailAddress: ['somebody@example.com'], skipPasswordRequirement: true })
  assertSame((await a.users.getUserList()).data.map((u) => u.id), [user.id])
  assertSame((await b.users.getUserList()).totalCount, 0)
  assertSame(await status(b.users.getUser(user.id)), 404)
  const session = await a.sessions.createSession({ userId: user.id })
  const { jwt } = await a.sessions.getToken(session.id)
  assertSame((await verifyToken(jwt, { secretKey: shop.env.CLERK_SECRET_KEY, apiUrl: shop.env.CLERK_API_URL })).sub, user.id)
  const names = [await p.name('shop'), await p.name('blog')]
  assertSame([...new Set(stand.forwarded.filter((f) => f.path === '/v1/users' && f.method === 'POST').map((f) => f.name))], [names[0]])
  assertSame(stand.refusals, [], 'nothing came with a key of nobody, or with the platform token')
  const usage = await daemon.admin('GET', '/api/v1/builds/shop/resources/auth/usage')
  assertSame(usage.json().usage, { users: 1 }, usage.text)
})

const trouble = {
  'too much at once': [{ method: 'POST', path: ALL, kind: 'rate' }],
  'an error before the deed': [{ method: 'POST', path: ALL, kind: 'error' }],
  'an error after it': [{ method: 'POST', path: ALL, kind: 'error', when: 'after', status: 502 }],
  'no answer after it': [{ method: 'POST', path: ALL, kind: 'cut', when: 'after' }],
  'half an answer': [{ method: 'POST', path: ALL, kind: 'cut', when: 'after', part: 60 }],
  'no answer after it, and none when looking': [{ method: 'POST', path: ALL, kind: 'cut', when: 'after' }, { method: 'GET', path: ALL, kind: 'cut', count: 2 }],
  'an error when its keys are read': [{ method: 'GET', path: `${ALL}/*`, kind: 'error', count: 2 }],
  'an answer that comes twice': [{ method: 'POST', path: ALL, kind: 'twice' }],
}
let n = 0
for (const [what, faults] of Object.entries(trouble)) {
  await check(`made through ${what}: one application`, async () => {
    const id = `trouble-${n++}`
    const name = await p.through(id, ...faults)
    const { env } = await p.mustCreate(id)
    assertSame(env.CLERK_PUBLISHABLE_KEY, stand.named(name)[0].publishable)
    assertSame(await status(client(env).users.getUserList()), 200)
  })
}

const lies = {
  'another application': [{ method: 'GET', path: `${ALL}/*`, kind: 'change', count: 0, body: { application_id: 'app_somebodyelses' } }],
  'another name': [{ method: 'POST', path: ALL, kind: 'change', count: 0, body: { name: 'production' } }],
  'no keys': [{ method: 'GET', path: `${ALL}/*`, kind: 'change', count: 1, body: { instances: [] } }],
  'what is no JSON': [{ method: 'POST', path: ALL, kind: 'garbage', when: 'after' }],
}
for (const [what, faults] of Object.entries(lies)) {
  await check(`a vendor that answers with ${what}: refused, and nothing is left`, async () => {
    const before = p.all().map((a) => a.id)
    stand.plan(...faults)
    await p.refused(`lied-${n++}`, /Clerk/)
    stand.plan()
    assertSame(p.all().map((a) => a.id), before)
  })
}

await check('a plan that is full says so, and a later try makes it', async () => {
  stand.settings.applications = p.all().length
  const r = await p.create('late', ['--keep'])
  const [x] = await p.resources('late')
  assert(r.code !== 0 && /as many applications as its plan allows/.test(x.why), x)
  delete stand.settings.applications
  const again = await daemon.cli(['build', 'provision', 'late', '--json'], { timeout: 60_000 })
  assertSame(again.code, 0, again.stdout + again.stderr)
  assertSame(p.named(await p.name('late')).length, 1)
})

await check('a build that is revoked: its application’s key ends', async () => {
  const [one] = stand.named(await p.name('blog'))
  await daemon.mustCli(['build', 'revoke', 'blog'])
  await stand.seen('POST', `${ALL}/*/rotate_secret_keys`, 1)
  assertSame(one.rotated.length, 1)
  assertSame(await status(client(blog.env).users.getUserList()), 401)
})

await check('a build that is deleted: its application is gone, through errors too', async () => {
  const names = [await p.name('shop'), await p.name('trouble-0'), await p.name('trouble-1'), await p.name('trouble-2')]
  stand.plan({ method: 'DELETE', path: `${ALL}/*`, kind: 'error', when: 'after' }, { method: 'DELETE', path: `${ALL}/*`, kind: 'cut' }, { method: 'DELETE', path: `${ALL}/*`, kind: 'rate' }, { method: 'GET', path: `${ALL}/*`, kind: 'error' })
  await stand.act('delete', { name: names[1] }) // behind our back
  for (const id of ['shop', 'trouble-0', 'trouble-1', 'trouble-2']) await p.remove(id)
  await p.ended()
  assertSame(stand.unmet(), [])
  stand.plan()
  for (const name of names) assertSame(stand.named(name), [], name)
  assertSame(await status(client(shop.env).users.getUserList()), 401)
})

await check('the sweep finds what is nobody’s, and deletes what it is told to, and nothing else', async () => {
  const tag = (await p.name('late')).slice(-8, -5)
  const orphan = `build-gone-${tag}zzzzz`
  for (const name of [orphan, 'production', 'build-gone-zzzzzzzz']) await stand.act('make', { name })
  const before = p.all().length
  assertSame((await p.sweep()).orphans.map((o) => o.name), [orphan])
  assertSame(p.all().length, before)
  const r = await p.sweep([orphan, 'production'])
  assertSame([r.deleted, stand.named(orphan).length, stand.named('production').length, p.all().length], [[orphan], 0, 1, before - 1])
})

await check('an organisation with keys of one instance has its builds in that one, as before', async () => {
  const before = p.all().length
  const [mine] = stand.named('production')
  await p.enter({ publishable_key: mine.publishable, secret_key: mine.secret })
  const made = await p.mustCreate('shared')
  assertSame([made.env.CLERK_PUBLISHABLE_KEY, p.all().length], [mine.publishable, before])
  assertSame(await status(client(made.env).users.getUserList()), 200)
  assertSame(stand.forwarded.at(-1).name, 'production')
})

await check('an application that is brought: it is used, and stays when the build goes', async () => {
  await stand.act('make', { name: 'brought' })
  const [mine] = stand.named('brought')
  await daemon.createBuild('own', ['--framework', 'node'])
  await daemon.mustCli(['build', 'use', 'own', 'auth', 'clerk'])
  const env = async () => JSON.parse(await daemon.mustCli(['env', 'own', '--format', 'json']))
  assertSame((await env()).CLERK_PUBLISHABLE_KEY, stand.named('production')[0].publishable)
  await entered(daemon, ['build', 'use', 'own', 'auth', 'clerk', `publishable_key=${mine.publishable}`], { secret_key: mine.secret })
  const now = await env()
  assertSame(now.CLERK_PUBLISHABLE_KEY, mine.publishable)
  assertSame(await status(client(now).users.getUserList()), 200)
  assertSame(stand.forwarded.at(-1).name, 'brought')
  await p.remove('own')
  await p.ended()
  assertSame(stand.named('brought').length, 1)
})

await check('and in the end', async () => p.stop(token, ...p.all().map((a) => a.secret)))
await stand.stop()
await data.stop()
await cleanUp()
finish()
