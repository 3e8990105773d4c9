// What only our service has: builds side by side, keys with and without R2_PREFIX, refusals, the end of a build's keys.
import {
  CompleteMultipartUploadCommand, CopyObjectCommand, CreateMultipartUploadCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command, ListPartsCommand, PutObjectCommand, UploadPartCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { request, seeded } from '../lib/daemon.mjs'
import { raw } from '../lib/s3.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { bodyOf, client, fails, md5, quoted, refused, read } from './rig.mjs'

const put = (s3, env, Key, Body, more) => s3.send(new PutObjectCommand({ Bucket: env.R2_BUCKET, Key, Body, ...more }))
const get = (s3, env, Key, more) => read(s3, { Bucket: env.R2_BUCKET, Key, ...more })
const list = async (s3, env, more) => ((await s3.send(new ListObjectsV2Command({ Bucket: env.R2_BUCKET, ...more }))).Contents ?? []).map((o) => o.Key)
const text = async (r) => String(await bodyOf(await r))

export async function environment(storage) {
  const [{ id, env }, other] = [await storage.build('environment', ['--origin', 'https://app.preview.example']), await storage.build('environment-b')]
  await check('the environment of a build has every name of R2 and of the SDKs', async () => {
    for (const [names, shape] of [
      ['R2_ACCESS_KEY_ID AWS_ACCESS_KEY_ID R2_ACCOUNT_ID', /^[0-9a-f]{32}$/], ['R2_SECRET_ACCESS_KEY AWS_SECRET_ACCESS_KEY', /^[0-9a-f]{64}$/], ['R2_BUCKET R2_BUCKET_NAME', /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/],
      ['R2_ENDPOINT AWS_ENDPOINT_URL_S3', new RegExp(`^http://127\\.0\\.0\\.1:${storage.base + 3}$`)], ['AWS_REGION AWS_DEFAULT_REGION', /^auto$/], ['AWS_REQUEST_CHECKSUM_CALCULATION AWS_RESPONSE_CHECKSUM_VALIDATION', /^WHEN_REQUIRED$/],
    ]) for (const n of names.split(' ')) assert(shape.test(env[n]), `${n}=${n.includes('SECRET') ? '(a secret)' : env[n]}`)
    assertSame([env.R2_PREFIX, env.AWS_ACCESS_KEY_ID, env.R2_BUCKET_NAME], [`builds/${id}/`, env.R2_ACCESS_KEY_ID, env.R2_BUCKET])
    assert(env.R2_ACCESS_KEY_ID !== other.env.R2_ACCESS_KEY_ID && env.R2_SECRET_ACCESS_KEY !== other.env.R2_SECRET_ACCESS_KEY, 'two builds have the same key')
    assertSame(JSON.parse(await storage.daemon.mustCli(['env', id, '--format', 'json'])).R2_SECRET_ACCESS_KEY === env.R2_SECRET_ACCESS_KEY, true, '`valetkey env` says the same')
  })
}

export async function prefixes(storage) {
  const { env } = await storage.build('prefixes')
  const s3 = client(env)
  const P = env.R2_PREFIX
  const Bucket = env.R2_BUCKET
  await check('prefixes: with R2_PREFIX and without it is the same object', async () => {
    const { ETag } = await put(s3, env, 'one', 'bare')
    assertSame([await text(get(s3, env, `${P}one`)), ETag], ['bare', quoted(md5('bare'))])
    await put(s3, env, `${P}one`, 'prefixed')
    await put(s3, env, `${P}two/a`, 'x')
    assertSame([await text(get(s3, env, 'one')), await text(get(s3, env, 'two/a'))], ['prefixed', 'x'])
    await fails(put(s3, env, 'two/a', 'y', { IfNoneMatch: '*' }), 412, 'PreconditionFailed')
  })
  await check('prefixes: a list names keys as the request does', async () => {
    assertSame([await list(s3, env), await list(s3, env, { Prefix: P }), await list(s3, env, { Prefix: 'two/' }), await list(s3, env, { Prefix: `${P}two/` })], [['one', 'two/a'], [`${P}one`, `${P}two/a`], ['two/a'], [`${P}two/a`]])
    const r = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: P, Delimiter: '/', MaxKeys: 1 }))
    const s = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: P, Delimiter: '/', MaxKeys: 1, ContinuationToken: r.NextContinuationToken }))
    assertSame([r.Contents.map((o) => o.Key), s.CommonPrefixes.map((c) => c.Prefix), s.IsTruncated], [[`${P}one`], [`${P}two/`], false])
    const b = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'builds/', Delimiter: '/' }))
    assertSame([b.CommonPrefixes?.map((c) => c.Prefix), b.Contents], [[P], undefined])
  })
  await check('prefixes: copies, uploads and deletes across the two forms', async () => {
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: `${Bucket}/${P}one` }))
    assertSame(await text(get(s3, env, `${P}copied`)), 'prefixed')
    await fails(s3.send(new CopyObjectCommand({ Bucket, Key: 'one', CopySource: `${Bucket}/${P}one` })), 400, 'InvalidRequest')
    const { UploadId, Key } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: `${P}up` }))
    assertSame(Key, `${P}up`)
    const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key: 'up', UploadId, PartNumber: 1, Body: 'part' }))
    assertSame((await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads.map((u) => u.Key), ['up'])
    assertSame((await s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: P }))).Uploads.map((u) => u.Key), [`${P}up`])
    const done = await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'up', UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }))
    assertSame([done.Key, await text(get(s3, env, `${P}up`))], ['up', 'part'])
    const d = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'up' }, { Key: `${P}copied` }] } }))
    assertSame(d.Deleted.map((o) => o.Key).sort(), [`${P}copied`, 'up'].sort())
    assertSame(await list(s3, env), ['one', 'two/a'])
  })
  await check('prefixes: what begins with builds/ and is not the own prefix is refused, whether it is there or not', async () => {
    for (const k of ['builds/someone-else/one', 'builds/', 'builds/x', `builds/${P.slice(7, -2)}/one`, `${P.slice(0, -1)}2/one`, `${P}${P}one`]) {
      await fails(put(s3, env, k, 'x'), 403, 'AccessDenied').catch((e) => { throw new Error(`PUT ${k}: ${e.message}`) })
      await fails(get(s3, env, k), 403, 'AccessDenied').catch((e) => { throw new Error(`GET ${k}: ${e.message}`) })
      await fails(s3.send(new HeadObjectCommand({ Bucket, Key: k })), 403)
      await fails(s3.send(new CopyObjectCommand({ Bucket, Key: 'stolen', CopySource: `${Bucket}/${k}` })), 403, 'AccessDenied')
    }
    assertSame(await list(s3, env), ['one', 'two/a'])
  })
  await check('prefixes: a key may begin with a slash, and has no "." and ".." between slashes', async () => {
    for (const k of ['/', '//', '/one', '/x/', '...', 'a../..b']) await put(s3, env, k, k)
    for (const k of ['/', '//', '/one', '/x/', '...', 'a../..b']) assertSame(await text(get(s3, env, k)), k)
    for (const path of ['a/../one', '../one', './one', 'a/./b', '..', '.', 'a/..', '%2e%2e/one', 'a/%2E./one', 'a%2f..%2fone', '%2e']) {
      const r = await raw(env, { path: `/${Bucket}/${path}` }).catch((e) => ({ status: e.message }))
      assertSame([r.status, /<Code>([^<]*)/.exec(r.text)?.[1]], [400, 'InvalidObjectName'], path)
    }
  })
}

export async function neighbours(storage) {
  const builds = await Promise.all(['near-a', 'near-b'].map((id) => storage.build(id)))
  await check('neighbours: two builds that use the same keys at the same time see nothing of each other', async () => {
    const KEYS = ['shared/1', 'shared/2', 'shared/3/x', 'ü', 'shared']
    await Promise.all(builds.map(async ({ id, env }, n) => {
      const s3 = client(env)
      const r = seeded(n + 77)
      const model = new Map()
      for (let i = 0; i < 150; i++) {
        const key = r.pick(KEYS)
        const what = r.below(4)
        if (what < 2) {
          const body = `${id} ${i} ${'x'.repeat(r.below(20_000))}`
          await put(s3, env, key, body)
          model.set(key, body)
        } else if (what === 2) {
          await s3.send(new DeleteObjectsCommand({ Bucket: env.R2_BUCKET, Delete: { Objects: [{ Key: key }] } }))
          model.delete(key)
        } else if (model.has(key)) assertSame(await text(get(s3, env, key)), model.get(key), `${id} ${key}`)
        else await fails(get(s3, env, key), 404, 'NoSuchKey')
        if (i % 25 === 0) assertSame((await list(s3, env)).sort(), [...model.keys()].sort(), `${id}: the list`)
      }
    }))
  })
  await check("neighbours: one build's upload, token and prefix are nothing to the other", async () => {
    const [a, b] = builds.map(({ env }) => ({ env, s3: client(env) }))
    const { UploadId } = await a.s3.send(new CreateMultipartUploadCommand({ Bucket: a.env.R2_BUCKET, Key: 'up' }))
    await fails(b.s3.send(new UploadPartCommand({ Bucket: b.env.R2_BUCKET, Key: 'up', UploadId, PartNumber: 1, Body: 'x' })), 404, 'NoSuchUpload')
    await fails(b.s3.send(new ListPartsCommand({ Bucket: b.env.R2_BUCKET, Key: 'up', UploadId })), 404, 'NoSuchUpload')
    assertSame((await b.s3.send(new ListMultipartUploadsCommand({ Bucket: b.env.R2_BUCKET }))).Uploads, undefined)
    for (const k of ['t/1', 't/2']) for (const x of [a, b]) await put(x.s3, x.env, k, 'x')
    const page = await a.s3.send(new ListObjectsV2Command({ Bucket: a.env.R2_BUCKET, Prefix: 't/', MaxKeys: 1 }))
    await fails(b.s3.send(new ListObjectsV2Command({ Bucket: b.env.R2_BUCKET, Prefix: 't/', MaxKeys: 1, ContinuationToken: page.NextContinuationToken })), 400, 'InvalidArgument')
    await fails(get(b.s3, b.env, `${a.env.R2_PREFIX}t/1`), 403, 'AccessDenied')
  })
}

export async function refusals(storage) {
  const { env } = await storage.build('refusals')
  const s3 = client(env)
  await put(s3, env, 'there', 'x')
  const with_ = (more, options) => client({ ...env, ...more }, options)
  await check('refusals: a wrong secret, an unknown key, a wrong clock, a token, no signature at all', async () => {
    await fails(put(with_({ R2_SECRET_ACCESS_KEY: '0'.repeat(64) }), env, 'k', 'x'), 403, 'SignatureDoesNotMatch')
    await fails(put(with_({ R2_ACCESS_KEY_ID: '0'.repeat(32) }), env, 'k', 'x'), 403, 'InvalidAccessKeyId')
    await fails(get(with_({ R2_ACCESS_KEY_ID: 'shorter' }), env, 'there'), 403, 'InvalidAccessKeyId')
    for (const min of [-16, 16]) await fails(get(client(env, { systemClockOffset: min * 60_000 }), env, 'there'), 403, 'RequestTimeTooSkewed')
    for (const min of [-14, 14]) await get(client(env, { systemClockOffset: min * 60_000 }), env, 'there')
    await fails(get(client(env, { credentials: { accessKeyId: env.R2_ACCESS_KEY_ID, secretAccessKey: env.R2_SECRET_ACCESS_KEY, sessionToken: 'made-up' } }), env, 'there'), 403, 'InvalidToken')
    await refused(fetch(`${env.R2_ENDPOINT}/${env.R2_BUCKET}/there`), 403, 'AccessDenied')
    await fails(s3.send(new HeadObjectCommand({ Bucket: env.R2_BUCKET, Key: 'k' })), 404)
  })
  await check('refusals: a region that is none of ours; us-east-1 and auto are the same', async () => {
    for (const region of ['auto', 'us-east-1']) await get(client(env, { region }), env, 'there')
    await fails(get(client(env, { region: 'eu-central-1' }), env, 'there'), 400, 'AuthorizationHeaderMalformed')
  })
  await check('refusals: keys of 1,024 bytes are taken, longer ones are not', async () => {
    await put(s3, env, 'k'.repeat(1024), 'x')
    await fails(put(s3, env, 'k'.repeat(1025), 'x'), 400, 'KeyTooLongError')
    await put(s3, env, env.R2_PREFIX + 'k'.repeat(1024 - env.R2_PREFIX.length), 'x')
  })
  await check('refusals: a body is refused by its head, before it is sent', async () => {
    const t0 = performance.now()
    await fails(put(with_({ R2_SECRET_ACCESS_KEY: '0'.repeat(64) }), env, 'k', Buffer.alloc(8 << 20)), 403, 'SignatureDoesNotMatch')
    assert(performance.now() - t0 < 5000, `${performance.now() - t0} ms`)
  })
}

export async function open(storage) {
  const { id, env } = await storage.build('open')
  const s3 = client(env)
  const at = (key) => `${env.R2_ENDPOINT}/${env.R2_BUCKET}/${key}`
  await check('open: what lies under public/ is read without a signature, and nothing else is', async () => {
    for (const k of ['public/page.html', 'publicity', 'private']) await put(s3, env, k, k, { ContentType: 'text/html' })
    for (const k of ['public/page.html', `${env.R2_PREFIX}public/page.html`]) {
      const r = await fetch(at(k))
      assertSame([r.status, await r.text(), r.headers.get('content-type'), /sandbox/.test(r.headers.get('content-security-policy'))], [200, 'public/page.html', 'text/html', true])
      assertSame((await fetch(at(k), { method: 'HEAD' })).status, 200)
    }
    for (const k of ['publicity', 'private', 'public', 'public/', 'public/absent', '', 'absent', '?list-type=2&prefix=public/', '?uploads']) await refused(fetch(at(k)), 403, 'AccessDenied').catch((e) => { throw new Error(`${k}: ${e.message}`) })
    for (const k of ['public/../private', 'public/%2e%2e/private', 'public%2f..%2fprivate']) {
      const r = await request(at('x'), { path: new URL(at('')).pathname + k })
      assert(r.status >= 400 && !r.text.includes('>private<') && r.text !== 'private', `${k}: ${r.status}`)
    }
  })
  await check('open: without a signature nothing is written, removed, or answered under other headers', async () => {
    for (const [method, query] of [['PUT', ''], ['DELETE', ''], ['POST', '?uploads'], ['PUT', '?partNumber=1&uploadId=x'], ['POST', '?delete']]) await refused(fetch(at('public/page.html') + query, { method, body: method === 'PUT' ? 'x' : undefined }), 403, 'AccessDenied').catch((e) => { throw new Error(`${method} ${query}: ${e.message}`) })
    await refused(fetch(`${at('public/page.html')}?response-content-type=text/plain`), 400, 'InvalidRequest')
    assertSame(await text(get(s3, env, 'public/page.html')), 'public/page.html')
  })
  await check('open: nor anything after the build is revoked', async () => {
    await storage.daemon.mustCli(['build', 'revoke', id])
    const r = await fetch(at('public/page.html'))
    assert([403, 404].includes(r.status), `${r.status}: ${await r.text()}`)
  })
}

export async function ends(storage) {
  await check("ends: after `valetkey build revoke` nothing opens, not what was signed before", async () => {
    const { id, env } = await storage.build('revoked')
    const s3 = client(env)
    await put(s3, env, 'k', 'x')
    const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket: env.R2_BUCKET, Key: 'k' }), { expiresIn: 604800 })
    assertSame((await fetch(url)).status, 200)
    await storage.daemon.mustCli(['build', 'revoke', id])
    await fails(get(s3, env, 'k'), 403, 'InvalidAccessKeyId')
    await fails(put(s3, env, 'k', 'y'), 403, 'InvalidAccessKeyId')
    await refused(fetch(url), 403, 'InvalidAccessKeyId')
  })
  await check('ends: a deleted build is gone with its objects; one of the same name begins empty', async () => {
    const first = await storage.build('deleted')
    await put(client(first.env), first.env, 'k', 'x')
    await storage.daemon.mustCli(['build', 'delete', first.id, '--yes'])
    await fails(get(client(first.env), first.env, 'k'), 403, 'InvalidAccessKeyId')
    const next = await storage.daemon.createBuild('deleted').catch(() => undefined)
    if (next) assertSame(await list(client(next.env), next.env), [])
  })
  await check('ends: what was stored, and uploads that were begun, are there after the daemon has ended and started again', async () => {
    const { env } = await storage.build('restarted')
    const s3 = client(env)
    const { ETag } = await put(s3, env, 'k', 'x'.repeat(100_000), { Metadata: { a: '1' } })
    const at = { Bucket: env.R2_BUCKET, Key: 'up' }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(at))
    const part = await s3.send(new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: 'part' }))
    await storage.daemon.kill9()
    await storage.daemon.start()
    const r = await get(s3, env, 'k')
    assertSame([r.ETag, r.Metadata, (await bodyOf(r)).length], [ETag, { a: '1' }, 100_000])
    await s3.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag: part.ETag }] } }))
    assertSame(await text(get(s3, env, 'up')), 'part')
  })
  await check("ends: after the build's time is over, ExpiredToken", async () => {
    const { env } = await storage.build('expired', ['--ttl', '60'])
    const s3 = client(env)
    await put(s3, env, 'k', 'x')
    const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket: env.R2_BUCKET, Key: 'k' }), { expiresIn: 3600 })
    await storage.daemon.stop()
    storage.daemon.env = { VALETKEY_TEST_CLOCK_OFFSET_MS: String(2 * 60_000) }
    await storage.daemon.start()
    await fails(get(s3, env, 'k'), 400, 'ExpiredToken')
    await fails(put(s3, env, 'k', 'y'), 400, 'ExpiredToken')
    await refused(fetch(url), 400, 'ExpiredToken')
  })
}
