// The contract of a service (include/valetkey/service.h), on every service that the daemon reports.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { assert, assertSame, check, finish, note } from '../lib/tap.mjs'
import { binary, cleanUp, Daemon, portBase, request, root, run, sleep, tempFolder } from '../lib/daemon.mjs'
import { adapters } from './adapters.mjs'
import { made, all, begun, build, everybody, fingerprint, folder, manyBadKeys, put, raw, refused, tree, withKeys, write } from './world.mjs'

const PUBLIC = /^(NEXT_PUBLIC_|VITE_|PUBLIC_|NUXT_PUBLIC_|EXPO_PUBLIC_|REACT_APP_|GATSBY_|VUE_APP_|NG_APP_)/
const base = await portBase()

// ---- the program

await check('the program that is released has no toy service', async () => {
  const released = path.resolve(root, process.env.VALETKEY_RELEASED)
  assert(fs.readFileSync(binary).includes('valetkey_notes_'), `${binary} has it`)
  assert(!fs.readFileSync(released).includes('valetkey_notes_'), `${released} has it, too`)
})
await check('two services of one port are refused at the start, by their names, before anything is made', async () => {
  const data = path.join(tempFolder(), 'data')
  const r = await run(`${binary}-collides`, ['serve', '--data', data, '--port-base', String(base)])
  assertSame([r.code, r.stdout], [1, ''], r.stderr)
  assert(/"notes" and "database" both have the port offset 2/.test(r.stderr), r.stderr)
  assert(!fs.existsSync(data), 'a data folder was made')
})
await check('docs/ADDING-A-SERVICE.md speaks of every member of the contract', () => {
  const header = fs.readFileSync(path.join(root, 'include/valetkey/service.h'), 'utf8')
  const page = fs.readFileSync(path.join(root, 'docs/ADDING-A-SERVICE.md'), 'utf8')
  const struct = /typedef struct vk_service \{([^]*?)\n\} vk_service;/.exec(header)[1].replace(/\/\*[^]*?\*\//g, '')
  const members = struct.split(';').flatMap((d) => /\(\*(\w+)\)\(/.exec(d)?.[1] ?? /(\w+)\s*$/.exec(d)?.[1] ?? [])
  const kinds = [...header.matchAll(/^ {4}(VK_DATA_\w+),/gm)].map((m) => m[1])
  assert(members.length > 15 && members.includes('close_build') && members.includes('port_offset') && kinds.length >= 4, `members: ${members}, ${kinds}`)
  assertSame([...members, ...kinds].filter((m) => !page.includes(`\`${m}`)), [], 'members without a word there')
})

let world
if (!await check('the daemon starts, and builds use all its services', async () => { world = await everybody(base) })) {
  await cleanUp()
  finish()
  process.exit()
}
const { daemon, services, ctx } = world
const { own, other, revoked, expired, foreign, idle } = ctx
await check('every registered service has an adapter here; the toy service is one of them', () => {
  assert(services.some((s) => s.name === 'notes') && services.length >= 2, `services: ${services.map((s) => s.name)}`)
  assertSame(services.filter((s) => !s.hasAdapter).map((s) => s.name), [], 'services that tests/contract/adapters.mjs does not know')
})
note(`services: ${services.map((s) => s.name).join(', ')}`)
const tried = services.filter((s) => s.hasAdapter)
const each = async (name, fn) => { for (const s of tried) await check(`${s.name}: ${name}`, () => fn(s)) }
const cliEnv = async (id, ...more) => JSON.parse(await daemon.mustCli(['env', id, '--format', 'json', ...more]))

// ---- environment

await check('the environment is what the services say, no more', async () => {
  const want = tried.flatMap((s) => s.env)
  assertSame(Object.keys(await cliEnv('own', '--framework', 'node')).sort(), [...new Set(want)].sort())
  assertSame(new Set(want).size, want.length, 'variables of two services')
})
await each('its environment is complete and the same each time; its keys are those of one build, service and installation', async (s) => {
  const again = [own.env, (await made(daemon, 'own')).env, await cliEnv('own'), await cliEnv('own')]
  for (const env of again) for (const name of s.env) {
    assert(typeof env[name] === 'string' && env[name] !== '', `${name} is missing`)
    assertSame(env[name], own.env[name], name)
  }
  const others = [other, revoked, expired, foreign, idle]
  for (const key of s.keys) {
    for (const x of others) assert(x.env[key] !== own.env[key], `${key} of ${x.id} is that of own`)
    for (const t of tried) for (const k of t.keys) assert(k === key || own.env[k] !== own.env[key], `${k} is ${key}`)
  }
})
await check('no framework has a key under a name that browsers get', async () => {
  const said = await daemon.cli(['env', 'own', '--framework', 'nonsense'])
  const frameworks = /known are ([a-z0-9, -]+)/i.exec(said.stderr)?.[1].split(', ').map((f) => f.trim()) ?? []
  assert(frameworks.length > 5 && frameworks.includes('next'), `frameworks: ${said.stderr}`)
  for (const f of frameworks) {
    const env = await cliEnv('own', '--framework', f)
    const values = Object.values(env)
    for (const s of tried) for (const key of s.keys) {
      assert(values.includes(own.env[key]), `${f}: ${key} is nowhere`)
      for (const [name, value] of Object.entries(env)) assert(!PUBLIC.test(name) || !value.includes(own.env[key]), `${f}: ${name} has ${key}`)
    }
  }
})

// ---- requests

await each('a write of a build is seen by it and by no other', async (s) => {
  await put(s, own.env, 'mine')
  await put(s, other.env, 'theirs')
  assertSame(await all(s, own.env), ['first-of-own', 'mine'])
  assertSame(await all(s, other.env), ['first-of-other', 'theirs'])
})
await each('keys that open nothing are refused in its own format, and nothing changes', async (s) => {
  const change = (k) => k.slice(0, -1) + (k.endsWith('0') ? '1' : '0')
  const cases = [
    ['no key', withKeys(s, own.env, {})],
    ['the key of another installation', withKeys(s, own.env, foreign.env)],
    ['the key of a revoked build', withKeys(s, own.env, revoked.env)],
    ['the key of an expired build', withKeys(s, own.env, expired.env)],
    ...tried.filter((t) => t !== s).map((t) => [`the key of ${t.name}`, withKeys(s, own.env, () => own.env[t.keys[0]])]),
    ...s.keys.flatMap((name) => [
      [`a changed ${name}`, { ...own.env, [name]: change(own.env[name]) }],
      [`a short ${name}`, { ...own.env, [name]: own.env[name].slice(0, -1) }],
      [`a long ${name}`, { ...own.env, [name]: `${own.env[name]}0` }],
      [`a very long ${name}`, { ...own.env, [name]: own.env[name].repeat(60) }],
      [`${name} in the other case`, { ...own.env, [name]: own.env[name].replace(/[a-zA-Z]/g, (c) => (c > 'Z' ? c.toUpperCase() : c.toLowerCase())) }],
      [`junk for ${name}`, { ...own.env, [name]: `'"<&>;--${'%00'.repeat(4)}` }],
      [`no ${name}`, { ...own.env, [name]: undefined }],
    ]),
  ]
  const before = [fingerprint(daemon), (await daemon.admin('GET', '/api/v1/builds')).text]
  for (const [what, env] of cases) {
    refused(s, await write(s, env, 'not-mine'), `a write with ${what}`, own.env)
    refused(s, await s.read(env), `a read with ${what}`, own.env)
  }
  assertSame([fingerprint(daemon), (await daemon.admin('GET', '/api/v1/builds')).text], before, 'files and builds')
  assertSame(await all(s, own.env), ['first-of-own', 'mine'])
})
await each('what the engine refuses is said in its own format', async (s) => {
  const cases = [
    ['a Host that is not ours', 421, 'GET / HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n'],
    ['no Host', 400, 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['two lengths', 400, 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a line that is no request', 400, 'nonsense\r\n\r\n'],
    ['a head that is too large', 431, `GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: ${'x'.repeat(100000)}\r\n\r\n`],
  ]
  for (const [what, status, bytes] of cases) {
    const r = await raw(s.port, bytes)
    assertSame(r.status, status, `${what}: ${r.text}`)
    assert(s.problem(r).length > 2, what)
  }
})
await each('a revocation counts from the next request, also on a connection that was good', async (s) => {
  const b = await build(daemon, [s], `ends-${s.name}`)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  try {
    assertSame(await all(s, b.env, { agent }), [`first-of-${b.id}`])
    await daemon.mustCli(['build', 'revoke', b.id])
    const before = fingerprint(daemon)
    refused(s, await write(s, b.env, 'late', { agent }), 'a write')
    refused(s, await s.read(b.env, { agent }), 'a read')
    assertSame(fingerprint(daemon), before, 'files')
  } finally {
    agent.destroy()
  }
})
await each('a write that was begun before a revocation or deletion, and comes to its end after it, does nothing', async (s) => {
  for (const what of ['revoke', 'delete']) {
    const b = await made(daemon, `late-${s.name}`)
    const finishIt = await begun(s, b.env, 'late')
    await daemon.mustCli(['build', what, b.id])
    const r = await finishIt()
    if (r.status !== 0) refused(s, r, `after ${what}`)
    assert(!fs.existsSync(folder(daemon, b.id)), `a folder came after ${what}`)
    if (what === 'revoke') await daemon.mustCli(['build', 'delete', b.id])
  }
})
await each('it says that it is there', async (s) => {
  const r = await request(`${s.url}${s.health ?? '/'}`)
  if (s.health) assertSame(r.status, 200)
  else assert(r.status < 500 && s.problem(r), `${r.status} ${r.text}`)
})

// ---- what it keeps

await each('its data can be exported, or that is said', async (s) => {
  const target = (id) => `/api/v1/builds/${id}/services/${s.name}/export`
  const r = await daemon.admin('GET', target('own'))
  const old = await daemon.admin('GET', target('revoked'))
  const none = await daemon.admin('GET', target('idle'))
  if (s.exports) {
    assertSame([r.status, old.status], [200, 200], 'status')
    assert(/^attachment; filename="own-/.test(r.headers['content-disposition'] ?? ''), 'a name')
    assert(r.raw.includes('first-of-own') && !r.raw.includes('first-of-other'), 'what was written is not in it')
    assert(old.raw.includes('first-of-revoked'), 'a revoked build’s data is its owner’s')
    assert([200, 404].includes(none.status), `of a build without data: ${none.status} ${none.text}`)
  } else {
    for (const x of [r, old, none]) assert(x.status === 404 && /export/.test(x.json().error.message), `${x.status} ${x.text}`)
  }
})
await each('it keeps snapshots, or that is said', async (s) => {
  const r = await daemon.admin('GET', `/api/v1/builds/own/services/${s.name}/snapshots`)
  if (s.snapshots) assertSame(r.status, 200, r.text)
  else assert(r.status === 404 && /snapshot/.test(r.json().error.message), `${r.status} ${r.text}`)
})
await check('every file in the folders of builds is named by its service, so that backups have it', () => {
  const patterns = services.flatMap((s) => s.files.map((f) => f.name.split('/')))
  const like = (pattern, part) => (pattern.endsWith('*') ? part.startsWith(pattern.slice(0, -1)) && part.length >= pattern.length : part === pattern)
  const named = (parts, folderOnly) => patterns.some((p) => (folderOnly ? p.length > parts.length : p.length === parts.length) && parts.every((x, i) => like(p[i], x)))
  const found = tree(path.join(daemon.data, 'builds')).map((f) => ({ f, parts: f.split('/').filter(Boolean).slice(1) })).filter((x) => x.parts.length)
  assert(found.length >= services.length, `files: ${found.map((x) => x.f)}`)
  const strange = found.filter((x) => !named(x.parts, x.f.endsWith('/'))).map((x) => x.parts.join('/'))
  assertSame([...new Set(strange)], [], 'files that no service names')
})
await check('folders of builds are their owner’s alone, and so is what is in them', () => {
  const dir = path.join(daemon.data, 'builds')
  for (const f of ['', ...tree(dir)]) {
    const mode = fs.lstatSync(path.join(dir, f)).mode
    assertSame((mode & 0o7777).toString(8), f === '' || f.endsWith('/') ? '700' : '600', `the mode of builds/${f}`)
  }
})
await each('its metrics are named after it and Prometheus can read them', async (s) => {
  const token = fs.readFileSync(path.join(daemon.data, 'metrics.token'), 'utf8').trim()
  const r = await daemon.admin('GET', '/metrics', { token })
  assertSame(r.status, 200)
  const types = new Map()
  const samples = []
  for (const line of r.text.split('\n').filter(Boolean)) {
    const head = /^# (HELP|TYPE) ([a-z0-9_]+) (.+)$/.exec(line)
    const sample = /^([a-z0-9_]+)(\{(?:[a-z_]+="(?:[^"\\]|\\["\\n])*",?)*\})? (-?[0-9.]+(?:e[+-]?\d+)?|\+Inf|NaN)$/.exec(line)
    assert(head || sample, `no line of metrics: ${line}`)
    if (head?.[1] === 'TYPE') {
      assert(!types.has(head[2]), `${head[2]} comes twice`)
      types.set(head[2], head[3])
    } else if (sample) {
      const family = types.has(sample[1]) ? sample[1] : sample[1].replace(/_(bucket|sum|count)$/, '')
      assert(types.has(family), `${sample[1]} has no TYPE`)
      samples.push(family)
    }
  }
  const mine = [...types.keys()].filter((f) => f.startsWith(`valetkey_${s.name}_`))
  assertSame(mine.length > 0, s.metrics, `its families: ${mine}`)
  for (const f of mine) {
    assert(samples.includes(f), `${f} has no sample`)
    assert((types.get(f) === 'counter') === f.endsWith('_total'), `${f} is a ${types.get(f)}`)
  }
})

// ---- side by side, and the end of a build

await check('the services of a build do not disturb each other', async () => {
  const { env } = await made(daemon, 'busy')
  const many = Array.from({ length: 12 }, (_, i) => `line-${i}`)
  await Promise.all(tried.map(async (s) => { for (const x of many) await put(s, env, x) }))
  for (const s of tried) assertSame(await all(s, env), [...many].sort(), s.name)
})
await check('a build can be deleted while all its services are used, and another’s too; nothing of it is left, and nothing comes back', async () => {
  const b = await build(daemon, tried, 'gone')
  const lost = []
  let stop = false
  let after = false
  const loads = tried.flatMap((s) => [...Array(16).fill(b), other].map(async (x) => {
    for (let n = 0; !stop; n++) {
      const late = after
      const r = await write(s, x.env, `load-${n}`)
      if (x === other && r.status !== 200) lost.push(`${s.name} of other: ${r.status} ${r.text}`)
      if (x === b && late && r.status === 200) lost.push(`${s.name}: a write after the deletion`)
      if (x === b && r.status !== 200) refused(s, r, 'a write of a build that is being deleted')
    }
  }))
  loads.push(...tried.map(async (s) => { for (let n = 0; n < 3 && !stop; n++) await daemon.admin('GET', `/api/v1/builds/gone/services/${s.name}/export`) }))
  await sleep(150)
  await daemon.mustCli(['build', 'delete', 'gone'])
  after = true
  assert(!fs.existsSync(folder(daemon, 'gone')), 'its folder is there')
  await sleep(250)
  stop = true
  await Promise.all(loads)
  assertSame(lost, [])
  assert(!fs.existsSync(folder(daemon, 'gone')), 'its folder came back')
  const again = await made(daemon, 'gone')
  for (const s of tried) {
    for (const key of s.keys) assert(again.env[key] !== b.env[key], `the new build has the old ${key}`)
    refused(s, await s.read(b.env), 'the deleted build’s key')
    await put(s, again.env, 'anew')
    assertSame(await all(s, again.env), ['anew'], s.name)
  }
})
await each('first writes in the moment of a deletion make no folder after it', async (s) => {
  let served = 0
  const id = `brief-${s.name}`
  const begin = performance.now()
  await build(daemon, [s], id)
  const took = performance.now() - begin // to make a build and write to it; no less than the write takes
  await daemon.mustCli(['build', 'delete', id])
  for (let round = 0; round < 12; round++) {
    const b = (await daemon.admin('POST', '/api/v1/builds', { body: { id } })).json()
    const writes = Array.from({ length: 3 }, (_, n) => write(s, b.env, `brief-${n}`))
    await sleep((took * (round % 6)) / 5)
    const r = await daemon.admin('DELETE', `/api/v1/builds/${id}`)
    assertSame(r.status, 204, r.text)
    assert(!fs.existsSync(folder(daemon, id)), `round ${round}: it is there after the deletion`)
    for (const w of await Promise.all(writes)) {
      if (w.status === 200) served++
      else refused(s, w, `round ${round}`)
    }
    assert(!fs.existsSync(folder(daemon, id)), `round ${round}: it came back`)
  }
  assert(served > 0, 'no write was in time')
})
await check('what comes with the program can be opened before the fence closes, and not behind it', async () => {
  const token = fs.readFileSync(path.join(daemon.data, 'metrics.token'), 'utf8').trim()
  const { text } = await daemon.admin('GET', '/metrics', { token })
  const value = (name) => new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]
  assertSame([value('valetkey_notes_shared'), value('valetkey_notes_shared_later')], ['1', daemon.ready.includes('Landlock ') ? '0' : '1'], daemon.ready)
})

// ---- restart and restore

await check('a restart loses nothing that was acknowledged, and no request fails', async () => {
  const b = await build(daemon, tried, 'lasting')
  const done = new Map(tried.map((s) => [s.name, [`first-of-${b.id}`]]))
  let stop = false
  const loads = tried.flatMap((s) => [0, 1].map(async (k) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    for (let n = 0; !stop; n++) {
      await put(s, b.env, `w${k}-${n}`, { agent })
      done.get(s.name).push(`w${k}-${n}`)
    }
    agent.destroy()
  }))
  await sleep(100)
  const said = await daemon.cli(['restart', '--json'], { timeout: 40000 })
  await sleep(100)
  stop = true
  await Promise.all(loads)
  assertSame([said.code, said.code === 0 && JSON.parse(said.stdout).state], [0, 'done'], said.stderr)
  for (const s of tried) {
    assert(done.get(s.name).length > 3, `${s.name}: only ${done.get(s.name)}`)
    assertSame(await all(s, b.env), done.get(s.name).sort(), s.name)
    for (const name of s.env) assertSame((await cliEnv('own'))[name], own.env[name], `${name} after it`)
  }
})
const shown = {}
for (const s of tried) shown[s.name] = [await all(s, own.env), await all(s, other.env)]
await check('a backup has the data of every service, and the restored builds’ keys go on working', async () => {
  const dir = tempFolder()
  const file = path.join(dir, 'all.tar')
  const data = path.join(dir, 'restored')
  await daemon.mustCli(['backup', '--out', file, '--with-secrets'])
  await daemon.stop()
  const offline = path.join(dir, 'offline.tar')
  await daemon.mustCli(['backup', '--out', offline, '--with-secrets'])
  for (const from of [file, offline]) {
    fs.rmSync(data, { recursive: true, force: true })
    fs.rmSync(`${data}.key`, { force: true })
    const r = await run(binary, ['restore', from, '--data', data])
    assertSame(r.code, 0, r.stderr)
    const restored = new Daemon({ portBase: base, data, args: manyBadKeys })
    await restored.start()
    try {
      for (const s of tried) {
        const what = `${s.name}, ${path.basename(from)}`
        assertSame([await all(s, own.env), await all(s, other.env)], shown[s.name], what)
        await put(s, own.env, 'restored')
        assertSame(await all(s, own.env), [...shown[s.name][0], 'restored'].sort(), what)
        refused(s, await s.read(withKeys(s, own.env, revoked.env)), 'the revoked build’s key')
      }
    } finally {
      await restored.stop()
    }
  }
})
await check('a build that was never used has no folder', () => {
  assert(fs.existsSync(folder(daemon, 'own')), 'used ones have')
  assert(!fs.existsSync(folder(daemon, 'idle')), 'one was made')
})
note(`adapters that no service uses: ${Object.keys(adapters).filter((a) => !services.some((s) => s.name === a)).join(', ') || 'none'}`)
await cleanUp()
finish()
