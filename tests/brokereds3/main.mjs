// Storage of builds in the organisation's bucket. First the suites that run on the embedded driver, unchanged: what they find different is written
// down in exceptions.mjs, by name, and nothing else may be. Then what is the vendor's side only. Names of parts as arguments run only these.
import { spawn } from 'node:child_process'
import path from 'node:path'

import { buildVendor } from '../lib/vendor_build.mjs'
import { cleanUp, root } from '../lib/daemon.mjs'
import { install } from '../lib/project.mjs'
import { assertSame, check, finish, note, ok } from '../lib/tap.mjs'
import { EXCEPTIONS } from './exceptions.mjs'

const wanted = process.argv.slice(2)
const here = import.meta.dirname

// Another suite with `vendor` behind it. Each line of it is one here; those that are expected to fail must.
async function suite(name, parts, vendor) {
  const p = spawn(path.join(root, 'tests', name, 'run'), parts, { env: { ...process.env, VALETKEY_TEST_S3_BEHIND: process.env.VALETKEY_TEST_S3_BEHIND ?? path.join(here, 'behind.mjs'), VALETKEY_TEST_S3_VENDOR: vendor }, stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  p.stdout.setEncoding('utf8').on('data', (d) => (out += d))
  const code = await new Promise((r) => p.on('close', (c, signal) => r(signal ?? c)))
  const expected = EXCEPTIONS[vendor][name] ?? []
  const unmet = new Set(expected)
  let n = 0
  for (const part of out.split(/^(?=(?:not )?ok \d)/m)) {
    const m = /^(not )?ok \d+ - ([^\n]*)\n?([^]*)$/.exec(part)
    if (!m || /# SKIP/.test(m[2])) continue
    n++
    const rule = expected.find((e) => m[2].includes(e))
    if (!rule) ok(!m[1], `${vendor}, ${name}: ${m[2]}`, m[3].replace(/^# ?/gm, ''))
    else if (m[1]) unmet.delete(rule)
  }
  ok(n > 0 && (code === 0 || code === 1), `${vendor}, ${name}: ran to its end`, `exit ${code}, ${n} tests\n${out.slice(-2000)}`)
  assertSame([...unmet], [], `${vendor}, ${name}: differences that are written down and are not there`)
}

const PARTS = {
  sdk: () => suite('s3sdk', ['app', 'tls', 'objects', 'copies', 'multipart', 'checksums', 'presigned', 'buckets', 'listings', 'environment', 'prefixes', 'neighbours', 'refusals', 'open', 'ends', 'hosts'], 'r2'),
  matrix: () => suite('s3matrix', ['scope', 'auth', 'framing', 'advisories', 'races'], 'r2'),
  s3rver: () => suite('s3sdk', ['app', 'prefixes', 'neighbours', 'open'], 's3'),
  async vendor() { await (await import('./vendor.mjs')).vendor() },
  async tricks() { await (await import('./tricks.mjs')).tricks() },
}

await install(here)
await install(path.join(root, 'tests/s3sdk'))
buildVendor()
for (const [name, part] of Object.entries(PARTS)) {
  if (wanted.length && !wanted.includes(name)) continue
  const t0 = performance.now()
  await check(`${name}: ran to its end`, part)
  note(`${name}: ${Math.round(performance.now() - t0)} ms`)
}
await cleanUp()
finish()
