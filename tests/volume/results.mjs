// Results at the limit of 10 MiB: just under it one arrives whole, just over it the answer says so, and many at once take no more
// memory than a build may have answers under way.
import { createHash } from 'node:crypto'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { request } from '../lib/daemon.mjs'
import { bounded } from './measure.mjs'

const LIMIT = 10 << 20
const ROWS = 8000

const exec = (sql, more) => ({ type: 'execute', stmt: { sql, ...more } })
const close = { type: 'close' }

export async function results(daemon, pid) {
  const { env } = await daemon.createBuild('results')
  const key = env.TURSO_AUTH_TOKEN
  await daemon.sql(key, 'CREATE TABLE big(id INTEGER PRIMARY KEY, v TEXT)')
  // Every row is another text, so that a row that is missing, doubled or mixed up with another one shows.
  const row = (id, n) => `${id}:${'abcdefghij'.repeat(Math.ceil(n / 10)).slice(0, n)}`
  const fill = async (n) => {
    await daemon.sql(key, 'DELETE FROM big')
    await daemon.sql(key, `INSERT INTO big WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ${ROWS})
      SELECT x, x || ':' || substr(replace(hex(zeroblob(${Math.ceil(n / 10)})), '00', 'abcdefghij'), 1, ${n}) FROM c`)
  }
  const all = (more) => daemon.pipeline(key, { baton: null, requests: [exec('SELECT id, v FROM big ORDER BY id'), close] }, { timeout: 60000, ...more })
  // Bytes of a row beside its text: measured, not assumed.
  await fill(100)
  const small = await all()
  const width = Math.floor((LIMIT - 4096 - (small.raw.length - ROWS * 100)) / ROWS)
  const whole = (r, n) => {
    assertSame(r.status, 200, r.text.slice(0, 200))
    const got = createHash('sha256')
    const want = createHash('sha256')
    const { rows } = r.json().results[0].response.result
    assertSame(rows.length, ROWS, 'rows')
    rows.forEach(([id, v], i) => {
      got.update(`${id.value}=${v.value}\n`)
      want.update(`${i + 1}=${row(i + 1, n)}\n`)
    })
    assertSame(got.digest('hex'), want.digest('hex'), 'content')
  }
  await fill(width)
  const under = await bounded(pid, 40, async () => { const r = await all(); whole(r, width); return r.raw.length })
  await check(`a result of ${under.value} bytes, just under ${LIMIT}, arrives whole (${under.said})`, () =>
    under.value < LIMIT && under.value > LIMIT - 16384)
  await fill(width + 2)
  const over = await bounded(pid, 40, async () => (await all()).json())
  await check(`just over the limit the answer is RESPONSE_TOO_LARGE, and the requests after it are answered (${over.said})`, () => {
    assertSame(over.value.results.map((x) => x.error?.code ?? x.type), ['RESPONSE_TOO_LARGE', 'ok'])
    assert(/large/i.test(over.value.results[0].error.message), over.value.results[0].error.message)
  })
  await check('the limit counts for a whole answer: a second result that does not fit any more is refused, the first stays', async () => {
    const half = `SELECT id, v FROM big WHERE id <= ${Math.floor(ROWS * 0.6)}`
    const r = await daemon.pipeline(key, { baton: null, requests: [exec(half), exec(half), exec('SELECT 1'), close] }, { timeout: 60000 })
    assertSame(r.json().results.map((x) => x.error?.code ?? x.type).slice(0, 2), ['ok', 'RESPONSE_TOO_LARGE'])
  })
  // 32 MiB of answers may wait to be taken, and three more be on their way there; what comes then is refused, clearly.
  await fill(width)
  let taken = 0
  const many = await bounded(pid, 96, async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => all()))
    for (const r of answers) {
      if (r.status === 200) { whole(r, width); taken++ } else assertSame([r.status, r.json().code], [429, 'TRANSACTION_BUSY'])
    }
  })
  await check(`40 of them at once: ${taken} arrive whole, the others are told 429 (${many.said})`, () => taken > 0)
  await fill(5 * width)
  const cursor = await bounded(pid, 16, async () => {
    const r = await request(`${daemon.databaseUrl}/v3/cursor`, { method: 'POST', headers: { Authorization: `Bearer ${key}` }, timeout: 60000,
      body: { baton: null, batch: { steps: [{ stmt: { sql: 'SELECT id, v FROM big ORDER BY id' } }] } } })
    const rows = r.text.trim().split('\n').map((l) => JSON.parse(l)).filter((x) => x.type === 'row')
    assertSame(rows.length, ROWS)
    rows.forEach((x, i) => assert(x.row[1].value === row(i + 1, 5 * width), `row ${i + 1}`))
    return r.raw.length
  })
  await check(`a cursor has no such limit: ${(cursor.value / 1e6).toFixed(0)} MB arrive whole (${cursor.said})`, () => cursor.value > 4 * LIMIT)
}
