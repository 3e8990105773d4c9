// Every command once, as a person and as a script.
import { createServer } from 'node:http'
import fs from 'node:fs'
import path from 'node:path'
import { createHmac } from 'node:crypto'
import { check, assert, assertSame } from '../lib/tap.mjs'
import { run, binary, tempFolder } from '../lib/daemon.mjs'

const buildKeys = ['created', 'expires', 'framework', 'id', 'origins', 'services', 'state', 'ttl']

export async function commands(daemon) {
  await check('build create --json prints one object with id, env and the rest', async () => {
    const b = await daemon.createBuild('first', ['--origin', 'http://LOCALHOST:3000', '--ttl', '7d', '--framework', 'nextjs'])
    assertSame(Object.keys(b).sort(), [...buildKeys, 'env'].sort(), 'members')
    assertSame([b.id, b.state, b.framework, b.origins, b.ttl], ['first', 'active', 'next', ['http://localhost:3000'], 604800], 'values')
    assert(b.env.TURSO_DATABASE_URL.startsWith('http://'), 'a database URL')
    assert(/^vk_b_[0-9A-Za-z]{36}$/.test(b.env.TURSO_AUTH_TOKEN), 'a valet key')
    assert(Math.abs(Date.parse(b.expires) - Date.parse(b.created) - 604800000) < 1000, 'expires = created + ttl')
  })

  await check('the same create again gives the same build with the same keys', async () => {
    const a = await daemon.createBuild('first')
    const b = await daemon.createBuild('first', ['--ttl', '604800'])
    assertSame(a, b, 'build')
  })

  await check('two builds share no key', async () => {
    const [a, b] = [await daemon.createBuild('first'), await daemon.createBuild('second')]
    assert(a.env.TURSO_AUTH_TOKEN !== b.env.TURSO_AUTH_TOKEN, 'keys differ')
  })

  await check('build create without an id makes one up', async () => {
    const [a, b] = [await daemon.createBuild(), await daemon.createBuild()]
    assert(/^[a-z2-7]{10}$/.test(a.id) && a.id !== b.id, `${a.id} ${b.id}`)
  })

  await check('build create for people names what it made and what comes next, and shows no key', async () => {
    const out = await daemon.mustCli(['build', 'create', 'people'])
    for (const part of ['people', 'active', 'TURSO_AUTH_TOKEN', 'valetkey env people', 'valetkey run people']) assert(out.includes(part), part)
    assert(!out.includes('vk_b_'), 'no key on the screen')
    assert(!out.includes('\x1b'), 'no colour where there is no terminal')
  })

  await check('build list: table and JSON have every build, in order', async () => {
    const json = JSON.parse(await daemon.mustCli(['build', 'list', '--json']))
    const ids = json.builds.map((b) => b.id)
    assertSame(ids, [...ids].sort(), 'order')
    assert(ids.includes('first') && ids.includes('people'), 'ids')
    for (const b of json.builds) assertSame(Object.keys(b).sort(), buildKeys, 'members')
    const lines = (await daemon.mustCli(['build', 'list'])).trimEnd().split('\n')
    assertSame(lines.length, json.builds.length + 2, 'rows and head')
    assert(/^BUILD\s+STATE\s+FRAMEWORK\s+EXPIRES\s+ORIGINS/.test(lines[0]), lines[0])
  })

  await check('build show', async () => {
    assertSame(JSON.parse(await daemon.mustCli(['build', 'show', 'first', '--json'])).id, 'first')
    assert((await daemon.mustCli(['build', 'show', 'first'])).includes('http://localhost:3000'), 'origins')
  })

  await check('build origins: read, set, clear', async () => {
    assertSame(await daemon.mustCli(['build', 'origins', 'first']), 'http://localhost:3000\n')
    const set = JSON.parse(await daemon.mustCli(['build', 'origins', 'first', 'https://b.example', 'http://a.example:80', '--json']))
    assertSame(set.origins, ['http://a.example', 'https://b.example'], 'normalised and sorted')
    await daemon.mustCli(['build', 'origins', 'first', '--none'])
    assertSame(JSON.parse(await daemon.mustCli(['build', 'origins', 'first', '--json'])).origins, [])
  })

  await check('env: every dialect says the same', async () => {
    const want = JSON.parse(await daemon.mustCli(['env', 'first', '--format', 'json']))
    assertSame((await daemon.createBuild('first')).env, want, 'as create says')
    assertSame(JSON.parse(await daemon.mustCli(['env', 'first', '--json'])), want, '--json')
    for (const format of ['dotenv', 'docker', 'systemd']) {
      const text = await daemon.mustCli(['env', 'first', '--format', format])
      assertSame(Object.fromEntries(text.trimEnd().split('\n').map((l) => [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)])), want, format)
    }
    const sh = await run('sh', ['-c', `${await daemon.mustCli(['env', 'first', '--format', 'shell'])}\nprintf '%s' "$TURSO_AUTH_TOKEN"`])
    assertSame(sh.stdout, want.TURSO_AUTH_TOKEN, 'shell')
  })

  await check('env --app finds the framework out', async () => {
    const app = tempFolder()
    fs.writeFileSync(path.join(app, 'package.json'), '{"devDependencies":{"vite":"7"}}')
    await daemon.mustCli(['env', 'first', '--app', app])
    const r = await daemon.cli(['env', 'first', '--app', path.join(app, 'nowhere')])
    assertSame(r.code, 2, 'exit code')
    fs.writeFileSync(path.join(app, 'package.json'), '{')
    const bad = await daemon.cli(['env', 'first', '--app', app])
    assertSame(bad.code, 2, 'exit code')
    assert(bad.stderr.includes('package.json is no JSON object'), bad.stderr)
  })

  await check('env --app and run --app: an app whose own page replaces keys gets what that page needs, no other does', async () => {
    const own = ['SETTINGS_TOKEN', 'SETTINGS_ENCRYPTION_KEY', 'VALETKEY_REFUSED_KEYS']
    const app = tempFolder()
    const got = async (settings) => {
      fs.writeFileSync(path.join(app, 'package.json'), JSON.stringify({ dependencies: { next: '16' }, valetkey: { settings } }))
      return JSON.parse(await daemon.mustCli(['env', 'first', '--json', '--app', app]))
    }
    for (const no of [false, 'true', undefined]) {
      const env = await got(no)
      assertSame(own.filter((name) => name in env), [], `settings: ${no}`)
    }
    const env = await got(true)
    assert(/^st_[0-9A-Za-z]{36}$/.test(env.SETTINGS_TOKEN) && /^[0-9a-f]{64}$/.test(env.SETTINGS_ENCRYPTION_KEY), 'shapes')
    const [salt, marks] = env.VALETKEY_REFUSED_KEYS.split(':')
    const mark = (value) => createHmac('sha256', Buffer.from(salt, 'hex')).update(value).digest('hex').slice(0, 32)
    for (const name of ['TURSO_AUTH_TOKEN', 'CLERK_SECRET_KEY', 'R2_ACCESS_KEY_ID', 'R2_SECRET_ACCESS_KEY', 'STRIPE_SECRET_KEY', 'STRIPE_WEBHOOK_SECRET', 'NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY'])
      assert(marks.split(',').includes(mark(env[name])), name)
    assert(!marks.split(',').includes(mark(env.TURSO_DATABASE_URL)), 'an address is no key')
    const script = path.join(tempFolder(), 'show.mjs')
    fs.writeFileSync(script, `process.stdout.write(JSON.stringify(${JSON.stringify(own)}.map((name) => process.env[name])))`)
    const r = await run(binary, ['run', 'first', '--app', app, '--data', daemon.data, '--', process.execPath, script], { env: { VALETKEY_REFUSED_KEYS: 'not ours' } })
    assertSame(JSON.parse(r.stdout), own.map((name) => env[name]), 'run')
  })

  await check('run: the variables are there, ours are not, exit codes and arguments pass through', async () => {
    const env = JSON.parse(await daemon.mustCli(['env', 'first', '--json']))
    const script = 'process.stdout.write(JSON.stringify([process.env, process.argv.slice(2)])); process.exitCode = 7'
    const file = path.join(tempFolder(), 'show.mjs')
    fs.writeFileSync(file, script)
    const r = await run(binary, ['run', 'first', '--data', daemon.data, '--', process.execPath, file, '--json', '--', 'ä b', ''], {
      env: { VALETKEY_ADMIN_TOKEN: 'x', VALETKEY_DATA: daemon.data, KEPT: 'yes' },
    })
    assertSame(r.code, 7, 'exit code')
    const [seen, argv] = JSON.parse(r.stdout)
    assertSame(argv, ['--json', '--', 'ä b', ''], 'arguments')
    for (const [k, v] of Object.entries(env)) assertSame(seen[k], v, k)
    assertSame(seen.KEPT, 'yes', 'the rest of the environment')
    assertSame(Object.keys(seen).filter((k) => k.startsWith('VALETKEY_')), [], 'nothing of ours')
  })

  await check('run: a signal that ends the command ends the process the same way', async () => {
    const r = await run(binary, ['run', 'first', '--data', daemon.data, '--', 'sh', '-c', 'kill -TERM $$'])
    assertSame([r.code, r.signal], [null, 'SIGTERM'])
  })

  await check('run: no such command is 127, no executable is 126', async () => {
    const none = await run(binary, ['run', 'first', '--data', daemon.data, '--', 'no-such-command-here'])
    assertSame(none.code, 127)
    const folder = await run(binary, ['run', 'first', '--data', daemon.data, '--', '/'])
    assertSame(folder.code, 126)
  })

  await check('doctor: all well while the daemon runs, for people and for machines', async () => {
    const r = await daemon.cli(['doctor', '--json'])
    const d = JSON.parse(r.stdout)
    assertSame([r.code, d.ok], [0, true], r.stdout)
    const names = d.checks.map((c) => c.check)
    for (const n of ['data folder', 'admin token', 'daemon', 'front', 'keeper', 'courier', 'vault key', 'disk space', 'clock', 'libraries']) assert(names.includes(n), n)
    assertSame(Object.keys(d.libraries).sort(), ['libuv', 'openssl', 'sodium', 'sqlite'], 'libraries')
    assert((await daemon.mustCli(['doctor'])).includes('All is well.'), 'the last line')
  })

  await check('doctor: files that others can read are wrong', async () => {
    const token = path.join(daemon.data, 'admin.token')
    fs.chmodSync(token, 0o644)
    const r = await daemon.cli(['doctor'])
    fs.chmodSync(token, 0o600)
    assertSame(r.code, 1)
    assert(/✗ admin token .*chmod 600/.test(r.stdout), r.stdout)
  })

  await check('version', async () => {
    assert(/^valetkey \d+\.\d+\.\d+\n/.test((await run(binary, ['version'])).stdout), 'text')
    assertSame((await run(binary, ['--version'])).stdout.split('\n')[0], (await run(binary, ['version'])).stdout.split('\n')[0])
    assert(/^\d/.test(JSON.parse((await run(binary, ['version', '--json'])).stdout).version), 'json')
  })

  await check('every command has help with examples, on standard output, exit 0', async () => {
    const all = (await run(binary, ['help'])).stdout
    const names = [...all.matchAll(/^ {2}((?:build |db |storage |payments |keys |audit |auth users |auth )?[a-z]+) +\S/gm)].map((m) => m[1]).filter((n) => n !== 'valetkey')
    for (const n of ['serve', 'build create', 'build ping', 'env', 'run', 'auth users list', 'auth outbox', 'db shell', 'db download', 'keys set', 'keys rotate', 'build use', 'storage put', 'payments events', 'doctor', 'completion', 'man', 'version']) assert(names.includes(n), n)
    for (const n of names) {
      const r = await run(binary, [...n.split(' '), '--help'])
      assertSame([r.code, r.stderr], [0, ''], n)
      assert(r.stdout.startsWith(`Usage: valetkey ${n}`) && r.stdout.includes('\nExamples:\n  '), n)
      assertSame((await run(binary, ['help', ...n.split(' ')])).stdout, r.stdout, `help ${n}`)
      for (const line of r.stdout.split('\n')) assert(line.length <= 132, `${n}: ${line}`)
    }
  })

  await check('ping: registered origins are asked, and nothing else is reached', async () => {
    const seen = []
    const app = createServer((req, res) => {
      seen.push(`${req.method} ${req.url} ${req.headers['user-agent']}`)
      res.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end()
    })
    await new Promise((ok) => app.listen(0, '127.0.0.1', ok))
    const origin = `http://localhost:${app.address().port}`
    await daemon.createBuild('pinged')
    assert((await daemon.cli(['build', 'ping', 'pinged'])).stderr.includes('has no origin'), 'no origin')
    await daemon.mustCli(['build', 'origins', 'pinged', origin])
    const good = await daemon.cli(['build', 'ping', 'pinged'])
    assertSame([good.code, good.stderr], [0, ''])
    assert(good.stdout.includes(`✓ ${origin}  answers with 302 in `), good.stdout)
    assert(seen.length === 1 && seen[0].startsWith('HEAD / valetkey/'), seen.join())
    const others = [daemon.adminUrl.replace('127.0.0.1', 'localhost'), 'https://169.254.169.254', 'https://10.0.0.1', 'http://localhost:1']
    await daemon.mustCli(['build', 'origins', 'pinged', origin, ...others])
    const bad = await daemon.cli(['build', 'ping', 'pinged', '--json'])
    app.close()
    assertSame(bad.code, 1)
    const by = Object.fromEntries(JSON.parse(bad.stdout).origins.map((o) => [o.origin, o]))
    assert(by[origin].reached && by[origin].status === 302, bad.stdout)
    const why = others.map((o) => by[o].message)
    assert(/listener of valetkey/.test(why[0]) && /metadata/.test(why[1]) && /private network/.test(why[2]) && /connect/.test(why[3]), why.join('; '))
  })

  await check('revoke: shown at once, env is refused, the data can still be taken', async () => {
    const b = await daemon.createBuild('ending')
    await daemon.sql(b.env.TURSO_AUTH_TOKEN, 'CREATE TABLE t(a)')
    assertSame(JSON.parse(await daemon.mustCli(['build', 'revoke', 'ending', '--json'])).state, 'revoked')
    await daemon.mustCli(['build', 'revoke', 'ending'])
    const r = await daemon.cli(['env', 'ending'])
    assertSame(r.code, 1)
    assert(r.stderr.includes('is revoked') && r.stdout === '', r.stderr)
    const answer = await daemon.pipeline(b.env.TURSO_AUTH_TOKEN, { requests: [{ type: 'execute', stmt: { sql: 'SELECT 1' } }] })
    assertSame(answer.status, 401, 'the key')
    await daemon.mustCli(['db', 'download', 'ending', '--out', path.join(tempFolder(), 'x.db')])
  })

  await check('delete: the data goes, a new build of that name has new keys and no rows', async () => {
    const a = await daemon.createBuild('again')
    await daemon.sql(a.env.TURSO_AUTH_TOKEN, 'CREATE TABLE t(a)')
    assert(fs.existsSync(path.join(daemon.data, 'builds/again')), 'there was data')
    assertSame(JSON.parse(await daemon.mustCli(['build', 'delete', 'again', '--json'])), { id: 'again', state: 'deleted' })
    assert(!fs.existsSync(path.join(daemon.data, 'builds/again')), 'the folder is gone')
    assertSame((await daemon.cli(['build', 'delete', 'again'])).code, 1, 'there is none now')
    const b = await daemon.createBuild('again')
    assert(a.env.TURSO_AUTH_TOKEN !== b.env.TURSO_AUTH_TOKEN, 'new keys')
    const old = await daemon.pipeline(a.env.TURSO_AUTH_TOKEN, { requests: [] })
    assertSame(old.status, 401, 'the old key')
    assertSame((await daemon.sql(b.env.TURSO_AUTH_TOKEN, 'SELECT count(*) FROM sqlite_schema')).rows[0][0].value, '0', 'no rows')
  })
}
