// The cases, the vectors that were made from them, and whether taking anything away from the table is noticed.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { signed } from '../lib/sigv4.mjs'
import { cases, NOW, RANDOM } from './cases.mjs'
import { run, scriptOf, SERVICES, stored, vendorOf, vectorOf } from './vectors.mjs'

const SECRETS = ['CLERK_SECRET_KEY', 'TURSO_AUTH_TOKEN', 'R2_SECRET_ACCESS_KEY', 'STRIPE_SECRET_KEY', 'STRIPE_WEBHOOK_SECRET']

export default async function ladder(load) {
  const engine = { runLadders: load('./key-ladder.js').runLadders, rules: load('./key-rules.js').KEY_RULES }
  for (const one of cases) {
    await check(`${one.service}: ${one.name}`, async () => {
      const { log, report } = await run(engine, one, vendorOf(one))
      assertSame(verdictsOf(report), one.verdicts, 'verdicts')
      assert(one.error === null ? report.error === null : report.error?.startsWith(one.error), `error: ${report.error}`)
      assert(report.valid === (one.error === null), `valid: ${report.valid}`)
      assert(report.unverified === (!report.valid && !requiredOf(engine, report).some(({ verdict }) => verdict === 'fail')), `unverified: ${report.unverified}`)
      greenOnlyIfAsked(engine, one.service, log, report)
      nothingSecret(one, report)
      nothingAimed(one, log)
    })
  }
  await check('a cleanup follows whatever may have left something', async () => {
    for (const one of cases) {
      const { log } = await run(engine, one, vendorOf(one))
      const of = (method, end) => log.filter(({ expect: { method: m, url } }) => m === method && url.split('?')[0].endsWith(end))
      const written = of('PUT', RANDOM).some(({ answer }) => answer.none || (answer.status < 400 && !answer.headers?.['valetkey-served-by']))
      assert(!written || of('DELETE', RANDOM).length === 1, `${one.name}: the object is deleted`)
      const begun = of('POST', '/v1/setup_intents').some(({ answer }) => answer.status === 200 && !answer.headers['valetkey-served-by'])
      assert(!begun || of('POST', '/cancel').length === 1, `${one.name}: the intent is cancelled`)
    }
  })
  for (const service of SERVICES) {
    const mine = cases.filter((one) => one.service === service)
    await check(`${service}: the vectors are those of the cases`, async () => {
      const vectors = stored(service)
      assertSame(vectors.map(({ name }) => name), mine.map(({ name }) => name), 'names (tests/validation/vectors.mjs makes them anew)')
      assertSame(new Set(vectors.map(({ name }) => name)).size, vectors.length, 'different names')
      for (const [i, one] of mine.entries()) assertSame(JSON.parse(JSON.stringify(await vectorOf(engine, one))), vectors[i], one.name)
    })
    await check(`${service}: every vector comes out as it is written`, async () => {
      for (const vector of stored(service)) assert(await passes(engine, service, vector), vector.name)
    })
    await check(`${service}: nothing can be taken away from the table unnoticed`, async () => {
      const vectors = stored(service)
      const unnoticed = []
      for (const [what, rules] of mutants(engine.rules, service)) {
        let noticed = false
        for (const vector of vectors) if ((noticed = !(await passes({ ...engine, rules }, service, vector)))) break
        if (!noticed) unnoticed.push(what)
      }
      assertSame(unnoticed, [], 'taken away unnoticed')
    })
  }
  await check('no kind of foreign or own key can be taken away from the table unnoticed', async () => {
    const unnoticed = []
    for (const part of ['foreign', 'ours'])
      for (const [i, { pattern }] of engine.rules[part].entries()) {
        const rules = structuredClone(engine.rules)
        rules[part].splice(i, 1)
        let noticed = false
        for (const service of SERVICES) for (const vector of stored(service)) noticed ||= !(await passes({ ...engine, rules }, service, vector))
        if (!noticed) unnoticed.push(`${part}: ${pattern}`)
      }
    assertSame(unnoticed, [], 'taken away unnoticed')
  })
  await check('all services at once, each with its own random name', async () => {
    let n = 0
    const first = Object.fromEntries(SERVICES.map((service) => [service, cases.find((one) => one.service === service)]))
    const vendors = Object.fromEntries(SERVICES.map((service) => [service, vendorOf(first[service])]))
    const names = new Set()
    const send = async (ask) => {
      const service = { 'api.clerk.com': 'clerk', 'api.stripe.com': 'stripe', 'made-up.turso.io': 'database' }[new URL(ask.url).hostname] ?? 'storage'
      for (const [name] of `${ask.url} ${ask.body}`.matchAll(/[0-9a-f]{32}(?=["$ ]| \(a\)|$)/g)) names.add(name)
      const answer = vendors[service](ask)
      return { headers: {}, ...answer, body: Buffer.from(ask.method === 'GET' && service === 'storage' && answer.body === RANDOM ? ask.url.slice(-32) : (answer.body ?? '')) }
    }
    const result = await engine.runLadders(engine.rules, Object.fromEntries(SERVICES.map((service) => [service, first[service].keys])), { send, postgres: send, now: () => new Date(NOW), random: (bytes) => Buffer.alloc(bytes, ++n) })
    assertSame(Object.entries(result).map(([service, { valid }]) => [service, valid]), SERVICES.map((service) => [service, true]), 'valid')
    assertSame(n, SERVICES.length, 'random numbers drawn')
    for (const { checks } of Object.values(result)) for (const { call, ms } of checks) assert((call === undefined) === (ms === undefined) && (ms ?? 0) >= 0, 'a call has a time')
  })
  await check('a vendor who takes his time is not asked for ever; what was written is taken away all the same', async () => {
    for (const [service, slow, keys, left, cleanup] of [
      ['storage', 'PUT', {}, 'get', 'delete'],
      ['stripe', '/v1/setup_intents', { NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY: 'pk_test_short1234', STRIPE_SECRET_KEY: 'rk_test_short1234' }, 'intent-read', 'intent-cancel'],
    ]) {
      const one = cases.find((given) => given.service === service)
      const vendor = vendorOf(one)
      let asked = 0
      const send = async (ask) => {
        asked++
        if (`${ask.method} ${ask.url}`.includes(slow)) await new Promise((resolve) => setTimeout(resolve, 1100))
        const answer = vendor(ask)
        return { headers: {}, ...answer, body: Buffer.from(answer.body ?? '') }
      }
      const given = { send, postgres: send, now: () => new Date(NOW), random: () => Buffer.from(RANDOM, 'hex'), withinMs: 1000 }
      const { valid, checks } = (await engine.runLadders(engine.rules, { [service]: { ...one.keys, ...keys } }, given))[service]
      const verdicts = verdictsOf({ checks })
      assertSame([valid, verdicts[left], verdicts[cleanup]], [false, 'unknown', 'pass'], service)
      assertSame(asked, checks.filter(({ id, call }) => call && id !== left).length, `${service}: calls`)
    }
  })
  await check('nothing typed at all is nothing checked; names that are no fields are not read', async () => {
    assertSame(await engine.runLadders(engine.rules, {}, {}), {}, 'result')
    const one = cases.find(({ service }) => service === 'stripe')
    const { report } = await run(engine, { ...one, keys: { ...one.keys, STRIPE_API_BASE: 'https://evil.example.com' } }, vendorOf(one))
    assert(report.valid, 'valid')
  })
}

const verdictsOf = ({ checks }) => {
  const all = {}
  for (const { id, verdict } of checks) all[id] = all[id] === 'fail' ? 'fail' : verdict
  return sorted(all)
}
const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)))
for (const one of cases) one.verdicts = sorted(one.verdicts)

const ruleOf = ({ rules }, service, id) => rules.services[service].ladder.find((rule) => rule.id === id)
const requiredOf = (engine, { service, checks }) => checks.filter(({ id, say }) => ruleOf(engine, service, id).required !== false || say.startsWith('valetkey itself'))

/** Each check that passed and has a call is in the vendor's log, in this order; and nothing else was called. */
function greenOnlyIfAsked(engine, service, log, { checks }) {
  const asked = log.map(({ expect: { method, url } }) => (method === 'SQL' ? 'SQL' : `${method} ${url.split('?')[0]}`))
  const said = checks.filter(({ call }) => call).map(({ call }) => (call.startsWith('SQL ') ? 'SQL' : call))
  assertSame(said, asked, 'calls')
  for (const { id, verdict, call } of checks) if (verdict !== 'skipped') assertSame(call !== undefined, ruleOf(engine, service, id).call !== undefined, `${id}: has a call`)
}

function nothingSecret({ keys }, { checks }) {
  const secrets = SECRETS.map((name) => keys[name]).filter((value) => value && value.length >= 6)
  if (keys.TURSO_DATABASE_URL?.includes('made:')) secrets.push('made:')
  for (const { call, answer, say, fix } of checks)
    for (const secret of secrets) assert(!`${call}\n${answer}\n${say}\n${fix}`.includes(secret.trim()), 'no secret is shown')
  for (const { call = '' } of checks) assert(!call.includes('?') && !call.includes('_secret'), 'no query is shown')
}

/** Requests go where the table or the address says, with one credential each; those to a storage are signed as Amazon describes it. */
function nothingAimed({ service, keys }, log) {
  for (const { expect: { method, url, headers, body } } of log) {
    if (method === 'SQL') continue
    assertSame(Object.keys(headers).filter((name) => /^(host|cookie|stripe-account|connection)$/i.test(name)), [], 'headers')
    if (service !== 'storage' || method === 'OPTIONS') continue
    const { origin, pathname, searchParams } = new URL(url)
    const { authorization, 'x-amz-date': date, 'x-amz-content-sha256': sum, ...own } = headers
    const theirs = signed({ R2_ENDPOINT: origin, R2_ACCESS_KEY_ID: keys.R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY: keys.R2_SECRET_ACCESS_KEY, AWS_REGION: keys.AWS_REGION || 'auto' }, { method, path: pathname, query: [...searchParams], headers: own, body: body ?? '', date: new Date(NOW) })
    assertSame([authorization, date, sum, url], [theirs.headers.authorization, theirs.headers['x-amz-date'], theirs.headers['x-amz-content-sha256'], theirs.url], `${method}: signature`)
  }
}

async function passes(engine, service, vector) {
  try {
    const { log, report } = await run(engine, { ...vector, service }, scriptOf(vector, (ask, want) => assertSame(JSON.parse(JSON.stringify(ask)), want, 'request')))
    assertSame([log.length, JSON.parse(JSON.stringify(report))], [vector.script.length, vector.report], 'outcome')
    return true
  } catch {
    return false
  }
}

/** The table with one thing less, each. */
function* mutants(rules, service) {
  const changed = (what, change) => {
    const copy = structuredClone(rules)
    change(copy, copy.services[service])
    return [`${service}: ${what}`, copy]
  }
  for (const [i, rule] of rules.services[service].ladder.entries()) {
    yield changed(rule.id, (_, s) => s.ladder.splice(i, 1))
    for (const part of ['needs', 'after', 'instead', 'when', 'required']) if (rule[part] !== undefined) yield changed(`${rule.id}: ${part}`, (_, s) => delete s.ladder[i][part])
    for (const [j, { verdict, say }] of (rule.answers ?? []).entries()) yield changed(`${rule.id}: answer ${j} (${verdict}: ${say})`, (_, s) => s.ladder[i].answers.splice(j, 1))
    for (const name of Object.keys(rule.read ?? {})) yield changed(`${rule.id}: reads ${name}`, (_, s) => delete s.ladder[i].read[name])
  }
  for (const [i, { env }] of rules.services[service].fields.entries()) yield changed(`field ${env}`, (_, s) => s.fields.splice(i, 1))
}
