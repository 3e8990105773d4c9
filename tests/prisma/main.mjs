// Prisma 7 and Prisma 6 on builds' databases, and docs/ORM.md followed word by word. Every process gets PATH and what `valetkey env`
// says, nothing else; what stands for engines that would be downloaded is named where it is needed.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { assert, assertSame, check, finish, note, ok } from '../lib/tap.mjs'
import { Daemon, cleanUp, portBase, run, tempFolder } from '../lib/daemon.mjs'
import { install, node, script } from '../lib/project.mjs'
import { Follower, section } from '../lib/docs.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const base = await portBase()
const folders = { 6: path.join(here, 'v6'), 7: path.join(here, 'v7') }
// Prisma 7 wants one for `generate` alone, Prisma 6 both; neither is ever run.
const noEngines = { PRISMA_QUERY_ENGINE_LIBRARY: '/bin/true', PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true' }
const home = tempFolder('valetkey-prisma-home')

// A file of the page as a developer has it, for the projects that are not made by following it.
const shown = (title, file) => section('ORM.md', title).find((s) => s.file === file).text

function project(version, files) {
  const dir = tempFolder(`valetkey-prisma${version}`)
  for (const [name, text] of Object.entries({ 'package.json': '{"type":"module","private":true}\n', ...files })) {
    fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
    fs.writeFileSync(path.join(dir, name), text)
  }
  fs.symlinkSync(path.join(folders[version], 'node_modules'), path.join(dir, 'node_modules'))
  return dir
}
const read = (...parts) => fs.readFileSync(path.join(...parts), 'utf8')

// Prisma 6 with an adapter leaves a timer of its own behind, for 60 s, on any database: who has said this is done.
const told = (args) => ({ 'db push': args.includes('--skip-generate') ? /in sync/ : /Generated Prisma Client/, 'migrate deploy': /successfully applied|No pending/ })[args.slice(0, 2).join(' ')]
const prisma = (dir, args, env) => node('node_modules/prisma/build/index.js', args, dir, { HOME: home, ...noEngines, ...env }, { done: told(args) })
async function mustPrisma(dir, args, env) {
  const r = await prisma(dir, args, env)
  assert(r.code === 0, `prisma ${args.join(' ')}: exit ${r.code}\n${r.out.slice(-3000)}\n${r.err.slice(-3000)}`)
  return r.out
}

// jiti is what Prisma itself reads its configuration with. Its reading of default exports is not Node's, unless told.
const typescript = { JITI_INTEROP_DEFAULT: 'false', JITI_FS_CACHE: 'false' }
const app = (dir, args, env, title) => script('node_modules/jiti/lib/jiti-cli.mjs', ['app.ts', ...args], dir, { ...typescript, ...env }, title)

// A file that has left the build, in the distribution's sqlite3.
async function download(daemon, id, tables) {
  const file = path.join(tempFolder(), `${id}.db`)
  await daemon.mustCli(['db', 'download', id, '--out', file])
  const sqlite = async (sql) => {
    const r = await run('sqlite3', [file, sql])
    assert(r.code === 0 && r.stderr === '', `sqlite3: ${r.stderr}`)
    return r.stdout.trim().split('\n')
  }
  assertSame(await sqlite('PRAGMA integrity_check'), ['ok'])
  assertSame(await sqlite('PRAGMA foreign_key_check'), [''])
  assertSame((await sqlite("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")), tables)
  return sqlite
}

async function seven(daemon, ids) {
  const dir = project(7, { 'prisma/schema.prisma': read(folders[7], 'schema.prisma'), 'app.ts': read(folders[7], 'app.ts') })
  const six = project(6, { 'prisma.config.ts': shown('Prisma 7', 'prisma6/prisma.config.ts') })
  const step = async (name) => {
    const r = await run('sh', [path.join(dir, 'prisma6/migration.sh'), name], { env: { HOME: home } })
    assert(r.code === 0, `migration.sh: exit ${r.code}\n${r.stdout}\n${r.stderr}`)
  }
  fs.renameSync(six, path.join(dir, 'prisma6'))
  fs.writeFileSync(path.join(dir, 'prisma6/migration.sh'), shown('Prisma 7', 'prisma6/migration.sh'))
  await check('7: the client is made without an engine', () => mustPrisma(dir, ['generate']).then(() => true))
  await check('7: the first migration is written without the network', () => step('first'))
  const builds = {}
  for (const id of ids) {
    builds[id] = await daemon.createBuild(id)
    await check(`7, ${id}: db apply runs the migration`, async () => {
      const { applied } = JSON.parse(await daemon.mustCli(['db', 'apply', id, dir, '--json']))
      assertSame(applied.map((a) => [a.name.slice(14), a.statements]), [['_first', 12]])
    })
  }
  // The same client, by its two ways to the same database.
  const url = { http: (u) => u, ws: (u) => u.replace('http:', 'ws:') }
  const of = (id) => ({ ...builds[id].env, TURSO_DATABASE_URL: url[/ws/.test(id) ? 'ws' : 'http'](builds[id].env.TURSO_DATABASE_URL) })
  for (const id of ids) await app(dir, ['everything'], of(id), `7, ${id}`)

  const [id] = ids
  const token = builds[id].env.TURSO_AUTH_TOKEN
  await daemon.sql(token, 'INSERT INTO cells (row, col) VALUES (50, 0)')
  await Promise.all(['a', 'b', 'c'].map((name) => app(dir, ['counter', name], builds[id].env, `7, ${id}`)))
  await check(`7, ${id}: what three processes counted together is complete`, async () =>
    assertSame((await daemon.sql(token, 'SELECT value FROM cells WHERE row = 50')).rows[0][0].value, '60'))

  await check('7: the second migration makes tables anew', async () => {
    const file = path.join(dir, 'prisma/schema.prisma')
    const text = read(file)
      .replace('name      String?', 'name      String    @default("nobody")\n  sales     Sale[]')
      .replace('views    Int     @default(0)', 'views    Int     @default(0)\n  state    String  @default("draft")')
    fs.writeFileSync(file, `${text}\nmodel Sale {\n  id        Int     @id @default(autoincrement())\n  cents     BigInt\n  account   Account @relation(fields: [accountId], references: [id])\n  accountId Int\n}\n`)
    await step('second')
    const [, second] = fs.readdirSync(path.join(dir, 'prisma/migrations')).sort()
    assert(/PRAGMA foreign_keys=OFF;[^]*DROP TABLE "Account"/.test(read(dir, 'prisma/migrations', second, 'migration.sql')), 'it redefines the table that the others refer to')
    await mustPrisma(dir, ['generate'])
  })
  for (const id of ids) {
    await check(`7, ${id}: db apply runs the second migration only, and a third time nothing`, async () => {
      const apply = async () => JSON.parse(await daemon.mustCli(['db', 'apply', id, dir, '--json'])).applied.map((a) => a.name.slice(14))
      assertSame([await apply(), await apply()], [['_second'], []])
    })
    await app(dir, ['migrated'], of(id), `7, ${id}`)
    await check(`7, ${id}: the downloaded file is sound`, async () => {
      const sqlite = await download(daemon, id, ['Account', 'Kinds', 'Post', 'Profile', 'Sale', 'Tag', '_PostToTag', '_valetkey_migrations', 'cells'])
      assertSame(await sqlite('SELECT count(*), sum(name IS NULL) FROM Account'), ['303|0'])
      assertSame(await sqlite("SELECT length(bytes), typeof(big), typeof(\"at\"), typeof(decimal), typeof(json) FROM Kinds WHERE length(bytes) = 256 LIMIT 1"), ['256|integer|text|real|text'])
    })
  }
}

async function six(daemon) {
  const dir = project(6, { 'prisma.config.ts': shown('Prisma 6', 'prisma.config.ts'), 'app.ts': read(folders[6], 'app.ts') })
  const schema = path.join(dir, 'prisma/schema.prisma')
  fs.mkdirSync(path.dirname(schema))
  const use = (n) => fs.copyFileSync(path.join(folders[6], 'schemas', `${n}.prisma`), schema)
  const { id, env } = await daemon.createBuild('six')
  const datasource = /datasource db \{\n  provider = "sqlite"\n  url      = env\("TURSO_DATABASE_URL"\)\n\}/
  for (const n of [1, 2, 3, 4, 5]) {
    use(n)
    assert(datasource.test(read(schema)), `schemas/${n}.prisma: the datasource is not the one that is promised`)
    const loses = { 2: /cast from `Int` to `BigInt`/, 4: /drop the column `score`/ }[n]
    if (loses)
      await check(`6, push ${n}: what may be lost is asked for first, and nothing is done`, async () => {
        const schema = () => daemon.sql(env.TURSO_AUTH_TOKEN, 'SELECT group_concat(sql) FROM sqlite_schema').then((r) => r.rows)
        const before = await schema()
        const r = await prisma(dir, ['db', 'push'], env)
        assert(r.code === 1 && loses.test(r.out) && /--accept-data-loss/.test(r.err), `${r.code}\n${r.out}\n${r.err}`)
        assertSame(await schema(), before)
      })
    await check(`6, push ${n} is applied`, async () => {
      const out = await mustPrisma(dir, ['db', 'push', ...(loses ? ['--accept-data-loss'] : [])], env)
      assert(/Your database is now in sync/.test(out), out)
    })
    await app(dir, [String(n)], env, `6, push ${n}`)
    await check(`6, push ${n}: a second one finds nothing to do`, async () => {
      const out = await mustPrisma(dir, ['db', 'push', '--skip-generate'], env)
      assert(/already in sync/.test(out), out)
    })
  }
  await check('6: db pull gives the schema back', async () => {
    fs.copyFileSync(schema, path.join(dir, 'pushed.prisma'))
    await mustPrisma(dir, ['db', 'pull', '--force'], env)
    const text = read(schema)
    assert(datasource.test(text) && /model team_members \{[^]*@@map\("team members"\)/.test(text) && text !== read(dir, 'pushed.prisma'), text)
    // What would have to change to come from the one to the other: 0 says nothing, 2 something.
    const diff = (from, to) => prisma(dir, ['migrate', 'diff', '--from-schema-datamodel', from, '--to-schema-datamodel', to, '--exit-code', '--script'], env)
    for (const [from, to, want] of [['pushed.prisma', schema, 0], [schema, 'pushed.prisma', 0], [schema, path.join(folders[6], 'schemas/4.prisma'), 2]]) {
      const r = await diff(from, to)
      assert(r.code === want, `from ${from}: exit ${r.code}\n${r.out}\n${r.err}`)
    }
    use(5)
  })
  await check('6: migrate diff writes the next step, db apply runs it, and push finds nothing left to do', async () => {
    fs.copyFileSync(schema, path.join(dir, 'old.prisma'))
    use(6)
    const sql = await mustPrisma(dir, ['migrate', 'diff', '--from-schema-datamodel', 'old.prisma', '--to-schema-datamodel', 'prisma/schema.prisma', '--script'], env)
    assert(/DROP TABLE "User"/.test(sql) && /CREATE TABLE "Sale"/.test(sql), sql)
    const folder = path.join(dir, 'prisma/migrations/20261101000000_sales')
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, 'migration.sql'), sql)
    assertSame(JSON.parse(await daemon.mustCli(['db', 'apply', id, dir, '--json'])).applied.map((a) => a.name), ['20261101000000_sales'])
    const out = await mustPrisma(dir, ['db', 'push'], env)
    assert(/already in sync/.test(out) && /Generated Prisma Client/.test(out), out)
    assertSame((await daemon.sql(env.TURSO_AUTH_TOKEN, 'SELECT count(*) FROM _valetkey_migrations')).rows[0][0].value, '1', 'the ledger')
  })
  await app(dir, ['6'], env, '6')
  await check('6: the downloaded file is sound', async () => {
    const sqlite = await download(daemon, id, ['Post', 'Sale', 'Tag', 'User', '_PostToTag', '_valetkey_migrations', 'team members'])
    assertSame(await sqlite('SELECT (SELECT count(*) FROM User), (SELECT count(*) FROM Post), (SELECT count(*) FROM "team members")'), ['5|3|2'])
  })
  await check('6: with a revoked key the tool fails', async () => {
    await daemon.mustCli(['build', 'revoke', id])
    assertSame((await prisma(dir, ['db', 'push', '--skip-generate'], env)).code, 1)
  })
  await app(dir, ['revoked'], env, '6')
}

// `migrate deploy`, on a database that has only ever been changed by it; then by `db apply`.
async function deployed(daemon) {
  const dir = project(6, { 'prisma.config.ts': shown('Prisma 6', 'prisma.config.ts'), 'prisma/migrations/migration_lock.toml': 'provider = "sqlite"\n' })
  const { id, env } = await daemon.createBuild('six-deploy')
  const names = ['20261101000000_first', '20261102000000_second', '20261103000000_third']
  const write = async (n) => {
    const from = n ? ['--from-schema-datamodel', 'prisma/schema.prisma'] : ['--from-empty']
    fs.copyFileSync(path.join(folders[6], `schemas/${n + 1}.prisma`), path.join(dir, 'next.prisma'))
    const sql = await mustPrisma(dir, ['migrate', 'diff', ...from, '--to-schema-datamodel', 'next.prisma', '--script'], env)
    fs.mkdirSync(path.join(dir, 'prisma/migrations', names[n]))
    fs.writeFileSync(path.join(dir, 'prisma/migrations', names[n], 'migration.sql'), sql)
    fs.renameSync(path.join(dir, 'next.prisma'), path.join(dir, 'prisma/schema.prisma'))
  }
  await check('6: migrate deploy, step by step: the rows stay, and what refers to them', async () => {
    for (const n of [0, 1]) {
      await write(n)
      const out = await mustPrisma(dir, ['migrate', 'deploy'], env)
      assert(new RegExp(`${names[n]}[^]*All migrations have been successfully applied`).test(out), out)
      if (n === 0) for (const sql of ["INSERT INTO User (id, email) VALUES (1, 'a@example.com')", "INSERT INTO Post (id, title, authorId) VALUES (1, 'one', 1)"]) await daemon.sql(env.TURSO_AUTH_TOKEN, sql)
    }
    assert(/No pending migrations/.test(await mustPrisma(dir, ['migrate', 'deploy'], env)))
    assertSame((await daemon.sql(env.TURSO_AUTH_TOKEN, 'SELECT u.email, p.title FROM User u JOIN Post p ON p.authorId = u.id')).rows.map((r) => r.map((c) => c.value)), [['a@example.com', 'one']])
  })
  await check('6: db apply goes on where migrate deploy was', async () => {
    await write(2)
    const r = JSON.parse(await daemon.mustCli(['db', 'apply', id, dir, '--json']))
    assertSame([r.adopted, r.applied.map((x) => x.name)], [names.slice(0, 2), names.slice(2)])
  })
}

// What a developer's own code is, where the page leaves it to them.
const main = `import { prisma } from "./db";
await prisma.product.create({ data: { slug: "pen", price: 250 } });
console.log(JSON.stringify(await prisma.product.findMany()));
await prisma.$disconnect();
`
const errors = `import { prisma } from "./db";
import { isForeignKeyViolation, isUniqueViolation } from "./errors";
const e = await prisma.product.create({ data: { slug: "pen", price: 1 } }).catch((e: unknown) => e);
console.log(JSON.stringify([isUniqueViolation(e), isForeignKeyViolation(e), isUniqueViolation(new Error("another"))]));
await prisma.$disconnect();
`

async function page(title, packages) {
  const daemon = await new Daemon({ portBase: base }).start()
  const { env } = await daemon.createBuild('shop')
  const dir = tempFolder('valetkey-orm')
  const dev = new Follower({ dir, packages, data: daemon.data, env: typescript })
  const start = 'valetkey run shop -- npm run dev'
  const says = async (text) => {
    dev.write('src/main.ts', text)
    return JSON.parse((await dev.line(start)).trim().split('\n').at(-1))
  }
  dev.write('package.json', JSON.stringify({ type: 'module', private: true, scripts: { dev: 'jiti src/main.ts' } }))
  await check(`docs/ORM.md, ${title}: every line does what it says`, async () => {
    const steps = section('ORM.md', title)
    assert(steps.filter((s) => s.file).length >= 3 && steps.filter((s) => s.line).length >= 5, 'the section has too little in it')
    await dev.follow(steps, (s) => s.line === start)
    assertSame(steps.shift()?.line, start)
    assertSame(await says(main), [{ id: 1, slug: 'pen', price: 250 }])
    await dev.follow(steps)
    if (title === 'Prisma 7') assertSame(await says(errors), [true, false, false])
    const { rows } = await daemon.sql(env.TURSO_AUTH_TOKEN, "SELECT count(*), (SELECT count(*) FROM sqlite_schema WHERE name = 'Sale'), (SELECT count(*) FROM _valetkey_migrations) FROM Product")
    assertSame(rows[0].map((c) => c.value), ['1', title === 'Prisma 7' ? '0' : '1', '1'])
  })
  await daemon.stop()
}

const daemon = new Daemon({ portBase: base })
try {
  for (const dir of Object.values(folders)) await install(dir)
  for (const [title, packages] of [['Prisma 7', { '.': folders[7], prisma6: folders[6] }], ['Prisma 6', { '.': folders[6] }]]) await page(title, packages)
  await daemon.start()
  await Promise.all([seven(daemon, ['seven', 'seven-ws']), six(daemon), deployed(daemon)])
  await check('the daemon ends cleanly', async () => {
    const end = await daemon.stop()
    return end?.code === 0 || `ended with ${JSON.stringify(end)}\n${daemon.log.slice(-2000)}`
  })
} catch (e) {
  ok(false, 'the suite ran to its end', e.stack)
  note(daemon.log.slice(-2000))
} finally {
  await cleanUp()
}
finish()
