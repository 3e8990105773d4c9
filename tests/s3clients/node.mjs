// minio-js and aws4fetch as apps use them, with the environment of a build. Prints TAP lines.
import { createHash } from 'node:crypto'
import { AwsClient } from 'aws4fetch'
import * as Minio from 'minio'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'

const { R2_BUCKET: bucket, R2_ENDPOINT, R2_ACCESS_KEY_ID: accessKey, R2_SECRET_ACCESS_KEY: secretKey } = process.env
const url = new URL(R2_ENDPOINT)
const large = Buffer.alloc(12 << 20, 'valetkey ')
const sha = (b) => createHash('sha256').update(b).digest('hex')
const all = async (stream) => { const parts = []; for await (const p of stream) parts.push(p); return Buffer.concat(parts) }
const objects = (stream) => new Promise((resolve, reject) => { const out = []; stream.on('data', (o) => out.push(o)).on('end', () => resolve(out)).on('error', reject) })

const m = new Minio.Client({ endPoint: url.hostname, port: Number(url.port), useSSL: url.protocol === 'https:', accessKey, secretKey, region: process.env.AWS_REGION, pathStyle: true })
await check('minio-js: put, stat, get, part of it, copy, remove', async () => {
  const info = await m.putObject(bucket, 'minio/a b+ü.txt', 'hello', undefined, { 'Content-Type': 'text/x-a', 'X-Amz-Meta-Who': 'me' })
  assertSame(info.etag, createHash('md5').update('hello').digest('hex'))
  const s = await m.statObject(bucket, 'minio/a b+ü.txt')
  assertSame([s.size, s.metaData['content-type'], s.metaData.who], [5, 'text/x-a', 'me'])
  assertSame(String(await all(await m.getObject(bucket, 'minio/a b+ü.txt'))), 'hello')
  assertSame(String(await all(await m.getPartialObject(bucket, 'minio/a b+ü.txt', 1, 3))), 'ell')
  await m.copyObject(bucket, 'minio/copy', `/${bucket}/minio/a b+ü.txt`)
  assertSame((await m.statObject(bucket, 'minio/copy')).size, 5)
  await m.removeObject(bucket, 'minio/copy')
  assertSame((await m.statObject(bucket, 'minio/copy').catch((e) => e)).code, 'NotFound')
})
await check('minio-js: 12 MiB in parts, incomplete uploads', async () => {
  await m.putObject(bucket, 'minio/large', (await import('node:stream')).Readable.from([large], { objectMode: false }), large.length)
  assertSame(sha(await all(await m.getObject(bucket, 'minio/large'))), sha(large))
  const id = await m.initiateNewMultipartUpload(bucket, 'minio/begun', {})
  assertSame((await objects(m.listIncompleteUploads(bucket, 'minio/begun', true))).map((u) => [u.key, u.uploadId]), [['minio/begun', id]])
  await m.removeIncompleteUpload(bucket, 'minio/begun')
  assertSame(await objects(m.listIncompleteUploads(bucket, 'minio/begun', true)), [])
})
await check('minio-js: lists, removal of many, bucketExists', async () => {
  const names = ['l/1', 'l/2 +ü&<', 'l/d/3', 'l/d/4']
  for (const n of names) await m.putObject(bucket, n, n)
  assertSame((await objects(m.listObjectsV2(bucket, 'l/', true))).map((o) => o.name).sort(), [...names].sort())
  assertSame((await objects(m.listObjects(bucket, 'l/', false))).map((o) => o.name ?? o.prefix).sort(), ['l/1', 'l/2 +ü&<', 'l/d/'].sort())
  await m.removeObjects(bucket, names)
  assertSame(await objects(m.listObjectsV2(bucket, 'l/', true)), [])
  assertSame(await m.bucketExists(bucket), true)
})
await check('minio-js: presigned URLs and a form', async () => {
  assertSame((await fetch(await m.presignedPutObject(bucket, 'minio/signed', 60), { method: 'PUT', body: 'by url' })).status, 200)
  assertSame(await (await fetch(await m.presignedGetObject(bucket, 'minio/signed', 60))).text(), 'by url')
  const policy = m.newPostPolicy()
  policy.setBucket(bucket)
  policy.setKey('minio/form')
  policy.setExpires(new Date(Date.now() + 60_000))
  policy.setContentType('text/x-c')
  policy.setContentLengthRange(1, 10)
  const { postURL, formData } = await m.presignedPostPolicy(policy)
  const form = new FormData()
  for (const [k, v] of Object.entries(formData)) form.append(k, v)
  form.append('file', new Blob(['by form']), 'x')
  const r = await fetch(postURL, { method: 'POST', body: form })
  assertSame([r.status, String(await all(await m.getObject(bucket, 'minio/form')))], [204, 'by form'], await r.text())
})

const a = new AwsClient({ accessKeyId: accessKey, secretAccessKey: secretKey, service: 's3', region: process.env.AWS_REGION, retries: 0 })
await check('aws4fetch: put, get, head, list, delete, presigned', async () => {
  const at = (key) => `${R2_ENDPOINT}/${bucket}/${encodeURIComponent(key)}`
  for (const [key, body] of [['aws4 a+ü', 'hello'], ['aws4-empty', ''], ['aws4-bytes', large.subarray(0, 3 << 20)]]) {
    const p = await a.fetch(at(key), { method: 'PUT', body, headers: { 'content-type': 'text/x-a' } })
    assertSame(p.status, 200, await p.text())
    assert(p.headers.get('etag'), 'no ETag')
    const g = await a.fetch(at(key))
    assertSame([g.status, sha(Buffer.from(await g.arrayBuffer())), g.headers.get('content-type')], [200, sha(body), 'text/x-a'], key)
    assertSame((await a.fetch(at(key), { method: 'HEAD' })).headers.get('content-length'), String(Buffer.byteLength(body)))
  }
  const l = await (await a.fetch(`${R2_ENDPOINT}/${bucket}?list-type=2&prefix=aws4`)).text()
  assertSame([...l.matchAll(/<Key>([^<]*)/g)].map((x) => x[1]), ['aws4 a+ü', 'aws4-bytes', 'aws4-empty'])
  const signed = await a.sign(`${at('aws4 signed')}?X-Amz-Expires=60`, { method: 'PUT', aws: { signQuery: true } })
  assertSame((await fetch(signed.url, { method: 'PUT', body: 'x' })).status, 200)
  assertSame((await a.fetch(at('aws4 signed'), { method: 'DELETE' })).status, 204)
  assertSame((await a.fetch(at('aws4 signed'))).status, 404)
})
finish()
