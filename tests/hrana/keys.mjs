// PRAGMA foreign_keys=OFF in a request of its own: counts for the DROP TABLE that a tool sends in another one, and for nothing else.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { int, request } from '../lib/daemon.mjs'

export async function run(daemon) {
  const [token, other] = await Promise.all(['keys', 'keys-other'].map(async (id) => (await daemon.createBuild(id)).env.TURSO_AUTH_TOKEN))
  const on = (t) => async (...list) => {
    for (const sql of list) await daemon.sql(t, sql)
  }
  const lone = on(token)
  const error = (sql, t = token) => daemon.sql(t, sql).then(() => undefined, (e) => e.message)
  const count = async (table, t = token) => Number((await daemon.sql(t, `SELECT count(*) FROM ${table}`)).rows[0][0].value)
  const tables = async (action, t = token) => {
    await on(t)('DROP TABLE IF EXISTS child', 'DROP TABLE IF EXISTS parent', 'CREATE TABLE parent (id INTEGER PRIMARY KEY)', `CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent(id) ON DELETE ${action})`,
      'INSERT INTO parent VALUES (1), (2)', 'INSERT INTO child VALUES (10, 1), (20, 2)')
  }
  const off = 'PRAGMA foreign_keys=OFF'
  const again = 'PRAGMA foreign_keys=ON'
  const redefine = ['CREATE TABLE new_parent (id INTEGER PRIMARY KEY, more TEXT)', 'INSERT INTO new_parent (id) SELECT id FROM parent', 'DROP TABLE parent', 'ALTER TABLE new_parent RENAME TO parent']
  const dropped = 'SQLite error: FOREIGN KEY constraint failed'

  await check('keys: without it DROP TABLE does as SQLite says: rows that refer go too, or it is refused', async () => {
    await tables('CASCADE')
    await lone('DROP TABLE parent')
    assertSame(await count('child'), 0)
    await lone('DROP TABLE child')
    await tables('RESTRICT')
    assertSame(await error('DROP TABLE parent'), dropped)
    assertSame([await count('parent'), await count('child')], [2, 2])
  })
  for (const action of ['CASCADE', 'SET NULL', 'RESTRICT', 'NO ACTION'])
    await check(`keys: a table is made anew, each statement in a request of its own: the rows that refer to it stay (${action})`, async () => {
      await lone(off, 'DROP TABLE IF EXISTS child', 'DROP TABLE IF EXISTS parent', again)
      await tables(action)
      await lone(off, ...redefine, again)
      const r = await daemon.sql(token, 'SELECT id, p FROM child ORDER BY id')
      assertSame(r.rows.map((x) => x.map((c) => c.value)), [['10', '1'], ['20', '2']])
      assertSame((await daemon.sql(token, 'PRAGMA foreign_key_check')).rows, [])
      assertSame(await error('INSERT INTO child VALUES (30, 99)'), dropped)
    })
  await check('keys: through the cursor too', async () => {
    await lone(off, 'DROP TABLE child', 'DROP TABLE parent', again)
    await tables('CASCADE')
    for (const sql of [off, ...redefine, again]) {
      const r = await request(`${daemon.databaseUrl}/v3/cursor`, { method: 'POST', headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: { batch: { steps: [{ stmt: { sql } }] } } })
      assert(r.status === 200 && !/error/.test(r.text), `${sql}: ${r.text}`)
      await daemon.pipeline(token, { baton: JSON.parse(r.text.split('\n')[0]).baton, requests: [{ type: 'close' }] }, { version: 'v3' })
    }
    assertSame(await count('child'), 2)
  })
  await check('keys: all other statements are checked meanwhile, also behind the DROP TABLE in its request', async () => {
    await lone(off)
    assertSame(await error('INSERT INTO child VALUES (30, 99)'), dropped)
    await lone('CREATE TABLE x (a)')
    const r = await daemon.pipeline(token, { requests: ['DROP TABLE x', 'PRAGMA foreign_keys', 'INSERT INTO child VALUES (30, 99)'].map((sql) => ({ type: 'execute', stmt: { sql } })).concat({ type: 'close' }) })
    const [, value, bad] = r.json().results
    assertSame([value.response.result.rows[0][0].value, bad.error?.message], ['1', dropped])
    const insert = (id, p) => ({ type: 'execute', stmt: { sql: 'INSERT INTO child VALUES (?, ?)', args: [int(id), int(p)] } })
    const same = await daemon.pipeline(token, { requests: [insert(40, 1), { type: 'sequence', sql: 'CREATE TABLE x (a); DROP TABLE x' }, insert(41, 99), { type: 'close' }] })
    assertSame(same.json().results.map((x) => x.error?.message), [undefined, undefined, dropped, undefined], 'a statement that was prepared before')
    await lone('DELETE FROM child WHERE id = 40')
    await lone('DELETE FROM parent WHERE id = 2')
    assertSame(await count('child'), 1, 'ON DELETE CASCADE')
    await lone(again)
  })
  await check('keys: not in a transaction, not in a stream that has switched them on, not when the statement fails', async () => {
    await tables('CASCADE')
    await lone(off)
    const inOne = (...list) => daemon.pipeline(token, { requests: list.map((sql) => ({ type: 'execute', stmt: { sql } })).concat({ type: 'close' }) })
    await inOne('BEGIN', 'DROP TABLE parent', 'COMMIT')
    assertSame(await count('child'), 0, 'in a transaction')
    await lone(again)
    await tables('CASCADE')
    await lone(off)
    await inOne(again, 'DROP TABLE parent')
    assertSame(await count('child'), 0, 'its own stream')
    await tables('CASCADE')
    await lone(off)
    assert(/no such table/.test(await error('DROP TABLE nowhere')))
    assertSame(await error('INSERT INTO child VALUES (30, 99)'), dropped)
    await lone(again)
  })
  await check('keys: ON ends it, and another build has none of it', async () => {
    await lone(off, again, 'DROP TABLE parent')
    assertSame(await count('child'), 0)
    await lone(off)
    await tables('CASCADE', other)
    await on(other)('DROP TABLE parent')
    assertSame(await count('child', other), 0)
    await lone(again)
  })
}
