// Makes a build with everything, asks for all of it as each major of the SDK would, and lets the compiler judge the answers.
import { Daemon, portBase } from '../lib/daemon.mjs'
import { assert, check, finish, note, ok } from '../lib/tap.mjs'
import { api } from './api.mjs'
import { judge, MAJORS } from './judge.mjs'
import { eventsOf, ORIGIN, world } from './world.mjs'

const wanted = process.argv.slice(2)
const majors = Object.keys(MAJORS).map(Number).filter((m) => !wanted.length || wanted.includes(String(m)))

// Expansions that a version does not have are left out: which, its answer says.
async function fetched(calls, thing, version) {
  let expand = thing.expand ?? []
  for (;;) {
    const params = expand.length ? { expand: expand.map((p) => (thing.list ? `data.${p}` : p)) } : {}
    const [path, query] = thing.path.split('?')
    const r = await calls.call('GET', path, { ...Object.fromEntries(new URLSearchParams(query)), ...(thing.list && { limit: 100 }), ...params }, version)
    const no = r.status === 400 && /^This property cannot be expanded \((?:data\.)?(.*)\)\.$/.exec(r.json.error.message)
    if (!no) {
      assert(r.status === 200, `GET ${thing.path}: ${r.status} ${JSON.stringify(r.json).slice(0, 400)}`)
      return r.json
    }
    assert(expand.includes(no[1]), r.json.error.message)
    expand = expand.filter((p) => p !== no[1])
  }
}

// What has changed of an object is only those members of its members that did, which the types have no word for.
const told = (json) => (json.object === 'event' && json.data.previous_attributes ? { ...json, data: { object: json.data.object } } : json)

async function samplesOf(calls, things, major) {
  const samples = []
  for (const thing of things) {
    if ((thing.from ?? 0) > major) continue
    await check(`${major}: ${thing.name}`, async () => {
      const json = await fetched(calls, thing, MAJORS[major])
      for (const one of thing.list ? json.data : [json]) samples.push({ name: `${thing.name} (${one.id ?? one.object})`, type: thing.type, json: told(one) })
    })
  }
  return samples
}

const daemon = new Daemon({ portBase: await portBase() })
await daemon.start()
try {
  const { env } = await daemon.createBuild('shapes', ['--origin', ORIGIN])
  const calls = api(env)
  const things = await world(calls)
  for (const major of majors) {
    const samples = await samplesOf(calls, things, major)
    await check(`${major}: events of a build of that version`, async () => {
      const events = await eventsOf(api((await daemon.createBuild(`events-${major}`)).env), MAJORS[major])
      assert(events.length >= 7, `${events.length} events: ${events.map((e) => e.type)}`)
      for (const json of events) {
        assert(json.api_version === MAJORS[major], `${json.type} has version ${json.api_version}`)
        samples.push({ name: json.type, type: 'Event', json: told(json) })
      }
    })
    const { errors, unknown } = judge(major, samples)
    ok(errors.length === 0, `${major} (${MAJORS[major]}): ${samples.length} objects have the SDK's types`, [...errors.slice(0, 60), errors.length > 60 ? `and ${errors.length - 60} more` : ''].join('\n  '))
    note(`${major}: members that its types do not know: ${[...unknown.keys()].join(' ') || 'none'}`)
  }
  // The judge must see what is wrong.
  await check('the judge sees what is missing, null or wrong', async () => {
    const coupon = samplesFor(await calls.get('/v1/coupons/LESS100'))
    const seen = judge(majors.at(-1), coupon)
    for (const s of coupon.slice(1)) assert(seen.errors.some((e) => e.startsWith(`${s.name}:`)), `not seen: ${s.name}; ${seen.errors.join(' | ')}`)
    assert(!seen.errors.some((e) => e.startsWith('as it is:')), seen.errors.join(' | '))
  })
} finally {
  await daemon.stop()
}
finish()

function samplesFor(json) {
  const { duration, ...less } = json
  return [['as it is', json], ['missing', less], ['null', { ...json, valid: null }], ['a wrong type', { ...json, times_redeemed: '0' }]].map(([name, j]) => ({ name, type: 'Coupon', json: j }))
}
