// What an app does after each change of its schema: `node app.mjs <schema.js> <step>`. Its environment is that of a build.
import assert from 'node:assert/strict'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { asc, eq, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql'
import { migrate } from 'drizzle-orm/libsql/migrator'

const [file, step] = process.argv.slice(2)
const schema = await import(pathToFileURL(path.resolve(file)).href)
const client = createClient({ url: process.env.TURSO_DATABASE_URL, authToken: process.env.TURSO_AUTH_TOKEN })
const db = drizzle(client, { schema })
const { users, posts } = schema

let n = 0
async function check(name, fn) {
  try {
    await fn()
    console.log(`ok ${++n} - ${name}`)
  } catch (e) {
    console.log(`not ok ${++n} - ${name}\n${String(e?.stack ?? e).replace(/^/gm, '# ')}`)
  }
}

// The error of the database, whatever drizzle wraps around it.
const refused = (query, pattern) => assert.rejects(query, (e) => pattern.test(`${e.message} ${e.cause?.message}`) || assert.fail(`${e.message} ${e.cause?.message}`))
const column = async (table, name) => (await db.all(sql`SELECT type, "notnull", dflt_value FROM pragma_table_info(${table}) WHERE name = ${name}`))[0]
const titles = async () => (await db.select().from(posts).orderBy(asc(posts.id))).map((p) => p.title)

// The rows that were written under the first schema, as they were.
const first = async () => {
  assert.deepEqual(await client.execute('SELECT id, email, name FROM users WHERE id <= 3 ORDER BY id').then((r) => r.rows.map((x) => [...Object.values(x)])),
    [[1, 'ada@example.com', 'Ada'], [2, 'grace@example.com', null], [3, 'edsger@example.com', 'Edsger']])
  assert.deepEqual(await client.execute('SELECT id, title, score, author_id FROM posts WHERE id <= 3 ORDER BY id').then((r) => r.rows.map((x) => [...Object.values(x)])),
    [[1, 'one', 1.5, 1], [2, 'two', 4, 1], [3, 'three', null, null]])
}

const steps = {
  async 1() {
    await check('rows go in', async () => {
      await db.insert(users).values([{ email: 'ada@example.com', name: 'Ada' }, { email: 'grace@example.com' }, { email: 'edsger@example.com', name: 'Edsger' }])
      await db.insert(posts).values([{ title: 'one', score: 1.5, authorId: 1 }, { title: 'two', score: 4, authorId: 1 }, { title: 'three' }])
      await first()
    })
    await check('the unique index holds', () => refused(db.insert(users).values({ email: 'ada@example.com' }), /UNIQUE constraint failed/))
  },
  async 2() {
    await check('type: the rows are still there', first)
    await check('type: it is the new one', async () => assert.equal((await column('posts', 'score')).type, 'INTEGER'))
    await check('type: it counts for new rows', async () => {
      await client.execute("INSERT INTO posts (id, title, score) VALUES (20, 'twenty', '7')")
      assert.deepEqual((await client.execute('SELECT score, typeof(score) AS t FROM posts WHERE id = 20')).rows.map((r) => [r.score, r.t]), [[7, 'integer']])
      await db.delete(posts).where(eq(posts.id, 20))
    })
  },
  async 3() {
    await check('NOT NULL and default: the rows are still there, NULL too', first)
    await check('NOT NULL: it counts for new rows', () => refused(db.insert(users).values({ email: 'x@example.com', name: sql`NULL` }), /NOT NULL constraint failed: users.name/))
    await check('default: it counts for new rows', async () => {
      await db.insert(users).values({ email: 'alan@example.com' })
      assert.equal((await db.select().from(users).where(eq(users.email, 'alan@example.com')))[0].name, 'nobody')
    })
    await check('the unique index is there again', () => refused(db.insert(users).values({ email: 'ada@example.com' }), /UNIQUE constraint failed/))
  },
  async 4() {
    await check('foreign key: the rows are still there', first)
    await check('foreign key: it counts for new rows', () => refused(db.insert(posts).values({ title: 'nobody wrote it', authorId: 99 }), /FOREIGN KEY constraint failed/))
    await check('foreign key: ON DELETE CASCADE', async () => {
      await db.insert(users).values({ id: 50, email: 'short@example.com' })
      await db.insert(posts).values([{ id: 50, title: 'fifty', authorId: 50 }, { id: 51, title: 'fifty-one', authorId: 50 }])
      await db.delete(users).where(eq(users.id, 50))
      assert.deepEqual(await titles(), ['one', 'two', 'three'])
    })
  },
  async 5() {
    await check('new columns and index: the rows are still there', first)
    await check('new columns: the old rows have their defaults', async () =>
      assert.deepEqual((await db.select().from(posts).orderBy(asc(posts.id))).map((p) => [p.status, p.views]), [['draft', 1], ['draft', 1], ['draft', 1]]))
    await check('new index: it is used', async () => {
      const plan = await client.execute('EXPLAIN QUERY PLAN SELECT id FROM posts WHERE author_id = 1 AND views > 3')
      assert.match(JSON.stringify(plan.rows), /posts_author_views/)
    })
  },
  async 6() {
    await check('another default: the old rows keep what the old one gave them', async () => {
      await first()
      assert.deepEqual((await db.select().from(posts).orderBy(asc(posts.id))).map((p) => [p.status, p.views]), [['draft', 1], ['draft', 1], ['draft', 1]])
    })
    await check('another default: it counts for new rows, and NOT NULL is gone where it was dropped', async () => {
      await db.insert(posts).values({ id: 60, title: null, authorId: 3 })
      const [p] = await db.select().from(posts).where(eq(posts.id, 60))
      assert.deepEqual([p.title, p.status, p.views], [null, 'new', 1])
    })
    await check('the foreign key is still there', async () => {
      await refused(db.insert(posts).values({ authorId: 99 }), /FOREIGN KEY constraint failed/)
      await db.delete(users).where(eq(users.id, 3))
      assert.equal((await db.select().from(posts).where(eq(posts.id, 60))).length, 0)
    })
    await check('the file is sound', async () => {
      const r = await client.execute('PRAGMA integrity_check')
      // Grace has no name, as before NOT NULL came: libSQL leaves such rows alone, and the check says so.
      assert.deepEqual(r.rows.map((x) => x.integrity_check), ['NULL value in users.name'])
    })
  },
  // Migrations by drizzle-orm itself instead of drizzle-kit.
  async migrate() {
    await check('drizzle-orm applies the migrations', () => migrate(db, { migrationsFolder: path.join(path.dirname(path.resolve(file)), 'drizzle') }))
    await check('the rows are still there', first)
    await check('what the migrations changed is in force', async () => {
      await refused(db.insert(users).values({ email: 'x@example.com', name: sql`NULL` }), /NOT NULL constraint failed: users.name/)
      await refused(db.insert(posts).values({ title: 'x', authorId: 99 }), /FOREIGN KEY constraint failed/)
      assert.equal((await column('posts', 'score')).type, 'INTEGER')
    })
    await check('applying them again changes nothing', async () => {
      const before = await client.execute('SELECT count(*) AS n FROM __drizzle_migrations')
      await migrate(db, { migrationsFolder: path.join(path.dirname(path.resolve(file)), 'drizzle') })
      assert.deepEqual((await client.execute('SELECT count(*) AS n FROM __drizzle_migrations')).rows, before.rows)
    })
  },
  // The statement itself, in every way a client can send one.
  async client() {
    const def = async () => (await client.execute("SELECT sql FROM sqlite_schema WHERE name = 'c'")).rows[0].sql
    await check('execute', async () => {
      await client.execute('CREATE TABLE c (id INTEGER PRIMARY KEY, v TEXT)')
      await client.execute("INSERT INTO c (v) VALUES ('a')")
      const r = await client.execute('ALTER TABLE c ALTER COLUMN v TO v TEXT NOT NULL; -- done')
      assert.deepEqual([r.columns, r.columnTypes, [...r.rows], r.rowsAffected, r.lastInsertRowid], [[], [], [], 0, undefined])
      assert.equal(await def(), 'CREATE TABLE c (id INTEGER PRIMARY KEY, v TEXT NOT NULL)')
    })
    await check('errors read like SQLite\'s', async () => {
      for (const [text, code, pattern] of [
        ['ALTER TABLE c ALTER COLUMN w TO w INT', 'SQLITE_UNKNOWN', /no such column: "w"/],
        ['ALTER TABLE nope ALTER COLUMN w TO w INT', 'SQLITE_UNKNOWN', /no such table: nope/],
        ['ALTER TABLE c ALTER COLUMN v TO v INT, x INT', 'SQL_INPUT_ERROR', /near ",": syntax error \(at offset 37\)/],
        ['ALTER TABLE c ALTER COLUMN v TO v INT; SELECT 1', 'SQL_MANY_STATEMENTS', /more than one statement/],
        ['SELECT 1; ALTER TABLE c ALTER COLUMN v TO v INT', 'SQL_MANY_STATEMENTS', /more than one statement/],
      ]) await assert.rejects(client.execute(text), (e) => e.code === code && pattern.test(e.message) || assert.fail(`${text}: ${e.code} ${e.message}`))
      await assert.rejects(client.execute({ sql: 'ALTER TABLE c ALTER COLUMN v TO v INT', args: [1] }), /too many parameters, expected 0 found 1/)
      assert.equal(await def(), 'CREATE TABLE c (id INTEGER PRIMARY KEY, v TEXT NOT NULL)')
    })
    await check('batch: all of it or nothing', async () => {
      await assert.rejects(client.batch(['ALTER TABLE c ALTER COLUMN v TO v INT', 'INSERT INTO nope VALUES (1)'], 'write'), /no such table: nope/)
      assert.match(await def(), /v TEXT NOT NULL/)
      const r = await client.batch(['CREATE INDEX ci ON c (v)', 'DROP INDEX ci', 'ALTER TABLE c ALTER COLUMN v TO v INT', 'CREATE INDEX ci ON c (v)', "INSERT INTO c (v) VALUES ('7')"], 'write')
      assert.equal(r.length, 5)
      assert.deepEqual((await client.execute('SELECT v, typeof(v) AS t FROM c INDEXED BY ci ORDER BY id')).rows.map((x) => [x.v, x.t]), [['a', 'text'], [7, 'integer']])
    })
    await check('migrate', async () => {
      await client.migrate(['ALTER TABLE c ALTER COLUMN v TO v INT REFERENCES c(id)'])
      await assert.rejects(client.execute('INSERT INTO c (v) VALUES (99)'), /FOREIGN KEY constraint failed/)
    })
    await check('executeMultiple', async () => {
      await client.executeMultiple("-- first; \n ALTER TABLE c ALTER COLUMN v TO v TEXT DEFAULT 'x;y'; INSERT INTO c DEFAULT VALUES; ALTER TABLE c ALTER COLUMN v TO v TEXT;")
      assert.equal((await client.execute('SELECT v FROM c ORDER BY id DESC LIMIT 1')).rows[0].v, 'x;y')
      assert.match(await def(), /v TEXT\)$/)
    })
    await check('transaction: seen inside, gone after a rollback, there after a commit', async () => {
      for (const end of ['rollback', 'commit']) {
        const tx = await client.transaction('write')
        await tx.execute('ALTER TABLE c ALTER COLUMN v TO v TEXT NOT NULL')
        await assert.rejects(tx.execute('INSERT INTO c (v) VALUES (NULL)'), /NOT NULL constraint failed/)
        await tx[end]()
        assert.equal(/NOT NULL/.test(await def()), end === 'commit')
      }
    })
    await check('connections that were open before see it', async () => {
      const many = await Promise.all(Array.from({ length: 8 }, () => client.execute('INSERT INTO c (v) VALUES (NULL)').then(() => 'taken', (e) => e.message)))
      assert.deepEqual([...new Set(many.map((m) => /NOT NULL constraint failed: c.v/.test(m) || m))], [true])
    })
  },
}

await steps[step]()
client.close()
