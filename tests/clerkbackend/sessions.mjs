// Sessions and their tokens, tickets, and what describes the instance.
import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from 'jose'
import { request } from '../lib/daemon.mjs'
import { assert, assertSame } from '../lib/tap.mjs'
import { isId, ORIGIN, refused } from './rig.mjs'

const DAY = 86_400_000

export async function sessions({ clerk, step, sdk, env, one, two, client, fapi }) {
  const instance = `ins_${one.id}`
  const host = Buffer.from(env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY.split('_')[2], 'base64').toString().slice(0, -1)
  const proxy = env.NEXT_PUBLIC_CLERK_PROXY_URL
  const user = await clerk.users.createUser({ emailAddress: ['session@example.com'], password: 'correct-horse-9' })
  let session
  let token

  await step('a session is made, listed with all filters, and read', async () => {
    session = await clerk.sessions.createSession({ userId: user.id })
    isId(session.id, 'sess')
    assertSame([session.userId, session.status], [user.id, 'active'], 'session')
    assert(Math.abs(session.expireAt - session.createdAt - 7 * DAY) < 1000, `ends ${session.expireAt - session.createdAt} ms after its beginning`)
    const ids = async (params) => { const r = await clerk.sessions.getSessionList(params); return [r.data.map((s) => s.id), r.totalCount] }
    for (const params of [{ userId: user.id }, { userId: user.id, status: 'active' }]) assertSame(await ids(params), [[session.id], 1], JSON.stringify(params))
    assertSame(await ids({ userId: user.id, status: 'revoked' }), [[], 0], 'another status')
    assertSame((await clerk.sessions.getSession(session.id)).userId, user.id, 'read')
    await refused(clerk.sessions.createSession({ userId: `user_${'0'.repeat(27)}` }), 404, 'resource_not_found')
  })

  await step("its token verifies with others' library, by the public key set, and says what Clerk's says", async () => {
    token = (await clerk.sessions.getToken(session.id)).jwt
    const { payload, protectedHeader } = await jwtVerify(token, createRemoteJWKSet(new URL(`${proxy}/.well-known/jwks.json`)), { issuer: `https://${host}`, algorithms: ['RS256'] })
    assertSame(protectedHeader, { alg: 'RS256', cat: 'cl_B7d4PD111AAA', kid: instance, typ: 'JWT' }, 'header')
    const { sub, sid, sts, v, exp, iat, nbf, fva } = payload
    assertSame([sub, sid, sts, v, exp - iat, iat - nbf, fva.length], [user.id, session.id, 'active', 2, 60, 10, 2], 'claims')
    assert(Math.abs(iat * 1000 - Date.now()) < 30_000, `iat ${iat}`)
    const [head, body] = token.split('.')
    for (const bad of [`${head}.${body}.${'A'.repeat(342)}`, token.replace(body, Buffer.from(JSON.stringify({ ...payload, sub: 'user_x' })).toString('base64url'))]) {
      const e = await jwtVerify(bad, createRemoteJWKSet(new URL(`${proxy}/.well-known/jwks.json`))).catch((e) => e)
      assertSame(e.code, 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED', 'a changed one')
    }
  })

  await step('the key set is the same everywhere, has no secret half, and is another for another build', async () => {
    const sets = [await clerk.jwks.getJwks(), (await request(`${proxy}/.well-known/jwks.json`)).json(), (await request(`${proxy}/v1/.well-known/jwks.json`)).json()]
    assertSame([sets[1].keys, sets[2].keys], [sets[0].keys, sets[0].keys], 'three ways')
    assertSame(sets[0].keys.map((k) => [Object.keys(k).sort().join(), k.kid, k.kty, k.alg, k.use, k.e]), [['alg,e,kid,kty,n,use', instance, 'RSA', 'RS256', 'sig', 'AQAB']], 'key')
    assertSame(Buffer.from(sets[0].keys[0].n, 'base64url').length, 256, 'bytes of n')
    const others = await client(two.env).jwks.getJwks()
    const e = await jwtVerify(token, createLocalJWKSet({ keys: others.keys.map((k) => ({ ...k, kid: instance })) })).catch((e) => e)
    assertSame(e.code, 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED', "with the other build's key")
  })

  await step("verifyToken and authenticateRequest, of Clerk's own, take it, and refuse the other build's", async () => {
    const secrets = { secretKey: env.CLERK_SECRET_KEY, apiUrl: env.CLERK_API_URL }
    const options = { ...secrets, publishableKey: env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, proxyUrl: proxy }
    const state = (headers, who = clerk, other = {}) => who.authenticateRequest(new Request(`${ORIGIN}/api/me`, { headers }), { ...options, ...other })
    // First: the client of SDK 6 remembers keys by their id alone, for the whole process, whoever has asked for them.
    const other = { secretKey: two.env.CLERK_SECRET_KEY, apiUrl: two.env.CLERK_API_URL, publishableKey: two.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY }
    assertSame((await state({ Authorization: `Bearer ${token}` }, client(two.env), other)).status, 'signed-out', 'at the other build')
    assertSame((await sdk.verifyToken(token, secrets)).sub, user.id, 'verifyToken')
    const { iat } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
    const cookies = { Cookie: `__session=${token}; __client_uat=${iat}; __clerk_db_jwt=dvb_x` }
    for (const [what, headers] of [['a bearer', { Authorization: `Bearer ${token}` }], ['cookies', cookies]]) {
      const r = await state(headers)
      assertSame([r.status, r.toAuth()?.userId, r.toAuth()?.sessionId], ['signed-in', user.id, session.id], what)
    }
    assertSame((await state({})).status, 'signed-out', 'nothing')
  })

  await step('a revoked session gives no token', async () => {
    assertSame((await clerk.sessions.revokeSession(session.id)).status, 'revoked', 'revoked')
    assertSame((await clerk.sessions.getSession(session.id)).status, 'revoked', 'read')
    const e = await clerk.sessions.getToken(session.id).catch((e) => e)
    assert([401, 404].includes(e.status) && e.errors?.length === 1, `a token of a revoked session: ${JSON.stringify(e)}`)
    await refused(clerk.sessions.getSession(`sess_${'0'.repeat(27)}`), 404, 'resource_not_found')
  })

  await step('banning or deleting a user ends the sessions', async () => {
    const first = await clerk.sessions.createSession({ userId: user.id })
    await clerk.users.banUser(user.id)
    assert((await clerk.sessions.getSession(first.id)).status !== 'active', 'active after the ban')
    await clerk.users.unbanUser(user.id)
    const second = await clerk.sessions.createSession({ userId: user.id })
    const leaver = await clerk.users.createUser({ emailAddress: ['leaver@example.com'], password: 'correct-horse-9' })
    const third = await clerk.sessions.createSession({ userId: leaver.id })
    await clerk.users.deleteUser(leaver.id)
    const status = await clerk.sessions.getSession(third.id).then((s) => s.status, (e) => e.status)
    assert(status === 'removed' || status === 404, `of a deleted user: ${status}`)
    assertSame((await clerk.sessions.getSession(second.id)).status, 'active', "another user's")
  })

  const newBrowser = async () => (await fapi('POST', '/v1/dev_browser')).json().id

  await step('a sign-in token signs in, once', async () => {
    const ticket = await clerk.signInTokens.createSignInToken({ userId: user.id, expiresInSeconds: 600 })
    assertSame([ticket.userId, ticket.status], [user.id, 'pending'], 'ticket')
    assert(ticket.token.length >= 32 && URL.canParse(ticket.url) && ticket.url.includes(ticket.token), `url ${ticket.url}`)
    const browser = await newBrowser()
    const form = { strategy: 'ticket', ticket: ticket.token }
    const { response, client: has } = (await fapi('POST', '/v1/client/sign_ins', { browser, form })).json()
    assertSame([response.status, has.sessions.map((s) => s.user.id)], ['complete', [user.id]], 'sign-in')
    const [made] = has.sessions
    isId(has.id, 'client')
    const listed = await clerk.sessions.getSessionList({ clientId: has.id })
    assertSame([listed.data.map((s) => s.id), listed.totalCount], [[made.id], 1], 'sessions of the client')
    const again = await fapi('POST', '/v1/client/sign_ins', { browser: await newBrowser(), form })
    assert(again.status >= 400 && again.status < 500 && again.json().errors.length === 1, `used twice: ${again.status} ${again.text}`)
  })

  await step('a testing token is given, and does no harm', async () => {
    // The client has no class for it, and gives the answer as it came.
    const { token: testing, expires_at: until } = await clerk.testingTokens.createTestingToken()
    assert(testing.length >= 16 && until > Date.now() / 1000, `${testing} until ${until}`)
    const r = await fapi('GET', '/v1/environment', { query: { __clerk_testing_token: testing } })
    assertSame([r.status, r.json().object], [200, 'environment'], 'environment')
  })

  await step('an invitation is made, listed, and revoked', async () => {
    const { invitations } = clerk
    const made = await invitations.createInvitation({ emailAddress: 'Guest@example.com', publicMetadata: { team: 7 }, redirectUrl: `${ORIGIN}/welcome`, notify: false })
    assertSame([made.emailAddress, made.publicMetadata, made.status, made.revoked ?? false], ['guest@example.com', { team: 7 }, 'pending', false], 'invitation')
    isId(made.id, 'inv')
    assertSame((await invitations.getInvitationList()).data.map((i) => i.id), [made.id], 'list')
    assertSame((await invitations.revokeInvitation(made.id)).status, 'revoked', 'revoked')
    assertSame((await invitations.getInvitationList({ status: 'pending' })).data, [], 'pending ones')
  })

  await step('instance and domains describe the build', async () => {
    const about = await clerk.instance.get()
    assertSame([about.id, about.environmentType], [instance, 'development'], 'instance')
    const { data, totalCount } = await clerk.domains.list()
    assertSame([data.map((d) => [d.name, d.isSatellite, d.frontendApiUrl]), totalCount], [[[host, false, `https://${host}`]], 1], 'domains')
  })

  await step("a handshake's nonce is good once, at its own build", async () => {
    const nonce = async () => {
      const r = await request(`${proxy}/v1/client/handshake?${new URLSearchParams({ redirect_url: `${ORIGIN}/page?a=1`, format: 'nonce', suffixed_cookies: 'false' })}`)
      assertSame([r.status, r.headers['cache-control'], r.text], [307, 'no-store', ''], 'handshake')
      const to = new URL(r.headers.location)
      assertSame([to.origin, to.pathname, to.searchParams.get('a')], [ORIGIN, '/page', '1'], 'where it leads')
      return to.searchParams.get('__clerk_handshake_nonce')
    }
    const n = await nonce()
    await refused(client(two.env).clients.getHandshakePayload({ nonce: n }), 404, 'resource_not_found')
    const payload = await clerk.clients.getHandshakePayload({ nonce: n })
    assertSame(payload.directives.map((d) => d.split('=')[0].replace(/_[^_]{8}$/, '_*')), ['', '_*'].flatMap((s) => ['__clerk_db_jwt', '__client_uat', '__session'].map((c) => c + s)), 'cookies')
    await refused(clerk.clients.getHandshakePayload({ nonce: n }), 404, 'resource_not_found')
  })
}
