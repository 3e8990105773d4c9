// Paths, methods, content types, headers; and what is not there says so.
import net from 'node:net'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { request } from '../lib/daemon.mjs'
import { notSupported } from './samples.mjs'

// The bytes of the whole answer to raw bytes; the connection is closed by whoever likes to.
function raw(port, bytes, until = /\r\n\r\n/) {
  return new Promise((resolve, reject) => {
    const s = net.connect(port, '127.0.0.1')
    let out = ''
    const timer = setTimeout(() => s.destroy(), 4000)
    s.setEncoding('latin1')
    s.on('data', (d) => { out += d; if (until.test(out)) s.end() })
    s.on('error', reject)
    s.on('close', () => { clearTimeout(timer); resolve(out) })
    s.write(bytes)
  })
}

export async function run(daemon) {
  const token = (await daemon.createBuild('endpoints')).env.TURSO_AUTH_TOKEN
  const url = daemon.databaseUrl
  const auth = { Authorization: `Bearer ${token}` }

  for (const path of ['/v2', '/v3', '/health', '/version'])
    await check(`GET ${path} is open to anybody`, async () => {
      const r = await request(url + path)
      assert(r.status >= 200 && r.status < 300, `${r.status} ${r.text}`)
      if (path.startsWith('/v') && path.length === 3) assertSame(r.type, 'text/plain')
    })
  await check('GET /v3-protobuf is 404, so that clients speak JSON', async () => assertSame((await request(`${url}/v3-protobuf`, { headers: auth })).status, 404))

  for (const [method, path] of [['GET', '/'], ['POST', '/'], ['GET', '/nope'], ['POST', '/v1/execute'], ['POST', '/v4/pipeline'], ['POST', '/v2/pipeline/x'], ['POST', '/v2//pipeline'], ['POST', '/v3-protobuf/pipeline'], ['GET', '/dev/v2'], ['POST', '/db/x/v2/pipeline']])
    await check(`${method} ${path} is not there`, async () => {
      const r = await request(url + path, { method, headers: auth, body: method === 'POST' ? '{"requests":[]}' : undefined })
      assertSame(r.status, 404, r.text)
      if (r.type === 'application/json') assert(r.json().message.length > 5, r.text)
      else assert(/^text\/plain/.test(r.type) && r.text.length > 5, `${r.type}: ${r.text}`)
    })
  await check('GET and PUT on /v2/pipeline are refused with 405 or 404', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      const r = await request(`${url}/v2/pipeline`, { method, headers: auth })
      assert([404, 405].includes(r.status), `${method}: ${r.status}`)
    }
  })

  await check('POST /v3/cursor: served, or said not to be', async () => {
    const r = await request(`${url}/v3/cursor`, { method: 'POST', headers: { ...auth, 'Content-Type': 'application/json' }, body: { baton: null, batch: { steps: [{ stmt: { sql: 'SELECT 1' } }] } } })
    if (r.status !== 200) return notSupported(r)
    assertSame(r.text.trim().split('\n').map((l) => JSON.parse(l).type ?? 'head').join(), 'head,step_begin,row,step_end')
  })
  await check('GET /dump: served, or said not to be', async () => {
    const r = await request(`${url}/dump`, { headers: auth })
    if (r.status !== 200) return notSupported(r)
    assert(/BEGIN TRANSACTION/.test(r.text), r.text.slice(0, 100))
  })
  await check('a WebSocket upgrade: taken, or refused in a readable way', async () => {
    const answer = await raw(daemon.portBase + 2, `GET / HTTP/1.1\r\nHost: 127.0.0.1:${daemon.portBase + 2}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: hrana2, hrana1\r\n\r\n`, /\r\n\r\n[^]*[}\w]/)
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])
    if (status === 101) return /sec-websocket-protocol: hrana2/i.test(answer) || `no hrana2: ${answer}`
    assert([400, 404, 426, 501].includes(status), answer.slice(0, 300))
    assert(/websocket/i.test(answer.split('\r\n\r\n')[1] ?? ''), `the body does not name what is missing: ${answer.slice(-300)}`)
  })

  await check('the scheme may be spelt bearer or BEARER', async () => {
    for (const scheme of ['bearer', 'BEARER', 'Bearer'])
      assertSame((await request(`${url}/v2/pipeline`, { method: 'POST', headers: { Authorization: `${scheme} ${token}`, 'Content-Type': 'application/json' }, body: '{"requests":[{"type":"close"}]}' })).status, 200, scheme)
  })
  await check('the request’s own content type does not matter', async () => {
    for (const type of ['application/json; charset=utf-8', 'text/plain', undefined])
      assertSame((await request(`${url}/v2/pipeline`, { method: 'POST', headers: { ...auth, ...(type ? { 'Content-Type': type } : {}) }, body: '{"requests":[{"type":"close"}]}' })).status, 200, type)
  })
  await check('a chunked body is read', async () => {
    const body = '{"requests":[{"type":"close"}]}'
    const answer = await raw(daemon.portBase + 2, `POST /v2/pipeline HTTP/1.1\r\nHost: 127.0.0.1:${daemon.portBase + 2}\r\nAuthorization: Bearer ${token}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n${body.slice(0, 5)}\r\n${(body.length - 5).toString(16)}\r\n${body.slice(5)}\r\n0\r\n\r\n`, /"close"/)
    assert(/^HTTP\/1\.1 200/.test(answer) && /"close"/.test(answer), answer.slice(0, 300))
  })
  await check('a body above 32 MiB is refused with 413', async () => {
    const answer = await raw(daemon.portBase + 2, `POST /v2/pipeline HTTP/1.1\r\nHost: 127.0.0.1:${daemon.portBase + 2}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 40000000\r\n\r\n{`)
    assert(/^HTTP\/1\.1 413/.test(answer), answer.slice(0, 200))
  })
  await check('a body of 8 MB is served', async () => {
    const r = await daemon.pipeline(token, { requests: [{ type: 'execute', stmt: { sql: 'SELECT length(?)', args: [{ type: 'text', value: 'x'.repeat(8e6) }] } }, { type: 'close' }] })
    assertSame(r.json().results[0].response?.result.rows[0][0].value, '8000000', r.text.slice(0, 200))
  })
  await check('a Host that is not ours is refused (DNS rebinding)', async () => {
    const answer = await raw(daemon.portBase + 2, `GET /v2 HTTP/1.1\r\nHost: rebind.example\r\n\r\n`)
    assert(/^HTTP\/1\.1 (400|403|404|421)/.test(answer), answer.slice(0, 200))
  })
  await check('x-namespace and another Host label choose nothing', async () => {
    const other = (await daemon.createBuild('endpoints-two')).env.TURSO_AUTH_TOKEN
    await daemon.sql(other, 'CREATE TABLE secret(x)')
    const r = await daemon.pipeline(token, { requests: [{ type: 'execute', stmt: { sql: 'SELECT * FROM secret' } }, { type: 'close' }] }, { headers: { 'x-namespace': 'endpoints-two' } })
    assertSame(r.json().results[0].error?.code, 'SQLITE_UNKNOWN')
  })
  await check('the answer says who served it', async () => {
    const r = await daemon.pipeline(token, { requests: [{ type: 'close' }] })
    assertSame(r.headers['valetkey-served-by'], 'embedded')
  })
}
