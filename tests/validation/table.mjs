// The table itself: nothing in it that one of the two languages would read in another way, no name that means nothing, no sentence that is cut.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { here, template } from './engine.mjs'

const RUNGS = ['shape', 'facts', 'ours', 'auth', 'scope', 'pair', 'roundtrip']
const VERDICTS = ['pass', 'limited', 'fail', 'unknown', 'skipped']
const FACTS = {
  clerk: ['pk_mode', 'sk_mode', 'mode', 'pk_host', 'instance_type'],
  stripe: ['pk_mode', 'sk_mode', 'mode', 'pk_account', 'sk_account', 'livemode'],
  database: ['db_kind', 'db_host', 'db_http', 'pg_host', 'pg_port', 'pg_db', 'jwt_exp', 'jwt_expired', 'jwt_access'],
  storage: ['s3_endpoint', 's3_host', 's3_region', 's3_vendor', 's3_host_account', 's3_host_region', 'canary'],
}
const ALWAYS = ['probe', 'origin', 'vendor', 'host', 'status', 'code', 'kind', 'label', 'error', 'is']
const ORIGINS = /^(https:\/\/api\.(clerk|stripe)\.com\/|https:\/\/\{pk_host\}\/|\{db_http\}\/|\{s3_endpoint\}\/|postgres:\/\/\{pg_host\}:)/

/** Every object and text, with its way there. */
function* walk(value, way = []) {
  yield [way, value]
  if (typeof value === 'object' && value !== null) for (const [name, inner] of Object.entries(value)) yield* walk(inner, [...way, name])
}

export default async function table(load) {
  const rules = load('./key-rules.js').KEY_RULES
  const patterns = [...rules.foreign, ...rules.ours, ...Object.values(rules.services).flatMap(({ fields }) => fields)].map(({ pattern }) => pattern)
  for (const [, value] of walk(rules.services)) if (value?.matches) patterns.push(value.matches[1])

  await check('table: patterns are read alike by JavaScript and POSIX', () => {
    assert(patterns.length > 50, `${patterns.length} patterns`)
    const samples = ['', 'a', 'pk_test_MadeUp', `${'sk'}_live_5MadeUpMadeUpMadeUpMadeUp`, 'libsql://a.example.com', 'https://s3.example.com:443/x/', 'https://a@b.example.com', 'vk_b_x', 'vk-x', 'my.vk_accounts.dev', 'whsec_MadeUpMadeUpMadeUpMadeUpMadeUp', 'A_B=c',
      '0123456789abcdef0123456789abcdef', 'a/b/', '../', 'Bucket', 'my-bucket', 'rk_test_x', 'postgres://u:p@h/d?x', 'ASIAX', 'eyJx.y', 'file:x', 'mysql://x', 'sk_org_x', 'a.b.example.com$', 'pk_live_Y2xlcmsuZXhhbXBsZS5jb20k']
    for (const pattern of new Set(patterns)) {
      assert(!/\\|\(\?|\*\?|\+\?|\[:/.test(pattern), `${pattern}: only what both have`)
      for (const [, most] of pattern.matchAll(/\{[0-9]*,?([0-9]+)\}/g)) assert(Number(most) <= 255, `${pattern}: repeats no more than POSIX allows`)
      const grep = spawnSync('grep', ['-nE', '--', pattern], { input: samples.join('\n') + '\n', encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
      assert(grep.status < 2, `${pattern}: ${grep.stderr}`)
      const posix = grep.stdout.split('\n').filter(Boolean).map((line) => Number(line.split(':')[0]) - 1)
      assertSame(posix, samples.flatMap((text, i) => (new RegExp(pattern).test(text) ? [i] : [])), pattern)
    }
  })
  await check('packages: what is tested here is what the template has', () => {
    const [ours, theirs] = [here, template].map((folder) => JSON.parse(readFileSync(path.join(folder, 'package-lock.json'), 'utf8')).packages)
    const { dependencies, devDependencies } = JSON.parse(readFileSync(path.join(template, 'package.json'), 'utf8'))
    for (const name of ['@smithy/signature-v4', 'pg']) assert(/^[0-9.]+$/.test(dependencies[name]), `${name}: one version`)
    for (const name of ['typescript', '@types/pg', '@types/node']) assert(/^[0-9.]+$/.test(devDependencies[name]), `${name}: one version`)
    for (const [name, { version, integrity }] of Object.entries(ours)) if (name) assertSame([version, integrity], [theirs[name]?.version, theirs[name]?.integrity], name)
  })
  await check('table: each rung, verdict and id is one', () => {
    for (const [service, { ladder, fields }] of Object.entries(rules.services)) {
      const ids = ladder.map(({ id }) => id)
      assertSame(new Set(ids).size, ids.length, `${service}: ids`)
      for (const [i, rule] of ladder.entries()) {
        assert(RUNGS.includes(rule.rung), `${rule.id}: rung`)
        for (const id of [...(rule.needs ?? []), ...(rule.after ?? []), ...(rule.instead ? [rule.instead] : [])]) assert(ids.indexOf(id) >= 0 && ids.indexOf(id) < i, `${rule.id}: ${id} is an earlier one`)
        if (rule.field) assert(fields.some(({ env }) => env === rule.field), `${rule.id}: field`)
        assert(rule.code || rule.answers?.length > 0, `${rule.id}: has answers`)
        for (const { verdict, ok } of rule.answers ?? []) {
          assert(VERDICTS.includes(verdict), `${rule.id}: ${verdict}`)
          assert((ok !== undefined) === !rule.call, `${rule.id}: an answer of a test or of a call`)
        }
        if (rule.test && rule.when === undefined) assert(rule.answers.some(({ ok }) => ok) && rule.answers.some(({ ok }) => !ok), `${rule.id}: both outcomes`)
      }
    }
    for (const { home } of rules.foreign) for (const env of home) assert(Object.values(rules.services).some(({ fields }) => fields.some((field) => field.env === env)), env)
  })
  await check('table: every variable that a text names is there', () => {
    for (const [service, { ladder, fields, mode }] of Object.entries(rules.services)) {
      const known = new Set([...ALWAYS, ...FACTS[service], ...fields.map(({ env }) => env)])
      for (const rule of ladder) {
        for (const name of Object.keys(rule.read ?? {})) known.add(name)
        for (const [way, text] of walk(rule)) if (typeof text === 'string' && way.slice(-2).join() !== 'matches,1') for (const [, name] of text.matchAll(/\{([A-Za-z0-9_]+)\}/g)) assert(known.has(name), `${service}, ${rule.id} ${way.join('.')}: {${name}}`)
      }
      if (mode) assertSame(mode, '{mode}', 'mode')
    }
  })
  await check('table: calls go to the vendors or to the address that was typed, and secrets only into headers and queries', () => {
    for (const { ladder, fields } of Object.values(rules.services)) {
      const secret = new Set(fields.filter((field) => field.secret).map(({ env }) => env))
      for (const { id, call, answers = [] } of ladder) {
        for (const { say, fix = '' } of answers) for (const [, name] of `${say} ${fix}`.matchAll(/\{([A-Za-z0-9_]+)\}/g)) assert(!secret.has(name) && !name.endsWith('_secret'), `${id}: says {${name}}`)
        if (!call) continue
        assert(ORIGINS.test(call.url), `${id}: ${call.url}`)
        for (const [, name] of call.url.split('?')[0].matchAll(/\{([A-Za-z0-9_]+)\}/g)) assert(!secret.has(name) && !name.endsWith('_secret'), `${id}: {${name}} in a path`)
        for (const [, name] of (call.body ?? '').matchAll(/\{([A-Za-z0-9_]+)\}/g)) assertSame(name, 'probe', `${id}: in a body`)
        if (call.auth?.startsWith('bearer:')) assert(fields.some(({ env }) => env === call.auth.slice(7)), `${id}: ${call.auth}`)
        else assert(call.auth === undefined || call.auth === 's3', `${id}: ${call.auth}`)
        for (const name of Object.keys(call.headers ?? {})) assert(/^(content-type|if-none-match|origin|access-control-request-(method|headers))$/.test(name), `${id}: header ${name}`)
      }
    }
  })
  await check('table: sentences are sentences, and each failure says what to do', () => {
    for (const [way, value] of walk(rules)) {
      if (typeof value?.verdict !== 'string') continue
      const where = way.join('.')
      assert(/^([A-Z{]|valetkey ).*[.]$/s.test(value.say), `${where}: ${value.say}`)
      if (value.verdict === 'fail') assert(value.fix, `${where}: ${value.say} and no way out`)
      if (value.fix) assert(/^[A-Z{].*([.]|\])$/s.test(value.fix), `${where}: ${value.fix}`)
    }
    for (const { steps, stays, dashboard, fields } of Object.values(rules.services)) {
      assert(steps.length >= 4 && stays.length >= 2 && /^https:\/\//.test(dashboard), 'steps, what stays, dashboard')
      for (const text of [...steps, ...stays]) assert(/^[A-Z“].*[.)]$/s.test(text), text)
      for (const { env, label, hint, secret } of fields) assert(label && hint && (!secret || !/^NEXT_PUBLIC_/.test(env)), env)
    }
  })
}
