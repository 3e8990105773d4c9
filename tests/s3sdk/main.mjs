// The suite: one daemon, builds of their own for parts that would meet. `main.mjs NAME…` runs only these parts.
import fs from 'node:fs'
import path from 'node:path'
import { cleanUp } from '../lib/daemon.mjs'
import { install, script } from '../lib/project.mjs'
import { Storage } from '../lib/s3.mjs'
import { assert, check, finish, note, skip } from '../lib/tap.mjs'

const here = import.meta.dirname
await install(here)
const { MODES, client, endClients } = await import('./rig.mjs')
const wanted = process.argv.slice(2)
const [FIRST, SECOND] = Object.keys(MODES)

// Both kinds of app: one that does not put R2_PREFIX before its keys, with the SDK's defaults; one that does, as the environment asks.
async function twice(storage, id, run) {
  const [a, b] = [await storage.build(`${id}-a`), await storage.build(`${id}-b`)]
  await run({ env: a.env, title: `${id}, ${FIRST}`, s3: client(a.env, MODES[FIRST]) })
  await run({ env: b.env, title: `${id}, ${SECOND}, with R2_PREFIX`, s3: client(b.env, MODES[SECOND]), name: (k) => b.env.R2_PREFIX + k })
}

// An app in a process of its own, over TLS: its environment is all it has.
async function overTls() {
  const storage = await Storage.start({ tls: true, args: ['--listen', '127.0.0.1 tls', '--tls-self-signed'] })
  try {
    const { env } = await storage.build('tls')
    await check('tls: the environment says https, and whom to trust', () => assert(env.R2_ENDPOINT === `https://127.0.0.1:${storage.base + 3}` && fs.existsSync(env.NODE_EXTRA_CA_CERTS), env.R2_ENDPOINT))
    await script(path.join(here, 'app.mjs'), [], here, env, 'tls')
  } finally {
    await storage.stop()
  }
}

const OURS = ['app', 'tls', 'quotas', 'hosts', 'environment', 'prefixes', 'neighbours', 'refusals', 'open', 'ends']
const PARTS = {
  async app(storage) { await script(path.join(here, 'app.mjs'), [], here, (await storage.build('app')).env, 'app') },
  tls: overTls,
  async quotas() { await (await import('./quota.mjs')).quotas() },
  async hosts(storage) { await (await import('./quota.mjs')).hosts(storage) },
  async objects(storage) { await twice(storage, 'objects', (await import('./objects.mjs')).objects) },
  async copies(storage) { await twice(storage, 'copies', (await import('./copy.mjs')).copies) },
  async multipart(storage) { await twice(storage, 'multipart', (await import('./multipart.mjs')).multipart) },
  async checksums(storage) {
    const { checksums } = await import('./checksums.mjs')
    for (const [mode, settings] of Object.entries(MODES)) {
      const { env } = await storage.build(`checksums-${mode.slice(0, 3).toLowerCase()}`)
      await checksums({ env, title: `checksums, ${mode}`, s3: client(env, settings) })
    }
  },
  async presigned(storage) {
    const { presigned, forms } = await import('./presign.mjs')
    await Promise.all([twice(storage, 'presigned', presigned), twice(storage, 'forms', forms)])
  },
  async buckets(storage) {
    const { env } = await storage.build('buckets')
    await (await import('./buckets.mjs')).buckets({ env, title: 'buckets', s3: client(env), own: storage.own })
  },
  async listings(storage) {
    const { env } = await storage.build('listings')
    await (await import('./list.mjs')).listings({ env, title: 'listings', s3: client(env), own: storage.own, name: (k) => k })
  },
}
for (const name of OURS.slice(4)) PARTS[name] = async (storage) => (await import('./life.mjs'))[name](storage)

const storage = await Storage.start()
try {
  for (const [name, part] of Object.entries(PARTS)) {
    if (wanted.length && !wanted.includes(name)) continue
    if (!storage.own && OURS.includes(name)) { skip(name, 'another server'); continue }
    const t0 = performance.now()
    await check(`${name}: ran to its end`, () => part(storage))
    note(`${name}: ${Math.round(performance.now() - t0)} ms`)
  }
} finally {
  endClients()
  await storage.stop()
  await cleanUp()
}
finish()
