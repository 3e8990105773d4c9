// The common base: each fault of a plan does what it says, and what took place is in the log.
import { Stand, Refused, exactly, fits } from '../upstreams/stand.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'

class Shelf extends Stand {
  constructor(o) {
    super(o)
    this.things = new Map()
    this.route('POST', '/v1/things', (ask) => {
      exactly(ask.body, { name: 'string', 'size?': 'number' }, (why) => { throw new Refused(400, why) })
      if (this.things.has(ask.body.name)) throw new Refused(409, 'there is one')
      this.things.set(ask.body.name, ask.body)
      return { status: 201, body: { thing: ask.body } }
    })
    this.route('GET', '/v1/things/{name}', (ask) => ({ body: { thing: this.things.get(ask.params.name) ?? (() => { throw new Refused(404, 'none') })() } }))
    this.acts.drop = ({ name }) => this.things.delete(name)
  }
  judge(ask) {
    if (ask.headers.authorization !== 'Bearer right') throw new Refused(401, 'who are you?')
  }
  state() {
    return { things: [...this.things.keys()] }
  }
}

const AT_ONCE = 5000

export async function common() {
  const shelf = await new Shelf().start()
  const ask = async (method, path, body, { key = 'right', ms = 20_000 } = {}) => {
    const r = await fetch(shelf.base + path, { method, headers: { Authorization: `Bearer ${key}`, ...(body ? { 'Content-Type': 'application/json' } : {}) }, body: body && JSON.stringify(body), signal: AbortSignal.timeout(ms) })
    const text = await r.text()
    return { status: r.status, headers: r.headers, text, json: (() => { try { return JSON.parse(text) } catch { return undefined } })() }
  }
  const fails = (promise) => promise.then(() => false, () => true)

  await check('stand: patterns of paths', () => {
    assertSame(fits('/v1/{a}/x', '/v1/b%20c/x'), { a: 'b c' })
    assertSame(fits('/v1/*', '/v1/'), undefined)
    assertSame(fits('/v1/*', '/v1/a/b'), undefined)
    assertSame(fits('/v1/**', '/v1/a/b'), {})
    assertSame(fits('/v1/a*/b', '/v1/abc/b'), {})
    assertSame(fits('/v1/a*/b', '/v1/bac/b'), undefined)
  })
  await check('stand: routes, the judge, refusals and what is not known', async () => {
    assertSame((await ask('POST', '/v1/things', { name: 'a' })).json, { thing: { name: 'a' } })
    assertSame((await ask('POST', '/v1/things', { name: 'a' })).status, 409)
    assertSame((await ask('POST', '/v1/things', { name: 'b', colour: 'red' })).json, { error: 'unknown member colour' })
    assertSame((await ask('POST', '/v1/things', { name: 7 })).status, 400)
    assertSame((await ask('GET', '/v1/things/a', undefined, { key: 'wrong' })).status, 401)
    assertSame((await ask('GET', '/v1/nothing')).status, 404)
  })
  await check('stand: before the effect or after it', async () => {
    shelf.plan({ method: 'POST', kind: 'error', status: 503 }, { method: 'POST', kind: 'error', status: 502, when: 'after' })
    assertSame((await ask('POST', '/v1/things', { name: 'before' })).status, 503)
    assertSame((await ask('POST', '/v1/things', { name: 'after' })).status, 502)
    assertSame((await ask('POST', '/v1/things', { name: 'fine' })).status, 201)
    assertSame(shelf.state().things, ['a', 'after', 'fine'])
    assertSame(shelf.log.slice(-3).map((e) => [e.fault, e.effect, e.status]), [['error', false, 503], ['error', true, 502], [undefined, true, 201]])
  })
  await check('stand: a rate limit by plan and a real one', async () => {
    shelf.plan({ kind: 'rate', retryAfter: 7 })
    const r = await ask('GET', '/v1/things/a')
    assertSame([r.status, r.headers.get('retry-after')], [429, '7'])
    shelf.settings.rate = { perSecond: 0.01, burst: 2 }
    const all = await Promise.all([1, 2, 3, 4].map(() => ask('GET', '/v1/things/a')))
    assertSame(all.map((x) => x.status).sort(), [200, 200, 429, 429])
    assert(Number(all.find((x) => x.status === 429).headers.get('retry-after')) >= 50, 'it says how long')
    delete shelf.settings.rate
  })
  await check('stand: cut, in the midst too; hang; late', async () => {
    shelf.plan({ method: 'POST', kind: 'cut', when: 'after' }, { method: 'POST', kind: 'cut', part: 30 }, { method: 'POST', kind: 'hang', when: 'after' })
    for (const name of ['cut', 'part', 'hang']) assert(await fails(ask('POST', '/v1/things', { name }, { ms: name === 'hang' ? 300 : AT_ONCE })), name)
    assertSame(['cut', 'part', 'hang'].map((n) => shelf.things.has(n)), [true, false, true])
    shelf.plan({ kind: 'late', ms: 300 })
    const t = performance.now()
    assertSame((await ask('GET', '/v1/things/a')).status, 200)
    assert(performance.now() - t >= 299, 'it took its time')
  })
  await check('stand: twice, garbage, another answer, behind our back', async () => {
    shelf.plan({ kind: 'twice' })
    assertSame((await ask('GET', '/v1/things/a')).json, { thing: { name: 'a' } })
    shelf.plan({ kind: 'garbage' })
    const r = await ask('GET', '/v1/things/a')
    assertSame([r.status, r.json], [200, undefined])
    shelf.plan({ kind: 'change', body: { thing: { name: 'z' }, more: 1 } })
    assertSame((await ask('GET', '/v1/things/a')).json, { thing: { name: 'z' }, more: 1 })
    shelf.plan({ kind: 'blind', method: 'POST' })
    assertSame((await ask('POST', '/v1/things', { name: 'blind' })).status, 404)
    assert(shelf.things.has('blind'), 'it was made all the same')
    shelf.plan({ kind: 'act', act: 'drop', args: { name: 'blind' } })
    assertSame((await ask('GET', '/v1/things/blind')).status, 404)
  })
  await check('stand: the control path, which a program of any language can use', async () => {
    assertSame(shelf.unmet(), [])
    await ask('POST', '/__stand/plan', [{ method: 'GET', path: '/v1/things/*', kind: 'error', skip: 1, count: 2 }])
    const got = []
    for (let i = 0; i < 4; i++) got.push((await ask('GET', '/v1/things/a')).status)
    assertSame(got, [200, 500, 500, 200])
    assertSame((await ask('POST', '/__stand/act', { act: 'drop', args: { name: 'a' } })).json, { did: true })
    assertSame((await ask('POST', '/__stand/act', { act: 'no' })).status, 404)
    const now = (await ask('GET', '/__stand/state')).json
    assert(!now.state.things.includes('a') && now.requests === shelf.log.length && now.most >= 1, now)
    await ask('POST', '/__stand/plan', { clear: true })
    assertSame(shelf.faults.length, 0)
    assert((await ask('POST', '/__stand/plan', [{ kind: 'none' }])).status === 400, 'an unknown fault is refused')
  })
  await check('stand: a request can be waited for', async () => {
    const coming = shelf.seen('GET', '/v1/things/late')
    await ask('GET', '/v1/things/late')
    assertSame((await coming).length, 1)
    assert(await fails(shelf.seen('GET', '/v1/never', 1, 50)), 'not for ever')
  })
  await shelf.stop()
}
