// Programs of the command line: aws, rclone, s3cmd. Each gets PATH, a home of its own, and what stands in a build's environment.
import fs from 'node:fs'
import path from 'node:path'
import { run, tempFolder } from '../lib/daemon.mjs'
import { bytes } from '../lib/s3.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'

const home = tempFolder('valetkey-s3-home')

// Runs it; fails with what it said when it ends with anything but `code`.
function program(command, env, before = []) {
  return async (args, { code = 0, input, cwd } = {}) => {
    const clean = Object.fromEntries(Object.keys(process.env).map((k) => [k, undefined]))
    const r = await run(command, [...before, ...args], { env: { ...clean, PATH: process.env.PATH, HOME: home, LANG: 'C.UTF-8', ...env }, input, cwd, timeout: 60000 })
    if (r.code !== code) throw new Error(`${path.basename(command)} ${args.join(' ')}: exit ${r.code ?? r.signal}\n${(r.stderr + r.stdout).slice(-2500)}`)
    return r.stdout + r.stderr
  }
}

// A folder with so many files: small ones, an empty one, one of several parts, names that are unusual.
function makeFolder(n) {
  const dir = tempFolder('valetkey-s3-files')
  for (let i = 0; i < n; i++) {
    const file = path.join(dir, ['', 'sub', 'sub/deeper', 'with space', 'ü'][i % 5], `file ${i}+.txt`)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, bytes(i === 0 ? 0 : i === 1 ? 12_000_000 : 10 + ((i * 977) % 20_000), i + 1))
  }
  return dir
}

function sameFolders(a, b) {
  const list = (d) => fs.readdirSync(d, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).map((e) => path.relative(d, path.join(e.parentPath ?? e.path, e.name))).sort()
  assertSame(list(b), list(a), 'the files')
  for (const f of list(a)) assert(fs.readFileSync(path.join(a, f)).equals(fs.readFileSync(path.join(b, f))), `${f} differs`)
}

export async function aws(command, env, title) {
  const { R2_ENDPOINT, R2_BUCKET, R2_PREFIX } = env
  const aws = program(command, { ...env, AWS_MAX_ATTEMPTS: '1', AWS_PAGER: '' }, ['--endpoint-url', R2_ENDPOINT])
  const at = `s3://${R2_BUCKET}/${title.replaceAll(/[^a-z0-9]/g, '')}`
  const test = (what, fn) => check(`${title}: ${what}`, fn)
  const dir = makeFolder(25)
  await test('cp of a file, of standard input, and back; ls', async () => {
    await aws(['s3', 'cp', path.join(dir, 'sub/file 1+.txt'), `${at}/large`])
    await aws(['s3', 'cp', '-', `${at}/from input ü`], { input: 'typed' })
    assertSame(await aws(['s3', 'cp', `${at}/from input ü`, '-']), 'typed')
    await aws(['s3', 'cp', `${at}/large`, path.join(home, 'large')])
    assert(fs.readFileSync(path.join(home, 'large')).equals(fs.readFileSync(path.join(dir, 'sub/file 1+.txt'))), 'the file differs')
    const ls = await aws(['s3', 'ls', `${at}/`])
    assert(/ 12000000 large\n/.test(ls) && /5 from input ü\n/.test(ls), ls)
  })
  await test('sync of a folder; again copies nothing; a changed file is copied; back; --delete', async () => {
    const back = tempFolder('valetkey-s3-back')
    const sync = (from, to, ...more) => aws(['s3', 'sync', from, to, '--no-progress', ...more])
    assertSame((await sync(dir, `${at}/sync`)).match(/^upload:/gm)?.length, 25)
    assertSame(await sync(dir, `${at}/sync`), '')
    await sync(`${at}/sync`, back)
    sameFolders(dir, back)
    fs.writeFileSync(path.join(dir, 'new.txt'), 'new')
    fs.rmSync(path.join(dir, 'ü/file 4+.txt'))
    const out = await sync(dir, `${at}/sync`, '--delete')
    assertSame([out.match(/^upload:/gm)?.length, out.match(/^delete:/gm)?.length], [1, 1], out)
    await sync(`${at}/sync`, back, '--delete')
    sameFolders(dir, back)
  })
  await test('s3api: put, head, get with a range, list, delete; mv and rm of all', async () => {
    const api = async (what, ...args) => aws(['s3api', what, '--bucket', R2_BUCKET, ...args])
    const key = `${R2_PREFIX}api/${title}`
    fs.writeFileSync(path.join(home, 'body'), 'hello')
    const put = JSON.parse(await api('put-object', '--key', key, '--body', path.join(home, 'body'), '--metadata', 'who=me', '--content-type', 'text/x-a'))
    const head = JSON.parse(await api('head-object', '--key', key))
    assertSame([put.ETag, head.ETag, head.ContentLength, head.Metadata, head.ContentType], ['"5d41402abc4b2a76b9719d911017c592"', '"5d41402abc4b2a76b9719d911017c592"', 5, { who: 'me' }, 'text/x-a'])
    await api('get-object', '--key', key, '--range', 'bytes=1-2', path.join(home, 'part'))
    assertSame(String(fs.readFileSync(path.join(home, 'part'))), 'el')
    assertSame(JSON.parse(await api('list-objects-v2', '--prefix', key)).Contents.map((o) => o.Key), [key])
    assertSame(await (await fetch((await aws(['s3', 'presign', `s3://${R2_BUCKET}/${key}`])).trim())).text(), 'hello')
    await aws(['s3', 'mv', `s3://${R2_BUCKET}/${key}`, `${at}/moved`])
    assertSame(await aws(['s3', 'cp', `${at}/moved`, '-']), 'hello')
    await aws(['s3', 'rm', `${at}/`, '--recursive', '--quiet'])
    assertSame(await aws(['s3', 'ls', `${at}/`, '--recursive'], { code: 1 }), '')
  })
}

export async function rclone(env) {
  const conf = Object.fromEntries(Object.entries({ TYPE: 's3', PROVIDER: 'Other', ENV_AUTH: 'true', ENDPOINT: env.R2_ENDPOINT, REGION: env.AWS_REGION, CHUNK_SIZE: '5Mi', UPLOAD_CUTOFF: '8Mi' }).map(([k, v]) => [`RCLONE_CONFIG_VK_${k}`, v]))
  const empty = path.join(home, 'rclone.conf')
  fs.writeFileSync(empty, '')
  const rclone = program('rclone', { ...env, ...conf, RCLONE_CONFIG: empty }, ['--retries', '1', '--low-level-retries', '1', '--transfers', '8'])
  const at = `vk:${env.R2_BUCKET}/${env.R2_PREFIX}rclone`
  const dir = makeFolder(200)
  const sync = async (...args) => {
    const out = await rclone(['sync', ...args, '-v', '--use-json-log'])
    const lines = out.trim().split('\n').flatMap((l) => { try { return [JSON.parse(l)] } catch { return [] } })
    return { copied: lines.filter((l) => /^Copied|^Multi-thread Copied/.test(l.msg)).length, deleted: lines.filter((l) => /^Deleted/.test(l.msg)).length, out }
  }
  await check('rclone: sync of a folder of 200 files, and back', async () => {
    assertSame((await sync(dir, at)).copied, 200)
    const back = tempFolder('valetkey-s3-back')
    await sync(at, back)
    sameFolders(dir, back)
  })
  await check('rclone: sync again copies nothing, and check finds nothing', async () => {
    const r = await sync(dir, at)
    assertSame([r.copied, r.deleted], [0, 0], r.out.slice(-1500))
    await rclone(['check', dir, at])
  })
  await check('rclone: what has changed, is new or is gone', async () => {
    fs.writeFileSync(path.join(dir, 'sub/file 6+.txt'), 'changed')
    fs.writeFileSync(path.join(dir, 'new'), 'new')
    fs.rmSync(path.join(dir, 'ü/file 4+.txt'))
    const r = await sync(dir, at)
    assertSame([r.copied, r.deleted], [2, 1], r.out.slice(-1500))
    await rclone(['check', dir, at])
    assertSame((await rclone(['cat', `${at}/sub/file 6+.txt`])), 'changed')
  })
  await check('rclone: ls, move on the server, rcat, purge', async () => {
    await rclone(['moveto', `${at}/new`, `${at}/moved/here`])
    await rclone(['rcat', `${at}/typed`], { input: 'typed' })
    const list = JSON.parse(await rclone(['lsjson', '-R', '--files-only', at]))
    assertSame([list.length, list.find((f) => f.Path === 'moved/here')?.Size, list.find((f) => f.Path === 'typed')?.Size], [201, 3, 5])
    await rclone(['purge', at])
    assertSame(await rclone(['lsf', `vk:${env.R2_BUCKET}/${env.R2_PREFIX}`]), '')
  })
}

export async function s3cmd(env) {
  const url = new URL(env.R2_ENDPOINT)
  const conf = path.join(home, 's3cfg')
  fs.writeFileSync(conf, `[default]\naccess_key = ${env.R2_ACCESS_KEY_ID}\nsecret_key = ${env.R2_SECRET_ACCESS_KEY}\nhost_base = ${url.host}\nhost_bucket = ${url.host}\nuse_https = ${url.protocol === 'https:' ? 'True' : 'False'}\nmultipart_chunk_size_mb = 5\nmax_retries = 1\n`, { mode: 0o600 })
  const s3cmd = program('s3cmd', {}, ['-c', conf, '--no-progress'])
  const at = `s3://${env.R2_BUCKET}/s3cmd`
  const dir = makeFolder(12)
  await check('s3cmd: put, info, get, ls, signurl, cp, del', async () => {
    await s3cmd(['put', path.join(dir, 'sub/file 1+.txt'), `${at}/large ü+`, '--mime-type', 'video/mp4'])
    const info = await s3cmd(['info', `${at}/large ü+`])
    assert(/File size: 12000000/.test(info) && /video\/mp4/.test(info), info)
    await s3cmd(['get', `${at}/large ü+`, path.join(home, 'got'), '--force'])
    assert(fs.readFileSync(path.join(home, 'got')).equals(fs.readFileSync(path.join(dir, 'sub/file 1+.txt'))), 'the file differs')
    assert((await s3cmd(['ls', `${at}/`])).includes('large ü+'), 'not listed')
    const signed = (await s3cmd(['signurl', `${at}/large ü+`, '+60'])).trim()
    const r = await fetch(signed)
    // s3cmd signs URLs as S3 did until 2014, whatever it is told; that is said plainly.
    const body = await r.text()
    assertSame([r.status, /AWS4-HMAC-SHA256/.test(body)], [400, true], `${signed.split('?')[0]}: ${r.status} ${body.slice(0, 500)}`)
    await s3cmd(['cp', `${at}/large ü+`, `${at}/copy`])
    await s3cmd(['del', `${at}/large ü+`])
    assertSame((await s3cmd(['ls', `${at}/`])).trim().split(/\s+/).slice(-1), [`${at}/copy`])
  })
  await check('s3cmd: sync of a folder, again, changed, back, del of all', async () => {
    const sync = async (...a) => (await s3cmd(['sync', ...a])).match(/^(upload|download|delete):/gm)?.length ?? 0
    assertSame(await sync(`${dir}/`, `${at}/sync/`), 12)
    assertSame(await sync(`${dir}/`, `${at}/sync/`), 0)
    fs.writeFileSync(path.join(dir, 'sub/file 6+.txt'), 'changed')
    assertSame(await sync(`${dir}/`, `${at}/sync/`), 1)
    const back = tempFolder('valetkey-s3-back')
    await sync(`${at}/sync/`, `${back}/`)
    sameFolders(dir, back)
    await s3cmd(['del', '--recursive', '--force', `${at}/`])
    assertSame((await s3cmd(['ls', '--recursive', `${at}/`])).trim(), '')
  })
}
