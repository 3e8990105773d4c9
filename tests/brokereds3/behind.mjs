// What is behind the daemon under test: the organisation's bucket, at R2 (upstreams/r2.mjs in front of a second daemon that plays a vendor) or at
// s3rver, which is not ours. The bucket is one for all builds.
import { randomBytes } from 'node:crypto'
import http from 'node:http'
import { createRequire } from 'node:module'
import { Daemon, portBase, tempFolder } from '../lib/daemon.mjs'
import { assert } from '../lib/tap.mjs'
import { vendorBinary } from '../lib/vendor_build.mjs'
import { R2 } from '../upstreams/r2.mjs'

export const BUCKET = 'org-bucket'
const hex = (bytes) => randomBytes(bytes).toString('hex')

async function enter(daemon, vendor, fields) {
  const text = Object.entries(fields).map(([k, v]) => `${k}=${v}\n`).join('')
  const r = await daemon.cli(['keys', 'set', vendor], { input: text })
  assert(r.code === 0, `keys set ${vendor}: exit ${r.code}: ${r.stderr}${r.stdout}`)
}

// R2, with the objects in a second daemon.
export class BehindR2 {
  static async start() {
    const b = new BehindR2()
    b.vendor = new Daemon({ portBase: await portBase(), program: vendorBinary, args: ['--vendor-role', '--limit', 'bad_key_rate=0'] })
    await b.vendor.start()
    const { env } = await b.vendor.createBuild(BUCKET)
    b.parent = { account: hex(16), id: hex(16), secret: hex(32) }
    b.r2 = await new R2({ parent: b.parent, bucket: BUCKET, behind: { endpoint: env.R2_ENDPOINT, bucket: env.R2_BUCKET, key: env.R2_ACCESS_KEY_ID, secret: env.R2_SECRET_ACCESS_KEY } }).start()
    b.bucketEnv = env
    b.args = ['--driver', 'storage=r2']
    return b
  }

  ready(daemon) {
    return enter(daemon, 'r2', { account_id: this.parent.account, access_key_id: this.parent.id, secret_access_key: this.parent.secret, bucket: BUCKET, endpoint: this.r2.endpoint })
  }

  async stop() {
    await this.r2.stop()
    await this.vendor.stop()
  }
}

export class BehindS3 {
  static async start() {
    const b = new BehindS3()
    const S3rver = createRequire(import.meta.url)('s3rver')
    const s3 = new S3rver({ directory: tempFolder('valetkey-s3rver'), silent: true, vhostBuckets: false, configureBuckets: [{ name: BUCKET, configs: [] }] })
    await s3.configureBuckets()
    const serve = s3.callback()
    b.seen = []
    b.server = http.createServer((req, res) => {
      b.seen.push({ method: req.method, url: req.url, headers: req.headers })
      serve(req, res)
    })
    await new Promise((r) => b.server.listen(0, '127.0.0.1', r))
    b.endpoint = `http://127.0.0.1:${b.server.address().port}`
    b.args = ['--driver', 'storage=s3']
    return b
  }

  ready(daemon) {
    return enter(daemon, 's3', { endpoint: this.endpoint, region: 'us-east-1', access_key_id: 'S3RVER', secret_access_key: 'S3RVER', bucket: BUCKET })
  }

  async stop() {
    this.server.closeAllConnections()
    await new Promise((r) => this.server.close(r))
  }
}

export const start = () => (process.env.VALETKEY_TEST_S3_VENDOR === 's3' ? BehindS3 : BehindR2).start()
