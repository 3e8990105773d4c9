// The suite: which clients there are, a daemon without and one with TLS, a build for each client.
import fs from 'node:fs'
import path from 'node:path'
import { spawn } from 'node:child_process'
import { cleanUp, run } from '../lib/daemon.mjs'
import { install, script } from '../lib/project.mjs'
import { Storage } from '../lib/s3.mjs'
import { check, finish, note, ok, skip } from '../lib/tap.mjs'
import { aws, rclone, s3cmd } from './programs.mjs'

const here = import.meta.dirname
await install(here)
const wanted = process.argv.slice(2)

// Every `name` in the PATH, and the distribution's: [path].
const all = (name) => [...new Set(['/usr/bin', ...process.env.PATH.split(':')].map((d) => path.join(d, name)).filter((f) => fs.existsSync(f)))]
const versionOf = async (command, args) => { const r = await run(command, args).catch(() => ({ code: 1 })); return r.code === 0 ? (r.stdout || r.stderr).trim() : undefined }

// The distribution's own, and one more of another version where there is one.
async function versions(name, args, versionIn = (t) => t) {
  const out = new Map()
  for (const command of all(name)) {
    const v = await versionOf(command, args)
    if (v && !out.has(versionIn(v))) out.set(versionIn(v), command)
  }
  return [...out].slice(0, 2)
}

// A script that prints TAP lines: they count as ours.
function tap(command, args, env, title) {
  return new Promise((resolve) => {
    const p = spawn(command, args, { env: { PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: '1', PYTHONWARNINGS: 'ignore', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    const timer = setTimeout(() => p.kill('SIGKILL'), 120_000)
    p.stdout.setEncoding('utf8').on('data', (d) => (out += d))
    p.stderr.setEncoding('utf8').on('data', (d) => (err += d))
    p.on('close', (code, signal) => {
      clearTimeout(timer)
      const parts = out.split(/^(?=(?:not )?ok )/m).map((t) => /^(not )?ok \d+ - ([^\n]*)\n?([^]*)$/.exec(t)).filter(Boolean)
      for (const m of parts) ok(!m[1], `${title}: ${m[2]}`, m[3].replace(/^# /gm, ''))
      if (!parts.length || code !== 0) ok(false, `${title}: it ran to its end`, `exit ${signal ?? code}\n${err.slice(-3000)}`)
      resolve()
    })
  })
}

const boto = path.join(here, 'boto.py')
const pythons = await versions('python3', [boto, 'VERSION'])
const awses = await versions('aws', ['--version'], (t) => t.split(' ')[0])
await check('there are boto3 and aws-cli', () => (pythons.length && awses.length ? undefined : `${pythons.length ? 'aws-cli' : 'boto3'} is not here: tools/install test`))
if (pythons.length < 2) skip('another boto3', `${pythons[0]?.[0]} is the only one here`)
if (awses.length < 2) skip('another aws-cli', `${awses[0]?.[0]} is the only one here`)

const plain = await Storage.start()
const PARTS = {
  async boto3() {
    await Promise.all(pythons.map(async ([version, python], i) => {
      const { env } = await plain.build(`boto-${i}`)
      await tap(python, [boto, ...(i ? ['--prefix'] : [])], { ...env, VK_OURS: plain.own ? '1' : '' }, `boto3 ${version}`)
    }))
  },
  async tls() {
    if (!plain.own) return skip('boto3 over https', 'another server')
    const storage = await Storage.start({ tls: true, args: ['--listen', '127.0.0.1 tls', '--tls-self-signed'] })
    try {
      await Promise.all(pythons.map(async ([version, python], i) => {
        const { env } = await storage.build(`boto-tls-${i}`)
        // Without the two variables of checksums, so that newer ones send them in a trailer.
        const { AWS_REQUEST_CHECKSUM_CALCULATION, AWS_RESPONSE_CHECKSUM_VALIDATION, ...rest } = env
        await tap(python, [boto], { ...rest, VK_OURS: '1', AWS_CA_BUNDLE: env.NODE_EXTRA_CA_CERTS }, `boto3 ${version} over https`)
      }))
    } finally {
      await storage.stop()
    }
  },
  async node() { await script(path.join(here, 'node.mjs'), [], here, (await plain.build('node')).env, 'node') },
  async aws() {
    const { env } = await plain.build('aws')
    // Its every start costs a second.
    await Promise.all(awses.slice(0, process.env.VALETKEY_TEST_FULL ? 2 : 1).map(([version, command]) => aws(command, env, version)))
  },
  async rclone() { await rclone((await plain.build('rclone')).env) },
  async s3cmd() { await s3cmd((await plain.build('s3cmd')).env) },
}
try {
  // Most of them compute in a process of their own: two at a time.
  const todo = Object.entries(PARTS).filter(([name]) => !wanted.length || wanted.includes(name))
  await Promise.all([0, 1].map(async () => {
    while (todo.length) {
      const [name, part] = todo.shift()
      const t0 = performance.now()
      await check(`${name}: ran to its end`, part)
      note(`${name}: ${Math.round(performance.now() - t0)} ms`)
    }
  }))
} finally {
  await plain.stop()
  await cleanUp()
}
finish()
