// The admin API by itself: who may call it, shapes, idempotency, races.
import http from 'node:http'
import path from 'node:path'
import { check, assert, assertSame } from '../lib/tap.mjs'
import { request } from '../lib/daemon.mjs'

const fences = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' }

function overSocket(daemon, target, token) {
  return new Promise((resolve, reject) => {
    const req = http.request({ socketPath: path.join(daemon.data, 'admin.sock'), path: target, headers: token ? { Authorization: `Bearer ${token}` } : {} }, (res) => {
      res.resume()
      res.on('end', () => resolve(res.statusCode))
    })
    req.on('error', reject)
    req.end()
  })
}

const calls = [
  ['GET', '/api/v1/status'],
  ['GET', '/api/v1/builds'],
  ['POST', '/api/v1/builds'],
  ['GET', '/api/v1/builds/api'],
  ['DELETE', '/api/v1/builds/api'],
  ['PUT', '/api/v1/builds/api/origins'],
  ['POST', '/api/v1/builds/api/revoke'],
  ['GET', '/api/v1/builds/api/env'],
  ['GET', '/api/v1/builds/api/services/database/export'],
  ['GET', '/api/v1/builds/api/services/database/ddl'],
  ['GET', '/api/v1/builds/api/services/database/snapshots'],
  ['POST', '/api/v1/builds/api/services/database/snapshots'],
  ['DELETE', '/api/v1/builds/api/services/database/snapshots/one'],
  ['POST', '/api/v1/builds/api/services/database/snapshots/one/restore'],
  ['GET', '/api/v1/builds/api/services/database/snapshots/one/diff'],
]

export async function api(daemon) {
  const build = await daemon.createBuild('api')
  const valet = build.env.TURSO_AUTH_TOKEN

  await check('every call without the token, with a valet key, with a wrong one: 401 and no effect', async () => {
    for (const [method, target] of calls)
      for (const token of [null, valet, 'vk_a_', daemon.adminToken.slice(0, -1), `${daemon.adminToken}0`, daemon.adminToken.toLowerCase()]) {
        const r = await daemon.admin(method, target, { token, body: method === 'POST' || method === 'PUT' ? '{}' : undefined })
        assertSame([r.status, r.json().error.code], [401, 'unauthorized'], `${method} ${target} ${token?.slice(0, 5)}`)
        assert(!r.text.includes(daemon.adminToken), 'no token in the answer')
      }
    assertSame((await daemon.admin('GET', '/api/v1/builds/api')).json().state, 'active', 'still there')
  })

  await check('the token in a query, a cookie or as Basic does not count', async () => {
    const t = daemon.adminToken
    for (const [target, headers] of [[`/api/v1/builds?token=${t}`, {}], ['/api/v1/builds', { Cookie: `token=${t}` }], ['/api/v1/builds', { Authorization: `Basic ${Buffer.from(`x:${t}`).toString('base64')}` }]])
      assertSame((await daemon.admin('GET', target, { token: null, headers })).status, 401)
  })

  await check('pages of other origins, and foreign Host names, are refused even with the token', async () => {
    for (const headers of [{ 'Sec-Fetch-Site': 'cross-site' }, { 'Sec-Fetch-Site': 'same-site' }, { Origin: 'http://localhost:3000' }, { Origin: 'null' }])
      assertSame((await daemon.admin('POST', '/api/v1/builds', { body: '{"id":"csrf"}', headers })).status, 403, JSON.stringify(headers))
    assertSame((await daemon.admin('GET', '/api/v1/builds/csrf')).status, 404, 'nothing was made')
    const mine = { 'Sec-Fetch-Site': 'same-origin', Origin: daemon.adminUrl }
    assertSame((await daemon.admin('GET', '/api/v1/builds', { headers: mine })).status, 200, 'the page itself')
    assertSame((await daemon.admin('GET', '/api/v1/builds', { headers: { Host: 'rebind.example' } })).status, 421)
  })

  await check('admin.sock needs the token too', async () => {
    assertSame(await overSocket(daemon, '/api/v1/builds'), 401)
    assertSame(await overSocket(daemon, '/api/v1/builds', valet), 401)
    assertSame(await overSocket(daemon, '/api/v1/builds', daemon.adminToken), 200)
  })

  await check('every answer is fenced', async () => {
    for (const target of ['/', '/console.js', '/healthz', '/api/v1/health', '/api/v1/builds', '/nope']) {
      const r = await daemon.admin('GET', target)
      for (const [k, v] of Object.entries(fences)) assertSame(r.headers[k], v, `${target} ${k}`)
      if (target !== '/healthz') assert(r.headers['content-security-policy'].startsWith("default-src 'none'"), target)
      assertSame(r.headers['access-control-allow-origin'], undefined, target)
      assertSame(r.headers['set-cookie'], undefined, target)
    }
  })

  await check('what is not there is 404, a wrong method is 405 with Allow', async () => {
    for (const target of ['/api', '/api/v1', '/api/v1/', '/api/v2/builds', '/api/v1/builds/', '/api/v1/builds/a/b', '/api/v1/builds/%2e%2e', '/api/v1/builds/API', '/console.css/', '/..%2f', '/api/v1/builds/api/services/nope/export']) {
      const r = await daemon.admin('GET', target)
      assertSame([r.status, r.json().error.code], [404, 'not_found'], target)
    }
    const r = await daemon.admin('PATCH', '/api/v1/builds')
    assertSame([r.status, r.headers.allow], [405, 'GET, POST'])
    assertSame((await daemon.admin('POST', '/healthz')).status, 405)
    assertSame((await daemon.admin('HEAD', '/api/v1/builds')).status, 200)
  })

  await check('bodies: strict, bounded, named', async () => {
    const bad = [
      ['{', 'not valid JSON'], ['[]', 'JSON object'], ['{"id":"a","x":1}', '"x"'], ['{"services":[]}', '"services"'], ['{"id":"A"}', '"id"'],
      ['{"ttl":1.5}', '"ttl"'], ['{"origins":["http://u:p@a"]}', 'user name'], ['{"id":"a","id":"a"}', 'twice'], ['\ufeff{}', 'not valid JSON'],
    ]
    for (const [body, says] of bad) {
      const r = await daemon.admin('POST', '/api/v1/builds', { body })
      assertSame([r.status, r.json().error.code], [400, 'invalid'], body)
      assert(r.json().error.message.includes(says), r.text)
    }
    assertSame((await daemon.admin('POST', '/api/v1/builds', { body: `{"id":"${'x'.repeat(20000)}"}` })).status, 413)
    assertSame((await daemon.admin('POST', '/api/v1/builds', { body: 'id=a', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })).status, 400)
    assertSame((await daemon.admin('GET', '/api/v1/builds?limit=0')).status, 400)
    assertSame((await daemon.admin('GET', '/api/v1/builds?after=%zz')).status, 400)
  })

  await check('list: pages join without a gap or a double', async () => {
    for (const id of ['page-a', 'page-b', 'page-c', 'page-d', 'page-e']) await daemon.admin('POST', '/api/v1/builds', { body: { id } })
    const all = (await daemon.admin('GET', '/api/v1/builds?limit=500')).json()
    assertSame(all.next, null)
    const ids = []
    let after = ''
    for (let i = 0; i < 200; i++) {
      const p = (await daemon.admin('GET', `/api/v1/builds?limit=2&after=${after}`)).json()
      assert(p.builds.length <= 2, 'limit')
      ids.push(...p.builds.map((b) => b.id))
      if (p.next === null) break
      after = p.next
    }
    assertSame(ids, all.builds.map((b) => b.id))
  })

  await check('Idempotency-Key: the same request gives the same build, another one 422', async () => {
    const headers = { 'Idempotency-Key': 'key-1' }
    const a = await daemon.admin('POST', '/api/v1/builds', { body: { ttl: 3600 }, headers })
    const b = await daemon.admin('POST', '/api/v1/builds', { body: ' { "ttl" : "1h" } ', headers })
    assertSame([a.status, b.status], [201, 200])
    assertSame(a.json(), b.json(), 'the same build')
    const c = await daemon.admin('POST', '/api/v1/builds', { body: { ttl: 3601 }, headers })
    assertSame([c.status, c.json().error.code], [422, 'unprocessable'])
    assertSame((await daemon.admin('POST', '/api/v1/builds', { body: {}, headers: { 'Idempotency-Key': 'x'.repeat(256) } })).status, 400)
    await daemon.admin('DELETE', `/api/v1/builds/${a.json().id}`)
    const d = await daemon.admin('POST', '/api/v1/builds', { body: { ttl: 3600 }, headers })
    assertSame(d.status, 201, 'its build is gone, so this is a new request')
    assert(d.json().id !== a.json().id, 'another build')
  })

  await check('twenty creates at once: one build, whoever asks, by id and by key', async () => {
    const many = (body, headers) => Promise.all(Array.from({ length: 20 }, () => daemon.admin('POST', '/api/v1/builds', { body, headers })))
    for (const [body, headers] of [[{ id: 'race' }, {}], [{}, { 'Idempotency-Key': 'race-2' }], [{ id: 'race-3', ttl: 600 }, { 'Idempotency-Key': 'race-3' }]]) {
      const all = await many(body, headers)
      assertSame(all.filter((r) => r.status === 201).length, 1, 'made once')
      assertSame(all.filter((r) => r.status === 200).length, 19, 'the others got it')
      assertSame(new Set(all.map((r) => JSON.stringify([r.json().id, r.json().env]))).size, 1, 'the same id and keys')
    }
  })

  await check('creates, revokes and deletes of one id at once: every answer is sound, and the end is a clean state', async () => {
    for (let round = 0; round < 5; round++) {
      const b = (await daemon.admin('POST', '/api/v1/builds', { body: { id: 'churn' } })).json()
      await daemon.sql(b.env.TURSO_AUTH_TOKEN, 'CREATE TABLE IF NOT EXISTS t(a)')
      const kinds = [['POST', '/api/v1/builds/churn/revoke'], ['DELETE', '/api/v1/builds/churn'], ['DELETE', '/api/v1/builds/churn'], ['POST', '/api/v1/builds', { id: 'churn' }], ['GET', '/api/v1/builds/churn/env']]
      const all = await Promise.all(kinds.map(([m, t, body]) => daemon.admin(m, t, { body })))
      for (const [i, r] of all.entries()) assert([200, 201, 204, 404, 409].includes(r.status), `${kinds[i].slice(0, 2).join(' ')}: ${r.status} ${r.text}`)
      assertSame((await daemon.admin('DELETE', '/api/v1/builds/churn')).status, 204)
      assertSame((await daemon.admin('DELETE', '/api/v1/builds/churn')).status, 204, 'again')
      assertSame((await daemon.admin('GET', '/api/v1/builds/churn')).status, 404)
      assertSame((await daemon.pipeline(b.env.TURSO_AUTH_TOKEN, { requests: [] })).status, 401, 'the key')
    }
  })

  await check('many requests while the metadata is written: none is lost, a refusal says when to come back', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 64 })
    const all = await Promise.all(Array.from({ length: 400 }, (_, i) => daemon.admin('POST', '/api/v1/builds', { body: { id: `load-${i}` }, agent })))
    agent.destroy()
    const made = all.filter((r) => r.status === 201).length
    const busy = all.filter((r) => r.status === 503)
    assertSame(made + busy.length, 400)
    for (const r of busy) assert(r.headers['retry-after'], 'Retry-After')
    const ids = new Set((await daemon.admin('GET', '/api/v1/builds?limit=500&after=load')).json().builds.map((b) => b.id))
    for (const [i, r] of all.entries()) assertSame(ids.has(`load-${i}`), r.status === 201, `load-${i}`)
  })

  await check('status and health', async () => {
    const h = (await request(`${daemon.adminUrl}/api/v1/health`)).json()
    assertSame([h.status, h.roles], ['ok', { front: 'ok', keeper: 'ok', courier: 'ok' }])
    assertSame(Object.keys(h).sort(), ['roles', 'started', 'status', 'uptime', 'version'], 'and nothing for the admin only')
    const s = (await daemon.admin('GET', '/api/v1/status')).json()
    assertSame([s.console_port, ...s.services.map((x) => [x.name, x.port])], [daemon.portBase, ['auth', daemon.portBase + 1], ['database', daemon.portBase + 2], ['storage', daemon.portBase + 3], ['payments', daemon.portBase + 4]])
    assert(s.builds.total >= s.builds.active && s.builds.active > 0 && s.key_source, JSON.stringify(s))
  })

  await check('env: a secret is in no answer but those that are asked for it', async () => {
    for (const [method, target] of [['GET', '/api/v1/builds'], ['GET', '/api/v1/builds/api'], ['GET', '/api/v1/status']]) {
      const r = await daemon.admin(method, target)
      assert(!r.text.includes('vk_b_') && !r.text.includes('vk_a_'), target)
    }
    const t = await daemon.admin('GET', '/api/v1/builds/api/env?format=dotenv&framework=vite')
    assert(t.type.startsWith('text/plain') && t.text.includes(`TURSO_AUTH_TOKEN=${valet}\n`) && !/^(VITE|NEXT_PUBLIC)_.*vk_b_/m.test(t.text), t.text)
    assertSame((await daemon.admin('GET', '/api/v1/builds/api/env?framework=rails')).status, 400)
    assertSame((await daemon.admin('GET', '/api/v1/builds/api/env?format=yaml')).status, 400)
    assertSame((await daemon.admin('GET', '/api/v1/builds/api/env?settings=yes')).status, 400)
    const both = await Promise.all(['true', 'false'].map((on) => daemon.admin('GET', `/api/v1/builds/api/env?settings=${on}`)))
    assertSame(both.map((r) => Object.keys(r.json()).filter((name) => /SETTINGS|REFUSED/.test(name)).length), [3, 0], 'for a page of the app')
  })

  await check('the log has no secret', () => {
    assert(!daemon.log.includes(daemon.adminToken) && !daemon.log.includes(valet) && !/vk_[ab]_[0-9A-Za-z]{30}/.test(daemon.log), 'a key is in the log')
  })
}
