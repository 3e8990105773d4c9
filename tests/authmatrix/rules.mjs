// Rules that hold for a whole installation: where the fixed code counts, and how long a token outlives its session.
import net from 'node:net'

import { Meanwhile } from '../lib/meanwhile.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Pool, startDaemon } from '../auth/lib.mjs'
import { request } from '../lib/daemon.mjs'

const password = 'correct horse battery'
const CODE = '424242'

// Whether a sign-up of that address is complete with the fixed code.
async function fixedCode(args, address) {
  const daemon = await startDaemon(args)
  const pool = await Pool.of(daemon, 'fixed')
  const b = await pool.browser()
  const made = await b.call('POST', '/client/sign_ups', { email_address: address, password })
  const at = `/client/sign_ups/${made.response.id}`
  await b.call('POST', `${at}/prepare_verification`, { strategy: 'email_code' })
  const r = await b.call('POST', `${at}/attempt_verification`, { strategy: 'email_code', code: CODE })
  const users = (await pool.users()).length
  await daemon.stop()
  assertSame(users, r.status === 200 ? 1 : 0, 'users')
  return r.status === 200 ? 'right' : r.code
}

export async function rules() {
  await check('424242 is right for everybody only where nobody else can come', async () => {
    const wrong = 'form_code_incorrect'
    for (const [args, want] of [
      [[], 'right'],
      [['--url-browser', 'auth=https://auth.example.org'], wrong],
      [['--url-sandbox', 'auth=http://10.0.0.7:4501'], wrong],
      [['--url-browser', 'auth=http://localhost.example.org:4501'], wrong],
      [['--url-browser', 'auth=http://127.0.0.1.example.org:4501'], wrong],
      [['--url-browser', 'auth=http://localhost:4501', '--url-sandbox', 'auth=http://[::1]:4501'], 'right'],
      [['--listen', 'auth=0.0.0.0', '--allow-plain-network'], wrong],
      [['--auth-fixed-code', 'off'], wrong],
    ]) assertSame(await fixedCode(args, 'ada@example.com'), want, args.join(' ') || 'no flags')
    assertSame(await fixedCode(['--url-browser', 'auth=https://auth.example.org'], 'ada+clerk_test@example.com'), 'right', 'a test address')
  })

  await check('after sign-out a token is good for 60 s at the most, and nothing makes another one', async () => {
    const daemon = await startDaemon()
    const pool = await Pool.of(daemon, 'stale')
    const b = await pool.browser()
    const session = (await b.signUp('ada@example.com', password)).response.created_session_id
    const { jwt } = (await b.call('POST', `/client/sessions/${session}/tokens`, {})).body
    const claims = JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'))
    assertSame(claims.exp - claims.iat, 60, 'its life')
    const before = b.id
    assertSame((await b.call('DELETE', '/client/sessions')).status, 200, 'sign-out')
    assert(claims.exp <= Date.now() / 1000 + 60, 'its end')
    for (const browser of new Set([before, b.id])) {
      const again = await b.call('POST', `/client/sessions/${session}/tokens`, {}, { browser })
      assert([401, 404].includes(again.status) && !again.text.includes('eyJ'), `${again.status} ${again.text}`)
      assert(!(await b.call('GET', '/client', undefined, { browser })).text.includes('eyJ'), 'the client has a token')
      const q = new URLSearchParams({ redirect_url: 'http://localhost:3000/', format: 'nonce', __clerk_db_jwt: browser, __session: jwt })
      const hand = await request(`${pool.gateway}/v1/client/handshake?${q}`)
      const nonce = new URL(hand.headers.location).searchParams.get('__clerk_handshake_nonce')
      const { directives } = (await pool.backend('GET', `/clients/handshake_payload?nonce=${nonce}`)).body
      assert(directives.every((d) => !d.includes('eyJ')) && directives.some((d) => /^__client_uat=(0;|;)/.test(d)), directives.join('\n'))
    }
    assertSame((await pool.backend('POST', `/sessions/${session}/tokens`, {})).status === 200, false, 'by the Backend API')
    await daemon.stop()
  })

  await check('a build’s end does not wait for a client that takes its time with a body', async () => {
    const daemon = await startDaemon()
    const pool = await Pool.of(daemon, 'slow')
    const b = await pool.browser()
    await b.signUp('ada@example.com', password)
    const answers = []
    const begin = (path, headers) => new Promise((begun) => {
      const s = net.connect(daemon.portBase + 1, '127.0.0.1')
      let text = ''
      s.on('data', (d) => { text += d })
      answers.push(new Promise((ended) => s.on('close', () => ended(text)).on('error', () => {})))
      s.write(`POST /b/slow${path} HTTP/1.1\r\nHost: 127.0.0.1:${daemon.portBase + 1}\r\n${headers}Content-Length: 1000\r\nConnection: close\r\n\r\nidentifier=a`, () => setTimeout(() => begun(s), 50))
    })
    const sockets = [
      await begin(`/v1/client/sign_ins?__clerk_db_jwt=${b.id}`, 'Content-Type: application/x-www-form-urlencoded\r\n'),
      await begin('/bapi/v1/users', `Authorization: Bearer ${pool.secretKey}\r\nContent-Type: application/json\r\n`),
    ]
    const meanwhile = new Meanwhile(), begun = Date.now()
    await daemon.mustCli(['build', 'delete', 'slow'])
    assert(meanwhile.allows((Date.now() - begun) / 1000, 3), `the deletion took ${Date.now() - begun} ms`)
    for (const s of sockets) s.write(`${'b'.repeat(988)}`)
    const [front, back] = (await Promise.all(answers)).map((a) => a.split(' ')[1])
    assertSame([front, back], ['404', '401'])
    await daemon.stop()
  })

  await check('nor for one that takes its time with an answer', async () => {
    const daemon = await startDaemon()
    const pool = await Pool.of(daemon, 'long')
    const big = 'x'.repeat(45_000)
    for (let i = 0; i < 300; i += 20)
      await Promise.all(Array.from({ length: 20 }, (_, n) => pool.backend('POST', '/users', { email_address: [`u${i + n}@example.com`], skip_password_requirement: true, private_metadata: { big } })))
    const s = net.connect(daemon.portBase + 1, '127.0.0.1')
    await new Promise((begun) => s.once('readable', begun).write(`GET /b/long/bapi/v1/users?limit=500 HTTP/1.1\r\nHost: 127.0.0.1:${daemon.portBase + 1}\r\nAuthorization: Bearer ${pool.secretKey}\r\n\r\n`))
    const meanwhile = new Meanwhile(), begun = Date.now()
    await daemon.mustCli(['build', 'delete', 'long'])
    assert(meanwhile.allows((Date.now() - begun) / 1000, 3), `the deletion took ${Date.now() - begun} ms`)
    assert(s.readableLength < 12e6, 'it was not the client that was slow')
    s.destroy()
    await daemon.stop()
  })
}
