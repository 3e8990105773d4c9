// What each set of keys must come to, written by hand. `want` says what differs from a run in which all is well: "id:verdict" for a check that ends
// otherwise (or is there besides), "-id" for one that is not in the report. `error`: how the report's error begins; none: the keys are valid.
import { createHmac } from 'node:crypto'
import { clerkPk, clerkSk, hex, jwt, OTHER_ACCOUNT, oldStripeKey, rawPk, stripeKey, valet, webhookSecret } from './values.mjs'
import { balance, clerkError, domain, domains, GOOD, html, instance, intent, json, jwks, none, pipeline, stripeDenied, stripeError, tables, xml } from './vendors.mjs'

export const NOW = '2026-11-29T12:00:00.000Z'
export const RANDOM = '00112233445566778899aabbccddeeff'
const SALT = hex(32)
export const listed = (...values) => `${SALT}:${values.map((v) => createHmac('sha256', Buffer.from(SALT, 'hex')).update(v).digest('hex').slice(0, 32)).join(',')}`

const WELL = {
  clerk: 'shape host modes ours instance users domains',
  database: 'shape kind ours select write tables',
  storage: 'shape endpoint bucket-in-endpoint pair-shape ours list bucket put get delete',
  stripe: 'shape modes account ours balance checkout sessions webhook:unknown',
}
const HOST = 'made-up-1.clerk.accounts.dev'
const ACCOUNT_ID = hex(32)
const TYPED = {
  clerk: { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: clerkPk(HOST), CLERK_SECRET_KEY: clerkSk() },
  database: { TURSO_DATABASE_URL: 'libsql://made-up.turso.io', TURSO_AUTH_TOKEN: 'MadeUpToken.1234' },
  storage: { R2_ACCOUNT_ID: ACCOUNT_ID, R2_BUCKET: 'made-up-files', R2_ACCESS_KEY_ID: hex(32), R2_SECRET_ACCESS_KEY: hex(64) },
  stripe: { NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY: stripeKey('pk'), STRIPE_SECRET_KEY: stripeKey('sk'), STRIPE_WEBHOOK_SECRET: webhookSecret() },
}

export const cases = []
/** `more`: keys (undefined takes one away), answers, now, refused, origin. */
function expect(service, name, want, error, more = {}) {
  const keys = Object.fromEntries(Object.entries({ ...TYPED[service], ...more.keys }).filter(([, value]) => value !== undefined))
  const good = service === 'clerk' ? GOOD.clerk(more.host ?? HOST, more.mode ?? 'test') : GOOD[service](more.mode ?? 'test')
  const verdicts = new Map()
  for (const word of `${more.well ?? WELL[service]} ${want}`.split(' ').filter(Boolean)) {
    const [id, verdict = 'pass'] = word.split(':')
    if (id.startsWith('-')) verdicts.delete(id.slice(1))
    else verdicts.set(id, verdict)
  }
  cases.push({ service, name, keys, answers: { ...good, ...more.answers }, verdicts: Object.fromEntries(verdicts), error: error ?? null, ...more.given })
}
const PK = 'NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY'
const SPK = 'NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY'
/** Everything from `first` on was not tried. */
const rest = (service, ...ids) => ids.map((id) => `${id}:skipped`).join(' ')
const NO_CALL = {
  clerk: rest('clerk', 'instance', 'users', 'domains'),
  database: rest('database', 'select', 'write', 'tables'),
  storage: rest('storage', 'list', 'bucket', 'put', 'get', 'delete'),
  stripe: rest('stripe', 'balance', 'checkout', 'sessions'),
}
const BAD_SHAPE = {
  clerk: `shape:fail host:skipped modes:skipped ${NO_CALL.clerk}`,
  database: `shape:fail kind:skipped ${NO_CALL.database}`,
  storage: `shape:fail endpoint:skipped bucket-in-endpoint:skipped pair-shape:skipped ${NO_CALL.storage}`,
  stripe: `shape:fail modes:skipped account:skipped webhook:skipped ${NO_CALL.stripe}`,
}
const wrong = (service, name, keys, error, want = '') => expect(service, name, `${BAD_SHAPE[service]} ${want}`, error, { keys })

/** What may happen to the first call of every service. */
function troubles(service, call, first, then, host, { dns = 'unknown', html200 = 'unknown', redirect = 'unknown', sorry = '', unavailable = 'trouble of its own' } = {}) {
  const vendor = { clerk: 'Clerk', database: 'Turso', storage: 'the storage', stripe: 'Stripe' }[service]
  const one = (name, answer, verdict, error) => expect(service, `${name} from the first call`, `${first}:${verdict} ${then} ${sorry}`, error, { answers: { [call]: answer } })
  one('no answer in time', none('timeout'), 'unknown', `${host} did not answer within 10 seconds.`)
  one('no such host', none('dns'), dns, `The host ${host} was not found.`)
  one('no TLS', none('tls'), 'unknown', `No secure connection to ${host} came about`)
  one('nobody there', none('unreachable'), 'unknown', `Nothing answered at ${host}.`)
  one('too much', none('too_large'), 'unknown', `The answer of ${host} was longer than 1 MiB`)
  one('an address that is not called', none('guard'), 'fail', `${host} is not asked`)
  one('an address that cannot be', none('invalid'), 'fail', 'This address cannot be called.')
  one('429', json(429, {}), 'unknown', `${vendor} asks for patience: too many calls (429).`)
  one('500', html(500), 'unknown', `${vendor} has ${unavailable} (500).`)
  one('503', html(503), 'unknown', `${vendor} has ${unavailable} (503).`)
  one('418', html(418), 'unknown', `${host} gave an answer that is not expected here (418).`)
  one('a redirect', { status: 302, headers: { location: 'https://169.254.169.254/' }, body: '' }, redirect, redirect === 'unknown' ? `${host} sends the call to another address (302)` : '')
  one('a web page', html(200), html200, html200 === 'unknown' ? `${host} gave an answer that is not expected here (200).` : '')
  one("valetkey's own service", json(200, {}, { 'valetkey-served-by': 'embedded' }), 'fail', `valetkey itself answered there, not ${vendor}.`)
}

// ---- Clerk
{
  const live = { keys: { [PK]: clerkPk('clerk.example.com', 'live'), CLERK_SECRET_KEY: clerkSk('live') }, mode: 'live', host: 'clerk.example.com' }
  const fails = (name, want, error, answers, more) => expect('clerk', name, want, error, { answers, ...more })
  expect('clerk', 'test keys', '')
  // Keys of Stripe begin so too, and are longer or shorter.
  for (const n of [40, 42, 52]) expect('clerk', `a secret key of ${n} characters that begins with a 5`, '', null, { keys: { CLERK_SECRET_KEY: `sk_test_5${clerkSk().slice(8)}${'MadeUp'.repeat(3)}`.slice(0, 8 + n) } })
  for (const n of [39, 53]) wrong('clerk', `a key of ${n} characters that begins with a 5`, { CLERK_SECRET_KEY: `sk_test_5${clerkSk().slice(8)}${'MadeUp'.repeat(3)}`.slice(0, 8 + n) }, 'This is a secret key of Stripe; it does not belong into the field Secret key.')
  expect('clerk', 'live keys', 'domain:limited', null, live)
  expect('clerk', 'a padded publishable key', '', null, { keys: { [PK]: clerkPk('a.clerk.accounts.dev', 'test', true) }, host: 'a.clerk.accounts.dev' })
  wrong('clerk', 'nothing typed', { [PK]: undefined, CLERK_SECRET_KEY: undefined }, 'Publishable key is empty.')
  wrong('clerk', 'only the publishable key', { CLERK_SECRET_KEY: '' }, 'Secret key is empty.')
  wrong('clerk', 'a line break', { CLERK_SECRET_KEY: `${clerkSk()}\n` }, 'Secret key has a space, a line break')
  wrong('clerk', 'a letter that is none of ASCII', { CLERK_SECRET_KEY: `${clerkSk()}é` }, 'Secret key has a space, a line break')
  wrong('clerk', 'a value without end', { CLERK_SECRET_KEY: `sk_test_${'a'.repeat(5000)}` }, 'Secret key is longer than 4096 characters.')
  wrong('clerk', 'something else', { CLERK_SECRET_KEY: 'hunter2hunter2' }, 'Secret key must start with sk_test_ or sk_live_.')
  wrong('clerk', 'a secret key that is cut', { CLERK_SECRET_KEY: 'sk_test_MadeUp' }, 'Secret key must start with sk_test_ or sk_live_.')
  wrong('clerk', 'fields swapped', { [PK]: clerkSk(), CLERK_SECRET_KEY: clerkPk(HOST) }, 'This is a secret key of Clerk; it does not belong into the field Publishable key.')
  wrong('clerk', 'a secret key of Stripe', { CLERK_SECRET_KEY: stripeKey('sk') }, 'This is a secret key of Stripe; it does not belong into the field Secret key.')
  wrong('clerk', 'a publishable key of Stripe', { [PK]: stripeKey('pk') }, 'This is a publishable key of Stripe')
  wrong('clerk', 'a restricted key of Stripe', { CLERK_SECRET_KEY: oldStripeKey('rk') }, 'This is a restricted key of Stripe')
  wrong('clerk', "a webhook's secret", { CLERK_SECRET_KEY: webhookSecret() }, 'This is the signing secret of a webhook')
  wrong('clerk', 'a token', { CLERK_SECRET_KEY: jwt({ a: 'rw' }) }, 'This is a token (JWT)')
  wrong('clerk', 'an address', { [PK]: 'https://clerk.example.com' }, 'This is an address')
  wrong('clerk', 'a line of a file', { CLERK_SECRET_KEY: `CLERK_SECRET_KEY=${clerkSk()}` }, 'This is a whole line of an environment file')
  wrong('clerk', 'another alphabet in the publishable key', { [PK]: 'pk_test_YV9iLmM_Pj8k' }, 'Publishable key must start with pk_test_ or pk_live_.')
  for (const [name, text] of [['without its end', 'made-up.clerk.accounts.de'], ['with two ends', 'a.example.com$$'], ['without a dot', 'localhost$'], ['with a port', '127.0.0.1:4501$'], ['with a path', 'x.example.com/path$'], ['with a user', 'a@b.example.com$']])
    expect('clerk', `a publishable key ${name}`, `host:fail ${NO_CALL.clerk}`, 'The publishable key does not name a sign-in', { keys: { [PK]: rawPk(text) } })
  expect('clerk', 'one key for tests, one for real', `modes:fail ${NO_CALL.clerk}`, 'The publishable key is a test key and the secret key is a live key.', { keys: { CLERK_SECRET_KEY: clerkSk('live') } })
  expect('clerk', "a build's own secret key", `ours:fail ${NO_CALL.clerk}`, 'Secret key is a key that valetkey gave out', { keys: { CLERK_SECRET_KEY: valet('sk_test_') } })
  expect('clerk', "a key of the length of a build's own, with another sum", '', null, { keys: { CLERK_SECRET_KEY: valet('sk_test_').replace(/.$/, (c) => (c === 'A' ? 'B' : 'A')) } })
  expect('clerk', "a build's own sign-in", `ours:fail ${NO_CALL.clerk}`, 'Publishable key is a key that valetkey gave out', { keys: { [PK]: clerkPk('my-build.vk_accounts.dev') } })
  expect('clerk', 'a key that the app was built with', `ours:fail ${NO_CALL.clerk}`, 'Secret key is one of the keys that this app was built with', { given: { refused: listed('other', clerkSk()) } })
  expect('clerk', 'a list of others', '', null, { given: { refused: listed('other', `${clerkSk()}x`) } })
  expect('clerk', 'a damaged list', '', null, { given: { refused: `${SALT.slice(1)}:${listed(clerkSk()).split(':')[1]}` } })
  expect('clerk', 'a live publishable key that is cut', `host:fail domain:skipped ${NO_CALL.clerk}`, 'The publishable key does not name a sign-in', { keys: { [PK]: rawPk('clerk.example.co').replace('test', 'live'), CLERK_SECRET_KEY: clerkSk('live') } })
  troubles('clerk', 'GET /v1/instance', 'instance', 'users:skipped domains:skipped', 'api.clerk.com')
  const I = 'GET /v1/instance'
  fails('an unknown secret key', 'instance:fail users:skipped domains:skipped', 'Clerk does not know this secret key.', { [I]: clerkError(401, 'authentication_invalid') })
  fails('a refused secret key', 'instance:fail users:skipped domains:skipped', 'Clerk refuses this secret key (403).', { [I]: clerkError(403, 'forbidden') })
  fails('an instance of the other kind', 'instance:fail users:skipped domains:skipped', 'Clerk says that this secret key is of a production instance', { [I]: instance('production') })
  fails('a vendor that repeats the key', 'instance:fail users:skipped domains:skipped', 'Clerk refuses this secret key (403).', { [I]: clerkError(403, clerkSk()) })
  fails('a vendor that repeats the key in what is shown', 'instance:fail users:skipped domains:skipped', 'Clerk says that this secret key is of a •••• instance', { [I]: instance(clerkSk()) })
  for (const [name, code] of [['very long', 'x'.repeat(65)], ['of markup', '<b>x</b>'], ['with a line break', 'a\nb']]) fails(`a code that is ${name}`, 'instance:fail users:skipped domains:skipped', 'Clerk refuses this secret key (403).', { [I]: clerkError(403, code) })
  fails('a code as long as one may be', 'instance:fail users:skipped domains:skipped', 'Clerk refuses this secret key (403).', { [I]: clerkError(403, 'x'.repeat(64)) })
  fails('a vendor that sends control characters', 'instance:fail users:skipped domains:skipped', 'Clerk says that this secret key is of a  instance', { [I]: instance('a\u0007b') })
  fails('a vendor that sends very much', 'instance:fail users:skipped domains:skipped', 'Clerk says that this secret key is of a  instance', { [I]: instance('x'.repeat(300)) })
  fails('users that may not be read', 'users:fail', 'This key may not read users', { 'GET /v1/users/count': clerkError(403, 'forbidden') })
  fails('a key that ends meanwhile', 'users:fail', 'Clerk does not know this secret key.', { 'GET /v1/users/count': clerkError(401, 'authentication_invalid') })
  fails('users that nobody counted', 'users:unknown', 'Clerk has trouble', { 'GET /v1/users/count': html(502) })
  fails('keys of two instances', 'domains:fail', 'Publishable key and secret key belong to two different instances of Clerk.', { 'GET /v1/domains': domains(domain('clerk.example.com')) })
  fails('a satellite of that name', 'domains:fail', 'Publishable key and secret key belong to two different instances', { 'GET /v1/domains': domains(domain(HOST, true), domain('clerk.example.com')) })
  fails('a key that ends before the domains', 'domains:fail', 'Clerk does not know this secret key.', { 'GET /v1/domains': clerkError(401, 'authentication_invalid') })
  const noDomains = { 'GET /v1/domains': clerkError(404, 'resource_not_found') }
  fails('no list of domains, one signing key', 'domains:unknown signing-key signing-host', null, noDomains)
  fails('an empty list of domains', 'domains:unknown signing-key signing-host', null, { 'GET /v1/domains': domains() })
  fails('no list of domains, two signing keys', 'domains:unknown signing-key signing-host:fail', 'Publishable key and secret key belong to two different instances', { ...noDomains, 'GET /.well-known/jwks.json': jwks('ins_other') })
  fails('no list of domains, and a host that does not answer', 'domains:unknown signing-key signing-host:unknown', `${HOST} did not answer within 10 seconds.`, { ...noDomains, 'GET /.well-known/jwks.json': none('timeout') })
  fails('no list of domains, and a host that is not called', 'domains:unknown signing-key signing-host:fail', `${HOST} is not asked`, { ...noDomains, 'GET /.well-known/jwks.json': none('guard') })
  fails('no list of domains, no signing key', 'domains:unknown signing-key:unknown signing-host:skipped', 'api.clerk.com gave an answer', { ...noDomains, 'GET /v1/jwks': json(200, { keys: [] }) })
  fails('no list of domains, a key that ends', 'domains:unknown signing-key:fail signing-host:skipped', 'Clerk does not know this secret key.', { ...noDomains, 'GET /v1/jwks': clerkError(401, 'authentication_invalid') })
  fails("valetkey's own service behind the publishable key", 'domains:unknown signing-key signing-host:fail', 'valetkey itself answered there', { ...noDomains, 'GET /.well-known/jwks.json': { ...jwks('ins_madeup'), headers: { 'valetkey-served-by': 'embedded' } } })
}

// ---- the database
{
  const URL_ = 'TURSO_DATABASE_URL'
  const TOKEN = 'TURSO_AUTH_TOKEN'
  const at = (seconds) => Math.floor(Date.parse(NOW) / 1000) + seconds
  expect('database', 'a token that says nothing', '')
  for (const [name, url] of [['https', 'https://made-up.turso.io/'], ['wss', 'wss://MADE-UP.turso.io'], ['a port', 'libsql://made-up.turso.io:443'], ['a path', 'https://made-up.example.com/b/one/']]) expect('database', `an address with ${name}`, '', null, { keys: { [URL_]: url } })
  expect('database', 'a token for reading and writing that ends next year', 'expiry access', null, { keys: { [TOKEN]: jwt({ a: 'rw', exp: at(86400 * 200), gid: 'made-up' }) } })
  expect('database', 'a token that has ended', `expiry:fail ${NO_CALL.database}`, 'The token expired on 2026-11-29.', { keys: { [TOKEN]: jwt({ exp: at(0) }) } })
  expect('database', 'a token whose end is no time', '', null, { keys: { [TOKEN]: jwt({ exp: 'never' }) } })
  expect('database', 'a token for reading', `access:fail ${NO_CALL.database}`, 'The token says that it may only read', { keys: { [TOKEN]: jwt({ a: 'ro' }) } })
  expect('database', 'a token with permissions for reading', `access:fail ${NO_CALL.database}`, 'The token says that it may only read', { keys: { [TOKEN]: jwt({ a: 'rw', p: { ro: { ns: ['x'] } } }) } })
  expect('database', 'a token with permissions for writing', 'access', null, { keys: { [TOKEN]: jwt({ a: 'ro', p: { rw: { ns: ['x'] } } }) } })
  wrong('database', 'nothing typed', { [URL_]: '', [TOKEN]: '' }, 'Database URL is empty.')
  wrong('database', 'no token', { [TOKEN]: '' }, 'Auth token is empty.')
  wrong('database', 'a short token', { [TOKEN]: 'short' }, 'Auth token is too short')
  for (const url of ['file:local.db', 'http://made-up.turso.io', 'ws://made-up.turso.io', 'mysql://a:b@example.com/c', 'libsql://made-up.turso.io?authToken=MadeUpToken', 'libsql://user@made-up.turso.io', 'libsql://made-up.turso.io#x', 'libsql://[::1]/', 'made-up.turso.io'])
    wrong('database', `the address ${url}`, { [URL_]: url }, 'Database URL must be a libsql:// URL')
  wrong('database', 'fields swapped', { [URL_]: jwt({ a: 'rw' }), [TOKEN]: 'libsql://made-up.turso.io' }, 'This is a token (JWT); it does not belong into the field Database URL.')
  wrong('database', "an address of PostgreSQL in the token's field", { [TOKEN]: 'postgres://u:p@db.example.com/x' }, 'This is the address of a database; it does not belong into the field Auth token.')
  wrong('database', 'a token that has ended, for reading, and an address that is none', { [URL_]: 'made-up', [TOKEN]: jwt({ a: 'ro', exp: 1 }) }, 'Database URL must be a libsql:// URL', 'expiry:skipped access:skipped')
  wrong('database', 'a key of Stripe', { [TOKEN]: stripeKey('sk') }, 'This is a secret key of Stripe')
  expect('database', "a build's own token", `ours:fail ${NO_CALL.database}`, 'Auth token is a key that valetkey gave out', { keys: { [TOKEN]: valet('vk_b_') } })
  expect('database', 'an address that the app was built with', `ours:fail ${NO_CALL.database}`, 'Database URL is one of the keys that this app was built with', { given: { refused: listed(TYPED.database[URL_]) } })
  troubles('database', 'SELECT 1', 'select', 'write:skipped tables:skipped', 'made-up.turso.io', { dns: 'fail', html200: 'fail', redirect: 'fail' })
  const s = (name, answer, verdict, error) => expect('database', name, `select:${verdict} write:skipped tables:skipped`, error, { answers: { 'SELECT 1': answer } })
  s('a refused token', json(401, { error: 'made up' }), 'fail', 'The database does not accept this token.')
  s('a token of another database', json(403, {}), 'fail', 'The database does not accept this token.')
  s('no database there', json(404, {}), 'fail', 'There is no database at made-up.turso.io.')
  s('another kind of service', html(405), 'fail', 'What answers at made-up.turso.io does not speak libSQL.')
  s('a plan that is over', json(402, {}), 'unknown', 'made-up.turso.io gave an answer that is not expected here (402).')
  s('a database that is blocked', pipeline('BLOCKED'), 'fail', 'The database is blocked')
  s('an error of the first query', pipeline('SQLITE_NOTADB'), 'fail', 'The database refused a query (SQLITE_NOTADB).')
  s('another number', pipeline([[{ type: 'integer', value: '2' }]]), 'fail', 'What answers at made-up.turso.io does not speak libSQL.')
  const w = (name, answer, verdict, error) => expect('database', name, `write:${verdict}`, error, { answers: { 'BEGIN IMMEDIATE': answer } })
  w('a token that may only read', pipeline('SQL_READ_ONLY', 'SQL_READ_ONLY', 'SQL_NO_TRANSACTION'), 'fail', 'Reading works, writing does not (SQL_READ_ONLY)')
  w('a token that may make no tables', pipeline([], 'AUTH_DENIED', []), 'fail', 'Reading works, but this token may not make tables (AUTH_DENIED).')
  w('a transaction that had ended', pipeline([], [], 'SQLITE_ERROR'), 'limited')
  w('another writer', pipeline('SQLITE_BUSY', 'SQLITE_BUSY', 'SQLITE_ERROR'), 'unknown', 'Another program is writing to the database')
  w('writes that are blocked', pipeline('SQL_WRITE_BLOCKED', 'SQL_WRITE_BLOCKED', 'SQLITE_ERROR'), 'fail', 'The database is blocked')
  w('a token that ends before the write', json(401, {}), 'fail', 'The database does not accept this token.')
  w('no answer to the write', none('timeout'), 'unknown', 'made-up.turso.io did not answer within 10 seconds.')
  const t = (name, answer, verdict) => expect('database', name, `tables:${verdict}`, null, { answers: { 'SELECT count(*)': answer } })
  t('a database of something else', tables(7, 0), 'limited')
  t("a database with this app's tables", tables(9, 1), 'pass')
  t('tables that nobody counted', html(500), 'unknown')
  const postgres = (name, url, answer, verdict, more = {}) =>
    expect('database', `PostgreSQL: ${name}`, `-select -write -tables kind:fail postgres:${verdict}`, 'This is the address of a PostgreSQL database', { keys: { [URL_]: url, [TOKEN]: undefined, ...more }, answers: { SQL: answer } })
  const PG = 'postgres://made:up@db.example.com/app?sslmode=require'
  postgres('ready', PG, { status: 200 }, 'pass')
  postgres('with a port', 'postgresql://made:up@db.example.com:5432/app', { status: 200 }, 'pass', { [TOKEN]: 'MadeUpToken.1234' })
  postgres('a wrong password', PG, { status: 400, code: '28P01' }, 'fail')
  postgres('no such database', PG, { status: 400, code: '3D000' }, 'fail')
  postgres('may make no tables', PG, { status: 400, code: '42501' }, 'fail')
  postgres('a read-only copy', PG, { status: 400, code: '25006' }, 'fail')
  postgres('full', PG, { status: 400, code: '53300' }, 'unknown')
  postgres('another error', PG, { status: 400, code: '57014' }, 'unknown')
  postgres('no such host', PG, none('dns'), 'fail')
  postgres('no TLS', PG, none('tls'), 'fail')
  postgres('no answer', PG, none('timeout'), 'unknown')
  postgres('an address that is not called', 'postgres://made:up@localhost/app', none('guard'), 'fail')
  expect('database', 'PostgreSQL: a database that the app was built with', '-select -write -tables kind:fail ours:fail postgres:skipped', 'This is the address of a PostgreSQL database', { keys: { [URL_]: PG, [TOKEN]: undefined }, given: { refused: listed(PG) } })
  postgres('a name that is escaped', 'postgres://made:u%2Fp@db.example.com/a%20b', { status: 200 }, 'pass')
}

// ---- the storage
{
  const AWS = { R2_ACCOUNT_ID: undefined, R2_ENDPOINT: 'https://s3.eu-west-1.amazonaws.com', AWS_REGION: 'eu-west-1', R2_ACCESS_KEY_ID: `${'AKI'}A${'MADEUPMADEUPMADE'}`, R2_SECRET_ACCESS_KEY: 'MadeUp+/'.repeat(5) }
  const OTHER = { R2_ACCOUNT_ID: undefined, R2_ENDPOINT: 'https://S3.example.com/storage/v1/s3/', R2_ACCESS_KEY_ID: 'made-up', R2_SECRET_ACCESS_KEY: 'made-up-secret' }
  const awsWell = 'shape endpoint region temporary ours list bucket put get delete'
  const otherWell = 'shape endpoint other-shape:limited ours list bucket put get delete'
  const R2HOST = `${ACCOUNT_ID}.r2.cloudflarestorage.com`
  expect('storage', 'R2', '')
  expect('storage', 'R2 with its endpoint', 'account', null, { keys: { R2_ENDPOINT: `https://${R2HOST}/` } })
  expect('storage', 'R2 in the European Union', '', null, { keys: { R2_ACCOUNT_ID: '', R2_ENDPOINT: `https://${ACCOUNT_ID}.eu.r2.cloudflarestorage.com` } })
  expect('storage', 'R2 with a prefix', '', null, { keys: { R2_PREFIX: 'apps/made-up/' } })
  expect('storage', 'S3 of AWS', '', null, { keys: AWS, well: awsWell })
  expect('storage', 'S3 of AWS, old address', '', null, { keys: { ...AWS, R2_ENDPOINT: 'https://s3.amazonaws.com', AWS_REGION: 'us-east-1' }, well: awsWell })
  expect('storage', 'AWS keys of another shape', 'other-shape:limited', null, { keys: { ...AWS, R2_ACCESS_KEY_ID: 'made-up' }, well: awsWell })
  expect('storage', 'another storage', '', null, { keys: OTHER, well: otherWell })
  expect('storage', 'a bucket that browsers may use', 'cors', null, { given: { origin: 'https://app.example.com' } })
  expect('storage', 'a bucket that this origin may use', 'cors', null, { given: { origin: 'https://app.example.com' }, answers: { OPTIONS: { status: 200, headers: { 'access-control-allow-origin': 'https://app.example.com' }, body: '' } } })
  expect('storage', 'a bucket that browsers may not use', 'cors:limited', null, { given: { origin: 'https://app.example.com' }, answers: { OPTIONS: xml(403, 'AccessForbidden') } })
  expect('storage', 'a bucket that another origin may use', 'cors:limited', null, { given: { origin: 'https://app.example.com' }, answers: { OPTIONS: { status: 200, headers: { 'access-control-allow-origin': 'https://other.example.com' }, body: '' } } })
  expect('storage', 'no answer about browsers', 'cors:unknown', null, { given: { origin: 'https://app.example.com' }, answers: { OPTIONS: none('timeout') } })
  expect('storage', 'nothing written, so nothing asked about browsers', 'put:fail get:skipped delete:skipped cors:skipped', 'These keys may read but not write', { given: { origin: 'https://app.example.com' }, answers: { PUT: xml(403, 'AccessDenied') } })
  const bad = (name, keys, error, more = '') => expect('storage', name, `${BAD_SHAPE.storage} -bucket-in-endpoint -pair-shape ${more}`, error, { keys })
  bad('nothing typed', { R2_ACCOUNT_ID: '', R2_BUCKET: '', R2_ACCESS_KEY_ID: '', R2_SECRET_ACCESS_KEY: '' }, 'Bucket is empty.')
  bad('a short account id', { R2_ACCOUNT_ID: hex(31) }, 'Account ID must be 32 hex characters.')
  wrong('storage', 'a bucket with large letters', { R2_BUCKET: 'MadeUp' }, 'Bucket is not a bucket name')
  wrong('storage', 'a prefix without an end', { R2_PREFIX: 'made-up' }, 'Prefix must be folder names')
  wrong('storage', 'a prefix that leaves its folder', { R2_PREFIX: '../' }, 'Prefix must be folder names')
  wrong('storage', 'a region that is none', { AWS_REGION: 'Europe' }, 'Region is not a region.')
  wrong('storage', 'a secret that is cut', { R2_SECRET_ACCESS_KEY: 'abc' }, 'Secret access key is too short')
  wrong('storage', 'an id with a slash', { R2_ACCESS_KEY_ID: 'a/b/c' }, 'Access key ID has characters')
  bad('an endpoint without TLS', { R2_ENDPOINT: 'http://s3.example.com' }, 'Endpoint must be an https:// address.')
  bad('an endpoint with a query', { R2_ENDPOINT: 'https://s3.example.com/?x=1' }, 'Endpoint must be an https:// address.')
  bad('an endpoint with a user', { R2_ENDPOINT: 'https://a@s3.example.com' }, 'Endpoint must be an https:// address.')
  const shapeless = (name, keys, want) => expect('storage', name, `shape:fail endpoint:skipped ours ${NO_CALL.storage} ${want}`, 'Bucket is not a bucket name', { keys: { ...keys, R2_BUCKET: 'MadeUp' }, well: ' ' })
  shapeless('a bucket with large letters at AWS', AWS, 'region:skipped temporary:skipped')
  shapeless('a bucket with large letters elsewhere', OTHER, 'other-shape:skipped')
  wrong('storage', 'a bucket with large letters, and two accounts', { R2_BUCKET: 'MadeUp', R2_ENDPOINT: `https://${hex(64).slice(1, 33)}.r2.cloudflarestorage.com` }, 'Bucket is not a bucket name', 'account:skipped')
  wrong('storage', 'a key of Stripe', { R2_SECRET_ACCESS_KEY: stripeKey('sk') }, 'This is a secret key of Stripe')
  const off = (name, keys, want, error, well) => expect('storage', name, `${want} ${NO_CALL.storage}`, error, { keys, well })
  off('neither account nor endpoint', { R2_ACCOUNT_ID: '' }, 'endpoint:fail -bucket-in-endpoint -pair-shape', 'Neither the account ID nor the endpoint is filled in.')
  off("an endpoint with the bucket's name", { R2_ENDPOINT: `https://${R2HOST}/made-up-files` }, 'bucket-in-endpoint:fail account', "The endpoint is not the account's own")
  off("an endpoint with the bucket's name in front", { R2_ENDPOINT: `https://made-up-files.${R2HOST}` }, 'bucket-in-endpoint:fail', "The endpoint is not the account's own")
  off('two accounts', { R2_ENDPOINT: `https://${hex(64).slice(1, 33)}.r2.cloudflarestorage.com` }, 'account:fail', 'Endpoint and account ID name two different accounts.')
  off('two regions', { ...AWS, AWS_REGION: '' }, 'region:fail', 'The endpoint is in eu-west-1, and the region says auto.', awsWell)
  off("a token's value in place of its keys", { R2_SECRET_ACCESS_KEY: 'MadeUpTokenValueOfTheDashboard' }, 'pair-shape:fail', "R2's access key IDs are 32 hex characters")
  off('id and secret swapped', { R2_ACCESS_KEY_ID: hex(64), R2_SECRET_ACCESS_KEY: hex(32) }, 'pair-shape:fail', "R2's access key IDs are 32 hex characters")
  off('temporary keys of AWS', { ...AWS, R2_ACCESS_KEY_ID: `${'ASI'}A${'MADEUPMADEUPMADE'}` }, 'temporary:fail other-shape:limited', 'These are temporary keys of AWS', awsWell)
  off("a build's own bucket", { R2_BUCKET: 'vk-my-build' }, 'ours:fail', 'Bucket is a key that valetkey gave out')
  expect('storage', 'keys that the app was built with', `ours:fail ${NO_CALL.storage}`, 'Access key ID is one of the keys that this app was built with', { given: { refused: listed(hex(32), hex(64)) }, keys: { R2_ACCOUNT_ID: hex(33).slice(1) } })
  troubles('storage', 'GET /bucket', 'list', rest('storage', 'bucket', 'put', 'get', 'delete'), R2HOST, { dns: 'fail', html200: 'fail', redirect: 'unknown' })
  const l = (name, answer, verdict, error, more) => expect('storage', name, `list:${verdict} ${rest('storage', 'bucket', 'put', 'get', 'delete')}`, error, { answers: { 'GET /bucket': answer }, ...more })
  for (const [status, code] of [[403, 'InvalidAccessKeyId'], [401, 'Unauthorized'], [400, 'InvalidArgument']]) l(`an unknown id (${code})`, xml(status, code), 'fail', 'The storage does not know this access key ID.')
  l('a wrong secret', xml(403, 'SignatureDoesNotMatch'), 'fail', 'The secret access key does not belong to this access key ID.')
  l('temporary keys', xml(400, 'ExpiredToken'), 'fail', 'These are temporary keys, which need a session token')
  l('another time', xml(403, 'RequestTimeTooSkewed'), 'unknown', 'The clock of this machine and that of the storage differ')
  l('another region', xml(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-west-2' }), 'fail', 'The bucket is in another region or at another endpoint: eu-west-2.', { keys: AWS, well: awsWell })
  l('another region, unnamed', xml(400, 'AuthorizationHeaderMalformed'), 'fail', 'The bucket is in another region, or at another endpoint.', { keys: AWS, well: awsWell })
  l('no such bucket', xml(404, 'NoSuchBucket'), 'fail', 'There is no bucket “made-up-files” in this account.')
  l('nothing of that name', html(404), 'fail', 'There is no bucket “made-up-files” in this account.')
  l('a refusal of another kind', xml(403, 'NotEntitled'), 'fail', 'The storage refuses these keys (403 NotEntitled).')
  expect('storage', 'keys that may not list', 'list:limited', null, { answers: { 'GET /bucket': xml(403, 'AccessDenied') } })
  expect('storage', 'keys that may neither list nor ask', 'list:limited bucket:limited', null, { answers: { 'GET /bucket': xml(403, 'AccessDenied'), 'HEAD /bucket': xml(403) } })
  const h = (name, answer, verdict, error) => expect('storage', name, `bucket:${verdict} ${rest('storage', 'put', 'get', 'delete')}`, error, { answers: { 'HEAD /bucket': answer } })
  h('a bucket that is gone', xml(404), 'fail', 'There is no bucket “made-up-files” in this account.')
  h('a bucket elsewhere', xml(301, '', { 'x-amz-bucket-region': 'eu-west-2' }), 'fail', 'The bucket is in another region or at another endpoint: eu-west-2.')
  h('a bucket that does not answer', none('timeout'), 'unknown', `${R2HOST} did not answer within 10 seconds.`)
  const p = (name, want, error, answers) => expect('storage', name, want, error, { answers })
  p('keys that may only read', 'put:fail get:skipped delete:skipped', 'These keys may read but not write, and this app writes.', { PUT: xml(403, 'AccessDenied') })
  p('a secret that ends before the write', 'put:fail get:skipped delete:skipped', 'The secret access key does not belong to this access key ID.', { PUT: xml(403, 'SignatureDoesNotMatch') })
  p('an object that was there', 'put:fail get:skipped delete:skipped', 'An object of a random name was there already', { PUT: xml(412, 'PreconditionFailed') })
  p('no writes that replace nothing', 'put:unknown put-plain', null, { PUT: [xml(501, 'NotImplemented'), xml(200)] })
  p('no writes at all', 'put:unknown put-plain:fail get:skipped', 'These keys may read but not write', { PUT: [xml(501, 'NotImplemented'), xml(403, 'AccessDenied')] })
  p('a wrong secret at the second write', 'put:unknown put-plain:fail get:skipped', 'The secret access key does not belong', { PUT: [xml(501, 'NotImplemented'), xml(403, 'SignatureDoesNotMatch')] })
  p('a write that did not answer', 'put:unknown put-plain', null, { PUT: [none('timeout'), xml(200)] })
  p('writes that did not answer', 'put:unknown put-plain:unknown get:skipped', `${R2HOST} did not answer within 10 seconds.`, { PUT: none('timeout') })
  p('a storage that is full', 'put:unknown put-plain:unknown get:skipped', 'the storage has trouble of its own (507).', { PUT: xml(507, 'InsufficientStorage') })
  p("valetkey's own service at the write", 'put:fail get:skipped delete:skipped', 'valetkey itself answered there', { PUT: xml(200, '', { 'valetkey-served-by': 'embedded' }) })
  p('keys that may only write', 'get:fail', 'These keys may write but not read, and this app reads.', { GET: xml(403, 'AccessDenied') })
  p('another content', 'get:fail', 'The object was read back, and is not what was written.', { GET: { status: 200, headers: {}, body: 'other' } })
  p('an object that is not there', 'get:fail', 'The object was written and is not there.', { GET: xml(404, 'NoSuchKey') })
  p('no answer to the read', 'get:unknown', `${R2HOST} did not answer within 10 seconds.`, { GET: none('timeout') })
  p('keys that may not delete', 'delete:limited', null, { DELETE: xml(403, 'AccessDenied') })
  p('an object that is gone already', '', null, { DELETE: xml(404, 'NoSuchKey') })
  p('a delete that fails', 'delete:limited', null, { DELETE: xml(500, 'InternalError') })
  p('no answer to the delete', 'delete:limited', null, { DELETE: none('unreachable') })
}

// ---- Stripe
{
  const SK = 'STRIPE_SECRET_KEY'
  const live = { keys: { [SPK]: stripeKey('pk', 'live'), [SK]: stripeKey('sk', 'live') }, mode: 'live' }
  const restricted = { [SK]: stripeKey('rk') }
  const reads = 'products prices customers subscriptions'
  const old = { [SPK]: oldStripeKey('pk'), [SK]: oldStripeKey('sk') }
  const oldWell = 'shape modes ours balance checkout sessions intent intent-read intent-cancel webhook:unknown'
  expect('stripe', 'test keys', '')
  expect('stripe', 'live keys', 'money', null, live)
  expect('stripe', 'a restricted key', reads, null, { keys: restricted })
  expect('stripe', 'a restricted key that may not read the balance', `${reads} balance:limited`, null, { keys: restricted, answers: { 'GET /v1/balance': stripeDenied('rak_balance_read') } })
  expect('stripe', 'a restricted key that may only what this app does', 'balance:limited products:limited prices:limited customers:limited subscriptions:limited', null, {
    keys: restricted,
    answers: Object.fromEntries(['balance', 'products', 'prices', 'customers', 'subscriptions'].map((name) => [`GET /v1/${name}`, stripeDenied(`rak_${name}_read`)])),
  })
  expect('stripe', 'no signing secret', 'webhook:limited', null, { keys: { STRIPE_WEBHOOK_SECRET: '' } })
  wrong('stripe', 'nothing typed', { [SPK]: '', [SK]: '', STRIPE_WEBHOOK_SECRET: '' }, 'Publishable key is empty.', '-account intent:skipped')
  wrong('stripe', 'fields swapped', { [SPK]: stripeKey('sk'), [SK]: stripeKey('pk') }, 'This is a secret key of Stripe; it does not belong into the field Publishable key.')
  wrong('stripe', 'old fields swapped', { [SPK]: oldStripeKey('sk'), [SK]: oldStripeKey('pk') }, 'This is a secret key, which only the server may have; it does not belong into the field Publishable key.', '-account intent:skipped')
  wrong('stripe', 'an old publishable key as the secret one', { [SK]: oldStripeKey('pk') }, 'This is a publishable key, which everybody may see', '-account intent:skipped')
  wrong('stripe', 'a secret key of Clerk', { [SK]: clerkSk() }, 'This is a secret key of Clerk; it does not belong into the field Secret key.', '-account intent:skipped')
  wrong('stripe', 'a publishable key of Clerk', { [SPK]: clerkPk(HOST) }, 'This is a publishable key of Clerk', '-account intent:skipped')
  wrong('stripe', 'a publishable key of Clerk, padded', { [SPK]: clerkPk('clerk.my-shop.example.com', 'test', true) }, 'This is a publishable key of Clerk', '-account intent:skipped')
  wrong('stripe', 'a key of an organization', { [SK]: `${'sk'}_org_test_MadeUp` }, 'This is a key of a whole organization at Stripe', '-account intent:skipped')
  wrong('stripe', 'an ephemeral key', { [SK]: 'ek_test_MadeUpMadeUp' }, 'This is an ephemeral key of Stripe', '-account intent:skipped')
  for (const key of ['pss_MadeUpMadeUp', 'mk_1MadeUpMadeUp']) wrong('stripe', `an internal key (${key.split('_')[0]})`, { [SK]: key }, 'This is an internal key of Stripe', '-account intent:skipped')
  wrong('stripe', "a webhook's secret as the key", { [SK]: webhookSecret() }, 'This is the signing secret of a webhook', '-account intent:skipped')
  wrong('stripe', "a webhook's id", { STRIPE_WEBHOOK_SECRET: 'we_1MadeUpMadeUp' }, 'This is the id of a webhook at Stripe')
  wrong('stripe', "an account's id", { [SPK]: 'acct_1MadeUpAccount01' }, 'This is the id of an account at Stripe', '-account intent:skipped')
  wrong('stripe', 'a short signing secret', { STRIPE_WEBHOOK_SECRET: 'whsec_MadeUp' }, 'Webhook signing secret must start with whsec_.')
  wrong('stripe', 'the address of the app', { STRIPE_WEBHOOK_SECRET: 'https://app.example.com/api/webhooks/stripe' }, 'This is an address')
  wrong('stripe', 'a token', { [SK]: jwt({ a: 'rw' }) }, 'This is a token (JWT)', '-account intent:skipped')
  wrong('stripe', 'the address of a database', { [SK]: 'libsql://made-up.turso.io' }, 'This is the address of a database', '-account intent:skipped')
  wrong('stripe', 'live keys and a short signing secret', { ...live.keys, STRIPE_WEBHOOK_SECRET: 'whsec_MadeUp' }, 'Webhook signing secret must start with whsec_.', 'money:skipped')
  const off = (name, keys, want, error, more) => expect('stripe', name, `${want} ${NO_CALL.stripe}`, error, { keys, ...more })
  off('one key for tests, one for real', { [SK]: stripeKey('sk', 'live') }, 'modes:fail', 'The publishable key is a test key and the secret key is a live key.')
  off('keys of two accounts', { [SK]: stripeKey('sk', 'test', OTHER_ACCOUNT) }, 'account:fail', 'The two keys are of two different accounts: acct_1MadeUpAccount01 and acct_1MadeUpAccount02.')
  const skipped = '-account intent:skipped'
  off("a build's own secret key", { [SK]: valet('sk_test_51') }, `ours:fail ${skipped}`, 'Secret key is a key that valetkey gave out')
  off("a build's own publishable key", { [SPK]: valet('pk_test_51') }, `ours:fail ${skipped}`, 'Publishable key is a key that valetkey gave out')
  off("a build's own signing secret", { STRIPE_WEBHOOK_SECRET: valet('whsec_') }, 'ours:fail', 'Webhook signing secret is a key that valetkey gave out')
  off('a signing secret that the app was built with', {}, 'ours:fail', 'Webhook signing secret is one of the keys that this app was built with', { given: { refused: listed(webhookSecret()) } })
  troubles('stripe', 'GET /v1/balance', 'balance', 'checkout:skipped sessions:skipped', 'api.stripe.com')
  const b = (name, answer, error, more = {}) => expect('stripe', name, 'balance:fail checkout:skipped sessions:skipped', error, { answers: { 'GET /v1/balance': answer }, ...more })
  b('an unknown key', stripeError(401, 'invalid_request_error'), 'Stripe does not know this secret key.')
  b('a key that has expired', stripeError(401, 'invalid_request_error', 'api_key_expired'), 'This secret key has expired.')
  b('a key that is none', stripeError(403, 'invalid_request_error', 'secret_key_required'), 'Stripe says that this is not a secret key.')
  b('an account that is closed', stripeError(403, 'invalid_request_error', 'account_invalid'), 'Stripe refuses this key (403 account_invalid).')
  b('a code that is none, and a type', stripeError(403, 'invalid_request_error', 'made up'), 'Stripe refuses this key (403 invalid_request_error).')
  b('a key of the other mode', balance(true), 'Stripe says that this key is of the other mode')
  expect('stripe', 'a restricted key that is not known', `balance:fail checkout:skipped sessions:skipped ${rest('stripe', ...reads.split(' '))}`, 'Stripe does not know this secret key.', { keys: restricted, answers: { 'GET /v1/balance': stripeError(401, 'invalid_request_error') } })
  const step = (id, call) => {
    const one = (name, answer, verdict, error) => expect('stripe', `${id}: ${name}`, `${id}:${verdict}`, error, { answers: { [call]: answer } })
    one('not permitted', stripeDenied('rak_checkout_session_write'), 'fail', 'The key works, but it may not')
    one('not permitted, unnamed', stripeDenied(), 'fail', 'The key works, but it may not')
    one('an unknown key', stripeError(401, 'invalid_request_error'), 'fail', 'Stripe does not know this secret key.')
    one('a key that has expired', stripeError(401, 'invalid_request_error', 'api_key_expired'), 'fail', 'This secret key has expired.')
    one('refused', stripeError(403, 'invalid_request_error', 'account_invalid'), 'fail', 'Stripe refuses this key (403 account_invalid).')
    one('no answer', none('timeout'), 'unknown', 'api.stripe.com did not answer within 10 seconds.')
  }
  step('checkout', 'POST /v1/checkout/sessions')
  step('sessions', 'GET /v1/checkout/sessions')
  expect('stripe', 'checkout: something was made', 'checkout:unknown', 'api.stripe.com gave an answer that is not expected here (200).', { answers: { 'POST /v1/checkout/sessions': json(200, { object: 'checkout.session' }) } })
  for (const id of reads.split(' ')) {
    const one = (name, answer, verdict) => expect('stripe', `${id}: ${name}`, `${reads} ${id}:${verdict}`, null, { keys: restricted, answers: { [`GET /v1/${id}`]: answer } })
    one('not permitted', stripeDenied(`rak_${id}_read`), 'limited')
    one('an unknown key', stripeError(401, 'invalid_request_error'), 'fail')
    one('a key that has expired', stripeError(401, 'invalid_request_error', 'api_key_expired'), 'fail')
    one('refused', stripeError(403, 'invalid_request_error', 'account_invalid'), 'fail')
  }
  expect('stripe', "products: valetkey's own service", `${reads} products:fail`, 'valetkey itself answered there', { keys: restricted, answers: { 'GET /v1/products': json(200, {}, { 'valetkey-served-by': 'embedded' }) } })
  const I = 'POST /v1/setup_intents'
  const G = 'GET /v1/setup_intents/seti_madeup'
  const C = 'POST /v1/setup_intents/seti_madeup/cancel'
  const pair = (name, want, error, answers = {}) => expect('stripe', `old keys: ${name}`, want, error, { keys: old, well: oldWell, answers })
  pair('of one account', '')
  pair('of two accounts', 'intent-read:fail', 'The two keys are of two different accounts.', { [G]: stripeError(404, 'invalid_request_error', 'resource_missing') })
  pair('an unknown publishable key', 'intent-read:fail', 'Stripe does not know this publishable key.', { [G]: stripeError(401, 'invalid_request_error') })
  pair('no answer for the publishable key', 'intent-read:unknown', 'api.stripe.com did not answer', { [G]: none('timeout') })
  pair('may make no intents', '-intent-read -intent-cancel intent:limited', null, { [I]: stripeDenied('rak_setup_intent_write') })
  pair('cannot make intents', '-intent-read -intent-cancel intent:limited', null, { [I]: stripeError(400, 'invalid_request_error', 'account_country_invalid') })
  pair('no answer for the intent', '-intent-read -intent-cancel intent:unknown', 'api.stripe.com did not answer', { [I]: none('timeout') })
  pair('an intent that stays', 'intent-cancel:limited', null, { [C]: stripeError(400, 'invalid_request_error', 'setup_intent_unexpected_state') })
  pair('an intent that may stay', 'intent-cancel:limited', null, { [C]: none('unreachable') })
  pair('of two accounts, and an intent that stays', 'intent-read:fail intent-cancel:limited', 'The two keys are of two different accounts.', { [G]: stripeError(404, 'invalid_request_error', 'resource_missing'), [C]: none('timeout') })
  pair('an intent of which nobody knows whether it was made', 'intent:unknown intent-read:skipped', 'Stripe has trouble of its own (500).', { [I]: { ...intent(), status: 500 } })
  pair("valetkey's own service makes the intent", 'intent:fail intent-read:skipped intent-cancel:skipped', 'valetkey itself answered there', { [I]: { ...intent(), headers: { 'valetkey-served-by': 'embedded' } } })
  pair('a cancel that is sent elsewhere', 'intent-cancel:unknown', null, { [C]: { status: 302, headers: {}, body: '' } })
  pair('another intent', 'intent-read:unknown', 'api.stripe.com gave an answer', { [G]: json(200, { object: 'setup_intent', id: 'seti_other' }) })
  pair('an intent that says it is not over', 'intent-cancel:limited', null, { [C]: intent() })
}
