// Values in and out, and what a StmtResult says about a statement.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { int, plain, text } from '../lib/daemon.mjs'

export async function run(daemon) {
  const token = (await daemon.createBuild('values')).env.TURSO_AUTH_TOKEN
  const sql = (s, args) => daemon.sql(token, s, args)
  const one = async (s, args) => (await sql(s, args)).rows[0][0]

  const round = [
    ['null', { type: 'null' }, null], ['0', int(0), 0n], ['-1', int(-1), -1n],
    ['2^53+1', int('9007199254740993'), 9007199254740993n],
    ['the largest int64', int('9223372036854775807'), 9223372036854775807n], ['the smallest int64', int('-9223372036854775808'), -9223372036854775808n],
    ['1.25', { type: 'float', value: 1.25 }, 1.25], ['42.0 stays a float', { type: 'float', value: 42 }, 42],
    ['1e308', { type: 'float', value: 1e308 }, 1e308], ['5e-324', { type: 'float', value: 5e-324 }, 5e-324], ['0.1', { type: 'float', value: 0.1 }, 0.1],
    ['pi', { type: 'float', value: Math.PI }, Math.PI], ['1.7976931348623157e308', { type: 'float', value: Number.MAX_VALUE }, Number.MAX_VALUE],
    ['the empty text', text(''), ''], ['quotes and line ends', text('"\\\'\n\r\t\b\f/'), '"\\\'\n\r\t\b\f/'], ['U+0000', text('a\0b'), 'a\0b'], ['U+0001 and U+007F', text('\x01\x7f'), '\x01\x7f'],
    ['beyond the BMP', text('😀𝄞\u{10ffff}'), '😀𝄞\u{10ffff}'], ['U+2028', text('\u2028\u2029'), '\u2028\u2029'], ['200 kB', text('é'.repeat(100000)), 'é'.repeat(100000)],
    ['the empty blob', { type: 'blob', base64: '' }, Buffer.alloc(0)], ['a blob, unpadded', { type: 'blob', base64: 'AQ' }, Buffer.from([1])],
    ['a blob, padded', { type: 'blob', base64: 'AQI=' }, Buffer.from([1, 2])], ['a blob, url-safe', { type: 'blob', base64: '-_-_' }, Buffer.from([0xfb, 0xff, 0xbf])],
    ['a blob, standard', { type: 'blob', base64: '+/+/' }, Buffer.from([0xfb, 0xff, 0xbf])],
    ['300 kB of blob', { type: 'blob', base64: Buffer.alloc(300000, 0xab).toString('base64') }, Buffer.alloc(300000, 0xab)],
  ]
  for (const [name, arg, want] of round)
    await check(`value there and back: ${name}`, async () => {
      const c = await one('SELECT ?', [arg])
      assertSame(c.type, arg.type, 'type')
      assertSame(plain(c), want)
    })

  await check('an escaped U+0000 in the request and -0.0', async () => {
    const r = await daemon.pipeline(token, '{"requests":[{"type":"execute","stmt":{"sql":"SELECT ?, ?, length(CAST(?1 AS BLOB))","args":[{"type":"text","value":"a\\u0000b"},{"type":"float","value":-0.0}]}},{"type":"close"}]}')
    const row = r.json().results[0].response.result.rows[0]
    assertSame(row[0].value, 'a\0b')
    assert(row[1].type === 'float' && row[1].value === 0, JSON.stringify(row[1]))
    assertSame(row[2].value, '3')
  })
  await check('surrogate pairs as escapes are one character', async () => {
    const r = await daemon.pipeline(token, '{"requests":[{"type":"execute","stmt":{"sql":"SELECT unicode(?)","args":[{"type":"text","value":"\\ud83d\\ude00"}]}},{"type":"close"}]}')
    assertSame(r.json().results[0].response.result.rows[0][0].value, '128512')
  })
  await check('infinities are numbers that JavaScript reads, NaN is null', async () => {
    const r = await sql('SELECT 9e999, -9e999, 9e999 - 9e999')
    assertSame(r.rows[0], [{ type: 'float', value: Infinity }, { type: 'float', value: -Infinity }, { type: 'null' }])
  })
  await check('text that is not UTF-8 does not break the JSON', async () => {
    const r = await sql("SELECT CAST(x'61ff62c3' AS TEXT), CAST(x'eda080' AS TEXT), 'ok'")
    assertSame(r.rows[0][2].value, 'ok')
    assert(r.rows[0][0].value.startsWith('a') && r.rows[0][0].value.includes('b'), JSON.stringify(r.rows[0]))
  })
  await check('blobs come out in standard base64', async () => {
    const c = await one("SELECT x'fbffbf01'")
    assert(/^\+\/\+\/AQ(==)?$/.test(c.base64), c.base64)
  })

  await check('fewer args than parameters: the rest are NULL', async () => assertSame((await sql('SELECT ?, ?', [int(1)])).rows[0], [int(1), { type: 'null' }]))
  await check('named args by name, with and without :, @, $; unknown ones ignored', async () => {
    const r = await daemon.pipeline(token, { requests: [{ type: 'execute', stmt: { sql: 'SELECT :a, @b, $c, :d', named_args: [{ name: 'a', value: int(1) }, { name: 'b', value: int(2) }, { name: 'c', value: int(3) }, { name: ':d', value: int(4) }, { name: 'zzz', value: int(5) }] } }, { type: 'close' }] })
    assertSame(r.json().results[0].response.result.rows[0], [int(1), int(2), int(3), int(4)])
  })
  await check('?NNN by number', async () => assertSame((await sql('SELECT ?3, ?1', [int(1), int(2), int(3)])).rows[0], [int(3), int(1)]))

  await check('want_rows false: columns, no rows, and the statement ran', async () => {
    await sql('CREATE TABLE w(id INTEGER PRIMARY KEY, v)')
    const r = await daemon.pipeline(token, { requests: [{ type: 'execute', stmt: { sql: "INSERT INTO w(v) VALUES ('x'), ('y') RETURNING id", want_rows: false } }, { type: 'close' }] })
    const got = r.json().results[0].response.result
    assertSame([got.cols.map((c) => c.name), got.rows, got.affected_row_count], [['id'], [], 2])
  })

  // statement → affected_row_count, last_insert_rowid (null or a text)
  await check('affected_row_count and last_insert_rowid', async () => {
    await sql('CREATE TABLE n(id INTEGER PRIMARY KEY, v, UNIQUE (v))')
    const seen = []
    for (const s of ['INSERT INTO n VALUES (10, 1)', 'INSERT INTO n VALUES (20, 2), (30, 3)', 'SELECT * FROM n', 'INSERT OR IGNORE INTO n VALUES (40, 3)',
      'INSERT INTO n VALUES (20, 2) ON CONFLICT DO UPDATE SET v = 22', 'DELETE FROM n WHERE id > 10', 'CREATE TABLE m(x)', 'DELETE FROM n WHERE 0', 'INSERT INTO n VALUES (7, 7) RETURNING id']) {
      const r = await sql(s)
      seen.push([r.affected_row_count, r.last_insert_rowid])
    }
    assertSame(seen.map((x) => x[0]), [1, 2, 0, 0, 1, 2, 0, 0, 1], 'affected')
    assertSame(seen.slice(0, 2).map((x) => x[1]), ['10', '30'], 'rowids of INSERTs')
    assertSame(seen[8][1], '7', 'rowid of INSERT … RETURNING')
    for (const i of [2, 6]) assert(seen[i][1] === null || seen[i][1] === '0', `rowid of statement ${i}: ${seen[i][1]}`)
    assert(seen.every((x) => x[1] === null || typeof x[1] === 'string'), 'rowids are texts')
  })
  await check('cols have names and declared types', async () => {
    await sql('CREATE TABLE k(a INTEGER, b VARCHAR(20), c)')
    assertSame((await sql('SELECT a, b, c, a + 1 AS d, count(*) FROM k')).cols, [
      { name: 'a', decltype: 'INTEGER' }, { name: 'b', decltype: 'VARCHAR(20)' }, { name: 'c', decltype: null }, { name: 'd', decltype: null }, { name: 'count(*)', decltype: null }])
  })
  await check('describe', async () => {
    const of = async (s) => (await daemon.pipeline(token, { requests: [{ type: 'describe', sql: s }, { type: 'close' }] })).json().results[0].response.result
    assertSame(await of('INSERT INTO k VALUES (?2, :x, ?)'), { params: [{ name: null }, { name: '?2' }, { name: ':x' }, { name: null }], cols: [], is_explain: false, is_readonly: false })
    const e = await of('EXPLAIN SELECT 1')
    assertSame([e.is_explain, e.is_readonly], [true, true])
  })
  await check('nothing more than the SQL is run by describe', async () => {
    await daemon.pipeline(token, { requests: [{ type: 'describe', sql: 'INSERT INTO k VALUES (1, 2, 3)' }, { type: 'close' }] })
    assertSame((await one('SELECT count(*) FROM k')).value, '0')
  })

  await check('a response above 10 MB is refused by itself; the next request of the pipeline runs', async () => {
    const many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 300) SELECT hex(zeroblob(40000)) FROM c"
    const r = await daemon.pipeline(token, { requests: [{ type: 'execute', stmt: { sql: many } }, { type: 'execute', stmt: { sql: 'SELECT 5' } }, { type: 'close' }] })
    const [a, b] = r.json().results
    assertSame([a.type, a.error?.code, a.error?.message], ['error', 'RESPONSE_TOO_LARGE', 'Response is too large'])
    assertSame(b.response.result.rows, [[int(5)]])
  })
  await check('a response of 8 MB arrives whole', async () => {
    const r = await sql("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100) SELECT x, hex(zeroblob(40000)) FROM c")
    assertSame([r.rows.length, r.rows[99][0].value, r.rows[99][1].value.length], [100, '100', 80000])
  })
  await check('20000 small rows arrive whole and in order', async () => {
    const r = await sql('WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20000) SELECT x FROM c')
    assert(r.rows.length === 20000 && r.rows.every((x, i) => x[0].value === String(i + 1)), `${r.rows.length} rows`)
  })
  await check('an error in the middle of rows leaves no rows', async () => {
    const r = await daemon.pipeline(token, { requests: [{ type: 'execute', stmt: { sql: 'SELECT abs(value) FROM json_each(\'[1,2,-9223372036854775808]\')' } }, { type: 'close' }] })
    const a = r.json().results[0]
    assertSame([a.type, a.error?.code], ['error', 'SQLITE_UNKNOWN'], JSON.stringify(a).slice(0, 200))
  })
}
