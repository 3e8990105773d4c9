import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { randomBytes } from 'node:crypto'
import { Daemon, cleanUp, portBase, sleep } from '../lib/daemon.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'
import { R2Account } from '../upstreams/r2_api.mjs'

const hex = (n) => randomBytes(n).toString('hex')
const parent = { account: hex(16), id: hex(16), secret: hex(32) }
const token = `made-up-${hex(16)}`
const vendor = await new R2Account({ parent, api: [token], buckets: ['org-bucket', 'accounting'] }).start()
const daemon = new Daemon({ portBase: await portBase(), args: [] })
await daemon.start()

const within = async (ms, what, until) => {
  const m = new Meanwhile()
  for (const t0 = Date.now(); ; await sleep(50)) {
    const got = await until()
    if (got) return got
    if (!m.allows(Date.now() - t0, ms)) throw new Error(`not within ${ms} ms: ${typeof what === 'function' ? await what() : what}`)
  }
}
const api = async (method, path, body) => {
  const r = await daemon.admin(method, `/api/v1${path}`, { body, timeout: 60000 })
  return { status: r.status, ...(r.text ? r.json() : {}) }
}
const keys = async (fields, more = []) => {
  const input = Object.entries({ account_id: parent.account, access_key_id: parent.id, secret_access_key: parent.secret, endpoint: vendor.base, api_base: vendor.base, ...fields }).map(([k, v]) => `${k}=${v}\n`).join('')
  const r = await daemon.cli(['keys', 'set', 'r2', ...more], { input })
  assert(r.code === 0, r.stderr + r.stdout)
}
const create = async (id, more = [], timeout = 60000) => {
  const r = await daemon.cli(['build', 'create', id, ...more, '--json'], { timeout })
  assert(r.code === 0, `build create ${id}: ${r.stderr}${r.stdout}`)
  return JSON.parse(r.stdout)
}
const gone = async (id) => {
  await daemon.cli(['build', 'delete', id, '--yes'], { timeout: 60000 })
  const left = async () => ((await api('GET', `/resources?build=${id}`)).resources ?? []).filter((r) => r.state !== 'failed')
  await within(60000, async () => JSON.stringify(await left()), async () => !(await left()).length)
}
const client = (env) => new S3Client({ endpoint: env.AWS_ENDPOINT_URL_S3, region: env.AWS_REGION, forcePathStyle: true, maxAttempts: 1, requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED', credentials: { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY, sessionToken: env.AWS_SESSION_TOKEN } })
const code = (promise) => promise.then(() => 'nothing', (e) => e.name)
const buckets = () => [...vendor.buckets.keys()].sort()
const mine = (id) => buckets().filter((n) => new RegExp(`^build-${id}-[a-z2-7]{8}$`).test(n))
const store = async (env, names, prefix = '') => {
  const s3 = client(env)
  for (const name of names) await s3.send(new PutObjectCommand({ Bucket: env.R2_BUCKET, Key: prefix + name, Body: `body of ${name}`, Metadata: { of: 'a test' } }))
  return s3
}

// ---- a bucket for each build

let ended

await check('no bucket and no API token: not enough', async () => {
  const r = await daemon.cli(['keys', 'set', 'r2'], { input: `account_id=${parent.account}\naccess_key_id=${parent.id}\nsecret_access_key=${parent.secret}\n` })
  assert(r.code === 0, r.stderr)
  const listed = await daemon.cli(['keys', 'list', '--json'])
  assert(/"state":\s*"incomplete"/.test(listed.stdout), listed.stdout)
})
await keys({ api_token: token })
await check('keys check, without a bucket', async () => {
  const r = await daemon.cli(['keys', 'check', 'r2', '--json'])
  assertSame(r.code, 0, r.stdout + r.stderr)
  assertSame(vendor.log.map((e) => `${e.method} ${e.path}${e.search}`).sort(), [`GET /`, `GET /client/v4/accounts/${parent.account}/r2/buckets?per_page=1`])
})
await check('a bucket of its own, through valetkey, and its end with all that is in it', async () => {
  const { env } = await create('own', ['--driver', 'storage=r2'])
  const [bucket] = mine('own')
  assert(bucket, buckets().join())
  const s3 = await store(env, Array.from({ length: 230 }, (_, i) => `a/${i}`))
  assertSame((await (await s3.send(new GetObjectCommand({ Bucket: env.R2_BUCKET, Key: 'a/7' }))).Body.transformToString()), 'body of a/7')
  assert([...vendor.buckets.get(bucket).objects.keys()].every((k) => /^builds\/own\/\d+\/a\//.test(k)), 'where they are')
  vendor.buckets.get(bucket).uploads.set('left', { key: 'an upload', parts: new Map(), headers: {} })
  const usage = await api('GET', '/builds/own/resources/storage/usage')
  assertSame([usage.status, usage.usage?.objects], [200, 230], JSON.stringify(usage))
  await gone('own')
  assertSame(mine('own'), [])
  assert(vendor.asked('GET', `/client/v4/accounts/*/r2/buckets/${bucket}`).some((e) => e.status === 404), 'the proof')
})
await check('429, 5xx before and after the effect, and cut: one bucket, and none in the end', async () => {
  const at = '/client/v4/accounts/*/r2/buckets'
  vendor.plan(
    { method: 'POST', path: at, kind: 'rate', retryAfter: 1 },
    { method: 'POST', path: at, kind: 'error', status: 503 },
    { method: 'POST', path: at, kind: 'error', status: 502, when: 'after' },
    { method: 'POST', path: at, kind: 'cut', when: 'after' })
  const { env } = await create('faults', ['--driver', 'storage=r2'])
  assertSame(mine('faults').length, 1, buckets().join())
  assertSame(vendor.unmet().length, 0)
  await store(env, ['a', 'b', 'c'])
  const [bucket] = mine('faults')
  vendor.plan(
    { method: 'POST', path: `/${bucket}`, kind: 'error', status: 500, when: 'after' },
    { method: 'POST', path: `/${bucket}`, kind: 'garbage', count: 1 },
    { method: 'DELETE', path: `${at}/${bucket}`, kind: 'cut', when: 'after' },
    { method: 'GET', path: `${at}/${bucket}`, kind: 'error', status: 503 })
  // What was cut off may still come to be, so its end is looked at twice, half a minute apart: see the last check.
  ended = gone('faults')
})
await check('deleted behind our back: the build ends all the same', async () => {
  await create('behind', ['--driver', 'storage=r2'])
  vendor.buckets.delete(mine('behind')[0])
  await gone('behind')
})
await check('a key that may not: nothing is left, and it is said why', async () => {
  vendor.api.clear()
  const r = await daemon.cli(['build', 'create', 'denied', '--driver', 'storage=r2'], { timeout: 60000 })
  assert(r.signal === null, 'it ends by itself')
  vendor.api.add(token)
  assert(r.code !== 0 && /Authentication error|status 403/.test(r.stderr + r.stdout), r.stderr + r.stdout)
  assertSame(mine('denied'), [])
})
await check('delivery=direct, a bucket of its own: the app’s own credentials, its CORS rules', async () => {
  const { env } = await create('page', ['--driver', 'storage=r2,delivery=direct', '--origin', 'https://page.example'])
  const [bucket] = mine('page')
  assertSame([env.R2_BUCKET, env.AWS_ENDPOINT_URL_S3, env.R2_PREFIX], [bucket, vendor.base, ''])
  assert(env.AWS_SESSION_TOKEN && env.AWS_SECRET_ACCESS_KEY !== parent.secret, 'a credential of its own')
  const s3 = await store(env, ['a'])
  assertSame((await s3.send(new ListObjectsV2Command({ Bucket: bucket }))).KeyCount, 1)
  assertSame(await code(s3.send(new PutObjectCommand({ Bucket: 'accounting', Key: 'a', Body: 'x' }))), 'AccessDenied')
  assertSame(vendor.buckets.get(bucket).cors.map((r) => r.allowed.origins), [['https://page.example']])
  await gone('page')
  assertSame(await code(s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'late', Body: 'x' }))), 'NoSuchBucket')
})
await check('the sweep finds what is in no record, and deletes what is named', async () => {
  await create('tag', ['--driver', 'storage=r2'])
  const tag = mine('tag')[0].slice(-8, -5)
  vendor.add(`build-lost-${tag}aaaaa`)
  vendor.add('build-lost-zzzaaaaa')
  vendor.buckets.get(`build-lost-${tag}aaaaa`).objects.set('x', { body: Buffer.from('x'), headers: {}, etag: 'x', at: new Date() })
  const r = await daemon.cli(['keys', 'sweep', 'r2', '--json'], { timeout: 60000 })
  assert(r.code === 0 && r.stdout.includes(`build-lost-${tag}aaaaa`) && !r.stdout.includes('zzz'), r.stdout + r.stderr)
  const d = await daemon.cli(['keys', 'sweep', 'r2', '--delete', `build-lost-${tag}aaaaa`, '--yes'], { timeout: 60000 })
  assert(d.code === 0, d.stdout + d.stderr)
  assertSame(buckets().filter((n) => n.startsWith('build-lost-')), ['build-lost-zzzaaaaa'])
  vendor.buckets.delete('build-lost-zzzaaaaa')
  await gone('tag')
})

// ---- a share of the organisation's bucket

await keys({ api_token: token, bucket: 'org-bucket' })
vendor.buckets.get('org-bucket').objects.set('theirs', { body: Buffer.from('x'), headers: {}, etag: 'x', at: new Date() })
const theirs = [{ id: 'theirs', allowed: { methods: ['GET'], origins: ['https://theirs.example'] } }]
vendor.buckets.get('org-bucket').cors = theirs

await check('a prefix of a shared bucket: used, and emptied without touching anything else', async () => {
  const [a, b] = [await create('share', ['--driver', 'storage=r2']), await create('share2', ['--driver', 'storage=r2'])]
  await store(a.env, ['1', '2', 'x&<y>', 'ü €'])
  await store(b.env, ['1'])
  assertSame(vendor.buckets.get('org-bucket').objects.size, 6)
  await gone('share')
  await within(60000, () => JSON.stringify(vendor.state()), () => vendor.buckets.get('org-bucket').objects.size === 2)
  assertSame([...vendor.buckets.get('org-bucket').objects.keys()].filter((k) => !k.startsWith('builds/share2/')), ['theirs'])
  await gone('share2')
  await within(60000, () => JSON.stringify(vendor.state()), () => vendor.buckets.get('org-bucket').objects.size === 1)
})
await check('a build of the name of one that was deleted a moment ago: waited for, and empty', async () => {
  for (let i = 0; i < 3; i++) {
    const { env } = await create('again', ['--driver', 'storage=r2'])
    const s3 = await store(env, [`k${i}`])
    assertSame((await s3.send(new ListObjectsV2Command({ Bucket: env.R2_BUCKET }))).Contents.map((o) => o.Key), [`k${i}`])
    assertSame((await daemon.cli(['build', 'delete', 'again', '--yes'])).code, 0)
  }
  await gone('again')
})
await check('delivery=direct in a shared bucket: good below the prefix only; rules of six builds and of others', async () => {
  const ids = Array.from({ length: 6 }, (_, i) => `d${i}`)
  const made = await Promise.all(ids.map((id) => create(id, ['--driver', 'storage=r2,delivery=direct', '--origin', `https://${id}.example`], 120000)))
  const { env } = made[0]
  assert(/^builds\/d0\/\d+\/$/.test(env.R2_PREFIX), env.R2_PREFIX)
  const s3 = await store(env, ['a'], env.R2_PREFIX)
  for (const key of ['a', 'builds/d1/1/a', made[1].env.R2_PREFIX + 'a', 'theirs']) {
    assertSame(await code(s3.send(new PutObjectCommand({ Bucket: env.R2_BUCKET, Key: key, Body: 'x' }))), 'AccessDenied', key)
    assertSame(await code(s3.send(new DeleteObjectCommand({ Bucket: env.R2_BUCKET, Key: key }))), 'AccessDenied', key)
  }
  assertSame(await code(s3.send(new ListObjectsV2Command({ Bucket: env.R2_BUCKET }))), 'AccessDenied')
  const origins = vendor.buckets.get('org-bucket').cors.flatMap((r) => r.allowed.origins).sort()
  assertSame(origins, [...ids.map((id) => `https://${id}.example`), 'https://theirs.example'].sort())
  for (const id of ids) await daemon.cli(['build', 'delete', id, '--yes'], { timeout: 60000 })
  await within(60000, () => JSON.stringify(vendor.buckets.get('org-bucket').cors), () => vendor.buckets.get('org-bucket').cors?.length === 1)
  assertSame(vendor.buckets.get('org-bucket').cors, theirs)
  await within(60000, () => JSON.stringify(vendor.state()), () => vendor.buckets.get('org-bucket').objects.size === 1)
  const all = (await api('GET', '/resources')).resources ?? []
  assertSame(all.filter((r) => ids.includes(r.build)).map((r) => r.state), ids.map(() => 'ending')) // for an hour: the credentials that are out
})
await check('faults of the vendor at the end: nothing is left', async () => {
  await ended
  assertSame(mine('faults'), [])
})
await check('R2 was asked for nothing that it had to refuse, but by us', () => {
  assertSame(vendor.refusals.filter((r) => !/outside|another|a credential for|GET of the bucket|DELETE of|PUT of|NoSuch|no such/i.test(r.why)), [])
})
await daemon.stop()
await vendor.stop()
await cleanUp()
finish()
