import Stripe from 'stripe'
import { Daemon, cleanUp, portBase } from '../lib/daemon.mjs'
import { Provisioned } from '../lib/provisioned.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'
import { StripeConnect } from '../upstreams/stripe_connect.mjs'

process.env.STRIPE_SUPPRESS_NOTICES = 'true'
const ALL = '/v1/accounts'
const data = await new Daemon({ portBase: await portBase() }).start()
const stand = await new StripeConnect({ data: { admin: data.adminUrl, token: data.adminToken } }).start()
const daemon = await new Daemon({ portBase: await portBase() }).start()
const p = new Provisioned({ daemon, stand, driver: 'payments=stripe', named: (name) => stand.named(name), all: () => [...stand.accounts.values()] })
const client = (env) => {
  const at = new URL(env.STRIPE_API_BASE)
  return new Stripe(env.STRIPE_SECRET_KEY, { host: at.hostname, port: at.port, protocol: 'http', maxNetworkRetries: 0, telemetry: false })
}
const fails = (promise) => promise.then((r) => { throw new Error(`it was done: ${JSON.stringify(r).slice(0, 300)}`) }, (e) => e)
let shop, blog

await check('a build gets an account of its own, that may take payments', async () => {
  await p.enter({ secret_key: stand.key, publishable_key: stand.key.replace('sk_', 'pk_'), api_base: stand.base })
  shop = await p.mustCreate('shop')
  const [one] = stand.named(await p.name('shop'))
  assertSame([shop.env.STRIPE_ACCOUNT, stand.shown(one).charges_enabled], [one.id, true])
  assert(!JSON.stringify(shop).includes(stand.key), 'the organisation’s key stays in keeper')
  const shown = JSON.parse(await daemon.mustCli(['build', 'show', 'shop', '--json']))
  assert(JSON.stringify(shown).includes('a connected account of its own'), shown)
  assertSame((await p.mustCreate('shop')).env, shop.env, 'asked for again it is the same')
  assertSame(p.all().length, 1)
})

await check('its calls are in that account, with the vendor’s own SDK, and two builds are apart', async () => {
  blog = await p.mustCreate('blog')
  const [a, b] = [client(shop.env), client(blog.env)]
  const customer = await a.customers.create({ name: 'Somebody' })
  assertSame((await a.customers.list()).data.map((c) => c.id), [customer.id])
  assertSame((await b.customers.list()).data, [])
  assertSame((await fails(b.customers.retrieve(customer.id))).statusCode, 404)
  const paid = await a.paymentIntents.create({ amount: 2000, currency: 'usd', customer: customer.id, payment_method: 'pm_card_visa', confirm: true, automatic_payment_methods: { enabled: true, allow_redirects: 'never' } })
  assertSame(paid.status, 'succeeded')
  assertSame([...new Set(stand.forwarded.filter((f) => f.method === 'POST').map((f) => f.id))], [shop.env.STRIPE_ACCOUNT])
  assertSame((await fails(a.customers.list({}, { stripeAccount: blog.env.STRIPE_ACCOUNT }).then((r) => { if (r.data.length !== 1) return r; throw new Error('its own account, whatever the app says') }))).message, 'its own account, whatever the app says')
})

const trouble = {
  'too much at once': [{ method: 'POST', path: ALL, kind: 'rate' }],
  'an error before the deed': [{ method: 'POST', path: ALL, kind: 'error' }],
  'an error after it': [{ method: 'POST', path: ALL, kind: 'error', when: 'after' }],
  'no answer after it': [{ method: 'POST', path: ALL, kind: 'cut', when: 'after' }],
  'half an answer': [{ method: 'POST', path: ALL, kind: 'cut', when: 'after', part: 60 }],
  'no answer after it, and none when looking': [{ method: 'POST', path: ALL, kind: 'cut', when: 'after' }, { method: 'GET', path: ALL, kind: 'cut', count: 2 }],
  'an error when it is looked at': [{ method: 'GET', path: `${ALL}/*`, kind: 'error', count: 2 }],
}
let n = 0
for (const [what, faults] of Object.entries(trouble)) {
  await check(`made through ${what}: one account`, async () => {
    const id = `trouble-${n++}`
    const name = await p.through(id, ...faults)
    const { env } = await p.mustCreate(id)
    assertSame([env.STRIPE_ACCOUNT, (await client(env).customers.list()).data.length], [stand.named(name)[0].id, 0])
  })
}

await check('a person who is verified later: it is waited for', async () => {
  stand.settings.verify = 2500
  await p.mustCreate('patient')
  delete stand.settings.verify
  assert(stand.asked('GET', `${ALL}/${p.named(await p.name('patient'))[0].id}`).length > 1, 'it was looked at more than once')
})

const refusals = {
  'an account that is not signed up for Connect': [{ connect: false }, /soft=yes/],
  'a platform profile that is not complete': [{ profile: false }, /platform profile/],
  'a vendor that wants what nobody has': [{ wants: ['individual.verification.document'] }, /individual\.verification\.document/],
}
for (const [what, [settings, says]] of Object.entries(refusals)) {
  await check(`${what}: it is said, and nothing is left`, async () => {
    const before = p.all().length
    Object.assign(stand.settings, settings)
    await p.refused(`refused-${n++}`, says)
    for (const name of Object.keys(settings)) delete stand.settings[name]
    assertSame(p.all().length, before)
  })
}

const lies = {
  'another account': [{ method: 'GET', path: `${ALL}/*`, kind: 'change', body: { id: 'acct_1SomebodyElses' } }],
  'another name': [{ method: 'POST', path: ALL, kind: 'change', body: { metadata: { valetkey: 'build-other' } } }],
  'an id that is none': [{ method: 'POST', path: ALL, kind: 'change', body: { id: 'acct_1/../acct_2' } }],
  'what is no JSON': [{ method: 'POST', path: ALL, kind: 'garbage', when: 'after' }],
}
for (const [what, faults] of Object.entries(lies)) {
  await check(`a vendor that answers with ${what}: refused, and nothing is left`, async () => {
    const before = p.all().map((a) => a.id)
    stand.plan(...faults)
    await p.refused(`lied-${n++}`, /Stripe/)
    stand.plan()
    assertSame(p.all().map((a) => a.id), before)
  })
}

await check('an account of one’s own, or soft=yes: nothing is made', async () => {
  const before = p.all().length
  await daemon.createBuild('soft')
  await daemon.mustCli(['build', 'use', 'soft', 'payments', 'stripe', 'soft=yes'])
  const other = stand.make({ country: 'US', metadata: {} })
  await daemon.createBuild('brought')
  await daemon.mustCli(['build', 'use', 'brought', 'payments', 'stripe', `account=${other.id}`])
  assertSame([p.all().length, await p.resources('soft'), await p.resources('brought')], [before + 1, [], []])
})

await check('a build that is deleted: its account is gone, through errors too', async () => {
  const ids = ['shop', 'trouble-0', 'trouble-1', 'trouble-2'], names = []
  for (const id of ids) names.push(await p.name(id))
  stand.plan({ method: 'DELETE', path: `${ALL}/*`, kind: 'error', when: 'after' }, { method: 'DELETE', path: `${ALL}/*`, kind: 'cut' }, { method: 'DELETE', path: `${ALL}/*`, kind: 'rate' }, { method: 'GET', path: `${ALL}/*`, kind: 'error' })
  await stand.act('delete', { name: names[1] }) // behind our back
  for (const id of ids) await p.remove(id)
  await p.ended()
  assertSame(stand.unmet(), [])
  stand.plan()
  for (const name of names) assertSame(stand.named(name), [], name)
  assertSame((await fails(client(shop.env).customers.list())).statusCode, 401)
})

await check('the sweep finds what is nobody’s over all pages, and deletes what it is told to, and nothing else', async () => {
  const tag = (await p.name('blog')).slice(-8, -5)
  const orphan = `build-gone-${tag}zzzzz`
  await stand.act('make', { name: orphan })
  for (let i = 0; i < 60; i++) await stand.act('make', { name: `other-${i}` })
  const before = p.all().length
  const found = (await p.sweep()).orphans
  assertSame(found.map((o) => o.name), [orphan])
  assert(!Number.isNaN(Date.parse(found[0].created_at)), found)
  const r = await p.sweep([orphan, 'other-1'])
  assertSame([r.deleted, stand.named(orphan).length, p.all().length], [[orphan], 0, before - 1])
})

await check('and in the end', async () => p.stop(stand.key))
await stand.stop()
await data.stop()
await cleanUp()
finish()
