// kill -9 of the whole daemon while it restores: afterwards the old or the new database is there, whole, and so is every snapshot.
import fs from 'node:fs'
import path from 'node:path'
import { assert, assertSame, check, note } from '../lib/tap.mjs'
import { seeded, sleep } from '../lib/daemon.mjs'
import { json, rows } from './lib.mjs'

export async function killed(daemon) {
  const token = (await daemon.createBuild('killed')).env.TURSO_AUTH_TOKEN
  const fill = "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300) SELECT randomblob(20000) FROM c"
  await daemon.sql(token, 'CREATE TABLE t (x)')
  await daemon.sql(token, fill)
  await daemon.sql(token, fill)
  assertSame((await json(daemon, ['db', 'snapshot', 'killed', '--name', 'old'])).code, 0)
  const seed = Number(process.env.SEED ?? Date.now() & 0xffff)
  const { below } = seeded(seed)
  const count = process.env.VALETKEY_TEST_FULL ? 40 : 6
  const seen = { 600: 0, 601: 0 }
  const dir = path.join(daemon.data, 'builds', 'killed')

  await check(`${count} times killed in a restore: old or new, whole (seed ${seed})`, async () => {
    for (let i = 0; i < count; i++) {
      assertSame((await json(daemon, ['db', 'restore', 'killed', 'old'])).code, 0)
      await daemon.sql(token, "INSERT INTO t VALUES ('one more')")
      const restore = daemon.admin('POST', '/api/v1/builds/killed/services/database/snapshots/old/restore').catch(() => undefined)
      await sleep(below(120))
      await daemon.kill9()
      await restore
      await daemon.start()
      const [[n, sound]] = await rows(daemon, token, 'SELECT (SELECT count(*) FROM t), (SELECT * FROM pragma_integrity_check)')
      assertSame(sound, 'ok')
      assert(n in seen, `${n} rows`)
      seen[n]++
      for (const s of (await json(daemon, ['db', 'snapshots', 'killed'])).out.snapshots) {
        const d = await json(daemon, ['db', 'diff', 'killed', s.id, '--rows', '0'])
        assertSame(d.code, 0, d.stderr)
      }
      assert(fs.readdirSync(dir).every((f) => fs.statSync(path.join(dir, f)).nlink === 1), 'a file with two names')
      assertSame(fs.existsSync(path.join(daemon.data, 'tmp')) ? fs.readdirSync(path.join(daemon.data, 'tmp')) : [], [], 'left behind')
    }
  })
  note(`new ${seen[600]} times, old ${seen[601]} times`)
}
