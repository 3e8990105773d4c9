// db apply: Prisma's, Drizzle's and plain folders; once, in one transaction, resumable.
import path from 'node:path'
import fs from 'node:fs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { root } from '../lib/daemon.mjs'
import { folder, json, put, rows } from './lib.mjs'

const prisma = {
  'migrations/migration_lock.toml': '# Prisma\nprovider = "sqlite"\n',
  'migrations/20261101000000_init/migration.sql': `-- CreateTable
CREATE TABLE "User" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "email" TEXT NOT NULL
);
-- CreateTable; it's one "statement"
CREATE TABLE "Post" ("id" INTEGER NOT NULL PRIMARY KEY, "userId" INTEGER NOT NULL,
    CONSTRAINT "Post_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE);
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
INSERT INTO "User" ("email") VALUES ('a;b@example.com'), ('--no comment');
INSERT INTO "Post" VALUES (1, 1);
`,
  'migrations/20261102000000_redefine/migration.sql': `-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_User" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "email" TEXT NOT NULL, "name" TEXT NOT NULL DEFAULT 'nobody');
INSERT INTO "new_User" ("email", "id") SELECT "email", "id" FROM "User";
DROP TABLE "User";
ALTER TABLE "new_User" RENAME TO "User";
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
CREATE TRIGGER "touch" AFTER UPDATE OF "email" ON "User" WHEN CASE WHEN new."id" > 0 THEN 1 ELSE 0 END BEGIN
  UPDATE "User" SET "name" = CASE WHEN new."email" LIKE '%;%' THEN 'semi;colon' ELSE 'END;' END WHERE "id" = new."id";
  SELECT 1;
END;
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
`,
}

const journal = (...tags) => JSON.stringify({ version: '7', dialect: 'sqlite', entries: tags.map((tag, idx) => ({ idx, version: '6', when: 1764000000000 + idx, tag, breakpoints: true })) })
const drizzle = {
  'drizzle/meta/_journal.json': journal('0000_zeta', '0001_alpha'),
  'drizzle/0000_zeta.sql': "CREATE TABLE `users` (\n\t`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,\n\t`name` text NOT NULL\n);\n--> statement-breakpoint\nCREATE TABLE `posts` (\n\t`id` integer PRIMARY KEY NOT NULL,\n\t`user` integer,\n\tFOREIGN KEY (`user`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade\n)\n--> statement-breakpoint\nCREATE UNIQUE INDEX `users_name` ON `users` (`name`);",
  'drizzle/0001_alpha.sql': "ALTER TABLE `users` ADD `note` text DEFAULT '--> statement-breakpoint;';--> statement-breakpoint\nINSERT INTO `users` (`name`) VALUES ('one');",
  'drizzle/notes.sql': 'this is no migration',
}

export async function apply(daemon) {
  const build = async (id) => (await daemon.createBuild(id)).env.TURSO_AUTH_TOKEN
  const ledger = (token) => rows(daemon, token, 'SELECT name FROM _valetkey_migrations ORDER BY rowid')

  await check('a Prisma folder: each file once, rows and children kept, a second run does nothing', async () => {
    const token = await build('apply-prisma')
    const dir = folder(prisma)
    const first = await json(daemon, ['db', 'apply', 'apply-prisma', dir])
    assertSame([first.code, first.out.kind, first.out.applied.map((x) => [x.name, x.statements])], [0, 'prisma', [['20261101000000_init', 5], ['20261102000000_redefine', 8]]], first.stderr)
    assert(/^\d{8}-\d{6}-\d{3}$/.test(first.out.snapshot), 'a snapshot was taken before')
    assertSame(await rows(daemon, token, 'SELECT id, email, name FROM User ORDER BY id'), [[1, 'a;b@example.com', 'nobody'], [2, '--no comment', 'nobody']])
    assertSame(await rows(daemon, token, 'SELECT count(*) FROM Post'), [[1]], 'the redefined table cost no children')
    await daemon.sql(token, "UPDATE User SET email = 'x;y' WHERE id = 2")
    assertSame(await rows(daemon, token, 'SELECT name FROM User WHERE id = 2'), [['semi;colon']], 'the trigger is whole')
    const again = await json(daemon, ['db', 'apply', 'apply-prisma', dir])
    assertSame([again.code, again.out.applied, again.out.already.length, again.out.snapshot], [0, [], 2, undefined])
    assertSame(await ledger(token), [['20261101000000_init'], ['20261102000000_redefine']])
    const told = await daemon.cli(['db', 'apply', 'apply-prisma', path.join(dir, 'migrations')])
    assert(told.code === 0 && told.stdout.includes('Nothing to do: all 2 migrations'), told.stdout + told.stderr)
  })

  await check('a Drizzle folder: the journal has the order, breakpoints cut, twice does nothing', async () => {
    const token = await build('apply-drizzle')
    const dir = folder(drizzle)
    const dry = await json(daemon, ['db', 'apply', 'apply-drizzle', dir, '--dry-run'])
    assertSame([dry.code, dry.out.pending, dry.out.applied], [0, ['0000_zeta', '0001_alpha'], undefined])
    assertSame(await rows(daemon, token, 'SELECT count(*) FROM sqlite_schema'), [[0]], '--dry-run changed something')
    const first = await daemon.cli(['db', 'apply', 'apply-drizzle', dir])
    assertSame(first.code, 0, first.stderr)
    assert(/✓ 0000_zeta \(3 statements, \d+ ms\)\n✓ 0001_alpha \(2 statements, \d+ ms\)/.test(first.stdout), first.stdout)
    assert(first.stderr.includes('not run: notes.sql'), first.stderr)
    assertSame(await rows(daemon, token, 'SELECT name, note FROM users'), [['one', '--> statement-breakpoint;']])
    assertSame((await json(daemon, ['db', 'apply', 'apply-drizzle', dir])).out.applied, [])
    put(dir, { 'drizzle/meta/_journal.json': journal('0000_zeta', '0001_alpha', '0002_more'), 'drizzle/0002_more.sql': 'DELETE FROM users' })
    assertSame((await json(daemon, ['db', 'apply', 'apply-drizzle', dir])).out.applied.map((x) => x.name), ['0002_more'])
  })

  await check('plain .sql files in the order of their names, many statements', async () => {
    const token = await build('apply-plain')
    const many = Array.from({ length: 1200 }, (_, i) => `INSERT INTO t VALUES (${i}, 'row ${i};''');`).join('\n')
    const dir = folder({ '2.sql': many, '1.sql': 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)', 'README.md': 'no SQL' })
    const r = await json(daemon, ['db', 'apply', 'apply-plain', dir])
    assertSame([r.code, r.out.kind, r.out.applied.map((x) => x.statements)], [0, 'sql', [1, 1200]], r.stderr)
    assertSame(await rows(daemon, token, 'SELECT count(*), sum(id) FROM t'), [[1200, 719400]])
  })

  await check('a failure in the middle: nothing of that file, what was before stays, mended it goes on', async () => {
    const token = await build('apply-fails')
    const dir = folder({ '1.sql': 'CREATE TABLE a (x)', '2.sql': '-- one\nINSERT INTO a VALUES (1);\nCREATE TABLE b (y);\n\n-- two\nINSERT INTO\n  nowhere VALUES (1);\nINSERT INTO a VALUES (2);', '3.sql': 'CREATE TABLE c (z)' })
    const r = await json(daemon, ['db', 'apply', 'apply-fails', dir])
    assertSame([r.code, r.out.applied.map((x) => x.name), r.out.failed.name, r.out.failed.line], [1, ['1'], '2', 6])
    assert(r.error.message.includes('no such table: nowhere') && r.error.message.includes('2, line 6'), r.error.message)
    assertSame(await rows(daemon, token, "SELECT count(*) FROM sqlite_schema WHERE name IN ('b', 'c')"), [[0]])
    assertSame([await rows(daemon, token, 'SELECT count(*) FROM a'), await ledger(token)], [[[0]], [['1']]])
    // Tried again and again as it is: the snapshots that are worth something stay.
    const taken = async () => (await json(daemon, ['db', 'snapshots', 'apply-fails'])).out.snapshots.length
    const before = await taken()
    for (let i = 0; i < 4; i++) {
      const again = await json(daemon, ['db', 'apply', 'apply-fails', dir])
      assertSame([again.code, again.out.failed.name], [1, '2'])
      assert(/^\d{8}-\d{6}-\d{3}$/.test(again.out.snapshot), 'it says what to go back to')
    }
    assertSame(await taken(), before + 1)
    put(dir, { '2.sql': 'CREATE TABLE b (y);' })
    const mended = await json(daemon, ['db', 'apply', 'apply-fails', dir])
    assertSame([mended.code, mended.out.applied.map((x) => x.name)], [0, ['2', '3']])
  })

  await check('a broken foreign key, a transaction of its own and an open quote are refused, and nothing is left', async () => {
    const token = await build('apply-refused')
    await daemon.sql(token, 'CREATE TABLE p (id INTEGER PRIMARY KEY)')
    await daemon.sql(token, 'CREATE TABLE c (p INTEGER REFERENCES p(id))')
    await daemon.sql(token, 'INSERT INTO p VALUES (1)')
    await daemon.sql(token, 'INSERT INTO c VALUES (1)')
    for (const [sql, want] of [['PRAGMA foreign_keys=OFF; DELETE FROM p; ', /1 more rows would break a foreign key/], ['BEGIN; CREATE TABLE z (a); COMMIT;', /may not have BEGIN/], ["CREATE TABLE z (a); INSERT INTO z VALUES ('open", /is not closed/], ["ATTACH 'x' AS y; CREATE TABLE z (a)", /ATTACH is not allowed/], ['CREATE TABLE z (a); PRAGMA writable_schema = ON', /PRAGMA is not allowed/]]) {
      const r = await json(daemon, ['db', 'apply', 'apply-refused', folder({ 'x.sql': sql })])
      assertSame(r.code, 1, sql)
      assert(want.test(r.error.message), `${sql}: ${r.error.message}`)
    }
    assertSame(await rows(daemon, token, "SELECT (SELECT count(*) FROM p), (SELECT count(*) FROM c), (SELECT count(*) FROM sqlite_schema WHERE name = 'z')"), [[1, 1, 0]])
  })

  await check('a file that was changed after it ran is an error that names it, and nothing else runs', async () => {
    const token = await build('apply-changed')
    const dir = folder({ '1.sql': 'CREATE TABLE a (x)' })
    assertSame((await json(daemon, ['db', 'apply', 'apply-changed', dir])).code, 0)
    put(dir, { '1.sql': 'CREATE TABLE a (x) ', '2.sql': 'CREATE TABLE b (x)' })
    const r = await json(daemon, ['db', 'apply', 'apply-changed', dir])
    assertSame([r.code, r.error.code], [1, 'conflict'])
    assert(r.error.message.includes('The migration 1 was changed'), r.error.message)
    assertSame(await ledger(token), [['1']])
  })

  await check('what the app’s own runner has applied counts: the template’s, Prisma’s, drizzle-orm’s', async () => {
    const token = await build('apply-adopt')
    const { createHash } = await import('node:crypto')
    const text = 'CREATE TABLE d (x)'
    for (const sql of ['CREATE TABLE _app_migrations (name TEXT PRIMARY KEY, applied_at TEXT)', "INSERT INTO _app_migrations VALUES ('1_a', '')",
      'CREATE TABLE _prisma_migrations (id TEXT, migration_name TEXT, finished_at DATETIME, rolled_back_at DATETIME)', "INSERT INTO _prisma_migrations VALUES ('x', '2_b', 1, NULL), ('y', '3_c', 1, 1), ('z', '3_c', NULL, NULL)",
      'CREATE TABLE __drizzle_migrations (id INTEGER PRIMARY KEY, hash text NOT NULL, created_at numeric)', `INSERT INTO __drizzle_migrations VALUES (1, '${createHash('sha256').update(text).digest('hex')}', 1)`])
      await daemon.sql(token, sql)
    const dir = folder({ '1_a/migration.sql': 'never', '2_b/migration.sql': 'never', '3_c/migration.sql': 'CREATE TABLE c (x)', '4_d/migration.sql': text })
    const r = await json(daemon, ['db', 'apply', 'apply-adopt', dir])
    assertSame([r.code, r.out.adopted, r.out.applied.map((x) => x.name)], [0, ['1_a', '2_b', '4_d'], ['3_c']], r.stderr)
    assertSame((await json(daemon, ['db', 'apply', 'apply-adopt', dir])).out.already, ['1_a', '2_b', '3_c', '4_d'])
  })

  await check('two at once on one build: each file once, both end well', async () => {
    const token = await build('apply-race')
    const dir = folder(Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`${String(i).padStart(2, '0')}.sql`, `CREATE TABLE t${i} (x); INSERT INTO t${i} VALUES (1);`])))
    const both = await Promise.all([1, 2, 3].map(() => json(daemon, ['db', 'apply', 'apply-race', dir])))
    assertSame(both.map((r) => r.code), [0, 0, 0], both.map((r) => r.stderr).join())
    assertSame(both.reduce((n, r) => n + r.out.applied.length, 0), 12)
    assertSame((await ledger(token)).length, 12)
  })

  await check('a client killed in the middle of a file leaves nothing of it, and the next run does all', async () => {
    const token = await build('apply-killed')
    const N = 100000
    const dir = folder({ '1.sql': 'CREATE TABLE t (x);\n' + 'INSERT INTO t VALUES (1);\n'.repeat(N) })
    const { spawn } = await import('node:child_process')
    const { binary, sleep } = await import('../lib/daemon.mjs')
    const p = spawn(binary, ['db', 'apply', 'apply-killed', dir, '--data', daemon.data], { stdio: 'ignore' })
    const over = new Promise((r) => p.on('close', (code, signal) => r(signal)))
    const begun = async () => (await daemon.admin('GET', '/api/v1/builds/apply-killed/services/database/snapshots')).json().snapshots.length > 0
    while (!(await begun())) await sleep(2) // it takes one right before its first file
    await sleep(20)
    p.kill('SIGKILL')
    assertSame(await over, 'SIGKILL', 'it had ended before')
    assertSame(await rows(daemon, token, 'SELECT count(*) FROM sqlite_schema'), [[0]], 'something of it is there')
    const r = await json(daemon, ['db', 'apply', 'apply-killed', dir], { timeout: 60000 })
    assertSame(r.code, 0, r.stderr)
    assertSame(await rows(daemon, token, 'SELECT count(*) FROM t'), [[N]])
    assertSame(await ledger(token), [['1']])
  })

  await check('the template’s own migrations, by its folder', async () => {
    await build('apply-template')
    const r = await json(daemon, ['db', 'apply', 'apply-template', path.join(root, 'template')])
    const names = fs.readdirSync(path.join(root, 'template', 'prisma', 'migrations')).filter((n) => !n.includes('.')).sort()
    assertSame([r.code, r.out?.applied.map((x) => x.name)], [0, names], r.stderr)
  })

  await check('folders that are none, other databases, missing files, an unknown and a revoked build', async () => {
    await build('apply-bad')
    for (const [files, want] of [[{ 'a.txt': '' }, /has no migrations/], [{ 'migration_lock.toml': 'provider = "postgresql"', '1/migration.sql': '' }, /another kind of database/],
      [{ 'meta/_journal.json': journal('../x') }, /no usable entry/], [{ 'meta/_journal.json': journal('gone') }, /gone\.sql does not exist/]]) {
      const r = await json(daemon, ['db', 'apply', 'apply-bad', folder(files)])
      assertSame(r.code, 1)
      assert(want.test(r.error.message), r.error.message)
    }
    const dir = folder({ '1.sql': 'CREATE TABLE a (x)' })
    assertSame((await json(daemon, ['db', 'apply', 'apply-bad', path.join(dir, 'absent')])).code, 1)
    assertSame((await json(daemon, ['db', 'apply', 'no-such-build', dir])).code, 1)
    assertSame((await daemon.cli(['db', 'apply', 'apply-bad'])).code, 2)
    await daemon.mustCli(['build', 'revoke', 'apply-bad'])
    const r = await json(daemon, ['db', 'apply', 'apply-bad', dir])
    assert(r.code === 1 && /revoked/.test(r.error.message), r.stderr)
  })

  await check('db ddl lists what was done, in its order', async () => {
    const r = await json(daemon, ['db', 'ddl', 'apply-prisma'])
    assertSame(r.code, 0)
    const sql = r.out.statements.map((x) => x.sql)
    const at = (part) => sql.findIndex((s) => s.includes(part))
    assert(at('CREATE TABLE "User"') >= 0 && at('CREATE TABLE "User"') < at('CREATE TABLE "new_User"') && at('new_User') < at('DROP TABLE "User"') && at('CREATE TRIGGER "touch"') > 0, sql.join('\n'))
    const told = await daemon.cli(['db', 'ddl', 'apply-prisma'])
    assert(told.code === 0 && told.stdout.includes('DROP TABLE "User";'), told.stdout)
    await build('ddl-none')
    assert((await daemon.mustCli(['db', 'ddl', 'ddl-none'])).includes('Nothing was done'), 'a build without any')
  })
}
