// What a build may store at most, as an app sees it: on a daemon with small limits. And buckets in the host name.
import http from 'node:http'
import {
  AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CopyObjectCommand, CreateMultipartUploadCommand, DeleteObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, UploadPartCommand,
} from '@aws-sdk/client-s3'
import { createPresignedPost } from '@aws-sdk/s3-presigned-post'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { Storage, bytes } from '../lib/s3.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { MiB, bodyOf, client, fails, md5, quoted, read, refused } from './rig.mjs'

const KiB = 1024

export async function quotas() {
  const storage = await Storage.start({ args: ['--limit', 'storage_bytes=2097152', '--limit', 'storage_object=1048576', '--limit', 'storage_objects=5', '--limit', 'storage_uploads=2'] })
  try {
    await limits(await storage.build('quotas'))
  } finally {
    await storage.stop()
  }
}

async function limits({ id, env }) {
  const s3 = client(env)
  const Bucket = env.R2_BUCKET
  const put = (Key, n) => s3.send(new PutObjectCommand({ Bucket, Key, Body: bytes(n, 1) }))
  const del = (Key) => s3.send(new DeleteObjectCommand({ Bucket, Key }))
  const size = (Key) => s3.send(new HeadObjectCommand({ Bucket, Key })).then((r) => r.ContentLength, (e) => e.$metadata.httpStatusCode)

  await check('quotas: an object that is too large is refused by its length, however it comes', async () => {
    await put('most', MiB)
    for (const more of [{}, { requestChecksumCalculation: 'WHEN_REQUIRED' }]) await fails(client(env, more).send(new PutObjectCommand({ Bucket, Key: 'large', Body: bytes(MiB + 1) })), 400, 'EntityTooLarge')
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'large' }))
    await fails(s3.send(new UploadPartCommand({ Bucket, Key: 'large', UploadId, PartNumber: 1, Body: bytes(MiB + 1) })), 400, 'EntityTooLarge')
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key: 'large', UploadId }))
    assertSame([await size('most'), await size('large')], [MiB, 404])
  })
  await check('quotas: all bytes of a build: QuotaExceeded with a sentence, until something is deleted', async () => {
    await put('second', 900 * KiB)
    const e = await fails(put('third', 200 * KiB), 403, 'QuotaExceeded')
    assert(e.message.includes(id) && /quota|limit/i.test(e.message) && /[.!]$|bytes|MiB|MB/.test(e.message), e.message)
    await fails(s3.send(new CopyObjectCommand({ Bucket, Key: 'third', CopySource: `${Bucket}/second` })), 403, 'QuotaExceeded')
    await refused(fetch(await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: 'third' })), { method: 'PUT', body: bytes(200 * KiB) }), 403, 'QuotaExceeded')
    const { url, fields } = await createPresignedPost(s3, { Bucket, Key: 'third' })
    const form = new FormData()
    for (const [k, v] of Object.entries(fields)) form.append(k, v)
    form.append('file', new Blob([bytes(200 * KiB)]))
    await refused(fetch(url, { method: 'POST', body: form }), 403, 'QuotaExceeded')
    assertSame(await size('third'), 404)
    await put('second', 1000 * KiB) // an overwrite counts the difference
    await fails(put('second', MiB), 403, 'QuotaExceeded').catch(async () => assertSame(await size('second'), MiB)) // exactly full is not over
    await del('most')
    await put('third', 200 * KiB)
    assertSame(await size('third'), 200 * KiB)
  })
  await check('quotas: parts count from the moment of their upload, and no longer after the abort', async () => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }))
    const part = (PartNumber, n) => s3.send(new UploadPartCommand({ Bucket, Key: 'parts', UploadId, PartNumber, Body: bytes(n) }))
    const { ETag } = await part(1, 500 * KiB)
    await fails(part(2, 500 * KiB), 403, 'QuotaExceeded')
    await fails(put('beside', 500 * KiB), 403, 'QuotaExceeded')
    await part(1, 600 * KiB) // the same part again: the difference
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key: 'parts', UploadId }))
    await put('beside', 500 * KiB)
    await del('beside')
    assertSame(ETag, quoted(md5(bytes(500 * KiB))))
  })
  await check('quotas: the number of objects and of open uploads', async () => {
    for (const { Key } of (await s3.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []) await del(Key)
    for (let i = 0; i < 5; i++) await put(`n${i}`, 1)
    await fails(put('n5', 1), 403, 'QuotaExceeded')
    await put('n4', 2)
    await del('n0')
    await put('n5', 1)
    const open = []
    for (let i = 0; i < 2; i++) open.push((await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: `u${i}` }))).UploadId)
    await fails(s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'u2' })), 503, 'SlowDown')
    const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key: 'u0', UploadId: open[0], PartNumber: 1, Body: 'x' }))
    await fails(s3.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'u0', UploadId: open[0], MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } })), 403, 'QuotaExceeded')
    await del('n1')
    await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'u0', UploadId: open[0], MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }))
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key: 'u1', UploadId: open[1] }))
  })
}

// An endpoint that is a name makes the SDK put the bucket before it.
export async function hosts(storage) {
  const { env } = await storage.build('hosts')
  const asked = new Set()
  const lookup = (name, options, done) => { asked.add(name); return options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4) }
  const s3 = client({ ...env, R2_ENDPOINT: env.R2_ENDPOINT.replace('127.0.0.1', 'localhost') }, { forcePathStyle: false, requestHandler: { httpAgent: new http.Agent({ lookup }) } })
  await check('hosts: the bucket in the host name is the same bucket', async () => {
    const { R2_BUCKET: Bucket, R2_PREFIX: P } = env
    for (const k of ['a b+ü', `${P}second`, 'x/y']) await s3.send(new PutObjectCommand({ Bucket, Key: k, Body: k }))
    assertSame([...asked], [`${Bucket}.localhost`])
    assertSame(String(bodyOf(await read(client(env), { Bucket, Key: 'a b+ü' }))), 'a b+ü')
    assertSame(String(bodyOf(await read(s3, { Bucket, Key: 'second' }))), `${P}second`)
    assertSame((await s3.send(new ListObjectsV2Command({ Bucket }))).Contents.map((o) => o.Key), ['a b+ü', 'second', 'x/y'])
    await fails(s3.send(new ListObjectsV2Command({ Bucket: 'somebody-elses' })), 403, 'AccessDenied')
    await fails(read(s3, { Bucket, Key: 'absent' }), 404, 'NoSuchKey')
  })
}
