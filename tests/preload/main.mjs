import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { Daemon, binary, cleanUp, portBase, run, tempFolder } from '../lib/daemon.mjs'
import { install } from '../lib/project.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'

const here = import.meta.dirname
const OFFLINE = `--import=${pathToFileURL(path.join(here, 'offline.mjs'))}`
const daemon = new Daemon({ portBase: await portBase() })
const ALL_HERE = ['stripe http: Café ☕ & more, true', 'stripe fetch: Café ☕ & more, true', 'https.get: 200', 'https.request: 200', 'fetch: 200', 'r2 path: 300000, true', 'r2 host: 300000, true', 'asked: ']
const env = { NODE_OPTIONS: OFFLINE, STRIPE_SUPPRESS_NOTICES: 'true', NODE_NO_WARNINGS: '1' }

// An app's lines, under `valetkey run`.
async function app(file, { flags = ['--with-preload'], more = {} } = {}) {
  const r = await command(['run', 'preload', '--no-sandbox', ...flags, '--', process.execPath, path.join(here, file)], { env: { ...env, ...more }, timeout: 60000, cwd: here })
  assertSame([r.code, r.stderr], [0, ''], r.stdout)
  return r.stdout.trimEnd().split('\n').map((line) => (line === 'asked:' ? 'asked: ' : line))
}
// What stands behind `--` is the app's.
const command = ([name, ...rest], options) => run(binary, [name, '--data', daemon.data, ...rest], options)
const print = (...args) => daemon.cli(['env', 'preload', ...args])

async function apps({ R2_ACCOUNT_ID: account, R2_BUCKET: bucket }) {
  for (const [kind, file] of [['ES modules', 'app.mjs'], ['CommonJS', 'app.cjs']]) {
    await check(`${kind}: what the code sends to the vendors comes to the build's services, and nothing else is asked`, async () => assertSame(await app(file), ALL_HERE))
    await check(`${kind}: without the switch it goes to the vendors`, async () => {
      const lines = await app(file, { flags: [] })
      assertSame(lines.slice(0, -1).filter((line) => !/failed: \S+ (ENOTFOUND|ECONNREFUSED)|failed: StripeConnectionError/.test(line)), [])
      assertSame(lines.at(-1), `asked: ${[`${account}.r2.cloudflarestorage.com`, 'api.stripe.com', `${bucket}.${account}.r2.cloudflarestorage.com`].sort().join(' ')}`)
    })
    await check(`${kind}: keys that are not the build's go to the vendors, with the switch too`, async () => {
      const lines = await app(file, { more: { OWN_KEY: 'sk_test_valet_own_key_of_somebody', OWN_ID: '0123456789abcdef0123456789abcdef' } })
      assertSame(lines.slice(0, -1).filter((line) => !/failed: /.test(line)), [])
      assert(/api\.stripe\.com/.test(lines.at(-1)) && /r2\.cloudflarestorage\.com/.test(lines.at(-1)), lines.at(-1))
    })
  }
  await check('an Authorization that cannot be read is left as it is', async () => {
    assertSame(await app('odd.mjs'), [...Array(4).fill('ENOTFOUND'), `asked: ${[`${account}.r2.cloudflarestorage.com`, 'api.stripe.com'].sort().join(' ')}`])
  })
  await check('an address that was cleared or replaced in the environment turns it off', async () => {
    const script = `${path.join(tempFolder(), 'off.mjs')}`
    fs.writeFileSync(script, 'import https from "node:https"; console.log(process.env.NODE_OPTIONS.includes("--import=data:") && https.request.toString().includes("real.https"))')
    const go = (more) => run('sh', ['-c', `${execOf(['env', 'preload', '--with-preload', '--format', 'shell'])}; ${more} exec "$NODE" "$0"`, script], { env: { NODE: process.execPath } })
    assertSame((await go('')).stdout, 'true\n')
    assertSame((await go('STRIPE_API_BASE= R2_BUCKET=mine')).stdout, 'false\n')
  })
}

// `eval` of what the command prints.
const execOf = (args) => `eval "$('${binary}' ${args.join(' ')} --data '${daemon.data}')"`

async function formats() {
  let option
  await check('run adds to NODE_OPTIONS, and passes on what was in it; twice is once', async () => {
    const show = ['-e', 'console.log(process.env.NODE_OPTIONS)']
    const r = await command(['run', 'preload', '--no-sandbox', '--with-preload', '--', process.execPath, ...show], { env: { NODE_OPTIONS: '--no-warnings' } })
    const [own, ours] = r.stdout.trim().split(' ')
    assertSame([own, r.code], ['--no-warnings', 0], r.stderr)
    assert(/^--import=data:text\/javascript;base64,[0-9A-Za-z+/=]+$/.test(ours) && ours.length < 8192, ours)
    option = ours
    const again = await command(['run', 'preload', '--no-sandbox', '--with-preload', '--', process.execPath, ...show], { env: { NODE_OPTIONS: r.stdout.trim() } })
    assertSame(again.stdout, r.stdout)
    const without = await command(['run', 'preload', '--no-sandbox', '--', process.execPath, ...show], { env: { NODE_OPTIONS: '--no-warnings' } })
    assertSame(without.stdout, '--no-warnings\n')
  })
  await check('in the fence of an app, too', async () => {
    const r = await command(['run', 'preload', '--with-preload', '--', process.execPath, '-e', 'require("https").get; console.log(/data:/.test(process.env.NODE_OPTIONS))'])
    assertSame([r.code, r.stdout], [0, 'true\n'], r.stderr)
  })
  await check('shell, docker, systemd and json carry it whole', async () => {
    const shell = await run('sh', ['-c', `${execOf(['env', 'preload', '--with-preload', '--format', 'shell'])}; printf %s "$NODE_OPTIONS"`], { env: { NODE_OPTIONS: '' } })
    assertSame(shell.stdout, option, shell.stderr)
    assert((await print('--with-preload', '--format', 'docker')).stdout.split('\n').includes(`NODE_OPTIONS=${option}`), 'docker')
    assert((await print('--with-preload', '--format', 'systemd')).stdout.split('\n').includes(`NODE_OPTIONS="${option}"`), 'systemd')
    assertSame(JSON.parse((await print('--with-preload', '--json')).stdout).NODE_OPTIONS, option)
    assert(!(await print()).stdout.includes('NODE_OPTIONS'), 'only when it is asked for')
  })
  await check('dotenv is refused with a sentence, also into a file, which stays as it was', async () => {
    const file = path.join(tempFolder(), '.env.local')
    for (const args of [[], ['--format', 'dotenv'], ['--out', file]]) {
      const r = await print('--with-preload', ...args)
      assertSame([r.code, r.stdout], [2, ''], r.stderr)
      assert(/--with-preload is not for --format dotenv: .*node has started already.*valetkey run/s.test(r.stderr), r.stderr)
    }
    assert(!fs.existsSync(file), 'the file')
  })
  await check('the script holds no key, and is what stands in the source', () => {
    const code = Buffer.from(option.split('base64,')[1], 'base64').toString()
    const source = fs.readFileSync(path.join(here, '../../src/handoff/preload.mjs'), 'utf8')
    assertSame(code, source.split('\n').map((line) => line.trim()).filter((line) => line && !line.startsWith('//')).join('\n') + '\n')
    execFileSync(process.execPath, ['--input-type=module', '--check'], { input: code })
  })
}

try {
  await install(here)
  await daemon.start()
  const { env: made } = await daemon.createBuild('preload')
  await apps(made)
  await formats()
} finally {
  await cleanUp()
}
finish()
