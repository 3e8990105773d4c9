// The table's WebSocket half: every request kind × every key, said in `hello` → served or refused, and refused means that nothing changed.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Socket } from '../lib/ws.mjs'
import { credentials } from './matrix.mjs'
import { bytes, everybody } from './world.mjs'

const write = "INSERT INTO t(v) VALUES ('written by the matrix')"
const on = (type, more) => ({ type, stream_id: 1, ...more })

// What follows the opening of stream 1; it is all sent without waiting for the answer to `hello`.
export const operations = [
  { name: 'nothing', requests: [] },
  { name: 'execute, read', requests: [on('execute', { stmt: { sql: 'SELECT v FROM t' } })] },
  { name: 'execute, write', requests: [on('execute', { stmt: { sql: write } })] },
  { name: 'execute, DDL', requests: [on('execute', { stmt: { sql: 'CREATE TABLE IF NOT EXISTS made_by_sockets(x)' } })] },
  { name: 'batch, transaction', requests: [on('batch', { batch: { steps: [{ stmt: { sql: 'BEGIN' } }, { stmt: { sql: write } }, { stmt: { sql: 'COMMIT' } }] } })] },
  { name: 'sequence', requests: [on('sequence', { sql: `${write}; DELETE FROM t WHERE id = 999` })] },
  { name: 'describe', requests: [on('describe', { sql: 'SELECT v FROM t' })] },
  { name: 'get_autocommit', requests: [on('get_autocommit')] },
  { name: 'store_sql and its use', requests: [{ type: 'store_sql', sql_id: 1, sql: write }, on('execute', { stmt: { sql_id: 1 } }), { type: 'close_sql', sql_id: 1 }] },
  { name: 'a transaction that is left open', requests: [on('execute', { stmt: { sql: 'BEGIN IMMEDIATE' } }), on('execute', { stmt: { sql: write } })] },
  { name: 'close_stream', requests: [{ type: 'close_stream', stream_id: 1 }] },
]

// Keys as `hello` can carry them.
const keys = credentials.map((c) => ({ ...c, jwt: (ctx) => /^Bearer (.*)$/s.exec(c.headers(ctx).Authorization ?? '')?.[1] })).filter((c) => !c.status)

export async function run(base) {
  const { daemon, ctx } = await everybody(base)
  const port = daemon.portBase + 2
  ctx.adminToken = daemon.adminToken
  const used = keys.filter((c) => c.jwt(ctx) !== undefined)

  for (const op of operations)
    await check(`WebSocket: ${op.name} × ${used.length} keys and none`, async () => {
      for (const key of [...used, { name: 'no key', jwt: () => null }, { name: 'the key in the handshake alone', jwt: () => null, headers: { Authorization: `Bearer ${ctx.own.token}` }, path: `/?authToken=${ctx.own.token}` }])
        await cell(daemon, port, ctx, op, key)
    })
  await check('WebSocket: a second hello with the other build’s key ends the connection, and does nothing there', async () => {
    const before = bytes(daemon, 'other')
    const s = await Socket.open(port)
    assertSame((await s.hello(ctx.own.token)).type, 'hello_ok')
    assertSame((await s.ask({ type: 'open_stream', stream_id: 1 })).type, 'response_ok')
    s.say({ type: 'hello', jwt: ctx.other.token })
    s.say({ type: 'request', request_id: 50, request: on('execute', { stmt: { sql: write } }) })
    const c = await s.closed
    assertSame(c.code, 1008, c.reason)
    assert(!s.messages.some((m) => JSON.parse(m).request_id === 50), 'it was answered')
    assertSame(bytes(daemon, 'other'), before)
  })
  await check('WebSocket: the same numbers on two connections are two things', async () => {
    const [a, b, c] = await Promise.all([0, 1, 2].map(() => Socket.open(port)))
    await a.hello(ctx.own.token)
    await b.hello(ctx.other.token)
    await c.hello(ctx.own.token)
    for (const s of [a, b, c]) assertSame((await s.ask({ type: 'open_stream', stream_id: 1 })).type, 'response_ok')
    assertSame((await a.ask({ type: 'store_sql', sql_id: 1, sql: "SELECT 'text of a'" })).type, 'response_ok')
    assertSame((await a.sql(1, 'CREATE TEMP TABLE mine(x)')).type, 'response_ok')
    for (const s of [b, c]) {
      assert(/no such table/.test((await s.sql(1, 'SELECT * FROM mine')).error?.message), 'the temporary table is seen elsewhere')
      s.ask(on('execute', { stmt: { sql_id: 1 } }))
      const end = await s.closed
      assertSame([end.code, end.reason], [1008, 'SQL text 1 not found'])
    }
    assert(!JSON.stringify(await a.sql(1, 'SELECT v FROM t')).includes('secret of other'))
    a.end()
  })
  await daemon.stop()
}

async function cell(daemon, port, ctx, op, key) {
  const before = [bytes(daemon, 'own'), bytes(daemon, 'other')]
  const s = await Socket.open(port, { headers: key.headers, path: key.path })
  assertSame(s.status, 101, s.head)
  s.say({ type: 'hello', jwt: key.jwt(ctx) })
  const opened = s.ask({ type: 'open_stream', stream_id: 1 })
  const answers = op.requests.map((r) => s.ask(r))
  const hello = JSON.parse(await s.next((m) => /^\{"type":"hello/.test(m)))
  const what = `${op.name} with ${key.name}`
  if (key.is === 'own' || key.is === 'other') {
    assertSame(hello, { type: 'hello_ok' }, what)
    for (const a of [await opened, ...(await Promise.all(answers))]) assertSame(a?.type, 'response_ok', `${what}: ${JSON.stringify(a)}`)
    const told = JSON.stringify(await Promise.all(answers))
    assert(!told.includes(`secret of ${key.is === 'own' ? 'other' : 'own'}`), `${what} told the other build's data`)
    s.end()
    if (key.is === 'other') assertSame(bytes(daemon, 'own'), before[0], `${what} changed the own build`)
    else assertSame(bytes(daemon, 'other'), before[1], `${what} changed the other build`)
    return
  }
  assertSame(hello.type, 'hello_error', what)
  assert(/^AUTH_/.test(hello.error.code) && (!key.code || key.code.test(hello.error.code)), `${what}: ${hello.error.code}`)
  const jwt = key.jwt(ctx)
  assert(!jwt || jwt.length < 8 || !hello.error.message.includes(jwt), `${what}: the message shows the key`)
  const end = await s.closed
  assertSame(end.code, 1008, `${what}: ${end.reason}`)
  assertSame([await opened, ...(await Promise.all(answers))].filter(Boolean), [], `${what} was answered`)
  assertSame([bytes(daemon, 'own'), bytes(daemon, 'other')], before, `${what} changed something`)
}
