// Protocol errors (HTTP 400, text/plain, the stream is gone) and statement errors (HTTP 200, in the result): table-driven.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { int } from '../lib/daemon.mjs'

const ex = (sql, rest = {}) => ({ type: 'execute', stmt: { sql, ...rest } })
const batch = (...steps) => ({ type: 'batch', batch: { steps } })
const step = (sql, condition) => ({ stmt: { sql }, ...(condition ? { condition } : {}) })
const close = { type: 'close' }
const nested = (n) => { let c = { type: 'is_autocommit' }; for (let i = 0; i < n; i++) c = { type: 'not', cond: c }; return c }
const tooDeep = `{"requests":[{"type":"batch","batch":{"steps":[{"stmt":{"sql":"SELECT 1"},"condition":${'{"type":"not","cond":'.repeat(5000)}{"type":"is_autocommit"}${'}'.repeat(5000)}}]}}]}`
const P = (...requests) => ({ requests })

// [what, body, the message's beginning or a pattern]
const PROTOCOL = [
  ['cut JSON', '{', /^Cannot deserialize client message from JSON/],
  ['no body', '', /^Cannot deserialize client message from JSON/],
  ['text that is not JSON', 'SELECT 1', /^Cannot deserialize client message from JSON/],
  ['something after the JSON', '{"requests":[]} x', /^Cannot deserialize client message from JSON/],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), /^Cannot deserialize client message from JSON/],
  ['a lone surrogate is no text', '{"requests":[{"type":"execute","stmt":{"sql":"SELECT \'\\ud800\'"}}]}', /./, { maybe: true }],
  ['null', 'null', /./],
  ['an array', '[]', /./],
  ['a number', '7', /./],
  ['no requests', '{}', /./],
  ['requests that is an object', { requests: {} }, /./],
  ['a request that is a string', { requests: ['execute'] }, /./],
  ['a baton that is a number', { baton: 7, requests: [] }, /./],
  ['a request without type', P({}), /^StreamRequest type not recognized/],
  ['a type that is not known', P({ type: 'frobnicate' }), /^StreamRequest type not recognized/],
  ['a type that is null', P({ type: null }), /^StreamRequest type not recognized/],
  ['execute without stmt', P({ type: 'execute' }), /./],
  ['sql and sql_id', P(ex('SELECT 1', { sql_id: 1 })), /^Either `sql` or `sql_id` are required, but not both/],
  ['neither sql nor sql_id', P({ type: 'execute', stmt: {} }), /^Either `sql` or `sql_id` are required/],
  ['sql that is null and no sql_id', P({ type: 'execute', stmt: { sql: null } }), /^Either `sql` or `sql_id` are required/],
  ['sequence without sql', P({ type: 'sequence' }), /^Either `sql` or `sql_id` are required/],
  ['describe with both', P({ type: 'describe', sql: 'SELECT 1', sql_id: 2 }), /^Either `sql` or `sql_id` are required, but not both/],
  ['sql that is a number', P({ type: 'execute', stmt: { sql: 7 } }), /./],
  ['an sql_id that was not stored', P({ type: 'execute', stmt: { sql_id: 7 } }), /^SQL text 7 not found/],
  ['an sql_id that was closed', P({ type: 'store_sql', sql_id: 3, sql: 'SELECT 1' }, { type: 'close_sql', sql_id: 3 }, { type: 'execute', stmt: { sql_id: 3 } }), /^SQL text 3 not found/],
  ['an sql_id above 32 bits', P({ type: 'store_sql', sql_id: 4294967296, sql: 'SELECT 1' }), /./],
  ['an sql_id that is a text', P({ type: 'store_sql', sql_id: '1', sql: 'SELECT 1' }), /./],
  ['an sql_id twice', P({ type: 'store_sql', sql_id: 1, sql: 'SELECT 1' }, { type: 'store_sql', sql_id: 1, sql: 'SELECT 2' }), /^SQL text 1 already exists/],
  ['store_sql without sql', P({ type: 'store_sql', sql_id: 1 }), /./],
  ['a condition on the step itself', P(batch(step('SELECT 1', { type: 'ok', step: 0 }))), /^Invalid reference to step in a batch condition/],
  ['a condition on a later step', P(batch(step('SELECT 1', { type: 'error', step: 1 }), step('SELECT 2'))), /^Invalid reference to step in a batch condition/],
  ['a condition on step -1', P(batch(step('SELECT 1', { type: 'ok', step: -1 }))), /./],
  ['a bad reference deep inside', P(batch(step('SELECT 1'), step('SELECT 2', { type: 'and', conds: [{ type: 'ok', step: 0 }, { type: 'not', cond: { type: 'ok', step: 9 } }] }))), /^Invalid reference to step in a batch condition/],
  ['a condition of unknown type', P(batch(step('SELECT 1', { type: 'maybe' }))), /^BatchCond type not recognized/],
  ['a condition without type', P(batch(step('SELECT 1', {}))), /^BatchCond type not recognized/],
  ['`and` without conds', P(batch(step('SELECT 1', { type: 'and' }))), /./],
  ['conditions nested 5000 deep', tooDeep, /./],
  ['JSON nested 100000 deep', '['.repeat(100000), /./],
  ['batch without steps', P({ type: 'batch', batch: {} }), /./],
  ['batch without batch', P({ type: 'batch' }), /./],
  ['a step without stmt', P({ type: 'batch', batch: { steps: [{}] } }), /./],
  ['a value of unknown type', P(ex('SELECT ?', { args: [{ type: 'decimal', value: '1' }] })), /^Value type not recognized/],
  ['a value without type', P(ex('SELECT ?', { args: [{}] })), /^Value type not recognized/],
  ['a value that is a bare number', P(ex('SELECT ?', { args: [1] })), /./],
  ['an integer that is a JSON number', P(ex('SELECT ?', { args: [{ type: 'integer', value: 1 }] })), /./, { maybe: true }],
  ['an integer that is no number', P(ex('SELECT ?', { args: [{ type: 'integer', value: 'abc' }] })), /./],
  ['an integer above int64', P(ex('SELECT ?', { args: [{ type: 'integer', value: '9223372036854775808' }] })), /./],
  ['a float that is a text', P(ex('SELECT ?', { args: [{ type: 'float', value: 'x' }] })), /./],
  ['a text that is a number', P(ex('SELECT ?', { args: [{ type: 'text', value: 1 }] })), /./],
  ['a blob that is not base64', P(ex('SELECT ?', { args: [{ type: 'blob', base64: '*?!' }] })), /./],
  ['args that is an object', P(ex('SELECT ?', { args: { 0: 1 } })), /./],
  ['a named arg without name', P(ex('SELECT :a', { named_args: [{ value: { type: 'null' } }] })), /./],
  ['execute after close', P(close, ex('SELECT 1')), /^Stream for this baton was closed/],
  ['get_autocommit after close', P(ex('SELECT 1'), close, { type: 'get_autocommit' }), /^Stream for this baton was closed/],
  ['a baton that nobody gave out', { baton: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', requests: [close] }, /^Received an invalid baton/],
  ['an empty baton', { baton: '', requests: [close] }, /^Received an invalid baton/],
  ['a baton of 100 kB', { baton: 'x'.repeat(100000), requests: [close] }, /^Received an invalid baton/],
]

// [what, requests, index of the result, code, message or pattern]
const STATEMENT = [
  ['no such column', [ex('SELECT foobar')], 0, 'SQL_INPUT_ERROR', 'SQL input error: no such column: foobar (at offset 7)'],
  ['a syntax error', [ex('SELEC 1')], 0, 'SQL_INPUT_ERROR', 'SQL input error: near "SELEC": syntax error (at offset 0)'],
  ['a text that ends too early', [ex('SELECT (')], 0, /^SQL(ITE_UNKNOWN|_INPUT_ERROR)$/, /incomplete input/],
  ['no such table', [ex('SELECT * FROM nope')], 0, 'SQLITE_UNKNOWN', 'SQLite error: no such table: nope'],
  ['nothing', [ex('')], 0, 'SQL_NO_STATEMENT', 'SQL string does not contain any statement'],
  ['only blanks, comments and semicolons', [ex(' ; -- a\n /* b */ ;; ')], 0, 'SQL_NO_STATEMENT', 'SQL string does not contain any statement'],
  ['two statements', [ex('SELECT 1; SELECT 2')], 0, 'SQL_MANY_STATEMENTS', 'SQL string contains more than one statement'],
  ['a second statement that is wrong', [ex('SELECT 1; nonsense')], 0, 'SQL_MANY_STATEMENTS', 'SQL string contains more than one statement'],
  ['a second statement after a comment', [ex('SELECT 1; /* x */ SELECT 2')], 0, 'SQL_MANY_STATEMENTS', 'SQL string contains more than one statement'],
  ['too many args', [ex('SELECT ?', { args: [int(1), int(2)] })], 0, 'ARGS_INVALID', 'Arguments do not match SQL parameters: too many parameters, expected 1 found 2'],
  ['args without a parameter', [ex('SELECT 1', { args: [int(1)] })], 0, 'ARGS_INVALID', 'Arguments do not match SQL parameters: too many parameters, expected 0 found 1'],
  ['positional and named args', [ex('SELECT ?', { args: [int(1)], named_args: [{ name: 'a', value: int(1) }] })], 0, 'ARGS_BOTH_POSITIONAL_AND_NAMED', 'Specifying both positional and named arguments is not supported'],
  ['unique', [ex('INSERT INTO p VALUES (1, 1)')], 0, 'SQLITE_CONSTRAINT', 'SQLite error: UNIQUE constraint failed: p.id'],
  ['not null', [ex('INSERT INTO p VALUES (7, NULL)')], 0, 'SQLITE_CONSTRAINT', 'SQLite error: NOT NULL constraint failed: p.v'],
  ['check', [ex('INSERT INTO p VALUES (8, -1)')], 0, 'SQLITE_CONSTRAINT', /^SQLite error: CHECK constraint failed/],
  ['foreign key', [ex('INSERT INTO c VALUES (1, 99)')], 0, 'SQLITE_CONSTRAINT', 'SQLite error: FOREIGN KEY constraint failed'],
  ['datatype mismatch', [ex("INSERT INTO p VALUES ('x', 1)")], 0, 'SQLITE_MISMATCH', 'SQLite error: datatype mismatch'],
  ['raise(abort)', [ex('DELETE FROM p WHERE id = 2')], 0, 'SQLITE_CONSTRAINT', 'SQLite error: two stays'],
  ['a value that is too big', [ex('SELECT length(zeroblob(900000000))')], 0, 'SQLITE_TOOBIG', 'SQLite error: string or blob too big'],
  ['integer overflow', [ex('SELECT abs(-9223372036854775808)')], 0, 'SQLITE_UNKNOWN', 'SQLite error: integer overflow'],
  ['COMMIT without a transaction', [ex('COMMIT')], 0, 'SQLITE_UNKNOWN', 'SQLite error: cannot commit - no transaction is active'],
  ['BEGIN twice', [ex('BEGIN'), ex('BEGIN')], 1, 'SQLITE_UNKNOWN', 'SQLite error: cannot start a transaction within a transaction'],
  ['an error in the middle of a sequence', [{ type: 'sequence', sql: "INSERT INTO p VALUES (50, 1); INSERT INTO p VALUES (50, 1); INSERT INTO p VALUES (51, 1)" }], 0, 'SQLITE_CONSTRAINT', 'SQLite error: UNIQUE constraint failed: p.id'],
  ['an error of describe', [{ type: 'describe', sql: 'SELECT foobar' }], 0, 'SQL_INPUT_ERROR', 'SQL input error: no such column: foobar (at offset 7)'],
  ['a stored text above 5 kB', [{ type: 'store_sql', sql_id: 1, sql: 'SELECT 1 --' + 'x'.repeat(6000) }], 0, 'SQL_STORE_TOO_LARGE', /./],
  ['the 51st stored text', Array.from({ length: 51 }, (_, i) => ({ type: 'store_sql', sql_id: i, sql: 'SELECT 1' })), 50, 'SQL_STORE_TOO_MANY', 'The server already stores 50 SQL texts, it cannot store more'],
  ['an expression that is too deep', [ex('SELECT ' + '('.repeat(1000) + '1' + ')'.repeat(1000))], 0, /^SQL/, /./],
  ['more columns than there may be', [ex('SELECT ' + '1,'.repeat(40000) + '1')], 0, /^SQL/, /./],
]

export async function run(daemon) {
  const token = (await daemon.createBuild('protocol')).env.TURSO_AUTH_TOKEN
  await daemon.pipeline(token, P({ type: 'sequence', sql: `
    CREATE TABLE p(id INTEGER PRIMARY KEY, v INTEGER NOT NULL CHECK (v > 0)); INSERT INTO p VALUES (1, 1), (2, 2);
    CREATE TABLE c(id INTEGER PRIMARY KEY, p INTEGER REFERENCES p(id));
    CREATE TRIGGER stay BEFORE DELETE ON p WHEN old.id = 2 BEGIN SELECT RAISE(ABORT, 'two stays'); END;` }, close))

  for (const [what, body, want, { maybe } = {}] of PROTOCOL) {
    await check(`protocol error: ${what}`, async () => {
      const r = await daemon.pipeline(token, body)
      if (maybe && r.status === 200) return
      assertSame([r.status, r.type], [400, 'text/plain'], r.text.slice(0, 200))
      assert(want.test(r.text) && r.text.length < 2000, `body: ${r.text.slice(0, 300)}`)
    })
  }

  for (const [what, requests, index, code, message] of STATEMENT) {
    await check(`statement error: ${what}`, async () => {
      const r = await daemon.pipeline(token, P(...requests, ex('SELECT 11 AS eleven'), close))
      assertSame([r.status, r.type], [200, 'application/json'], r.text.slice(0, 200))
      const all = r.json().results
      assertSame(all.length, requests.length + 2, 'results')
      const got = all[index]
      assertSame(got.type, 'error', JSON.stringify(got).slice(0, 300))
      const fits = (want, is) => (want instanceof RegExp ? want.test(is) : want === is)
      assert(fits(code, got.error.code) && fits(message, got.error.message), JSON.stringify(got.error).slice(0, 400))
      assertSame(all.at(-2).response?.result.rows, [[int(11)]], 'what came after it')
    })
  }

  await check('a sequence stops at its first error and keeps what was committed before', async () => {
    const r = await daemon.sql(token, 'SELECT id FROM p WHERE id >= 50 ORDER BY id')
    assertSame(r.rows.map((x) => x[0].value), ['50'])
  })

  await check('a protocol error closes the stream and rolls back', async () => {
    const open = (await daemon.pipeline(token, P(ex('BEGIN IMMEDIATE'), ex('INSERT INTO p VALUES (60, 1)')))).json()
    assert(open.baton, 'no baton')
    const bad = await daemon.pipeline(token, { baton: open.baton, requests: [{ type: 'execute', stmt: { sql_id: 9 } }] })
    assertSame(bad.status, 400)
    const again = await daemon.pipeline(token, { baton: open.baton, requests: [close] })
    assertSame([again.status, again.type], [400, 'text/plain'], again.text)
    await daemon.sql(token, 'INSERT INTO p VALUES (61, 1)')
    const r = await daemon.sql(token, 'SELECT id FROM p WHERE id >= 60')
    assertSame(r.rows.map((x) => x[0].value), ['61'])
  })

  await check('a skipped step is null in both arrays; conditions see what ran', async () => {
    const r = await daemon.pipeline(token, P(batch(
      step('SELECT nope'), step('SELECT 1', { type: 'ok', step: 0 }), step('SELECT 2', { type: 'error', step: 0 }),
      step('SELECT 3', { type: 'error', step: 1 }), step('SELECT 4', { type: 'not', cond: { type: 'ok', step: 1 } }),
      step('SELECT 5', { type: 'and', conds: [] }), step('SELECT 6', { type: 'or', conds: [] }), step('BEGIN'), step('SELECT 8', { type: 'is_autocommit' }),
      step('ROLLBACK'), step('SELECT 10', { type: 'is_autocommit' }), step('SELECT 11', { type: 'or', conds: [{ type: 'ok', step: 6 }, { type: 'ok', step: 5 }] })), close))
    const { step_results: ok, step_errors: bad } = r.json().results[0].response.result
    assertSame(ok.map((x) => (x ? x.rows[0]?.[0].value ?? '-' : null)), [null, null, '2', null, '4', '5', null, '-', null, '-', '10', '11'])
    assertSame(bad.map((x) => x?.code ?? null), ['SQL_INPUT_ERROR', ...Array(11).fill(null)])
  })

  await check('conditions nested 20 deep work', async () => {
    const r = await daemon.pipeline(token, P(batch(step('SELECT 1', nested(20))), close))
    assertSame(r.status, 200, r.text)
    assertSame(r.json().results[0].response.result.step_results[0].rows, [[int(1)]])
  })

  await check('unknown members are ignored, null counts as absent', async () => {
    const r = await daemon.pipeline(token, { baton: null, colour: 'red', replication_index: 3, requests: [{ type: 'execute', mood: 1, stmt: { sql: 'SELECT 1', sql_id: null, args: null, named_args: null, want_rows: null, x: {} }, replication_index: null }, { type: 'batch', batch: { steps: [{ condition: null, stmt: { sql: 'SELECT 2' } }] } }, close] })
    assertSame(r.status, 200, r.text)
    assertSame(r.json().results.map((x) => x.type), ['ok', 'ok', 'ok'])
  })

  await check('no requests: no results, and the stream stays open', async () => {
    const r = (await daemon.pipeline(token, P())).json()
    assertSame(r.results, [])
    assert(typeof r.baton === 'string' && r.base_url === null, JSON.stringify(r))
    assertSame((await daemon.pipeline(token, { baton: r.baton, requests: [close] })).json().baton, null)
  })

  await check('closing an unknown sql_id is fine; 50 texts can be stored', async () => {
    const r = await daemon.pipeline(token, P({ type: 'close_sql', sql_id: 77 }, ...Array.from({ length: 50 }, (_, i) => ({ type: 'store_sql', sql_id: i - 25, sql: `SELECT ${i}` })), { type: 'execute', stmt: { sql_id: -25 } }, { type: 'execute', stmt: { sql_id: 24 } }, close))
    const all = r.json().results
    assert(all.every((x) => x.type === 'ok'), JSON.stringify(all.find((x) => x.type !== 'ok')))
    assertSame(all.slice(-3, -1).map((x) => x.response.result.rows[0][0].value), ['0', '49'])
  })

  await check('a pipeline of 500 requests answers 500 results in order', async () => {
    const r = await daemon.pipeline(token, P(...Array.from({ length: 499 }, (_, i) => ex('SELECT ?', { args: [int(i)] })), close))
    assertSame(r.json().results.slice(0, 499).map((x) => x.response.result.rows[0][0].value), Array.from({ length: 499 }, (_, i) => String(i)))
  })
}
