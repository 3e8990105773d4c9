// The admin API of snapshots by itself: methods, bodies, names, builds that are not there.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { rows } from './lib.mjs'

export async function api(daemon) {
  const token = (await daemon.createBuild('snap-api')).env.TURSO_AUTH_TOKEN
  await daemon.sql(token, 'CREATE TABLE t (x)')
  const at = (tail = '', id = 'snap-api', service = 'database') => `/api/v1/builds/${id}/services/${service}/snapshots${tail}`
  const take = await daemon.admin('POST', at(), { body: { name: 'one' } })
  assertSame(take.status, 201, take.text)

  await check('without the admin token, and with the build’s own key: refused, nothing happens', async () => {
    for (const [method, tail] of [['GET', ''], ['POST', ''], ['DELETE', '/one'], ['POST', '/one/restore'], ['GET', '/one/diff']])
      for (const t of [null, token]) assertSame((await daemon.admin(method, at(tail), { token: t })).status, 401, `${method} ${tail}`)
    for (const t of [null, token]) assertSame((await daemon.admin('GET', '/api/v1/builds/snap-api/services/database/ddl', { token: t })).status, 401)
    assertSame((await daemon.admin('GET', at())).json().snapshots.length, 1)
  })

  await check('bodies: strict, small, and a sentence that says what is wrong', async () => {
    for (const [body, want] of [['[]', 'JSON object'], ['{"Name":"x"}', 'known are name and automatic'], ['{"name":1}', 'must be a text'], ['{"name":""}', 'must be a text'], ['{"automatic":"yes"}', 'true or false'], ['{"name":"a","name":"b"}', 'stands twice'], ['{"name":"a/b"}', 'letters, digits'], ['{"name":"../../x"}', 'letters, digits'], ['{"name":"20261125-031203-123"}', 'snapshot’s id'.replace('’', "'")], [JSON.stringify({ name: 'x'.repeat(65) }), '1 to 64']]) {
      const r = await daemon.admin('POST', at(), { body })
      assertSame(r.status, 400, body)
      assert(r.json().error.message.includes(want), `${body}: ${r.text}`)
    }
    assertSame((await daemon.admin('POST', at(), { body: 'x'.repeat(5000) })).status, 413)
    assertSame((await daemon.admin('POST', at('/one/restore'), { body: '{}' })).status, 413, 'a body where none belongs')
    assertSame((await daemon.admin('GET', at())).json().snapshots.length, 1)
  })

  await check('queries and paths: checked, other methods told, other builds and services not found', async () => {
    for (const q of ['?rows=-1', '?rows=101', '?rows=x', '?rows=1&to=%ff']) assert([400, 404].includes((await daemon.admin('GET', at('/one/diff') + q)).status), q)
    assertSame((await daemon.admin('GET', at('/one/diff') + '?to=none')).status, 404)
    for (const s of ['two', '..', '%2e%2e', 'one%00', 'ONE', '20200101-000000-000', '*', 'database.db']) {
      assertSame((await daemon.admin('POST', at(`/${s}/restore`))).status, 404, s)
      assertSame((await daemon.admin('DELETE', at(`/${s}`))).status, 404, s)
    }
    assertSame([(await daemon.admin('PUT', at())).status, (await daemon.admin('PUT', at())).headers.allow], [405, 'GET, POST'])
    assertSame((await daemon.admin('GET', at('/one/restore'))).status, 405)
    assertSame((await daemon.admin('GET', at('', 'nobody'))).status, 404)
    assertSame((await daemon.admin('GET', at('', 'snap-api', 'mail'))).status, 404)
    assertSame((await daemon.admin('GET', at('', '..%2fsnap-api'))).status, 404)
    assertSame(await rows(daemon, token, 'SELECT count(*) FROM t'), [[0]])
  })

  await check('many at once: all answered, each snapshot once, none lost', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, (_, i) => daemon.admin('POST', at(), { body: { name: `p${i}` } })))
    const made = all.filter((r) => r.status === 201)
    assert(all.every((r) => [201, 429].includes(r.status)) && made.length >= 8, all.map((r) => r.status).join())
    const list = (await daemon.admin('GET', at())).json().snapshots
    assertSame(list.length, made.length + 1)
    assertSame(new Set(list.map((s) => s.id)).size, list.length)
  })

  await check('a deletion waits for a snapshot under way, and both end', async () => {
    const t = (await daemon.createBuild('snap-race')).env.TURSO_AUTH_TOKEN
    await daemon.sql(t, 'CREATE TABLE t (x)')
    for (let i = 0; i < 5; i++) await daemon.sql(t, 'INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 60) SELECT randomblob(60000) FROM c')
    const snaps = Array.from({ length: 4 }, () => daemon.admin('POST', at('', 'snap-race'), { body: '{}' }))
    const gone = await daemon.admin('DELETE', '/api/v1/builds/snap-race')
    const ends = (await Promise.all(snaps)).map((r) => r.status)
    assertSame(gone.status, 204, gone.text)
    assert(ends.every((s) => [201, 404, 409, 429, 503].includes(s)), ends.join())
    const fs = await import('node:fs')
    assert(!fs.existsSync(`${daemon.data}/builds/snap-race`), 'its folder is still there')
  })
}
