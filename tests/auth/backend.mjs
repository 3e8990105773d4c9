// The Backend API by plain requests: each route with each kind of key, each refusal, pages, and what goes on beside it.
import { assert, assertSame, check, note } from '../lib/tap.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { sleep, withChecksum } from '../lib/daemon.mjs'
import { Pool, differences, restartAt, sample, startDaemon } from './lib.mjs'

const PASSWORD = 'correct horse battery'
const none = (prefix) => `${prefix}_${'0'.repeat(27)}`
const ORIGIN = 'https://app.example.com'
// Of "correct horse battery" with 16 bytes of salt, by Python's hashlib.
const PBKDF2 = 'pbkdf2_sha256$1000$c2FsdHNhbHRzYWx0c2FsdA==$Cf9xjlisAEzRbMZsosxST/5+wkpfUV6uoqiZkYtP6iQ='

let daemon, pool, other, n = 0

// One call of the build's app: { status, body, code, param }.
async function call(method, path, body, options) {
  const r = await pool.backend(method, path, body, options)
  return { ...r, code: r.body?.errors?.[0]?.code, param: r.body?.errors?.[0]?.meta?.param_name }
}

async function good(method, path, body) {
  const r = await call(method, path, body)
  assertSame([r.status, r.code, r.param], [200, undefined, undefined], `${method} ${path}`)
  assertSame(r.headers['content-type'], 'application/json', 'type')
  return r.body
}

async function refused(method, path, body, status, code, param) {
  const r = await call(method, path, body)
  assertSame([r.status, r.code, r.param], [status, code, param], `${method} ${path} ${JSON.stringify(body)?.slice(0, 200)}`)
  assert(/^[0-9a-f]{32}$/.test(r.body.clerk_trace_id), 'it has no trace id')
  assertSame(differences(r.body.errors[0], { code: '', message: '', long_message: '', ...(param ? { meta: { param_name: '' } } : {}) }), [], 'shape')
  return r
}

const address = () => `b${++n}@example.com`
const add = (fields = {}) => good('POST', '/users', { email_address: [address()], skip_password_requirement: true, ...fields })
const query = (o) => new URLSearchParams(Object.entries(o).flatMap(([k, v]) => [v].flat().map((x) => [k, x]))).toString()
const ids = async (o) => (await good('GET', `/users?${query(o)}`)).map((u) => u.id)
const count = async (o = {}) => (await good('GET', `/users/count?${query(o)}`)).total_count

// Every route of the Backend API here, with ids that are somebody's: [method, path, body]. Reads come first: nothing has changed then.
function routes(o) {
  return [
    ['GET', '/users'], ['GET', '/users/count'], ['GET', `/users/${o.user}`], ['GET', `/users/${o.user}/organization_memberships`],
    ['GET', `/users/${o.user}/organization_invitations`], ['GET', '/sessions'], ['GET', `/sessions/${o.session}`], ['GET', '/invitations'],
    ['GET', `/email_addresses/${o.email}`], ['GET', '/jwks'], ['GET', '/instance'], ['GET', '/domains'], ['GET', `/clients/${o.client}`],
    ['POST', '/users', { email_address: [address()], password: PASSWORD }], ['PATCH', `/users/${o.user}`, { first_name: 'No' }],
    ['PATCH', `/users/${o.user}/metadata`, { public_metadata: { a: 1 } }], ['PUT', `/users/${o.user}/metadata`, { public_metadata: { a: 1 } }],
    ['POST', `/users/${o.user}/verify_password`, { password: PASSWORD }], ['POST', `/users/${o.user}/lock`], ['POST', `/users/${o.user}/unlock`],
    ['POST', `/users/${o.user}/remove_password`],
    ['POST', '/sessions', { user_id: o.user }], ['POST', `/sessions/${o.session}/tokens`], ['POST', `/sessions/${o.session}/revoke`],
    ['POST', '/email_addresses', { user_id: o.user, email_address: address() }], ['PATCH', `/email_addresses/${o.email}`, { verified: true }],
    ['DELETE', `/email_addresses/${o.email}`], ['POST', '/invitations', { email_address: address() }],
    ['POST', `/invitations/${o.invitation}/revoke`], ['POST', '/sign_in_tokens', { user_id: o.user }],
    ['POST', `/sign_in_tokens/${o.token}/revoke`], ['POST', '/testing_tokens'],
    ['PUT', `/users/${o.user}/email_address`, { email_address: address() }],
    ['POST', `/users/${o.user}/ban`], ['POST', `/users/${o.user}/unban`], ['DELETE', `/users/${o.user}`],
  ]
}

async function things() {
  const browser = await pool.browser()
  const done = await browser.signUp(address(), PASSWORD)
  const user = await good('GET', `/users/${done.response.created_user_id}`)
  const session = await good('GET', `/sessions/${done.response.created_session_id}`)
  const invitation = await good('POST', '/invitations', { email_address: address() })
  const token = await good('POST', '/sign_in_tokens', { user_id: user.id })
  const second = await good('POST', '/email_addresses', { user_id: user.id, email_address: address(), verified: true })
  return { browser, user: user.id, session: session.id, client: session.client_id, email: second.id, invitation: invitation.id, token: token.id }
}

async function keys() {
  await check('backend: no route answers without this build’s own secret key, and nothing happens', async () => {
    const o = await things()
    const state = async () => JSON.stringify([await pool.users(), await good('GET', '/sessions?limit=500'), await good('GET', '/invitations?status=pending&limit=500'), (await pool.outbox()).length, await good('GET', `/email_addresses/${o.email}`)])
    const before = await state()
    const bad = {
      'another build’s': other.secretKey,
      none: null,
      empty: '',
      'nobody’s': withChecksum(`${pool.secretKey.slice(0, -6).slice(0, -4)}AAAA`),
      malformed: `${pool.secretKey}x`,
      'without its end': pool.secretKey.slice(0, -1),
      'the database’s': pool.env.TURSO_AUTH_TOKEN,
      'the publishable one': pool.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY,
    }
    for (const [method, path, body] of routes(o))
      for (const [kind, key] of Object.entries(bad)) {
        assert(key !== undefined, `there is no key of kind ${kind}`)
        const r = key === null ? await pool.backend(method, path, body, { headers: {}, key: null }) : await pool.backend(method, path, body, { key })
        assertSame([r.status, r.body.errors[0].code, r.headers['access-control-allow-origin']], [401, 'clerk_key_invalid', undefined], `${method} ${path}, key: ${kind}`)
      }
    assertSame(await state(), before, 'state')
    // The same calls with the right key are calls that work: what was refused was refused for its key.
    for (const [method, path, body] of routes(o)) await good(method, path, body)
    assertSame((await other.users()).length, 0, 'users of the other build')
  })

  await check('backend: ids that are none, or another build’s, are 404 and change nothing', async () => {
    const o = await things()
    const key = { key: other.secretKey }
    const mine = await pool.users()
    for (const [method, path, body] of routes(o).filter(([, p]) => /\/[a-z]+_[0-9A-Za-z]{27}/.test(p))) {
      const theirs = await other.backend(method, path, body, key)
      assertSame([theirs.status, theirs.body.errors[0].code], [404, 'resource_not_found'], `${method} ${path} of another build`)
      for (const id of [path.replace(/_[0-9A-Za-z]{27}/, `_${'0'.repeat(27)}`), path.replace(/_[0-9A-Za-z]{27}/, '_1'), path.replace(/_[0-9A-Za-z]{27}/, `_${'é'.repeat(27)}`), path.replace(/([a-z]+)_[0-9A-Za-z]{27}/, (x, p) => (p === 'user' ? o.session : o.user))])
        await refused(method, encodeURI(id), body, 404, 'resource_not_found')
    }
    for (const [method, path] of [['POST', '/sessions'], ['POST', '/sign_in_tokens'], ['POST', '/email_addresses']]) {
      const theirs = await other.backend(method, path, { user_id: o.user, email_address: address() }, key)
      assertSame(theirs.status, 404, `${path} for a user of another build`)
      await refused(method, path, { user_id: none('user'), email_address: address() }, 404, 'resource_not_found')
      await refused(method, path, { user_id: "' OR 1=1 --", email_address: address() }, 404, 'resource_not_found')
      await refused(method, path, { email_address: address() }, 422, 'form_param_missing', 'user_id')
      await refused(method, path, { user_id: 7, email_address: address() }, 422, 'form_param_format_invalid', 'user_id')
      await refused(method, path, { user_id: 'x'.repeat(1000), email_address: address() }, 422, 'form_param_format_invalid', 'user_id')
    }
    assertSame(await pool.users(), mine, 'users')
  })

  await check('backend: what is not here says so in Clerk’s shape', async () => {
    const u = await add()
    for (const [method, path] of [
      ['GET', '/organizations'], ['POST', '/organizations'], ['GET', '/jwt_templates'], ['POST', `/users/${u.id}/profile_image`], ['DELETE', `/users/${u.id}/profile_image`],
      ['POST', '/invitations/bulk'], ['GET', '/clients'], ['POST', '/clients/verify'], ['POST', '/users/ban'], ['GET', `/users/${u.id}/oauth_access_tokens/google`],
      ['POST', '/domains'], ['PATCH', '/instance'], ['DELETE', '/users'], ['POST', '/actor_tokens'], ['GET', '/phone_numbers'], ['GET', '/'], ['POST', `/users/${u.id}/verify_totp`],
      ['POST', `/sessions/${none('sess')}/verify`],
    ]) await refused(method, path, method === 'GET' ? undefined : {}, 501, 'not_supported')
    const s = await good('POST', '/sessions', { user_id: u.id })
    await refused('POST', `/sessions/${s.id}/tokens/hasura`, {}, 404, 'resource_not_found')
    await refused('POST', `/sessions/${none('sess')}/tokens/hasura`, {}, 404, 'resource_not_found')
    await refused('POST', `/sessions/${s.id}/refresh`, { expired_token: 'x', refresh_token: 'x', request_origin: ORIGIN }, 401, 'feature_not_enabled')
  })

  await check('backend: nor does one with the key of a build that was revoked', async () => {
    const revoked = await shut('revoked')
    await daemon.mustCli(['build', 'revoke', 'revoked'])
    await revoked()
  })
}

// A build with all kinds of things in it; gives what checks, when its key is good no more, that no route takes it.
async function shut(build, args = []) {
  const first = pool
  const it = new Pool(daemon, build, (await daemon.createBuild(build, args)).env)
  pool = it
  const o = await things()
  pool = first
  const state = async () => JSON.stringify([await it.users(), await it.outbox()])
  const before = await state()
  return async () => {
    for (const [method, path, body] of routes(o)) {
      const r = await it.backend(method, path, body)
      assertSame([r.status, r.body.errors[0].code], [401, 'clerk_key_invalid'], `${method} ${path}`)
    }
    assertSame(await state(), before, 'state')
  }
}

async function creating() {
  await check('backend: POST /users makes a user of all that it is given', async () => {
    const [a, b] = [address(), address()]
    const u = await good('POST', '/users', {
      email_address: [` ${a.toUpperCase()}`, b], password: PASSWORD, first_name: 'Ada', last_name: 'Lövelace', external_id: 'x-1',
      public_metadata: { p: [1, null, { q: 'ü' }] }, private_metadata: { s: 1 }, unsafe_metadata: {}, created_at: '2020-02-29T12:00:00.5+01:00',
      username: null, phone_number: [], delete_self_enabled: true, skip_password_checks: true, unheard_of: 1,
    })
    assertSame(differences(u, sample('bapi-users')[0]).filter((d) => !/last_sign_in_at|last_active_at|verification|external_id|_name|_metadata/.test(d)), [], 'shape')
    assertSame([u.first_name, u.last_name, u.external_id, u.public_metadata, u.private_metadata, u.unsafe_metadata, u.created_at, u.password_enabled, u.banned, u.locked],
      ['Ada', 'Lövelace', 'x-1', { p: [1, null, { q: 'ü' }] }, { s: 1 }, {}, Date.parse('2020-02-29T11:00:00.500Z'), true, false, false], 'user')
    assertSame(u.email_addresses.map((e) => [e.email_address, e.verification.status, e.verification.strategy]), [[a, 'verified', 'admin'], [b, 'verified', 'admin']], 'addresses')
    assertSame(u.primary_email_address_id, u.email_addresses[0].id, 'primary')
    assertSame(await good('GET', `/users/${u.id}`), u, 'as it is read')
    assertSame(await good('POST', `/users/${u.id}/verify_password`, { password: PASSWORD }), { verified: true }, 'password')
    // Who signs in is that user.
    const browser = await pool.browser()
    const done = await browser.call('POST', '/client/sign_ins', { identifier: b, password: PASSWORD })
    assertSame([done.status, done.response.status], [200, 'complete'], 'sign-in')
    assertSame((await good('GET', `/sessions?user_id=${u.id}`)).map((s) => s.status), ['active'], 'sessions')
  })

  await check('backend: each parameter of POST /users has its refusal, and nothing is made', async () => {
    const taken = await add({ external_id: 'taken' })
    const mail = taken.email_addresses[0].email_address
    const before = await count()
    const invalid = 'form_param_format_invalid'
    const fields = { email_address: [address()], password: PASSWORD }
    for (const [more, code, param, status = 422] of [
      [{ email_address: undefined }, 'form_data_missing', 'email_address'],
      [{ email_address: [] }, 'form_data_missing', 'email_address'],
      [{ email_address: ['a b@example.com'] }, invalid, 'email_address'],
      [{ email_address: [address(), 'nothing'] }, invalid, 'email_address'],
      [{ email_address: [7] }, invalid, 'email_address'],
      [{ email_address: { a: 1 } }, invalid, 'email_address'],
      [{ email_address: [mail] }, 'form_identifier_exists', 'email_address'],
      [{ email_address: [address(), mail.toUpperCase()] }, 'form_identifier_exists', 'email_address'],
      [{ email_address: ['same@example.com', 'Same@example.com'] }, 'form_param_duplicate', 'email_address'],
      [{ email_address: Array.from({ length: 21 }, address) }, 'form_param_array_size_exceeded', 'email_address'],
      [{ email_address: Array.from({ length: 101 }, address) }, 'form_param_array_size_exceeded', 'email_address'],
      [{ password: undefined }, 'form_data_missing', 'password'],
      [{ password: '' }, 'form_password_length_too_short', 'password'],
      [{ password: 'short' }, 'form_password_length_too_short', 'password'],
      [{ password: 'short', skip_password_checks: true }, 'form_password_length_too_short', 'password'],
      [{ password: 'x'.repeat(73) }, 'form_password_size_in_bytes_exceeded', 'password'],
      [{ password: 'x'.repeat(5000) }, invalid, 'password'],
      [{ password: 12345678 }, invalid, 'password'],
      [{ password_digest: PBKDF2, password_hasher: 'pbkdf2_sha256' }, 'form_conditional_param_disallowed', 'password_digest'],
      [{ password: undefined, password_digest: PBKDF2 }, 'form_conditional_param_missing', 'password_hasher'],
      [{ password: undefined, password_hasher: 'bcrypt' }, 'form_conditional_param_missing', 'password_digest'],
      [{ password: undefined, password_digest: PBKDF2, password_hasher: 'md5' }, 'form_param_value_invalid', 'password_hasher'],
      [{ password: undefined, password_digest: PBKDF2, password_hasher: 'bcrypt' }, 'form_param_value_invalid', 'password_digest'],
      [{ password: undefined, password_digest: `$2b$31$${'a'.repeat(53)}`, password_hasher: 'bcrypt' }, 'form_param_value_invalid', 'password_digest'],
      [{ external_id: 'taken' }, 'form_identifier_exists', 'external_id'],
      [{ external_id: 'x'.repeat(257) }, invalid, 'external_id'],
      [{ first_name: 'x'.repeat(257) }, invalid, 'first_name'],
      [{ last_name: ['a'] }, invalid, 'last_name'],
      [{ first_name: 'a\0b' }, invalid, 'first_name'],
      [{ public_metadata: [] }, invalid, 'public_metadata'],
      [{ private_metadata: 'text' }, invalid, 'private_metadata'],
      [{ unsafe_metadata: { a: 'x'.repeat(65536) } }, 'form_param_exceeds_allowed_size', 'unsafe_metadata'],
      [{ created_at: 'yesterday' }, 'form_param_invalid_time', 'created_at'],
      [{ created_at: '2023-02-30T00:00:00Z' }, 'form_param_invalid_time', 'created_at'],
      [{ created_at: '2999-01-01T00:00:00Z' }, 'form_param_invalid_time', 'created_at'],
      [{ created_at: 1700000000000 }, 'form_param_invalid_time', 'created_at'],
      [{ skip_password_requirement: 'yes' }, invalid, 'skip_password_requirement'],
      [{ banned: 1 }, invalid, 'banned'],
      ...['username', 'totp_secret', 'locale', 'legal_accepted_at'].map((p) => [{ [p]: 'x' }, 'form_param_unknown', p]),
      ...['phone_number', 'web3_wallet', 'backup_codes'].map((p) => [{ [p]: ['x'] }, 'form_param_unknown', p]),
      [{ delete_self_enabled: false }, 'form_param_unknown', 'delete_self_enabled'],
      [{ create_organization_enabled: true }, 'form_param_unknown', 'create_organization_enabled'],
      [{ create_organizations_limit: 3 }, 'form_param_unknown', 'create_organizations_limit'],
    ]) await refused('POST', '/users', { ...fields, ...more }, status, code, param)
    for (const body of ['[]', '7', '{', '{"a":1,"a":2}', `{"email_address":["a@example.com"],"first_name":"\ud800"}`, '\xff'])
      await refused('POST', '/users', Buffer.from(body, 'latin1'), 400, 'request_body_invalid')
    const large = await call('POST', '/users', { ...fields, private_metadata: { a: 'x'.repeat(300 * 1024) } })
    assertSame(large.status, 413, 'a body that is too large')
    assertSame(await count(), before, 'users')
    assertSame(await count({ email_address: fields.email_address[0] }), 0, 'users of that address')
  })

  await check('backend: digests from elsewhere are good for their password', async () => {
    const u = await add({ skip_password_requirement: undefined, password_digest: PBKDF2, password_hasher: 'pbkdf2_sha256' })
    assertSame(u.password_enabled, true, 'password_enabled')
    assertSame((await pool.users()).find((x) => x.id === u.id).password_hasher, 'pbkdf2_sha256', 'hasher')
    await refused('POST', `/users/${u.id}/verify_password`, { password: `${PASSWORD}!` }, 422, 'incorrect_password', 'password')
    await good('POST', `/users/${u.id}/verify_password`, { password: PASSWORD })
    assertSame((await pool.users()).find((x) => x.id === u.id).password_hasher, 'argon2id', 'hasher after the first right one')
    await good('POST', `/users/${u.id}/verify_password`, { password: PASSWORD })
    await refused('POST', `/users/${u.id}/verify_password`, {}, 422, 'form_param_missing', 'password')
    await refused('POST', `/users/${u.id}/verify_password`, { password: 'x'.repeat(4097) }, 422, 'form_param_format_invalid', 'password')
    const bare = await add()
    assertSame(bare.password_enabled, false, 'password_enabled')
    await refused('POST', `/users/${bare.id}/verify_password`, { password: PASSWORD }, 400, 'no_password_set')
    await refused('POST', `/users/${bare.id}/remove_password`, {}, 400, 'no_password_set')
    assertSame((await good('POST', `/users/${u.id}/remove_password`)).password_enabled, false, 'after remove_password')
    const nobody = await good('POST', '/users', { skip_user_requirement: true, skip_password_requirement: true })
    assertSame([nobody.email_addresses, nobody.primary_email_address_id], [[], null], 'a user without an address')
  })

  await check('backend: of many who want one address, or one external id, one gets it', async () => {
    const a = address()
    const answers = await Promise.all(Array.from({ length: 24 }, (_, i) => call('POST', '/users', { email_address: [i % 2 ? a : a.toUpperCase()], password: `${PASSWORD} ${i}`, public_metadata: { i } })))
    const won = answers.filter((r) => r.status === 200)
    assertSame(won.length, 1, 'users made')
    for (const r of answers.filter((x) => x.status !== 200)) assertSame([r.status, r.code], [422, 'form_identifier_exists'], 'the others')
    const [found] = await good('GET', `/users?email_address=${encodeURIComponent(a)}`)
    assertSame(found.id, won[0].body.id, 'whose it is')
    await good('POST', `/users/${found.id}/verify_password`, { password: `${PASSWORD} ${found.public_metadata.i}` })
    const external = await Promise.all(Array.from({ length: 12 }, () => call('POST', '/users', { email_address: [address()], skip_password_requirement: true, external_id: 'race' })))
    assertSame(external.filter((r) => r.status === 200).length, 1, 'users of one external id')
    assertSame(await count({ external_id: 'race' }), 1, 'users of that external id')
  })
}

async function listing() {
  const build = await Pool.of(daemon, 'lists')
  const first = pool
  pool = build
  const users = []
  for (let i = 0; i < 6; i++)
    users.push(await add({ email_address: [`l${i}@${i % 2 ? 'odd' : 'even'}.example`], first_name: `First${i}`, last_name: i === 5 ? 'O’Brien' : 'Last', external_id: `e${i}`, created_at: `2024-01-0${i + 1}T00:00:00Z`, banned: i === 3 }))
  const id = users.map((u) => u.id)
  const of = (...places) => places.map((i) => id[i])

  await check('backend: GET /users and /users/count take the same filters', async () => {
    const day = (i) => Date.parse(`2024-01-0${i + 1}T00:00:00Z`)
    const all = of(5, 4, 3, 2, 1, 0)
    for (const [o, want] of [
      [{}, all], [{ user_id: of(2, 4) }, of(4, 2)], [{ user_id: [id[2], none('user')] }, of(2)], [{ user_id: [`-${id[0]}`, `-${id[1]}`] }, of(5, 4, 3, 2)],
      [{ user_id: [`+${id[0]}`, id[1]] }, of(1, 0)], [{ email_address: ['L0@EVEN.example', 'l1@odd.example', 'x@y.example'] }, of(1, 0)],
      [{ email_address: 'no address' }, []], [{ external_id: ['e1', 'e5'] }, of(5, 1)], [{ external_id: '-e1' }, of(5, 4, 3, 2, 0)],
      [{ email_address: 'l1@odd.example', external_id: 'e1' }, of(1)], [{ email_address: 'l1@odd.example', external_id: 'e2' }, []],
      [{ query: 'ODD.' }, of(5, 3, 1)], [{ query: 'first2' }, of(2)], [{ query: id[4].slice(5, 25) }, of(4)], [{ query: '%' }, []], [{ query: "o’b" }, of(5)],
      [{ email_address_query: 'even' }, of(4, 2, 0)], [{ name_query: 'first1 last' }, of(1)], [{ name_query: 'even' }, []],
      [{ banned: true }, of(3)], [{ banned: false }, of(5, 4, 2, 1, 0)],
      [{ created_at_after: day(3) }, of(5, 4)], [{ created_at_before: day(2) }, of(1, 0)], [{ created_at_after: day(0), created_at_before: day(2) }, of(1)],
      [{ last_sign_in_at_after: 1 }, []], [{ last_sign_in_at_before: Date.now() }, []], [{ last_active_at_after: 1 }, []], [{ last_active_at_since: 1 }, []],
      [{ username: 'x' }, []], [{ phone_number: ['+15555550100'] }, []], [{ web3_wallet: 'x' }, []], [{ organization_id: none('org') }, []], [{ organization_id: `-${none('org')}` }, all],
      [{ username_query: 'x' }, []], [{ phone_number_query: '5' }, []], [{ username: '' }, all], [{ unheard_of: 'x' }, all],
    ]) {
      assertSame(await ids(o), want, query(o))
      assertSame(await count(o), want.length, `count of ${query(o)}`)
    }
    assertSame(differences(await good('GET', '/users/count'), sample('bapi-users-count')), [], 'shape of the count')
  })

  await check('backend: GET /users orders and pages', async () => {
    await good('PATCH', `/users/${id[2]}`, { first_name: 'Changed' })
    for (const [o, want] of [
      [{ limit: 2 }, of(5, 4)], [{ limit: 2, offset: 3 }, of(2, 1)], [{ offset: 5 }, of(0)], [{ offset: 6 }, []], [{ limit: 500 }, of(5, 4, 3, 2, 1, 0)],
      [{ order_by: 'created_at', limit: 2 }, of(0, 1)], [{ order_by: '+created_at', limit: 1 }, of(0)], [{ order_by: '-created_at', limit: 1 }, of(5)],
      [{ order_by: '-updated_at', limit: 1 }, of(2)], [{ order_by: ['created_at', '-created_at'], limit: 1 }, of(0)],
      [{ order_by: 'last_sign_in_at', limit: 1 }, of(0)], [{ order_by: '-last_active_at', limit: 1 }, of(5)],
    ]) assertSame(await ids(o), want, query(o))
    assertSame((await good('GET', '/users?order_by=+created_at&limit=1'))[0].id, id[0], 'a plus that nobody escaped')
    assertSame(await count({ limit: 2, offset: 3 }), 6, 'a count with a page')
    for (const [q, param, code = 'form_param_format_invalid'] of [
      ['limit=0', 'limit'], ['limit=501', 'limit'], ['limit=-1', 'limit'], ['limit=x', 'limit'], ['limit=1&limit=2', 'limit'], ['offset=-1', 'offset'], ['offset=1e9', 'offset'],
      ['offset=99999999999999999999', 'offset'], ['banned=maybe', 'banned'], ['created_at_after=x', 'created_at_after'], ['last_active_at_before=-4', 'last_active_at_before'],
      [`query=${'x'.repeat(257)}`, 'query'], ['order_by=email_address', 'order_by', 'form_param_value_invalid'], ['order_by=-', 'order_by', 'form_param_value_invalid'],
      [Array.from({ length: 101 }, (_, i) => `user_id=${i}`).join('&'), 'user_id', 'form_param_array_size_exceeded'],
    ]) await refused('GET', `/users?${q}`, undefined, 422, code, param)
    for (const q of ['a=%zz', 'query=%00', 'query=%ff', Array.from({ length: 201 }, () => 'a=1').join('&')]) await refused('GET', `/users?${q}`, undefined, 400, 'request_body_invalid')
  })

  await check('backend: a page of 500 users is quick, and one that is too large says so', async () => {
    const meanwhile = new Meanwhile()
    for (let i = 0; i < 494; i += 38)
      await Promise.all(Array.from({ length: Math.min(38, 494 - i) }, () => add({ public_metadata: { plan: 'free', seats: [1, 2, 3] } })))
    const t0 = performance.now()
    const page = await good('GET', '/users?limit=500')
    const took = performance.now() - t0
    assertSame([page.length, new Set(page.map((u) => u.id)).size, await count()], [500, 500, 500], 'users')
    note(`a page of 500 users: ${took.toFixed(0)} ms`)
    assert(meanwhile.allows(took / 1000, 0.5), `it took ${took.toFixed(0)} ms`)
    const big = { a: 'x'.repeat(65000) }
    for (let i = 0; i < 140; i += 14)
      await Promise.all(Array.from({ length: 14 }, (_, k) => good('PUT', `/users/${page[i + k].id}/metadata`, { public_metadata: big, private_metadata: big, unsafe_metadata: big })))
    await refused('GET', '/users?limit=500', undefined, 422, 'form_param_value_too_large', 'limit')
    assertSame((await good('GET', '/users?limit=50')).length, 50, 'fewer')
  })
  pool = first
}

async function changing() {
  await check('backend: PATCH /users/{id} sets what it is given and nothing else', async () => {
    const u = await add({ first_name: 'A', last_name: 'B', external_id: `c${++n}`, public_metadata: { a: 1 }, private_metadata: { b: 2 } })
    const v = await good('PATCH', `/users/${u.id}`, { last_name: null, external_id: '' })
    assert(v.image_url !== u.image_url, 'a picture has the initials in it')
    const same = (user) => ({ ...user, image_url: '', profile_image_url: '', updated_at: 0 })
    assertSame(same(v), same({ ...u, last_name: null, external_id: null }), 'user')
    assert(v.updated_at >= u.updated_at, 'updated_at')
    const w = await good('PATCH', `/users/${u.id}`, { public_metadata: { c: 3 }, private_metadata: null, password: PASSWORD, created_at: '2021-01-01T00:00:00Z' })
    assertSame([w.public_metadata, w.private_metadata, w.unsafe_metadata, w.password_enabled, w.created_at], [{ c: 3 }, {}, {}, true, Date.parse('2021-01-01T00:00:00Z')], 'metadata as a whole')
    const x = await add({ external_id: 'hers' })
    for (const [body, code, param] of [
      [{ external_id: 'hers' }, 'form_identifier_exists', 'external_id'], [{ password: 'short' }, 'form_password_length_too_short', 'password'],
      [{ username: 'x' }, 'form_param_unknown', 'username'], [{ notify_primary_email_address_changed: true }, 'form_param_unknown', 'notify_primary_email_address_changed'],
      [{ profile_image_id: 'x' }, 'form_param_unknown', 'profile_image_id'], [{ primary_phone_number_id: none('idn') }, 'form_param_unknown', 'primary_phone_number_id'],
      [{ primary_email_address_id: none('idn') }, 'form_resource_not_found', 'primary_email_address_id'],
      [{ primary_email_address_id: x.primary_email_address_id }, 'form_resource_not_found', 'primary_email_address_id'],
      [{ first_name: 'Z', public_metadata: 7 }, 'form_param_format_invalid', 'public_metadata'],
      [{ sign_out_of_other_sessions: 'x' }, 'form_param_format_invalid', 'sign_out_of_other_sessions'],
    ]) await refused('PATCH', `/users/${u.id}`, body, 422, code, param)
    assertSame(await good('GET', `/users/${u.id}`), w, 'after what was refused')
  })

  await check('backend: a new password signs out where that is asked for', async () => {
    const o = await things()
    const status = async () => (await good('GET', `/sessions/${o.session}`)).status
    await good('PATCH', `/users/${o.user}`, { password: `${PASSWORD} 2` })
    assertSame(await status(), 'active', 'session')
    await good('PATCH', `/users/${o.user}`, { first_name: 'x', sign_out_of_other_sessions: true })
    assertSame(await status(), 'active', 'session without a new password')
    await good('PATCH', `/users/${o.user}`, { password: `${PASSWORD} 3`, sign_out_of_other_sessions: true })
    assertSame(await status(), 'revoked', 'session')
    assertSame((await o.browser.call('GET', '/client')).response.sessions, [], 'the browser’s sessions')
    await good('POST', `/users/${o.user}/verify_password`, { password: `${PASSWORD} 3` })
  })

  await check('backend: metadata is merged by PATCH and replaced by PUT', async () => {
    const u = await add({ public_metadata: { a: { b: 1, c: [1, 2] }, d: 1 }, private_metadata: { x: 1 }, unsafe_metadata: { u: 1 } })
    const v = await good('PATCH', `/users/${u.id}/metadata`, { public_metadata: { a: { b: null, c: [3], e: { f: null, g: 1 } }, d: { h: 1 } }, private_metadata: { y: { z: 'ü' } } })
    assertSame([v.public_metadata, v.private_metadata, v.unsafe_metadata], [{ a: { c: [3], e: { g: 1 } }, d: { h: 1 } }, { x: 1, y: { z: 'ü' } }, { u: 1 }], 'merged')
    const w = await good('PUT', `/users/${u.id}/metadata`, { public_metadata: { only: 1 }, unsafe_metadata: null })
    assertSame([w.public_metadata, w.private_metadata, w.unsafe_metadata], [{ only: 1 }, { x: 1, y: { z: 'ü' } }, {}], 'replaced')
    assertSame((await good('PATCH', `/users/${u.id}/metadata`, {})).public_metadata, { only: 1 }, 'nothing to do')
    assertSame((await good('PATCH', `/users/${u.id}/metadata`)).public_metadata, { only: 1 }, 'no body')
    let deep = 1
    for (let i = 0; i < 90; i++) deep = { a: deep }
    assertSame((await good('PATCH', `/users/${u.id}/metadata`, { public_metadata: { deep } })).public_metadata.deep, deep, 'a deep one')
    for (let i = 0; i < 20; i++) deep = { a: deep }
    await refused('PATCH', `/users/${u.id}/metadata`, { public_metadata: deep }, 400, 'request_body_invalid')
    await good('PUT', `/users/${u.id}/metadata`, { private_metadata: { half: 'x'.repeat(40000) } })
    await refused('PATCH', `/users/${u.id}/metadata`, { private_metadata: { more: 'x'.repeat(40000) } }, 422, 'form_param_exceeds_allowed_size', 'private_metadata')
    for (const [method, body, param] of [['PATCH', { public_metadata: [] }, 'public_metadata'], ['PUT', { unsafe_metadata: 'x' }, 'unsafe_metadata'], ['PATCH', { private_metadata: 1 }, 'private_metadata']])
      await refused(method, `/users/${u.id}/metadata`, body, 422, 'form_param_format_invalid', param)
    assertSame(Object.keys((await good('GET', `/users/${u.id}`)).private_metadata), ['half'], 'after what was refused')
    const counts = await Promise.all(Array.from({ length: 20 }, (_, i) => good('PATCH', `/users/${u.id}/metadata`, { public_metadata: { [`k${i}`]: i } })))
    assertSame(counts.length, 20, 'merged side by side')
    const all = (await good('GET', `/users/${u.id}`)).public_metadata
    assertSame(Array.from({ length: 20 }, (_, i) => all[`k${i}`]), Array.from({ length: 20 }, (_, i) => i), 'none is lost')
  })

  await check('backend: who is banned is signed out and cannot sign in; who is locked cannot sign in', async () => {
    const o = await things()
    const mail = (await good('GET', `/users/${o.user}`)).email_addresses[0].email_address
    const signIn = async () => { const b = await pool.browser(); const r = await b.call('POST', '/client/sign_ins', { identifier: mail, password: PASSWORD }); return r.response?.status ?? r.code }
    const locked = await good('POST', `/users/${o.user}/lock`)
    assertSame([locked.locked, locked.verification_attempts_remaining], [true, 0], 'locked')
    assert(locked.lockout_expires_in_seconds > 3590 && locked.lockout_expires_in_seconds <= 3600, `lockout_expires_in_seconds ${locked.lockout_expires_in_seconds}`)
    assertSame([await signIn(), (await good('GET', `/sessions/${o.session}`)).status], ['user_locked', 'active'], 'who is locked')
    await refused('POST', '/sessions', { user_id: o.user }, 403, 'user_locked')
    assertSame((await good('POST', `/users/${o.user}/unlock`)).locked, false, 'unlocked')
    assertSame(await signIn(), 'complete', 'a sign-in')
    assertSame((await good('POST', `/users/${o.user}/ban`)).banned, true, 'banned')
    assertSame((await good('GET', `/sessions?user_id=${o.user}&limit=500`)).map((s) => s.status).every((s) => s === 'revoked'), true, 'sessions')
    const client = (await o.browser.call('GET', '/client')).response
    assertSame([client.sessions, client.last_active_session_id], [[], null], 'the browser')
    assertSame(await signIn(), 'user_banned', 'who is banned')
    await refused('POST', '/sessions', { user_id: o.user }, 403, 'user_banned')
    assertSame((await good('POST', `/users/${o.user}/unban`)).banned, false, 'unbanned')
    assertSame(await signIn(), 'complete', 'a sign-in')
    const born = await add({ banned: true, locked: true })
    assertSame([born.banned, born.locked], [true, true], 'made so')
  })

  await check('backend: who is deleted is gone, and signed out', async () => {
    const o = await things()
    assertSame(await good('DELETE', `/users/${o.user}`), { object: 'user', id: o.user, deleted: true }, 'answer')
    await refused('GET', `/users/${o.user}`, undefined, 404, 'resource_not_found')
    await refused('DELETE', `/users/${o.user}`, undefined, 404, 'resource_not_found')
    await refused('GET', `/email_addresses/${o.email}`, undefined, 404, 'resource_not_found')
    assertSame((await good('GET', `/sessions/${o.session}`)).status, 'removed', 'session')
    assertSame((await o.browser.call('GET', '/client')).response.sessions, [], 'the browser’s sessions')
    assertSame([(await o.browser.call('GET', '/me')).status], [401], 'the browser')
  })
}

async function sessions() {
  await check('backend: sessions are listed by user, client and status as it is now, in pages', async () => {
    const o = await things()
    const made = []
    for (let i = 0; i < 4; i++) made.push(await good('POST', '/sessions', { user_id: o.user }))
    assertSame(differences(made[0], { ...sample('bapi-sessions-paginated-true').data[0], client_id: null }), [], 'shape of one that the app made')
    assertSame(differences(await good('GET', `/sessions/${o.session}`), sample('bapi-sessions-paginated-true').data[0]), [], 'shape')
    const all = [...made.map((s) => s.id).reverse(), o.session]
    assertSame((await good('GET', `/sessions?user_id=${o.user}`)).map((s) => s.id), all, 'newest first')
    const page = await good('GET', `/sessions?user_id=${o.user}&paginated=true&limit=2&offset=1`)
    assertSame([page.data.map((s) => s.id), page.total_count, Object.keys(page)], [all.slice(1, 3), 5, ['data', 'total_count']], 'a page')
    assertSame((await good('GET', `/sessions?client_id=${o.client}`)).map((s) => s.id), [o.session], 'of a client')
    assertSame(await good('GET', `/sessions?client_id=${o.client}&user_id=${none('user')}`), [], 'of both')
    assertSame(await good('GET', `/sessions?user_id=nobody`), [], 'of nobody')
    await good('POST', `/sessions/${made[0].id}/revoke`)
    assertSame((await good('GET', `/sessions?user_id=${o.user}&status=revoked`)).map((s) => s.id), [made[0].id], 'revoked ones')
    assertSame((await good('GET', `/sessions?user_id=${o.user}&status=active&paginated=true`)).total_count, 4, 'active ones')
    await refused('GET', '/sessions?status=pending', undefined, 422, 'form_param_value_invalid', 'status')
    for (const q of ['limit=0', 'limit=501', 'offset=-1']) await refused('GET', `/sessions?${q}`, undefined, 422, 'form_param_format_invalid', q.split('=')[0])
    await refused('POST', '/sessions', { user_id: o.user, active_organization_id: none('org') }, 422, 'form_param_unknown', 'active_organization_id')
  })

  await check('backend: a revoked session is over in its browser; what has ended stays what it was', async () => {
    const o = await things()
    const s = await good('POST', `/sessions/${o.session}/revoke`)
    assertSame([s.id, s.status, s.user_id, s.client_id], [o.session, 'revoked', o.user, o.client], 'session')
    assertSame((await o.browser.call('GET', '/client')).response.sessions, [], 'the browser’s sessions')
    assertSame((await o.browser.call('POST', `/client/sessions/${o.session}/tokens`)).status >= 400, true, 'a token')
    assertSame((await good('POST', `/sessions/${o.session}/revoke`)).updated_at, s.updated_at, 'revoked again')
    await refused('POST', `/sessions/${o.session}/tokens`, {}, 404, 'resource_not_found')
    const client = await good('GET', `/clients/${o.client}`)
    assertSame([client.object, client.id, client.session_ids, client.sessions.map((x) => x.status), client.last_active_session_id], ['client', o.client, [o.session], ['revoked'], null], 'client')
  })

  await check('backend: POST /sessions/{id}/tokens gives a session token', async () => {
    const u = await add()
    const s = await good('POST', '/sessions', { user_id: u.id })
    const t = await good('POST', `/sessions/${s.id}/tokens`)
    assertSame([Object.keys(t), t.object], [['object', 'jwt'], 'token'], 'shape')
    const [head, claims] = t.jwt.split('.').slice(0, 2).map((x) => JSON.parse(Buffer.from(x, 'base64url')))
    assertSame([claims.sub, claims.sid, claims.exp - claims.iat, 'azp' in claims], [u.id, s.id, 60, false], 'claims')
    const { keys: [jwk] } = await good('GET', '/jwks')
    assertSame(head.kid, jwk.kid, 'kid')
    const key = await crypto.subtle.importKey('jwk', jwk, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['verify'])
    const at = t.jwt.lastIndexOf('.')
    assert(await crypto.subtle.verify('RSASSA-PKCS1-v1_5', key, Buffer.from(t.jwt.slice(at + 1), 'base64url'), Buffer.from(t.jwt.slice(0, at))), 'the signature is not the build’s')
    await good('POST', `/sessions/${s.id}/tokens`, { expires_in_seconds: 60 })
    await refused('POST', `/sessions/${s.id}/tokens`, { expires_in_seconds: 3600 }, 422, 'form_param_unknown', 'expires_in_seconds')
    await refused('POST', `/sessions/${s.id}/tokens`, { expires_in_seconds: 'x' }, 422, 'form_param_format_invalid', 'expires_in_seconds')
  })
}

async function addresses() {
  await check('backend: addresses are added, made primary, and taken away', async () => {
    const u = await add()
    const [first] = u.email_addresses
    const e = await good('POST', '/email_addresses', { user_id: u.id, email_address: ' New@Example.com ' })
    assertSame([e.object, e.email_address, e.verification, e.linked_to], ['email_address', 'new@example.com', null, []], 'a claimed one')
    assertSame(await good('GET', `/email_addresses/${e.id}`), e, 'as it is read')
    await refused('PATCH', `/email_addresses/${e.id}`, { primary: true }, 422, 'form_param_value_invalid', 'primary')
    await refused('PATCH', `/users/${u.id}`, { primary_email_address_id: e.id }, 422, 'form_param_value_invalid', 'primary_email_address_id')
    assertSame((await good('PATCH', `/email_addresses/${e.id}`, { verified: true })).verification.status, 'verified', 'verified')
    await good('PATCH', `/email_addresses/${e.id}`, { primary: true })
    const primary = async () => (await good('GET', `/users/${u.id}`)).primary_email_address_id
    assertSame(await primary(), e.id, 'primary')
    for (const [body, param] of [[{ primary: false }, 'primary'], [{ verified: false }, 'verified']]) await refused('PATCH', `/email_addresses/${e.id}`, body, 422, 'form_param_value_invalid', param)
    await good('PATCH', `/users/${u.id}`, { primary_email_address_id: first.id })
    assertSame(await primary(), first.id, 'primary by PATCH /users')
    assertSame(await good('DELETE', `/email_addresses/${first.id}`), { object: 'email_address', id: first.id, deleted: true }, 'deleted')
    assertSame([await primary(), (await good('GET', `/users/${u.id}`)).email_addresses.length], [e.id, 1], 'the next one is the primary one')
    await refused('DELETE', `/email_addresses/${e.id}`, undefined, 400, 'identification_deletion_failed')
    await refused('GET', `/email_addresses/${first.id}`, undefined, 404, 'resource_not_found')
    // The address is free again.
    await add({ email_address: [first.email_address] })
    await refused('POST', '/email_addresses', { user_id: u.id, email_address: first.email_address, verified: true }, 422, 'form_identifier_exists', 'email_address')
    await refused('POST', '/email_addresses', { user_id: u.id, email_address: 'new@example.com' }, 422, 'form_identifier_exists', 'email_address')
    for (const [more, code, param] of [
      [{ email_address: 'x' }, 'form_param_format_invalid', 'email_address'], [{ email_address: undefined }, 'form_param_missing', 'email_address'],
      [{ email_address: address(), verified: 'x' }, 'form_param_format_invalid', 'verified'], [{ email_address: address(), primary: 3 }, 'form_param_format_invalid', 'primary'],
      [{ email_address: address(), primary: true }, 'form_param_value_invalid', 'primary'],
    ]) await refused('POST', '/email_addresses', { user_id: u.id, ...more }, 422, code, param)
    assertSame((await good('GET', `/users/${u.id}`)).email_addresses.length, 1, 'addresses')
    for (let i = 1; i < 20; i++) await good('POST', '/email_addresses', { user_id: u.id, email_address: address() })
    await refused('POST', '/email_addresses', { user_id: u.id, email_address: address() }, 422, 'email_addresses_exceeded', 'email_address')
  })

  await check('backend: an address that two claim is whose it is verified first', async () => {
    const [a, b] = [await add(), await add()]
    const mail = address()
    const [x, y] = [await good('POST', '/email_addresses', { user_id: a.id, email_address: mail }), await good('POST', '/email_addresses', { user_id: b.id, email_address: mail })]
    assertSame(await ids({ email_address: mail }), [], 'nobody’s yet')
    const answers = await Promise.all([x, y].map((e) => call('PATCH', `/email_addresses/${e.id}`, { verified: true })))
    assertSame(answers.map((r) => r.code ?? 'ok').sort(), ['form_identifier_exists', 'ok'], 'both at once')
    assertSame((await ids({ email_address: mail })).length, 1, 'whose it is')
  })

  await check('backend: PUT /users/{id}/email_address leaves one address', async () => {
    const u = await add({ email_address: [address(), address()] })
    const mail = address()
    const e = await good('PUT', `/users/${u.id}/email_address`, { email_address: mail })
    const v = await good('GET', `/users/${u.id}`)
    assertSame([v.email_addresses.map((x) => [x.id, x.email_address]), v.primary_email_address_id], [[[e.id, mail]], e.id], 'addresses')
    await good('PUT', `/users/${u.id}/email_address`, { email_address: mail })
    const w = await add()
    await refused('PUT', `/users/${u.id}/email_address`, { email_address: w.email_addresses[0].email_address }, 422, 'form_identifier_exists', 'email_address')
    await refused('PUT', `/users/${u.id}/email_address`, {}, 422, 'form_param_missing', 'email_address')
    assertSame((await good('GET', `/users/${u.id}`)).email_addresses.length, 1, 'after what was refused')
  })
}

async function tickets() {
  await check('backend: an invitation is shown once, sent, listed, and revoked once', async () => {
    const mail = address()
    const i = await good('POST', '/invitations', { email_address: mail.toUpperCase(), public_metadata: { role: 'x' }, redirect_url: `${ORIGIN}/welcome?a=1`, expires_in_days: 1 })
    assertSame([i.object, i.email_address, i.public_metadata, i.revoked, i.status, i.expires_at - i.created_at], ['invitation', mail, { role: 'x' }, false, 'pending', 86400000], 'invitation')
    const ticket = new URL(i.url).searchParams.get('ticket')
    assertSame(i.url, `${pool.gateway}/v1/tickets/accept?ticket=${ticket}`, 'url')
    assert(/^[0-9A-Za-z]{32}$/.test(ticket), 'the ticket has another form')
    assertSame((await pool.outbox(mail)).map((m) => [m.what, m.code]), [['invitation', i.url]], 'what was sent')
    const { url, ...rest } = i
    assertSame((await good('GET', `/invitations?query=${mail}`)), [rest], 'the list does not show it again')
    await refused('POST', '/invitations', { email_address: mail }, 400, 'duplicate_record', 'email_address')
    const again = await good('POST', '/invitations', { email_address: mail, ignore_existing: true, notify: false })
    assertSame((await pool.outbox(mail)).length, 1, 'what was sent')
    const revoked = await good('POST', `/invitations/${i.id}/revoke`)
    assertSame([revoked.id, revoked.status, revoked.revoked, revoked.url], [i.id, 'revoked', true, undefined], 'revoked')
    await refused('POST', `/invitations/${i.id}/revoke`, {}, 400, 'invitation_already_revoked')
    await good('POST', `/invitations/${again.id}/revoke`)
    await good('POST', '/invitations', { email_address: mail })
    assertSame((await good('GET', `/invitations?query=${mail}&paginated=true`)).total_count, 1, 'those that are not revoked')
    assertSame((await good('GET', `/invitations?query=${mail}&status=revoked`)).map((x) => x.id), [again.id, i.id], 'those that are')
    assertSame((await good('GET', `/invitations?query=${mail}&status=revoked&order_by=created_at&limit=1`)).map((x) => x.id), [i.id], 'oldest first')
    const u = await add()
    await refused('POST', '/invitations', { email_address: u.email_addresses[0].email_address }, 422, 'form_identifier_exists', 'email_address')
    const before = (await good('GET', '/invitations?paginated=true')).total_count
    for (const [more, status, code, param] of [
      [{ email_address: undefined }, 422, 'form_param_missing', 'email_address'], [{ email_address: 'x' }, 422, 'form_param_format_invalid', 'email_address'],
      [{ redirect_url: 'https://evil.example/' }, 400, 'redirect_url_invalid'], [{ redirect_url: `${ORIGIN}.evil.example/` }, 400, 'redirect_url_invalid'],
      [{ redirect_url: `${ORIGIN}@evil.example/` }, 400, 'redirect_url_invalid'], [{ redirect_url: 'javascript:alert(1)' }, 400, 'redirect_url_invalid'],
      [{ redirect_url: '/welcome' }, 400, 'redirect_url_invalid'], [{ redirect_url: `${ORIGIN}/${'x'.repeat(2100)}` }, 422, 'form_param_format_invalid', 'redirect_url'],
      [{ public_metadata: [] }, 422, 'form_param_format_invalid', 'public_metadata'], [{ public_metadata: { a: 'x'.repeat(66000) } }, 422, 'form_param_exceeds_allowed_size', 'public_metadata'],
      [{ notify: 'x' }, 422, 'form_param_format_invalid', 'notify'], [{ ignore_existing: 1 }, 422, 'form_param_format_invalid', 'ignore_existing'],
      [{ expires_in_days: 0 }, 422, 'form_param_format_invalid', 'expires_in_days'], [{ expires_in_days: 366 }, 422, 'form_param_format_invalid', 'expires_in_days'],
      [{ expires_in_days: 1.5 }, 422, 'form_param_format_invalid', 'expires_in_days'],
    ]) await refused('POST', '/invitations', { email_address: address(), ...more }, status, code, param)
    assertSame((await good('GET', '/invitations?paginated=true')).total_count, before, 'invitations')
    for (const [q, code, param] of [['status=open', 'form_param_value_invalid', 'status'], ['order_by=email_address', 'form_param_value_invalid', 'order_by'], ['limit=501', 'form_param_format_invalid', 'limit']])
      await refused('GET', `/invitations?${q}`, undefined, 422, code, param)
    const wanted = address()
    const many = await Promise.all(Array.from({ length: 10 }, () => call('POST', '/invitations', { email_address: wanted })))
    assertSame(many.filter((r) => r.status === 200).length, 1, 'of ten at once')
  })

  await check('backend: a sign-in token signs its user in, once, unless it is revoked', async () => {
    const u = await add()
    const t = await good('POST', '/sign_in_tokens', { user_id: u.id })
    assertSame([t.object, t.user_id, t.status, t.url], ['sign_in_token', u.id, 'pending', `${pool.gateway}/v1/tickets/accept?ticket=${t.token}`], 'token')
    const browser = await pool.browser()
    const done = await browser.call('POST', '/client/sign_ins', { strategy: 'ticket', ticket: t.token })
    assertSame([done.status, done.response?.status], [200, 'complete'], 'sign-in')
    assertSame((await good('GET', `/sessions/${done.response.created_session_id}`)).user_id, u.id, 'whose session')
    const second = await (await pool.browser()).call('POST', '/client/sign_ins', { strategy: 'ticket', ticket: t.token })
    assert(second.status >= 400, 'it was good twice')
    await refused('POST', `/sign_in_tokens/${t.id}/revoke`, {}, 400, 'sign_in_token_cannot_be_revoked_code')
    const r = await good('POST', '/sign_in_tokens', { user_id: u.id, expires_in_seconds: 100 })
    const revoked = await good('POST', `/sign_in_tokens/${r.id}/revoke`)
    assertSame([revoked.status, revoked.token], ['revoked', undefined], 'revoked')
    const third = await (await pool.browser()).call('POST', '/client/sign_ins', { strategy: 'ticket', ticket: r.token })
    assert(third.status >= 400, 'it was good after it had been revoked')
    await refused('POST', `/sign_in_tokens/${r.id}/revoke`, {}, 400, 'sign_in_token_cannot_be_revoked_code')
    for (const s of [0, -1, 365 * 86400 + 1, 'x', 1.5]) await refused('POST', '/sign_in_tokens', { user_id: u.id, expires_in_seconds: s }, 422, 'form_param_format_invalid', 'expires_in_seconds')
    const i = await good('POST', '/invitations', { email_address: address() })
    await refused('POST', `/sign_in_tokens/${i.id}/revoke`, {}, 404, 'resource_not_found')
  })

  await check('backend: a testing token changes nothing', async () => {
    const t = await good('POST', '/testing_tokens')
    assertSame([Object.keys(t), t.object, t.expires_at - Math.floor(Date.now() / 1000) > 3500], [['object', 'token', 'expires_at'], 'testing_token', true], 'token')
    const browser = await pool.browser()
    const r = await browser.call('POST', '/client/sign_ups', { email_address: address(), password: PASSWORD }, { query: { __clerk_testing_token: t.token } })
    assertSame([r.status, r.response.status], [200, 'missing_requirements'], 'a sign-up with it')
    assertSame((await pool.backend('GET', '/users', undefined, { key: t.token })).status, 401, 'it as a key')
  })
}

async function instance() {
  await check('backend: the instance, its domain and its key are the samples’', async () => {
    assertSame(differences(await good('GET', '/instance'), sample('bapi-instance')), [], 'instance')
    assertSame(differences(await good('GET', '/domains'), sample('bapi-domains')), [], 'domains')
    assertSame(differences(await good('GET', '/jwks'), sample('bapi-jwks')), [], 'jwks')
    const u = await add()
    for (const what of ['memberships', 'invitations']) assertSame(await good('GET', `/users/${u.id}/organization_${what}`), { data: [], total_count: 0 }, what)
    const [domain] = (await good('GET', '/domains')).data
    const [, , encoded] = pool.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY.split('_')
    assertSame(Buffer.from(encoded, 'base64').toString(), `${domain.name}$`, 'the host of the publishable key')
    assertSame((await good('GET', '/instance')).id, (await good('GET', '/jwks')).keys[0].kid, 'kid')
  })
}

async function leaving() {
  await check('backend: what the operator exports is what POST /users takes', async () => {
    const from = pool
    const to = await Pool.of(daemon, 'moved')
    const users = await from.users()
    assert(users.length > 20, `only ${users.length} users`)
    for (const u of users) {
      const r = await to.backend('POST', '/users', u)
      assertSame([r.status, r.body.errors?.[0]], [200, undefined], `user ${JSON.stringify(u).slice(0, 300)}`)
    }
    const plain = ({ id, ...u }) => u
    assertSame((await to.users()).map(plain).sort((a, b) => (a.external_id < b.external_id ? -1 : 1)), users.map(plain).sort((a, b) => (a.external_id < b.external_id ? -1 : 1)), 'users')
    // All of them, page by page, also where a page cannot hold as many as it might.
    const all = []
    const big = new Pool(daemon, 'lists', null)
    for (let next = 0, pages = 0; next !== undefined; pages++) {
      const r = (await daemon.admin('GET', `/api/v1/builds/${big.build}/services/auth/users/export?offset=${next}`)).json()
      all.push(...r.users)
      assert(r.next === undefined || r.next === all.length, `the next page is said to begin at ${r.next} after ${all.length}`)
      assert(pages < 20, 'there is no end of pages')
      next = r.next
    }
    assertSame([all.length, new Set(all.map((u) => u.id)).size], [500, 500], 'users of a large pool')
  })
}

async function later() {
  await check('backend: what has a time is over when it has passed', async () => {
    const o = await things()
    const i = await good('POST', '/invitations', { email_address: address(), expires_in_days: 1 })
    const t = await good('POST', '/sign_in_tokens', { user_id: o.user, expires_in_seconds: 86400 })
    const s = await good('POST', '/sessions', { user_id: o.user })
    await good('POST', `/users/${o.user}/lock`)
    const expired = await shut('expired', ['--ttl', '1d'])
    await restartAt(daemon, 2 * 86400000)
    await expired()
    const found = async (status) => (await good('GET', `/invitations?query=${i.email_address}&status=${status}`)).map((x) => [x.id, x.status])
    assertSame([await found('pending'), await found('expired')], [[], [[i.id, 'expired']]], 'invitation')
    await good('POST', '/invitations', { email_address: i.email_address }) // the one before does not stand in its way
    await refused('POST', `/sign_in_tokens/${t.id}/revoke`, {}, 400, 'sign_in_token_cannot_be_revoked_code')
    assert((await (await pool.browser()).call('POST', '/client/sign_ins', { strategy: 'ticket', ticket: t.token })).status >= 400, 'the token is good after its time')
    assertSame((await good('GET', `/users/${o.user}`)).locked, false, 'locked after an hour')
    assertSame((await good('GET', `/sessions/${s.id}`)).status, 'active', 'a session after two days')
    await restartAt(daemon, 8 * 86400000)
    assertSame((await good('GET', `/sessions/${s.id}`)).status, 'expired', 'a session after eight days')
    for (const [status, has] of [['active', false], ['expired', true]]) assertSame((await good('GET', `/sessions?user_id=${o.user}&status=${status}`)).some((x) => x.id === s.id), has, `listed as ${status}`)
    await refused('POST', `/sessions/${s.id}/tokens`, {}, 404, 'resource_not_found')
    assertSame((await good('POST', `/sessions/${s.id}/revoke`)).status, 'expired', 'revoked after its time')
  })
}

export default async function backend() {
  daemon = await startDaemon()
  await daemon.createBuild('others')
  pool = new Pool(daemon, 'backend', (await daemon.createBuild('backend', ['--origin', ORIGIN, '--origin', 'http://localhost:3000'])).env)
  other = await Pool.of(daemon, 'other')
  for (const area of [keys, creating, listing, changing, sessions, addresses, tickets, instance, leaving, later]) await area()
  await daemon.stop()
}
