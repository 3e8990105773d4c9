// What is not understood, and what is refused: the sentence and the exit code.
import fs from 'node:fs'
import path from 'node:path'
import { check, assert, assertSame } from '../lib/tap.mjs'
import { run, binary, tempFolder } from '../lib/daemon.mjs'

const long = 'x'.repeat(100000)

// [arguments, exit code, what the sentence must say]
const table = [
  [[], 2, 'Usage: valetkey COMMAND'],
  [['nonsense'], 2, 'There is no command "nonsense"'],
  [['biuld', 'create'], 2, 'Did you mean "build create"?'],
  [['build', 'craete', 'x'], 2, 'Did you mean "build create"?'],
  [['build'], 2, 'build create'],
  [['db'], 2, 'db shell'],
  [['storage'], 2, 'storage ls'],
  [['env'], 2, "The build's ID is missing"],
  [['build', 'show'], 2, "The build's ID is missing"],
  [['build', 'create', 'a', 'b'], 2, 'one argument too many'],
  [['build', 'create', 'Bad_ID'], 2, 'is no build id'],
  [['build', 'create', '-x'], 2, 'There is no option -x'],
  [['build', 'create', 'a'.repeat(33)], 2, 'is no build id'],
  [['build', 'create', ''], 2, 'is no build id'],
  [['build', 'create', '../../etc'], 2, 'is no build id'],
  [['build', 'create', 'ünï'], 2, 'is no build id'],
  [['build', 'create', 'x', '--ttl', 'soon'], 2, '"ttl" must be'],
  [['build', 'create', 'x', '--ttl', '59'], 2, '60 seconds'],
  [['build', 'create', 'x', '--ttl', '99999d'], 2, '3650 days'],
  [['build', 'create', 'x', '--ttl'], 2, '--ttl needs a value'],
  [['build', 'create', 'x', '--ttl', '1d', '--ttl', '2d'], 2, '--ttl stands twice'],
  [['build', 'create', 'x', '--framework', 'rails'], 2, 'known are next'],
  [['build', 'create', 'x', '--frmework', 'next'], 2, 'Did you mean --framework?'],
  [['build', 'create', 'x', '--origin', 'localhost:3000'], 2, 'must begin with http'],
  [['build', 'create', 'x', '--origin', 'http://a/b'], 2, 'has a path'],
  [['build', 'create', 'x', '--origin', 'http://*.a'], 2, 'wildcard'],
  [['build', 'create', 'x', '--origin', `http://${long}`], 2, 'longer than'],
  [['build', 'create', 'x', ...Array.from({ length: 17 }, (_, i) => `--origin=http://a${i}`)], 2, 'a build may have 16'],
  [['build', 'create', 'x', '--json=yes'], 2, '--json takes no value'],
  [['build', 'create', 'x', '--idempotency-key', 'a b'], 2, 'visible ASCII'],
  [['build', 'create', 'x', `--${long}`], 2, 'There is no option'],
  [['build', 'create', long], 2, 'is no build id'],
  [['build', 'origins', 'taken', '--none', 'http://a'], 2, 'contradict'],
  [['build', 'origins', 'taken', 'ftp://a'], 2, 'must begin with http'],
  [['build', 'show', 'nope'], 1, 'There is no build "nope"'],
  [['build', 'origins', 'nope', 'http://a'], 1, 'There is no build "nope"'],
  [['build', 'revoke', 'nope'], 1, 'There is no build "nope"'],
  [['build', 'delete', 'nope'], 1, 'There is no build "nope"'],
  [['env', 'nope'], 1, 'There is no build "nope"'],
  [['env', 'taken', '--format', 'yaml'], 2, 'known are dotenv'],
  [['env', 'taken', '--framework', 'rails'], 2, 'known are next'],
  [['env', 'taken', '--json', '--format', 'shell'], 2, 'contradict'],
  [['env', 'taken', '--force'], 2, '--force is for --out'],
  [['run', 'taken'], 2, 'The command is missing'],
  [['run', 'taken', '--'], 2, 'The command is missing'],
  [['run', 'nope', '--', 'true'], 1, 'There is no build "nope"'],
  [['db', 'shell', 'nope'], 1, 'There is no build "nope"'],
  [['db', 'download', 'taken'], 2, '--out FILE is missing'],
  [['storage', 'get', 'taken'], 2, 'KEY is missing'],
  [['storage', 'usage', 'nope'], 1, 'no build "nope"'],
  [['storage', 'put', 'nope', '/dev/null', 'x'], 1, 'no build "nope"'],
  [['db', 'download', 'nope', '--out', '/dev/null/x'], 1, 'can be made'],
  [['build', 'create', 'taken', '--framework', 'astro'], 1, 'exists with another framework'],
  [['build', 'create', 'taken', '--ttl', '61'], 1, 'exists with another framework, ttl'],
  [['build', 'list', 'x'], 2, 'one argument too many'],
  [['doctor', 'x'], 2, 'one argument too many'],
  [['help', 'nonsense'], 2, 'There is no command'],
]

const own = (args) => ['--help'].every((h) => !args.includes(h)) && args.length > 1 && ['build', 'env', 'run', 'db', 'storage', 'doctor'].includes(args[0])

export async function badInput(daemon) {
  await daemon.createBuild('taken', ['--framework', 'next'])
  const env = { VALETKEY_DATA: daemon.data }
  for (const [args, code, says] of table) {
    const name = args.join(' ').slice(0, 60) || '(nothing)'
    await check(`refused with ${code}: ${name}`, async () => {
      const r = await run(binary, args, { env })
      assertSame(r.code, code, r.stderr.slice(0, 400))
      assert(r.stderr.includes(says), r.stderr.slice(0, 400))
      assertSame(r.stdout, '', 'nothing on standard output')
      assert(r.stderr.length < 4000, 'a sentence, not a flood')
    })
  }

  await check('with --json an error is JSON on standard error', async () => {
    for (const args of table.map((t) => t[0]).filter((a) => own(a) && ['show', 'revoke'].includes(a[1]) && a.length === 3)) {
      const r = await run(binary, [...args, '--json'], { env })
      const e = JSON.parse(r.stderr).error
      assertSame([e.code, r.stdout], ['not_found', ''])
      assert(e.message.includes('nope'), e.message)
    }
  })

  await check('no daemon, no folder, no token, an unreadable one: what to do', async () => {
    const none = path.join(tempFolder(), 'none')
    const a = await run(binary, ['build', 'list', '--data', none])
    assertSame(a.code, 1)
    assert(a.stderr.includes('There is no data folder') && a.stderr.includes('valetkey serve'), a.stderr)
    fs.mkdirSync(none)
    const b = await run(binary, ['build', 'list', '--data', none])
    assert(b.code === 1 && b.stderr.includes('no admin.token'), b.stderr)
    fs.writeFileSync(path.join(none, 'admin.token'), 'vk_a_x\n', { mode: 0o600 })
    const c = await run(binary, ['build', 'list', '--data', none])
    assert(c.code === 1 && c.stderr.includes('is not running'), c.stderr)
    const d = await run(binary, ['doctor', '--data', none])
    assert(d.code === 1 && /✗ daemon/.test(d.stdout) && /✗ admin token .*damaged/.test(d.stdout), d.stdout)
    const e = await run(binary, ['build', 'list', '--data', path.join(none, 'admin.token')])
    assert(e.code === 1 && e.stderr.includes('not a folder'), e.stderr)
    const f = await run(binary, ['build', 'list', '--data', long])
    assert(f.code === 1 && f.stderr.includes('longer than'), f.stderr)
  })

  await check('a wrong token is refused, and no error repeats it', async () => {
    const other = tempFolder()
    fs.writeFileSync(path.join(other, 'admin.token'), 'vk_a_wrongwrongwrongwrongwrongwrong0000\n', { mode: 0o600 })
    fs.symlinkSync(path.join(daemon.data, 'admin.sock'), path.join(other, 'admin.sock'))
    const r = await run(binary, ['build', 'list', '--data', other])
    assertSame(r.code, 1)
    assert(r.stderr.includes('not the admin token') && !r.stderr.includes('wrongwrong'), r.stderr)
  })

  await check('a path longer than a socket address may be still works', async () => {
    const deep = path.join(tempFolder(), 'd'.repeat(90), 'e'.repeat(90))
    fs.mkdirSync(path.dirname(deep))
    fs.symlinkSync(daemon.data, deep)
    const r = await run(binary, ['build', 'list', '--json', '--data', deep])
    assertSame(r.code, 0, r.stderr)
  })

  await check('output that nobody reads any more does not hang or crash', async () => {
    const r = await run('sh', ['-c', `"${binary}" build list --data "${daemon.data}" | true; echo done`])
    assertSame(r.stdout.trim(), 'done')
  })
}
