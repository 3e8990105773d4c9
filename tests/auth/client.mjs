// What a browser has before anybody signs in, its client and sign-out, the build's public key, and the two ends of a handshake.
import { createPublicKey, verify } from 'node:crypto'

import { request } from '../lib/daemon.mjs'
import { assert, assertSame, check, ok, same } from '../lib/tap.mjs'
import { Pool, differences, restartAt, sample, startDaemon } from './lib.mjs'

const APP = 'http://localhost:3000'
const b64 = (s) => Buffer.from(s, 'base64url')
const claimsOf = (jwt) => JSON.parse(b64(jwt.split('.')[1]))
const headerOf = (jwt) => JSON.parse(b64(jwt.split('.')[0]))

const jwks = async (pool, path = '/v1/.well-known/jwks.json') => (await request(`${pool.gateway}${path}`)).json()

// By a library that knows nothing of us.
function verified(jwt, { keys }) {
  const [head, body, signature] = jwt.split('.')
  const jwk = keys.find((k) => k.kid === headerOf(jwt).kid)
  return Boolean(jwk) && verify('RSA-SHA256', Buffer.from(`${head}.${body}`), createPublicKey({ key: jwk, format: 'jwk' }), b64(signature))
}

const tokenOf = (client) => client.sessions[0].last_active_token.jwt

// A navigation: no Origin, no redirect followed. `nonce` of the Location, if there is one.
async function handshake(pool, redirect, { browser, query = '' } = {}) {
  const q = `redirect_url=${encodeURIComponent(redirect)}&__clerk_api_version=2026-05-12&suffixed_cookies=true&format=nonce` + (browser ? `&__clerk_db_jwt=${browser}` : '') + query
  const r = await request(`${pool.gateway}/v1/client/handshake?${q}`, { headers: { 'Sec-Fetch-Dest': 'document' } })
  const to = r.headers.location
  return { status: r.status, to, text: r.text, headers: r.headers, nonce: to && new URL(to).searchParams.get('__clerk_handshake_nonce') }
}

const payload = (pool, nonce, options) => pool.backend('GET', `/clients/handshake_payload?nonce=${nonce}`, undefined, options)

const cookie = (directives, name) => directives.find((d) => d.startsWith(`${name}=`))?.slice(name.length + 1).split(';')[0]

async function browsers(pool, other) {
  await check('a new browser', async () => {
    const b = await pool.browser()
    const r = await b.call('POST', '/dev_browser')
    assertSame(r.status, 200)
    assertSame(differences(r.body, { id: '', object: '' }), [])
    assert(/^dvb_[0-9A-Za-z]{27}$/.test(r.body.id) && r.body.id !== b.id, r.text)
    assertSame(r.body.object, 'dev_browser')
    assertSame(r.headers['content-type'], 'application/json')
    assertSame(r.headers['cache-control'], 'no-store')
    assertSame(r.headers['access-control-allow-origin'], APP)
  })
  await check('a page of a foreign origin gets none', async () => {
    const b = await pool.browser()
    const r = await b.call('POST', '/dev_browser', {}, { headers: { Origin: 'https://evil.example' } })
    assert(r.status === 400 && r.code === 'origin_invalid' && !/dvb_/.test(r.text) && !r.headers['access-control-allow-origin'], `${r.status} ${r.text}`)
  })
  for (const [name, id] of [['no', null], ['an unknown', `dvb_${'A'.repeat(27)}`], ['a malformed', "dvb_' OR 1"], ['a long', `dvb_${'A'.repeat(5000)}`], ["another build's", (await other.browser()).id]])
    await check(`${name} browser's id: 401`, async () => {
      const b = await pool.browser()
      for (const [method, path] of [['GET', '/client'], ['PUT', '/client'], ['POST', '/client'], ['DELETE', '/client'], ['DELETE', '/client/sessions']]) {
        const r = await b.call(method, path, undefined, { browser: id })
        assertSame([r.status, r.code], [401, 'dev_browser_unauthenticated'], `${method} ${path}`)
        assertSame(differences(r.body, sample('fapi-error-dev_browser_unauthenticated')), [])
      }
    })
}

async function environment(pool, daemon) {
  await check("the environment is the sample's", async () => {
    const b = await pool.browser()
    for (const method of ['GET', 'PATCH']) {
      const want = sample('fapi-environment')
      const r = await b.call(method, '/environment', undefined, { browser: null })
      assertSame(r.status, 200)
      assertSame(differences(r.body, want), [], method)
      assertSame(r.body.display_config.application_name, pool.build)
      const mine = JSON.parse(r.text.replaceAll(`ins_${pool.build}`, 'ins_b1'))
      mine.display_config.application_name = want.display_config.application_name
      // what is told of users and where the pages are is the setting's; everything else is as the SDKs accepted it
      for (const v of [mine, want]) {
        v.display_config.sign_in_url = v.display_config.sign_up_url = ''
        delete v.user_settings.attack_protection.enumeration_protection
      }
      assertSame(mine, want, method)
    }
    const five = await b.call('GET', '/environment', undefined, { query: { _clerk_js_version: '5.128.0' } })
    assertSame(five.body.display_config.clerk_js_version, '5')
  })
  await check('cookies are partitioned only where browsers keep Secure ones; in handshakes likewise', async () => {
    const plain = new Pool(daemon, 'plain', (await daemon.createBuild('plain', ['--origin', 'http://app.test:3000'])).env)
    const b = await plain.browser().catch(() => undefined)
    assert(!b?.id, 'a page of localhost is no origin of that build')
    const r = await request(`${plain.gateway}/v1/environment`, { headers: { Origin: 'http://app.test:3000' } })
    assertSame(r.json().partitioned_cookies, false)
    const h = await handshake(plain, 'http://app.test:3000/a')
    assertSame(h.status, 307)
    const { directives } = (await payload(plain, h.nonce)).body
    assert(directives.every((d) => d.endsWith('; SameSite=Lax')), directives.join('\n'))
    assertSame((await handshake(plain, `${APP}/a`)).status, 400)
  })
}

async function clients(pool, other) {
  const b = await pool.browser()
  await check('no client, then one', async () => {
    assertSame((await b.call('GET', '/client')).body, { response: null, client: null })
    assertSame((await b.call('DELETE', '/client/sessions')).body, { response: null, client: null })
    const made = await b.call('PUT', '/client')
    assertSame(made.status, 200)
    assertSame(made.body.client, null)
    assert(/^client_[0-9A-Za-z]{27}$/.test(made.response.id), made.text)
    assertSame(made.response.sessions, [])
    for (const method of ['GET', 'PUT', 'POST']) assertSame((await b.call(method, '/client')).response.id, made.response.id)
    assertSame(b.id.length, 31)
  })
  await check('signed in: the client of the sample', async () => {
    await b.signUp('ada@example.com', 'correct horse battery')
    const r = await b.call('GET', '/client')
    assertSame(differences(r.body, sample('fapi-client-signed_in')), [])
    assertSame(r.response.last_active_session_id, r.response.sessions[0].id)
    assert(!r.text.includes('private_metadata') && !r.text.includes('$argon2'), 'nothing secret')
    const jwt = tokenOf(r.response)
    const { iat, exp, nbf, jti, ...rest } = claimsOf(jwt)
    assertSame([exp - iat, iat - nbf], [60, 10])
    assert(/^[0-9a-f]{20}$/.test(jti), jti)
    assertSame(rest, { azp: APP, fva: [0, -1], iss: `https://${pool.build}.vk_accounts.dev`, sid: r.response.sessions[0].id, sts: 'active', sub: r.response.sessions[0].user.id, v: 2 })
    assertSame(headerOf(jwt), { alg: 'RS256', cat: 'cl_B7d4PD111AAA', kid: `ins_${pool.build}`, typ: 'JWT' })
    assert(iat >= Math.floor(r.response.updated_at / 1000), 'iat is not before the client changed')
  })
  await check('the same token for a few seconds, for each origin its own', async () => {
    const jwt = tokenOf((await b.call('GET', '/client')).response)
    assertSame(tokenOf((await b.call('GET', '/client')).response), jwt)
    const elsewhere = tokenOf((await b.call('GET', '/client', undefined, { headers: { Origin: 'http://localhost:5173' } })).response)
    assertSame(claimsOf(elsewhere).azp, 'http://localhost:5173')
    assertSame(tokenOf((await b.call('GET', '/client')).response), jwt)
  })
  await check("the build's keys verify its tokens, and nobody else's", async () => {
    const keys = await jwks(pool)
    assertSame(await jwks(pool, '/.well-known/jwks.json'), keys)
    assertSame(keys.keys.map((k) => Object.keys(k).sort().join()), ['alg,e,kid,kty,n,use'])
    const jwt = tokenOf((await b.call('GET', '/client')).response)
    assert(verified(jwt, keys), 'by node:crypto')
    const [h, , s] = jwt.split('.')
    const forged = Buffer.from(JSON.stringify({ ...claimsOf(jwt), sub: 'user_x' })).toString('base64url')
    assert(!verified(`${h}.${forged}.${s}`, keys), 'a changed one')
    const foreign = await jwks(other)
    assert(foreign.keys[0].n !== keys.keys[0].n && !verified(jwt, { keys: [{ ...foreign.keys[0], kid: `ins_${pool.build}` }] }), "another build's key")
  })
  await check('one session at a time: a new one replaces it', async () => {
    const before = (await b.call('GET', '/client')).response
    const r = await b.call('POST', '/client/sign_ins', { identifier: 'ada@example.com', password: 'correct horse battery' })
    assertSame(r.response.status, 'complete')
    const after = (await b.call('GET', '/client')).response
    assertSame(after.id, before.id)
    assertSame(after.sessions.map((s) => s.id), [r.response.created_session_id])
    assert(after.sessions[0].id !== before.sessions[0].id && after.updated_at > before.updated_at, 'another session, a later change')
    const jwt = tokenOf(after)
    assertSame(claimsOf(jwt).sid, after.sessions[0].id)
  })
  await check('sign-out of everything; the client stays', async () => {
    const before = (await b.call('GET', '/client')).response
    const begun = await b.call('POST', '/client/sign_ins', { identifier: 'ada@example.com' })
    assertSame(begun.client.sign_in.id, begun.response.id)
    const out = await b.call('DELETE', '/client/sessions')
    assertSame(differences(out.body, sample('fapi-sign_out')), [])
    assertSame([out.response.id, out.response.sessions, out.response.sign_in, out.response.last_active_session_id, out.response.last_authentication_strategy], [before.id, [], null, null, 'password'])
    assert(out.response.updated_at > before.updated_at, 'updated_at moves')
    const again = await b.call('DELETE', '/client')
    assertSame(again.response.updated_at, out.response.updated_at, 'updated_at stays')
    // the attempt that was under way is over
    const late = await b.call('POST', `/client/sign_ins/${begun.response.id}/attempt_first_factor`, { strategy: 'password', password: 'correct horse battery' })
    assert(late.status >= 400, late.text)
    assertSame((await b.call('GET', '/client')).response.sessions, [])
  })
  await check('methods as they are, too', async () => {
    for (const method of ['PUT', 'DELETE']) {
      const r = await request(`${pool.gateway}/v1/client?__clerk_db_jwt=${b.id}`, { method, headers: { Origin: APP } })
      assertSame([r.status, r.json().client], [200, null], method)
    }
  })
}

// Whoever put an id of their own into a victim's browser.
async function fixation(pool) {
  await check('who planted the browser sees nothing from the moment that an attempt begins', async () => {
    const planted = await pool.browser()
    await planted.call('PUT', '/client')
    const victim = await pool.browser()
    victim.id = planted.id
    const began = await victim.call('POST', '/client/sign_ups', { email_address: 'vic@example.com', password: 'a password of mine' })
    assertSame(began.status, 200)
    assert(began.headers['clerk-db-jwt'] === victim.id && victim.id !== planted.id, 'a new id')
    const id = began.response.id
    assertSame((await planted.call('GET', '/client')).body, { response: null, client: null })
    for (const [method, path, fields] of [['GET', '', undefined], ['PATCH', '', { password: 'a password of theirs' }], ['POST', '/prepare_verification', { strategy: 'email_code' }]])
      assertSame((await planted.call(method, `/client/sign_ups/${id}${path}`, fields)).status, 404, `${method} ${path}`)
    await victim.call('POST', `/client/sign_ups/${id}/prepare_verification`, { strategy: 'email_code' })
    const done = await victim.call('POST', `/client/sign_ups/${id}/attempt_verification`, { strategy: 'email_code', code: await pool.code('vic@example.com') })
    assertSame(done.response.status, 'complete')
    for (const old of [planted.id, began.headers['clerk-db-jwt']]) {
      const seen = await victim.call('GET', '/client', undefined, { browser: old })
      assertSame(seen.body, { response: null, client: null }, 'an id from before')
      const h = await handshake(pool, APP, { browser: old })
      const { directives } = (await payload(pool, h.nonce)).body
      assertSame([cookie(directives, '__client_uat'), cookie(directives, '__session')], ['0', ''])
    }
    assertSame((await victim.call('GET', '/client')).response.sessions.length, 1)
  })
  await check('who is signed in keeps the id while another attempt begins', async () => {
    const b = await pool.browser()
    await b.signUp('two@example.com', 'two tabs of one browser')
    const id = b.id
    await b.call('POST', '/client/sign_ins', { identifier: 'two@example.com' })
    assertSame(b.id, id)
  })
}

async function handshakes(pool, other) {
  const suffix = async () => {
    const { directives } = (await payload(pool, (await handshake(pool, APP)).nonce)).body
    return directives[3].split('=')[0].slice('__clerk_db_jwt_'.length)
  }
  await check('nobody: a new browser, signed out', async () => {
    const h = await handshake(pool, `${APP}/dash?a=1&b=%20#part`)
    assertSame([h.status, h.text, h.headers['cache-control']], [307, '', 'no-store'])
    assert(/^http:\/\/localhost:3000\/dash\?a=1&b=%20&__clerk_handshake_nonce=[0-9A-Za-z]{32}#part$/.test(h.to), h.to)
    const r = await payload(pool, h.nonce)
    assertSame(r.status, 200)
    assertSame(differences(r.body, sample('bapi-handshake_payload-signed_out-lax')), [])
    assertSame([r.body.nonce, r.body.payload, r.body.directives.length], [h.nonce, '', 6])
    assert(/^dvb_[0-9A-Za-z]{27}$/.test(cookie(r.body.directives, '__clerk_db_jwt')), r.body.directives[0])
    assertSame([cookie(r.body.directives, '__client_uat'), cookie(r.body.directives, '__session')], ['0', ''])
    assert(r.body.directives.every((d) => d.endsWith('; SameSite=None; Secure; Partitioned')), r.body.directives.join('\n'))
    const b = await pool.browser()
    b.id = cookie(r.body.directives, '__clerk_db_jwt')
    assertSame((await b.call('GET', '/client')).body, { response: null, client: null })
    assertSame((await payload(pool, h.nonce)).status, 404, 'once')
  })
  const b = await pool.browser()
  await b.signUp('shake@example.com', 'a handshake by nonce')
  await check('signed in: the session of the app', async () => {
    const { response } = await b.call('GET', '/client')
    const h = await handshake(pool, 'http://127.0.0.1:5173/', { browser: b.id })
    const { directives } = (await payload(pool, h.nonce)).body
    const s = await suffix()
    const jwt = cookie(directives, '__session')
    assertSame(['', `_${s}`].map((x) => [cookie(directives, `__clerk_db_jwt${x}`), cookie(directives, `__client_uat${x}`), cookie(directives, `__session${x}`)]), Array(2).fill([b.id, String(Math.floor(response.updated_at / 1000)), jwt]))
    assert(verified(jwt, await jwks(pool)), 'a token of the build')
    assertSame([claimsOf(jwt).azp, claimsOf(jwt).sid], ['http://127.0.0.1:5173', response.sessions[0].id])
    assert(claimsOf(jwt).iat >= Number(cookie(directives, '__client_uat')), 'iat is not below __client_uat')
  })
  await check('parameters that the SDK would take for an answer go', async () => {
    const h = await handshake(pool, `${APP}/?__clerk_handshake=x&__clerk%5fhandshake_nonce=y&k=1`)
    assertSame(h.to.replace(h.nonce, 'N'), `${APP}/?k=1&__clerk_handshake_nonce=N`)
  })
  const foreign = [
    'https://evil.example/', 'http://localhost:3000.evil.example/', 'http://localhost:3000@evil.example/', 'http://localhost:3000\\@evil.example/',
    'http://evil.example/http://localhost:3000/', '//localhost:3000/', '/dash', '', 'localhost:3000', 'javascript:alert(1)', 'data:text/html,x', 'https://localhost:3000/',
    'http://localhost:30000/', 'http://localhost/', 'http://localhost:3000\t/', ' http://localhost:3000/', 'http:/localhost:3000/', 'http:///localhost:3000/', 'http://loc%61lhost:3000/',
    'http://localhost:3000\r\nX: y', 'http://ⓛocalhost:3000/', 'http://user:pw@localhost:3000/', 'http://localhost.:3000/', 'ftp://localhost:3000/', `http://localhost:3000/${'a'.repeat(5000)}`,
  ]
  await check(`${foreign.length} addresses that are not the app's: 400, nothing else`, async () => {
    for (const url of foreign) {
      const h = await handshake(pool, url, { browser: b.id })
      assertSame([h.status, h.to], [400, undefined], url)
      assertSame(JSON.parse(h.text).errors[0].code, 'redirect_url_invalid', url)
      assert(!h.text.includes('dvb_') && !h.headers['clerk-db-jwt'], url)
    }
    const twice = await handshake(pool, APP, { browser: b.id, query: '&redirect_url=https%3A%2F%2Fevil.example' })
    assertSame([twice.status, twice.to], [400, undefined], 'twice')
    const none = await request(`${pool.gateway}/v1/client/handshake?__clerk_db_jwt=${b.id}`)
    assertSame(none.status, 400, 'none')
  })
  await check("another build's browser and nonce are nobody's here", async () => {
    const h = await handshake(other, APP, { browser: b.id })
    const { directives } = (await payload(other, h.nonce)).body
    assert(cookie(directives, '__clerk_db_jwt') !== b.id, 'a new browser')
    assertSame([cookie(directives, '__client_uat'), cookie(directives, '__session')], ['0', ''])
    const mine = await handshake(pool, APP, { browser: b.id })
    assertSame((await payload(other, mine.nonce)).status, 404, 'the nonce elsewhere')
    assertSame((await payload(pool, mine.nonce, { key: other.secretKey })).status, 401, 'the key of another build')
    assertSame((await payload(pool, mine.nonce, { key: 'sk_test_nothing' })).status, 401, 'no key')
    assertSame((await request(`${pool.gateway}/v1/clients/handshake_payload?nonce=${mine.nonce}`)).status, 501, 'the Frontend API has it not')
    assertSame((await payload(pool, mine.nonce)).status, 200, 'and none of that used it up')
  })
  await check('nonces that are none', async () => {
    for (const n of ['A'.repeat(32), 'A'.repeat(31), "'%20OR%201=1", 'A'.repeat(250)]) assertSame((await payload(pool, n)).status, 404, n)
    assert([400, 422].includes((await payload(pool, '')).status), 'empty')
    assert([400, 422].includes((await pool.backend('GET', '/clients/handshake_payload')).status), 'missing')
  })
  await check('many at a time: each nonce once', async () => {
    const hs = await Promise.all(Array.from({ length: 20 }, () => handshake(pool, APP, { browser: b.id })))
    assertSame(new Set(hs.map((h) => h.nonce)).size, 20)
    const got = await Promise.all(hs.flatMap((h) => [payload(pool, h.nonce), payload(pool, h.nonce)]))
    assertSame(got.map((r) => r.status).sort().join(), [...Array(20).fill(200), ...Array(20).fill(404)].join())
  })
  return b
}

// What the app's server does to a user is seen at the next call.
async function users(pool, other) {
  const signedIn = async (address) => {
    const b = await pool.browser()
    const { response, client } = await b.signUp(address, 'until it is over')
    return { b, user: response.created_user_id, session: response.created_session_id, jwt: tokenOf(client) }
  }
  const over = async ({ b, session }) => {
    assertSame((await b.call('GET', '/client')).response.sessions, [], 'the client')
    const r = await b.call('POST', `/client/sessions/${session}/tokens`)
    assert([401, 404].includes(r.status) && !r.text.includes('eyJ'), `tokens: ${r.status} ${r.text}`)
    assertSame((await b.call('GET', '/me')).status, 401, 'me')
    const { directives } = (await payload(pool, (await handshake(pool, APP, { browser: b.id })).nonce)).body
    assertSame([cookie(directives, '__client_uat'), cookie(directives, '__session')], ['0', ''], 'the handshake')
  }
  for (const [name, method, path] of [['banned', 'POST', (u) => `/users/${u.user}/ban`], ['deleted', 'DELETE', (u) => `/users/${u.user}`], ['whose session was revoked', 'POST', (u) => `/sessions/${u.session}/revoke`]])
    await check(`a user who is ${name} has no token`, async () => {
      const u = await signedIn(`${method}-${name.replaceAll(' ', '-')}@example.com`.toLowerCase())
      const { updated_at: before } = (await u.b.call('GET', '/client')).response
      assertSame((await pool.backend(method, path(u))).status, 200)
      await over(u)
      assert((await u.b.call('GET', '/client')).response.updated_at > before, 'the client has changed')
    })
  await check('a lock keeps a user from signing in, not from going on', async () => {
    const u = await signedIn('locked@example.com')
    assertSame((await pool.backend('POST', `/users/${u.user}/lock`)).status, 200)
    assertSame((await u.b.call('POST', `/client/sessions/${u.session}/tokens`)).status, 200)
    const r = await (await pool.browser()).call('POST', '/client/sign_ins', { identifier: 'locked@example.com', password: 'until it is over' })
    assertSame([r.status, r.code], [403, 'user_locked'])
    assert(!r.headers['clerk-db-jwt'] && !r.text.includes('eyJ'), r.text)
  })
  await check("another client's session: 404, and it goes on", async () => {
    const [mine, theirs] = [await signedIn('mine@example.com'), await signedIn('theirs@example.com')]
    const elsewhere = await other.browser()
    await elsewhere.signUp('mine@example.com', 'the same address elsewhere')
    for (const b of [mine.b, elsewhere])
      for (const path of ['/tokens', '/touch', '/end', '/remove']) assertSame((await b.call('POST', `/client/sessions/${theirs.session}${path}`)).status, 404, path)
    const { response } = await theirs.b.call('GET', '/client')
    assertSame(response.sessions.map((s) => [s.id, s.status]), [[theirs.session, 'active']])
    assertSame((await elsewhere.call('GET', '/client')).response.sessions[0].user.email_addresses[0].email_address, 'mine@example.com')
  })
  await check('after the end of its last session the client is signed out everywhere at once', async () => {
    const u = await signedIn('ends@example.com')
    assertSame((await u.b.call('POST', `/client/sessions/${u.session}/end`)).status, 200)
    await over(u)
  })
}

// The same data, a minute later, with shorter tokens.
async function later(daemon, pool, b) {
  const [soon, late] = [await handshake(pool, APP, { browser: b.id }), await handshake(pool, APP, { browser: b.id })]
  daemon.env = { ...daemon.env, VALETKEY_TEST_TOKEN_SECONDS: '20' }
  await restartAt(daemon, 25000)
  same((await payload(pool, soon.nonce)).status, 200, 'a nonce is good after a restart, in its time')
  await check('tokens of tests are shorter, and say so', async () => {
    const jwt = tokenOf((await b.call('GET', '/client')).response)
    assertSame(claimsOf(jwt).exp - claimsOf(jwt).iat, 20)
    assert(verified(jwt, await jwks(pool)), 'the key is the same')
    assert(/VALETKEY_TEST_TOKEN_SECONDS/.test(daemon.log), 'a word in the log')
  })
  await restartAt(daemon, 61000)
  same((await payload(pool, late.nonce)).status, 404, 'a nonce is no good after 60 s')
  await restartAt(daemon, 8 * 86400000)
  await check('a session of a week ago is over', async () => {
    const { response } = await b.call('GET', '/client')
    assertSame([response.sessions, response.last_active_session_id], [[], null])
    const { directives } = (await payload(pool, (await handshake(pool, APP, { browser: b.id })).nonce)).body
    assertSame([cookie(directives, '__client_uat'), cookie(directives, '__session'), cookie(directives, '__clerk_db_jwt')], ['0', '', b.id])
  })
}

export default async function client() {
  const daemon = await startDaemon()
  // One address may make only so many things for nobody in a build (VK_AUTH_F_TOO_MANY): an area has a build of its own.
  const [pool, other, people, shake] = await Promise.all(['shop', 'other', 'people', 'shake'].map((id) => Pool.of(daemon, id)))
  await browsers(pool, other)
  await environment(pool, daemon)
  await clients(pool, other)
  await fixation(pool)
  await users(people, other)
  const b = await handshakes(shake, other)
  ok(!/dvb_|__clerk_db_jwt|nonce=/.test(daemon.log), 'no browser and no nonce in the log')
  await later(daemon, shake, b)
  await daemon.stop()
}
