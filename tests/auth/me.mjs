// Who is signed in: sessions and their tokens, profile, addresses, password, devices, and the proof that is asked for again.
import { execFileSync } from 'node:child_process'
import path from 'node:path'

import { assert, assertSame, check } from '../lib/tap.mjs'
import { Pool, differences, sample, startDaemon } from './lib.mjs'

const PASSWORD = 'correct horse battery'
const NOBODY = { sess: `sess_${'0'.repeat(27)}`, idn: `idn_${'0'.repeat(27)}` }
const PHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1'
const FOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0'

let daemon, pool, n = 0

function is(r, status, code, param) {
  assertSame([r.status, r.code, r.param], [status, code, param], 'answer')
  assert(!/"private_metadata"\s*:|argon2/.test(r.text), "it says what is the server's alone")
  return r
}
const good = (r) => is(r, 200)

// A new user in a browser of their own: { browser, address, user, session }.
async function somebody() {
  const address = `u${++n}@example.com`
  const browser = await pool.browser()
  const done = await browser.signUp(address, PASSWORD)
  return { browser, address, user: done.response.created_user_id, session: done.response.created_session_id }
}

// The same user in another browser.
async function elsewhere(who, password = PASSWORD) {
  const browser = await pool.browser()
  const r = good(await browser.call('POST', '/client/sign_ins', { identifier: who.address, password }))
  assertSame(r.response.status, 'complete', 'sign-in')
  return { ...who, browser, session: r.response.created_session_id }
}

const of = (jwt) => JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'))
const me = async (who) => good(await who.browser.call('GET', '/me')).response
const at = (who, rest = '') => `/client/sessions/${who.session}${rest}`

async function sessions() {
  const a = await somebody(), b = await somebody()

  await check('session: as the sample has it, and its client beside it', async () => {
    const r = good(await a.browser.call('GET', at(a)))
    assertSame(differences(r.response, sample('fapi-session-touch').response), [])
    assertSame(r.client.sessions.map((s) => s.id), [a.session])
  })

  await check('touch: the sample; the client is not newer for it', async () => {
    const before = good(await a.browser.call('GET', '/client')).response
    const r = good(await a.browser.call('POST', at(a, '/touch'), { active_organization_id: '', intent: 'select_session' }, { headers: { 'User-Agent': PHONE } }))
    assertSame(differences(r.body, sample('fapi-session-touch')), [])
    assert(r.response.last_active_at >= before.sessions[0].last_active_at, 'last_active_at')
    assertSame([r.client.updated_at, r.client.last_active_session_id], [before.updated_at, a.session])
  })

  await check('tokens: bare, for this origin; from the cache, and a new one when asked', async () => {
    const one = good(await a.browser.call('POST', at(a, '/tokens'), { organization_id: '', tab_state: 'focused' }))
    assertSame(Object.keys(one.body).sort(), ['jwt', 'object'])
    const claims = of(one.body.jwt)
    assertSame([claims.sub, claims.sid, claims.azp, claims.sts, one.body.object], [a.user, a.session, 'http://localhost:3000', 'active', 'token'])
    assertSame((await a.browser.call('POST', at(a, '/tokens'), {})).body.jwt, one.body.jwt, 'cached')
    const two = good(await a.browser.call('POST', at(a, '/tokens'), {}, { query: { debug: 'skip_cache' } }))
    assert(two.body.jwt !== one.body.jwt, 'skip_cache gave the same')
  })

  await check('tokens: no templates, no organisations', async () => {
    is(await a.browser.call('POST', at(a, '/tokens/supabase'), {}), 404, 'resource_not_found')
    assert((await a.browser.call('POST', at(a, '/tokens/supabase'), {})).text.includes('no templates'), 'says why')
    is(await a.browser.call('POST', at(a, '/tokens'), { organization_id: 'org_1' }), 404, 'resource_not_found')
    is(await a.browser.call('POST', at(a, '/touch'), { active_organization_id: 'org_1' }), 404, 'resource_not_found')
  })

  await check("another browser's session, one that is not there, an id that is none: 404, and nothing happens", async () => {
    for (const id of [b.session, NOBODY.sess, 'sess_x', b.user])
      for (const [method, rest] of [['GET', ''], ['POST', '/tokens'], ['POST', '/tokens/t'], ['POST', '/touch'], ['POST', '/end'], ['POST', '/remove'], ['POST', '/verify']])
        is(await a.browser.call(method, `/client/sessions/${id}${rest}`, {}), 404, 'resource_not_found')
    for (const rest of ['/verify/prepare_first_factor', '/verify/attempt_first_factor'])
      is(await a.browser.call('POST', `/client/sessions/${b.session}${rest}`, { strategy: 'password', password: PASSWORD }), 404, 'resource_not_found')
    assertSame(good(await b.browser.call('GET', at(b))).response.status, 'active')
  })

  for (const [how, status] of [['end', 'ended'], ['remove', 'removed']]) {
    await check(`${how}: the session is over, the client newer and without it; again changes nothing`, async () => {
      const c = await somebody()
      const before = good(await c.browser.call('GET', '/client')).response
      const r = good(await c.browser.call('POST', at(c, `/${how}`), {}))
      assertSame([r.response.status, r.response.last_active_token, r.client.sessions, r.client.last_active_session_id], [status, null, [], null])
      assert(r.client.updated_at >= before.updated_at, 'updated_at')
      for (const rest of ['/tokens', '/tokens/t', '/touch', '/verify', '/verify/prepare_first_factor', '/verify/attempt_first_factor'])
        is(await c.browser.call('POST', at(c, rest), { strategy: 'password', password: PASSWORD }), 401, 'authentication_invalid')
      is(await c.browser.call('GET', '/me'), 401, 'authentication_invalid')
      const again = good(await c.browser.call('POST', at(c, how === 'end' ? '/remove' : '/end'), {}))
      assertSame([again.response.status, again.client.updated_at], [status, r.client.updated_at])
    })
  }

  await check('without a browser: 401, for clerk-js to make one', async () => {
    for (const [method, p] of [['GET', at(a)], ['POST', at(a, '/tokens')], ['GET', '/me'], ['POST', '/me/change_password'], ['GET', '/me/sessions/active'], ['POST', '/me/email_addresses']])
      is(await a.browser.call(method, p, {}, { browser: null }), 401, 'dev_browser_unauthenticated')
  })

  await check("/me for a session of another browser, or one that is over: 401", async () => {
    for (const id of [b.session, NOBODY.sess, 'x'])
      for (const [method, p] of [['GET', '/me'], ['PATCH', '/me'], ['DELETE', '/me'], ['GET', '/me/sessions/active'], ['GET', '/me/email_addresses']])
        is(await a.browser.call(method, p, {}, { query: { _clerk_session_id: id } }), 401, 'authentication_invalid')
    assertSame((await me(b)).id, b.user)
  })
}

async function profile() {
  const a = await somebody()
  const change = (fields, p = '/me') => a.browser.call('PATCH', p, fields)

  await check('me: as the sample has it', async () => {
    assertSame(differences(await me(a), sample('fapi-session-touch').response.user), [])
  })

  await check('names: set, cleared, limited', async () => {
    const r = good(await change({ first_name: 'Ada', last_name: 'Łovelace "x"' }))
    assertSame([r.response.first_name, r.response.last_name, r.client.sessions[0].user.first_name], ['Ada', 'Łovelace "x"', 'Ada'])
    assertSame(good(await change({ last_name: '' })).response.last_name, null)
    assertSame((await me(a)).first_name, 'Ada', 'what was not given stays')
    good(await change({ first_name: 'x'.repeat(256) }))
    is(await change({ first_name: 'x'.repeat(257) }), 422, 'form_param_format_invalid', 'first_name')
    is(await a.browser.call('PATCH', '/me', null, { raw: 'first_name=%00' }), 400, 'request_body_invalid')
    is(await a.browser.call('PATCH', '/me', null, { raw: 'last_name=a&last_name=b' }), 422, 'form_param_format_invalid', 'last_name')
    assertSame((await me(a)).first_name, 'x'.repeat(256))
  })

  await check("what is off, or the server's: refused by name, and nothing of the call is done", async () => {
    for (const name of ['username', 'primary_phone_number_id', 'primary_web3_wallet_id', 'public_metadata', 'private_metadata', 'external_id', 'password'])
      is(await change({ first_name: 'Eve', [name]: '{"a":1}' }), 422, 'form_param_unknown', name)
    is(await change({ private_metadata: '{"a":1}' }, '/me/metadata'), 422, 'form_param_unknown', 'private_metadata')
    good(await change({ username: '' })) // as the SDK sends null
    const u = await me(a)
    assertSame([u.first_name, u.public_metadata, u.external_id], ['x'.repeat(256), {}, null])
  })

  await check('unsafe_metadata: /me replaces it, /me/metadata merges into it', async () => {
    assertSame(good(await change({ unsafe_metadata: { a: { b: 1, c: 2 }, d: 3 } })).response.unsafe_metadata, { a: { b: 1, c: 2 }, d: 3 })
    assertSame(good(await change({ unsafe_metadata: { a: { b: null, e: 4 }, d: null, f: null } }, '/me/metadata')).response.unsafe_metadata, { a: { c: 2, e: 4 } })
    assertSame(good(await change({}, '/me/metadata')).response.unsafe_metadata, { a: { c: 2, e: 4 } })
    assertSame(good(await change({ unsafe_metadata: {} })).response.unsafe_metadata, {})
  })

  await check('unsafe_metadata: no JSON, no object, too large, too large together', async () => {
    for (const p of ['/me', '/me/metadata'])
      for (const bad of ['{', '[1]', '"x"', '1', '{"a":1} x', JSON.stringify({ x: 'y'.repeat(64 * 1024) }), '['.repeat(200)])
        is(await change({ unsafe_metadata: bad }, p), 422, 'form_param_format_invalid', 'unsafe_metadata')
    good(await change({ unsafe_metadata: { x: 'y'.repeat(40000) } }))
    is(await change({ unsafe_metadata: { z: 'y'.repeat(40000) } }, '/me/metadata'), 422, 'form_param_format_invalid', 'unsafe_metadata')
    assertSame(Object.keys((await me(a)).unsafe_metadata), ['x'])
    good(await change({ unsafe_metadata: {} }))
  })

  await check('what the app has not: empty lists where the SDK reads them, else a refusal that says so', async () => {
    for (const p of ['/me/organization_memberships', '/me/organization_invitations', '/me/organization_suggestions'])
      assertSame(good(await a.browser.call('GET', p, undefined, { query: { paginated: 'true', limit: '10', offset: '0' } })).response, { data: [], total_count: 0 })
    assertSame(good(await a.browser.call('GET', '/me/enterprise_connections')).response, [])
    const picture = { raw: '--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nx\r\n--x--\r\n', headers: { 'Content-Type': 'multipart/form-data; boundary=x' } }
    is(await a.browser.call('POST', '/me/profile_image', null, picture), 501, 'not_supported')
    for (const [method, p] of [['DELETE', '/me/profile_image'], ['POST', '/me/totp'], ['POST', '/me/passkeys'], ['POST', '/me/phone_numbers/'], ['POST', '/me/external_accounts'], ['POST', '/me/remove_password']])
      is(await a.browser.call(method, p, {}), 501, 'not_supported')
  })
}

async function addresses() {
  const a = await somebody(), b = await somebody()
  const emails = '/me/email_addresses'
  const add = (who, address) => who.browser.call('POST', `${emails}/`, { email_address: address }) // with the slash that clerk-js sends
  const on = (who, id, what, fields) => who.browser.call('POST', `${emails}/${id}/${what}`, fields)
  const send = (who, id) => on(who, id, 'prepare_verification', { strategy: 'email_code' })
  const primary = (await me(a)).email_addresses[0]
  let second

  await check('a second address: claimed, sent a code, verified, in the shape of the sample', async () => {
    const r = good(await add(a, ' Second@Example.COM '))
    second = r.response
    assertSame([second.email_address, second.verification], ['second@example.com', null])
    const sent = good(await send(a, second.id)).response
    assertSame([sent.verification.status, sent.verification.strategy, sent.verification.attempts], ['unverified', 'email_code', 0])
    const wrong = is(await on(a, second.id, 'attempt_verification', { code: '000000' }), 422, 'form_code_incorrect', 'code')
    assertSame(wrong.client.sessions[0].user.email_addresses[1].verification.attempts, 1, 'a try is counted')
    const done = good(await on(a, second.id, 'attempt_verification', { code: await pool.code('second@example.com') }))
    assertSame(differences(done.response, sample('fapi-session-touch').response.user.email_addresses[0]), [])
    assertSame([done.response.verification.status, done.client.sessions[0].user.email_addresses.length], ['verified', 2])
    is(await on(a, second.id, 'attempt_verification', { code: '000000' }), 422, 'verification_already_verified')
    is(await send(a, second.id), 422, 'verification_already_verified')
    assertSame(good(await a.browser.call('GET', `${emails}/${second.id}`)).response.id, second.id)
    assertSame(good(await a.browser.call('GET', emails)).response.map((e) => e.id), [primary.id, second.id])
  })

  await check('it signs in; one that is only claimed does not', async () => {
    const x = await pool.browser()
    assertSame(good(await x.call('POST', '/client/sign_ins', { identifier: 'second@example.com', password: PASSWORD })).response.status, 'complete')
    const third = good(await add(a, 'third@example.com')).response
    is(await (await pool.browser()).call('POST', '/client/sign_ins', { identifier: 'third@example.com', password: PASSWORD }), 422, 'form_identifier_not_found', 'identifier')
    const factors = good(await (await pool.browser()).call('POST', '/client/sign_ins', { identifier: a.address })).text
    assert(!factors.includes('third@example.com') && factors.includes('second@example.com'), 'factors')
    good(await a.browser.call('DELETE', `${emails}/${third.id}`))
  })

  await check('refused: no address, one twice, one that somebody has, no parameter', async () => {
    for (const bad of ['x', 'a@b', '@example.com', 'a b@example.com', `${'x'.repeat(65)}@example.com`])
      is(await add(a, bad), 422, 'form_param_format_invalid', 'email_address')
    is(await add(a, ''), 422, 'form_param_missing', 'email_address')
    is(await add(a, `${'x'.repeat(2000)}@example.com`), 422, 'form_param_format_invalid', 'email_address')
    for (const taken of [a.address, 'second@example.com', b.address.toUpperCase()])
      is(await add(a, taken), 422, 'form_identifier_exists', 'email_address')
    is(await on(a, second.id, 'prepare_verification', {}), 422, 'form_param_missing', 'strategy')
    for (const strategy of ['email_link', 'password', 'enterprise_sso'])
      is(await on(a, second.id, 'prepare_verification', { strategy }), 422, 'form_param_value_invalid', 'strategy')
  })

  await check("another user's address, one that is not there: 404, and nothing happens", async () => {
    for (const id of [second.id, NOBODY.idn, 'idn_x', a.user]) {
      is(await b.browser.call('GET', `${emails}/${id}`), 404, 'resource_not_found')
      is(await b.browser.call('DELETE', `${emails}/${id}`), 404, 'resource_not_found')
      is(await send(b, id), 404, 'resource_not_found')
      is(await on(b, id, 'attempt_verification', { code: '000000' }), 404, 'resource_not_found')
      if (id.length <= 41) is(await b.browser.call('PATCH', '/me', { primary_email_address_id: id }), 404, 'resource_not_found')
    }
    assertSame((await me(a)).email_addresses.length, 2)
  })

  await check('the primary one: only to a verified one of their own; the last and the primary stay', async () => {
    const claimed = good(await add(a, 'claimed@example.com')).response
    is(await a.browser.call('PATCH', '/me', { primary_email_address_id: claimed.id }), 422, 'form_param_value_invalid', 'primary_email_address_id')
    is(await a.browser.call('DELETE', `${emails}/${primary.id}`), 400, 'primary_identification_deletion_failed')
    const r = good(await a.browser.call('PATCH', '/me', { primary_email_address_id: second.id })).response
    assertSame([r.primary_email_address_id, r.email_addresses[0].id], [second.id, second.id])
    assertSame(good(await a.browser.call('GET', at(a))).response.public_user_data.identifier, 'second@example.com')
    const gone = good(await a.browser.call('DELETE', `${emails}/${primary.id}`))
    assertSame(gone.response, { object: 'email_address', id: primary.id, deleted: true })
    is(await a.browser.call('DELETE', `${emails}/${second.id}`), 400, 'identification_deletion_failed')
    good(await a.browser.call('DELETE', `${emails}/${claimed.id}`))
    is(await a.browser.call('DELETE', `${emails}/${claimed.id}`), 404, 'resource_not_found')
    assertSame((await me(a)).email_addresses.map((e) => e.id), [second.id])
  })

  await check('two claim one address: who verifies first has it, and the other one learns it then', async () => {
    const mine = good(await add(a, 'both@example.com')).response, theirs = good(await add(b, 'both@example.com')).response
    good(await send(a, mine.id))
    const code = await pool.code('both@example.com')
    good(await send(b, theirs.id))
    is(await on(b, theirs.id, 'attempt_verification', { code }), 422, 'form_code_incorrect', 'code') // a's code is not b's
    good(await on(b, theirs.id, 'attempt_verification', { code: await pool.code('both@example.com') }))
    const late = is(await on(a, mine.id, 'attempt_verification', { code }), 422, 'form_identifier_exists', 'email_address')
    assertSame(late.client.sessions[0].user.email_addresses.map((e) => e.verification?.status), ['verified', 'unverified'])
    assertSame((await elsewhere({ address: 'both@example.com' })).user, undefined)
    assertSame((await me(b)).email_addresses.length, 2)
    good(await a.browser.call('DELETE', `${emails}/${mine.id}`))
  })

  await check('guessing a code ends after five tries, also for the right one; and new codes after ten', async () => {
    const row = good(await add(a, 'guess@example.com')).response
    is(await on(a, row.id, 'attempt_verification', { code: '123456' }), 422, 'verification_expired', 'code') // none was sent
    good(await send(a, row.id))
    const code = await pool.code('guess@example.com')
    const wrong = code === '111111' ? '222222' : '111111'
    for (const bad of ['', '9'.repeat(33)])
      assertSame((await on(a, row.id, 'attempt_verification', { code: bad })).status, 422)
    for (let i = 1; i <= 5; i++)
      is(await on(a, row.id, 'attempt_verification', { code: wrong }), 422, i < 5 ? 'form_code_incorrect' : 'verification_failed', 'code')
    is(await on(a, row.id, 'attempt_verification', { code }), 422, 'verification_failed', 'code')
    assertSame(good(await a.browser.call('GET', `${emails}/${row.id}`)).response.verification.status, 'failed')
    for (let i = 2; i <= 10; i++) good(await send(a, row.id))
    is(await send(a, row.id), 429, 'too_many_requests')
    good(await a.browser.call('DELETE', `${emails}/${row.id}`))
  })

  await check('twenty addresses, and no more', async () => {
    const have = (await me(b)).email_addresses.length
    for (let i = have; i < 20; i++) good(await add(b, `many${i}@example.com`))
    is(await add(b, 'one-more@example.com'), 422, 'email_addresses_exceeded', 'email_address')
    assertSame((await me(b)).email_addresses.length, 20)
  })
}

async function passwords() {
  const change = (who, fields) => who.browser.call('POST', '/me/change_password', fields)

  await check('a new password: the others stay signed in, the old one is gone', async () => {
    const a = await somebody(), other = await elsewhere(a)
    const r = good(await change(a, { current_password: PASSWORD, new_password: 'another one 1' }))
    assert(r.response.password_enabled && r.response.password_last_updated_at > 0, 'user')
    assertSame((await me(other)).id, a.user)
    is(await (await pool.browser()).call('POST', '/client/sign_ins', { identifier: a.address, password: PASSWORD }), 422, 'form_password_incorrect', 'password')
    await elsewhere(a, 'another one 1')
  })

  await check('sign_out_of_other_sessions: every other browser is out, this one is not', async () => {
    const a = await somebody(), others = [await elsewhere(a), await elsewhere(a)]
    const stranger = await somebody()
    good(await change(a, { current_password: PASSWORD, new_password: 'another one 2', sign_out_of_other_sessions: 'true' }))
    for (const o of others) {
      is(await o.browser.call('POST', at(o, '/tokens'), {}), 401, 'authentication_invalid')
      const c = good(await o.browser.call('GET', '/client')).response
      assertSame([c.sessions, c.last_active_session_id], [[], null])
      assertSame(good(await o.browser.call('GET', at(o))).response.status, 'revoked')
    }
    assertSame((await me(a)).id, a.user)
    assertSame((await me(stranger)).id, stranger.user)
  })

  await check('refused: too short, too long, none, no text, not a yes or no', async () => {
    const a = await somebody()
    is(await change(a, { current_password: PASSWORD, new_password: 'short' }), 422, 'form_password_length_too_short', 'new_password')
    is(await change(a, { current_password: PASSWORD, new_password: 'x'.repeat(73) }), 422, 'form_password_size_in_bytes_exceeded', 'new_password')
    is(await change(a, { current_password: PASSWORD }), 422, 'form_param_missing', 'new_password')
    is(await change(a, { current_password: PASSWORD, new_password: 'good enough', sign_out_of_other_sessions: 'perhaps' }), 422, 'form_param_format_invalid', 'sign_out_of_other_sessions')
    is(await change(a, { current_password: 'x'.repeat(5000), new_password: 'good enough' }), 422, 'form_param_format_invalid', 'current_password')
    await elsewhere(a)
  })

  await check('a wrong current password: refused, counted, and nothing else; a right one clears the count', async () => {
    const a = await somebody(), other = await elsewhere(a)
    const left = async () => (await me(a)).verification_attempts_remaining
    assertSame(await left(), 100)
    for (let i = 1; i <= 3; i++) {
      is(await change(a, { current_password: 'wrong wrong', new_password: 'good enough', sign_out_of_other_sessions: 'true' }), 422, 'form_password_validation_failed', 'current_password')
      assertSame(await left(), 100 - i)
    }
    assertSame((await me(other)).id, a.user)
    await elsewhere(a)
    is(await change(a, { current_password: 'wrong wrong', new_password: 'good enough' }), 422, 'form_password_validation_failed', 'current_password')
    good(await change(a, { current_password: PASSWORD, new_password: 'good enough' }))
    assertSame(await left(), 100)
  })
}

async function devices() {
  const a = await somebody(), phone = await elsewhere(a), stranger = await somebody()
  const list = async (who) => good(await who.browser.call('GET', '/me/sessions/active')).body

  await check('devices: a bare array of both, by the names of their browsers; no tokens, no user', async () => {
    good(await a.browser.call('POST', at(a, '/touch'), {}, { headers: { 'User-Agent': FOX } }))
    good(await phone.browser.call('POST', at(phone, '/touch'), {}, { headers: { 'User-Agent': PHONE } }))
    const all = await list(a)
    assertSame(all.map((s) => s.id).sort(), [a.session, phone.session].sort())
    const by = Object.fromEntries(all.map((s) => [s.id, s]))
    const { latest_activity: fox } = by[a.session], { latest_activity: safari } = by[phone.session]
    assertSame([fox.object, fox.browser_name, fox.browser_version, fox.device_type, fox.is_mobile], ['session_activity', 'Firefox', '145', 'Linux', false])
    assertSame([safari.browser_name, safari.device_type, safari.is_mobile], ['Safari', 'iPhone', true])
    for (const s of all) assertSame([s.status, s.user, s.last_active_token, /^sess_activity_[0-9A-Za-z]{27}$/.test(s.latest_activity.id)], ['active', null, null, true])
    assertSame((await list(stranger)).length, 1)
  })

  await check('a User-Agent of any length or bytes is borne', async () => {
    good(await a.browser.call('POST', at(a, '/touch'), {}, { headers: { 'User-Agent': `Firefox/1 ${'x'.repeat(4000)}` } }))
    good(await a.browser.call('POST', at(a, '/touch'), {}, { headers: { 'User-Agent': '"\u00ff\u00fe Chrome/7' } }))
    assertSame((await list(a)).find((s) => s.id === a.session).latest_activity.browser_name, 'Chrome')
  })

  await check('signing a device out: its session is revoked, this one stays', async () => {
    const before = good(await phone.browser.call('GET', '/client')).response
    const r = good(await a.browser.call('POST', `/me/sessions/${phone.session}/revoke`, {}))
    assertSame([r.response.status, r.response.latest_activity.browser_name], ['revoked', 'Safari'])
    is(await phone.browser.call('POST', at(phone, '/tokens'), {}), 401, 'authentication_invalid')
    const after = good(await phone.browser.call('GET', '/client')).response
    assertSame([after.last_active_session_id, after.updated_at > before.updated_at], [null, true], 'the client that held it knows')
    assertSame((await list(a)).map((s) => s.id), [a.session])
  })

  await check("signing out what is another user's, or nobody's: 404, and nothing happens", async () => {
    for (const id of [stranger.session, NOBODY.sess, 'sess_x'])
      is(await a.browser.call('POST', `/me/sessions/${id}/revoke`, {}), 404, 'resource_not_found')
    assertSame((await me(stranger)).id, stranger.user)
  })

  await check('signing out this very device ends it as any', async () => {
    const b = await somebody()
    const r = good(await b.browser.call('POST', `/me/sessions/${b.session}/revoke`, {}))
    assertSame([r.response.status, r.client.sessions], ['revoked', []])
    is(await b.browser.call('GET', '/me'), 401, 'authentication_invalid')
  })
}

async function endings() {
  await check('the end of an account: every browser is out, the address is free, the tokens are no more', async () => {
    const a = await somebody(), other = await elsewhere(a)
    const r = good(await a.browser.call('DELETE', '/me'))
    assertSame(r.response, { object: 'user', id: a.user, deleted: true })
    assertSame([r.client.sessions, r.client.last_active_session_id], [[], null])
    for (const who of [a, other]) {
      is(await who.browser.call('GET', '/me'), 401, 'authentication_invalid')
      assert([401, 404].includes((await who.browser.call('POST', at(who, '/tokens'), {})).status), 'a token of somebody who is gone')
    }
    is(await (await pool.browser()).call('POST', '/client/sign_ins', { identifier: a.address, password: PASSWORD }), 422, 'form_identifier_not_found', 'identifier')
    const again = await pool.browser()
    const done = await again.signUp(a.address, PASSWORD)
    assert(done.response.created_user_id !== a.user, 'a new user')
  })
}

// Makes sessions older than a proof is good for, and what else a client cannot: in the file, while nobody has it open.
async function later(sql) {
  await daemon.stop()
  execFileSync('python3', ['-c', 'import sqlite3,sys\nd=sqlite3.connect(sys.argv[1])\nd.executescript(sys.argv[2])\nd.commit()', path.join(daemon.data, 'builds', pool.build, 'auth.db'), sql])
  await daemon.start()
}

async function proofs() {
  const a = await somebody(), other = await elsewhere(a), bare = await somebody(), banned = await somebody(), locked = await somebody(), apart = await somebody()
  const claimed = good(await a.browser.call('POST', '/me/email_addresses', { email_address: 'claimed2@example.com' })).response
  const second = good(await a.browser.call('POST', '/me/email_addresses', { email_address: 'proof2@example.com' })).response
  good(await a.browser.call('POST', `/me/email_addresses/${second.id}/prepare_verification`, { strategy: 'email_code' }))
  good(await a.browser.call('POST', `/me/email_addresses/${second.id}/attempt_verification`, { code: await pool.code('proof2@example.com') }))
  const first = (await me(a)).primary_email_address_id
  await later(`UPDATE sessions SET verified_at = verified_at - 601000;
    UPDATE users SET digest = NULL, digest_kind = NULL WHERE id = '${bare.user}';
    UPDATE users SET banned = 1 WHERE id = '${banned.user}';
    UPDATE users SET failures = 100, failures_since = (SELECT max(updated_at) FROM sessions) WHERE id = '${locked.user}';`)
  const verify = (who, rest, fields) => who.browser.call('POST', at(who, `/verify${rest}`), fields)
  const code = (who, value) => verify(who, '/attempt_first_factor', { strategy: 'email_code', code: value })
  const password = (who, value) => verify(who, '/attempt_first_factor', { strategy: 'password', password: value })

  await check('somebody who is banned has no session any more', async () => {
    is(await banned.browser.call('POST', at(banned, '/tokens'), {}), 401, 'authentication_invalid')
    is(await banned.browser.call('POST', at(banned, '/touch'), {}), 401, 'authentication_invalid')
    is(await banned.browser.call('GET', '/me'), 401, 'authentication_invalid')
    assertSame(good(await banned.browser.call('GET', '/client')).response.sessions, [])
  })

  await check('a session of which nobody has proved for ten minutes whose it is does nothing dear', async () => {
    const dear = [['POST', '/me/change_password', { new_password: 'good enough' }], ['POST', '/me/email_addresses', { email_address: 'new@example.com' }],
      ['DELETE', `/me/email_addresses/${second.id}`], ['PATCH', '/me', { primary_email_address_id: second.id, first_name: 'Eve' }],
      ['POST', `/me/sessions/${other.session}/revoke`, {}], ['DELETE', '/me']]
    for (const [method, p, fields] of dear) is(await a.browser.call(method, p, fields), 403, 'session_reverification_required')
    is(await bare.browser.call('POST', '/me/change_password', { new_password: 'good enough' }), 403, 'session_reverification_required')
    const u = await me(a)
    assertSame([u.first_name, u.primary_email_address_id, u.email_addresses.length], [null, first, 3])
    assertSame(good(await a.browser.call('PATCH', '/me', { last_name: '', primary_email_address_id: first })).response.id, a.user) // what is so already
    assertSame((await me(other)).id, a.user)
  })

  await check('a current password is a proof of its own', async () => {
    good(await apart.browser.call('POST', '/me/change_password', { current_password: PASSWORD, new_password: 'good enough' }))
  })

  await check('a proof begins with what there is to prove by', async () => {
    const r = good(await verify(a, '', { level: 'second_factor' })).response
    assertSame([r.object, r.status, r.level, r.first_factor_verification], ['session_verification', 'needs_first_factor', 'first_factor', null])
    assertSame(r.supported_first_factors.map((f) => [f.strategy, f.safe_identifier]), [['password', undefined], ['email_code', a.address], ['email_code', 'proof2@example.com']])
    assertSame(differences(r.session, sample('fapi-session-touch').response), [])
    assertSame(good(await verify(bare, '', {})).response.supported_first_factors.map((f) => f.strategy), ['email_code'])
  })

  await check('a proof that is none: refused, counted, and the session as stale as before', async () => {
    is(await password(a, 'wrong wrong'), 422, 'form_password_incorrect', 'password')
    assertSame((await me(a)).verification_attempts_remaining, 99)
    is(await password(bare, PASSWORD), 422, 'form_password_incorrect', 'password')
    is(await password(locked, PASSWORD), 403, 'user_locked')
    is(await verify(a, '/attempt_first_factor', {}), 422, 'form_param_missing', 'strategy')
    is(await verify(a, '/attempt_first_factor', { strategy: 'password' }), 422, 'form_param_missing', 'password')
    for (const strategy of ['passkey', 'phone_code', 'reset_password_email_code'])
      is(await verify(a, '/attempt_first_factor', { strategy, code: '1' }), 422, 'form_param_value_invalid', 'strategy')
    is(await verify(a, '/prepare_first_factor', { strategy: 'password' }), 422, 'form_param_value_invalid', 'strategy')
    is(await code(a, '123456'), 422, 'verification_expired', 'code') // none was sent
    for (const id of [claimed.id, NOBODY.idn, (await me(other)).id.slice(0, 20)])
      is(await verify(a, '/prepare_first_factor', { strategy: 'email_code', email_address_id: id }), 404, 'resource_not_found')
    is(await a.browser.call('DELETE', '/me'), 403, 'session_reverification_required')
  })

  await check('by code: of this session and this address alone, five tries', async () => {
    const sent = good(await verify(a, '/prepare_first_factor', { strategy: 'email_code', email_address_id: second.id })).response
    assertSame([sent.status, sent.first_factor_verification.status, sent.first_factor_verification.strategy], ['needs_first_factor', 'unverified', 'email_code'])
    const right = await pool.code('proof2@example.com')
    good(await verify(other, '/prepare_first_factor', { strategy: 'email_code', email_address_id: second.id }))
    is(await code(other, right), 422, 'form_code_incorrect', 'code') // is the other session's
    const wrong = right === '111111' ? '222222' : '111111'
    for (let i = 1; i <= 5; i++) is(await code(a, wrong), 422, i < 5 ? 'form_code_incorrect' : 'verification_failed', 'code')
    is(await code(a, right), 422, 'verification_failed', 'code')
    assertSame((await me(a)).verification_attempts_remaining, 99 - 1 - 5, 'each wrong code is counted, as a password is')
    is(await code(locked, '123456'), 403, 'user_locked')
    is(await a.browser.call('DELETE', '/me'), 403, 'session_reverification_required')
    good(await verify(a, '/prepare_first_factor', { strategy: 'email_code', email_address_id: second.id }))
    const done = good(await code(a, await pool.code('proof2@example.com')))
    assertSame([done.response.status, done.response.first_factor_verification.status, done.response.session.factor_verification_age], ['complete', 'verified', [0, -1]])
    assertSame(of(done.response.session.last_active_token.jwt).fva, [0, -1], 'the token that the app sees')
    assertSame(of(done.client.sessions[0].last_active_token.jwt).fva, [0, -1], "the client's token")
    is(await code(a, await pool.code('proof2@example.com')), 422, 'verification_expired', 'code') // good once
    good(await a.browser.call('PATCH', '/me', { primary_email_address_id: second.id }))
    is(await other.browser.call('DELETE', '/me'), 403, 'session_reverification_required')
  })

  await check('by password: then what was refused is done', async () => {
    const done = good(await password(other, PASSWORD)).response
    assertSame([done.status, done.first_factor_verification.strategy, done.session.id], ['complete', 'password', other.session])
    assertSame((await me(a)).verification_attempts_remaining, 100)
    good(await other.browser.call('POST', `/me/sessions/${a.session}/revoke`, {}))
    good(await other.browser.call('DELETE', '/me'))
  })

  await check('who has no password sets one after a code', async () => {
    good(await verify(bare, '/prepare_first_factor', { strategy: 'email_code' }))
    good(await code(bare, await pool.code(bare.address)))
    const r = good(await bare.browser.call('POST', '/me/change_password', { new_password: 'first of all' })).response
    assertSame(r.password_enabled, true)
    await elsewhere(bare, 'first of all')
  })
}

export default async function () {
  daemon = await startDaemon()
  for (const part of [sessions, profile, addresses, passwords, devices, endings, proofs]) {
    pool = await Pool.of(daemon, `me-${part.name}`) // a build each: nobody waits for the rate of sign-ups
    await part()
  }
  await daemon.stop()
}
