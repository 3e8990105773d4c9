// RFC 6455 and Hrana as a client that keeps to neither could speak them.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { plain } from '../lib/daemon.mjs'
import { BINARY, CLOSE, PING, PONG, Socket, TEXT, frame } from '../lib/ws.mjs'

const ok = (a) => { assert(a?.type === 'response_ok', JSON.stringify(a)); return a.response }

export async function run(daemon) {
  const port = daemon.portBase + 2
  const token = (await daemon.createBuild('frames')).env.TURSO_AUTH_TOKEN
  const open = async (options) => {
    const s = await Socket.open(port, options)
    assertSame(s.status, 101, s.head)
    assertSame(await s.hello(token), { type: 'hello_ok' })
    return s
  }
  const closes = async (s, code, reason) => {
    const c = await s.closed
    assertSame(c.code, code, `close code (${c.reason})`)
    if (reason) assert(reason.test(c.reason), `reason: ${c.reason}`)
  }

  await check('the handshake: hrana2 before hrana1, any path, and none is hrana1', async () => {
    const chosen = async (options) => {
      const s = await Socket.open(port, options)
      const c = /^sec-websocket-protocol: (.*)\r$/im.exec(s.head)?.[1]
      s.end()
      return [s.status, c]
    }
    assertSame(await chosen({ protocols: ['hrana1', 'hrana2'] }), [101, 'hrana2'])
    assertSame(await chosen({ protocols: ['hrana3-protobuf', 'hrana3', 'hrana2', 'hrana1'], path: '/any/path?x=1' }), [101, 'hrana2'])
    assertSame(await chosen({ protocols: ['hrana1'], path: '/v2/pipeline' }), [101, 'hrana1'])
    assertSame(await chosen({ protocols: [] }), [101, undefined])
    assertSame(await chosen({ protocols: ['graphql-ws'] }), [400, undefined])
    assertSame(await chosen({ version: '8' }), [426, undefined])
    assertSame(await chosen({ key: 'short' }), [400, undefined])
    assertSame(await chosen({ headers: { Host: 'evil.example' } }), [400, undefined], 'two Host lines')
  })
  await check('a message in fragments of every size, with pings between', async () => {
    const s = await open()
    ok(await s.ask({ type: 'open_stream', stream_id: 1 }))
    const text = JSON.stringify({ type: 'request', request_id: 77, request: { type: 'execute', stream_id: 1, stmt: { sql: "SELECT 'é😀' AS a" } } })
    for (const size of [1, 2, 3, 7, 50]) {
      const bytes = Buffer.from(text)
      for (let i = 0; i < bytes.length; i += size) {
        s.raw(frame(i ? 0 : TEXT, bytes.subarray(i, i + size), { fin: i + size >= bytes.length }))
        if (i % (3 * size) === 0) s.raw(frame(PING, `p${i}`))
      }
      const a = JSON.parse(await s.next())
      assertSame([a.request_id, plain(a.response.result.rows[0][0])], [77, 'é😀'])
    }
    assert(s.pongs.length > 20 && s.pongs.includes('p0'), `${s.pongs.length} pongs`)
    s.raw(frame(PONG, 'nobody asked'))
    ok(await s.sql(1, 'SELECT 1'))
    s.raw(frame(CLOSE, Buffer.from([0x03, 0xe8])))
    await closes(s, 1000)
  })
  const wrong = [
    ['a frame without a mask', (s) => s.raw(frame(TEXT, '{}', { mask: false })), 1002, /masked/],
    ['a reserved bit', (s) => s.raw(frame(TEXT, '{}', { rsv: 0x40 })), 1002],
    ['an unknown opcode', (s) => s.raw(frame(5, '')), 1002],
    ['a continuation of nothing', (s) => s.raw(frame(0, 'x')), 1002],
    ['a fragmented ping', (s) => s.raw(frame(PING, '', { fin: false })), 1002],
    ['a ping of 126 bytes', (s) => s.raw(frame(PING, 'x'.repeat(126))), 1002],
    ['a close code that is not allowed', (s) => s.raw(frame(CLOSE, Buffer.from([0x03, 0xed]))), 1002],
    ['a binary message', (s) => s.raw(frame(BINARY, '{}')), 1003, /binary/],
    ['bytes that are not UTF-8', (s) => s.raw(frame(TEXT, Buffer.from([0x7b, 0xff, 0x7d]))), 1007],
    ['text that is no JSON', (s) => s.say('{"type":'), 1007, /^Cannot deserialize client message from JSON/],
    ['an unknown message', (s) => s.say({ type: 'goodbye' }), 1008, /ClientMsg type not recognized/],
    ['an unknown stream', (s) => s.say({ type: 'request', request_id: 1, request: { type: 'execute', stream_id: 9, stmt: { sql: 'SELECT 1' } } }), 1008, /^Stream 9 not found$/],
    ['a message of 33 MiB', (s) => s.raw(frame(TEXT, Buffer.alloc(33 << 20, 32))), 1009],
    ['a message of 33 MiB in fragments', (s) => { for (let i = 0; i < 33; i++) s.raw(frame(i ? 0 : TEXT, Buffer.alloc(1 << 20, 32), { fin: i === 32 })) }, 1009],
  ]
  for (const [name, act, code, reason] of wrong)
    await check(`${name}: closed with ${code}, and the client sees it`, async () => {
      const s = await open()
      act(s)
      await closes(s, code, reason)
    })
  await check('a message of 20 MiB is taken', async () => {
    const s = await open()
    ok(await s.ask({ type: 'open_stream', stream_id: 1 }))
    const a = await s.sql(1, 'SELECT length(?) AS n', [{ type: 'text', value: 'x'.repeat(15 << 20) }])
    assertSame(plain(ok(a).result.rows[0][0]), BigInt(15 << 20))
    s.end()
  })
  await check('a refused hello is seen as such however much came with it, never as 1006', async () => {
    for (let i = 0; i < 20; i++) {
      const s = await Socket.open(port)
      s.say({ type: 'hello', jwt: `wrong-${i}` })
      for (let k = 0; k < 50; k++) s.say({ type: 'request', request_id: k, request: { type: 'execute', stream_id: 0, stmt: { sql: `SELECT '${'x'.repeat(1000 * i)}'` } } })
      const m = JSON.parse(await s.next())
      assertSame([m.type, m.error?.code], ['hello_error', 'AUTH_JWT_INVALID'])
      const c = await s.closed
      assertSame([c.code, s.messages], [1008, []], c.reason)
    }
  })
  await check('a key in the handshake’s headers or address opens nothing', async () => {
    const s = await Socket.open(port, { path: `/?authToken=${token}`, headers: { Authorization: `Bearer ${token}` } })
    assertSame((await s.hello(null)).error?.code, 'AUTH_JWT_MISSING')
    assertSame((await s.closed).code, 1008)
  })
  await check('three streams at once: each in its own order, answers carry their request’s number', async () => {
    const s = await open()
    for (const id of [1, 2, 3]) ok(await s.ask({ type: 'open_stream', stream_id: id }))
    ok(await s.sql(1, 'CREATE TABLE o(stream, n)'))
    await Promise.all([1, 2, 3].flatMap((id) => Array.from({ length: 40 }, (_, n) => s.sql(id, 'INSERT INTO o VALUES (?, ?)', [{ type: 'integer', value: String(id) }, { type: 'integer', value: String(n) }]).then(ok))))
    const rows = ok(await s.sql(2, 'SELECT stream, group_concat(n) FROM (SELECT * FROM o ORDER BY rowid) GROUP BY stream')).result.rows
    const wanted = Array.from({ length: 40 }, (_, n) => n).join()
    assertSame(rows.map((r) => plain(r[1])), [wanted, wanted, wanted])
    s.end()
  })
}
