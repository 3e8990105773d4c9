// Multipart uploads, by lib-storage and by hand.
import { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CreateMultipartUploadCommand, GetObjectAttributesCommand, GetObjectCommand, HeadObjectCommand, ListMultipartUploadsCommand, ListPartsCommand, PutObjectCommand, UploadPartCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { bytes } from '../lib/s3.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { MiB, bodyOf, fails, md5, quoted, sameBytes, read } from './rig.mjs'

const letters = [Buffer.alloc(5 * MiB, 'a'), Buffer.alloc(5 * MiB, 'b'), Buffer.alloc(MiB, 'c')]
const ETAG = '"7f636b2c1182136c010c5860a051b3e8-3"' // of these parts; tests/data/storage/checksums.json

export async function multipart({ s3, env, title, name = (k) => k }) {
  const Bucket = env.R2_BUCKET
  const at = (key, more) => ({ Bucket, Key: name(key), ...more })
  const get = (key, more) => read(s3, at(key, more))
  const head = (key, more) => s3.send(new HeadObjectCommand(at(key, more)))
  const create = async (key, more) => (await s3.send(new CreateMultipartUploadCommand(at(key, more)))).UploadId
  const part = async (key, UploadId, PartNumber, Body, more) => ({ PartNumber, ETag: (await s3.send(new UploadPartCommand(at(key, { UploadId, PartNumber, Body, ...more })))).ETag })
  const complete = (key, UploadId, Parts, more) => s3.send(new CompleteMultipartUploadCommand(at(key, { UploadId, MultipartUpload: { Parts }, ...more })))
  const parts = (key, UploadId, more) => s3.send(new ListPartsCommand(at(key, { UploadId, ...more })))
  const test = (what, fn) => check(`${title}: ${what}`, fn)

  await test('lib-storage: 11 MiB from a stream of unknown length, parts side by side', async () => {
    const want = bytes(11 * MiB, 31)
    const r = await new Upload({ client: s3, queueSize: 3, params: at('upload', { Body: Readable.from([want.subarray(0, 4_000_000), want.subarray(4_000_000)], { objectMode: false }), ContentType: 'video/mp4', Metadata: { m: '1' } }) }).done()
    const g = await get('upload')
    sameBytes(await bodyOf(g), want)
    const etag = quoted(`${md5(Buffer.concat([0, 5, 10].map((i) => Buffer.from(md5(want.subarray(i * MiB, (i + 5) * MiB)), 'hex'))))}-3`)
    assertSame([r.ETag, g.ETag, g.ContentType, g.Metadata, r.Bucket, r.Key], [etag, etag, 'video/mp4', { m: '1' }, Bucket, name('upload')])
    assert(r.Location, 'no Location')
  })
  await test('by hand: parts out of order, one written twice, one left out', async () => {
    const id = await create('hand', { CacheControl: 'max-age=9' })
    const done = {}
    for (const [n, b] of [[3, letters[2]], [2, Buffer.from('first try')], [1, letters[0]], [9, Buffer.from('left out')], [2, letters[1]]]) done[n] = await part('hand', id, n, b)
    await fails(head('hand'), 404)
    const r = await complete('hand', id, [done[1], done[2], done[3]])
    assertSame([r.ETag, r.Bucket, r.Key], [ETAG, Bucket, name('hand')])
    const g = await get('hand')
    sameBytes(await bodyOf(g), Buffer.concat(letters))
    assertSame([g.ETag, g.CacheControl, g.ContentLength], [ETAG, 'max-age=9', 11 * MiB])
    await fails(parts('hand', id), 404, 'NoSuchUpload')
  })
  await test('ranges across parts, and single parts by number', async () => {
    for (const [from, to] of [[5 * MiB - 2, 5 * MiB + 1], [10 * MiB - 1, 11 * MiB - 1], [0, 0], [MiB, 10 * MiB + 5]]) {
      const r = await get('hand', { Range: `bytes=${from}-${to}` })
      sameBytes(await bodyOf(r), Buffer.concat(letters).subarray(from, to + 1), `${from}-${to}`)
    }
    for (const [n, b] of letters.entries()) {
      const r = await get('hand', { PartNumber: n + 1 })
      sameBytes(await bodyOf(r), b)
      assertSame([r.$metadata.httpStatusCode, r.PartsCount, r.ContentRange], [206, 3, `bytes ${n * 5 * MiB}-${n * 5 * MiB + b.length - 1}/${11 * MiB}`])
      assertSame([(await head('hand', { PartNumber: n + 1 })).ContentLength, (await head('hand', { PartNumber: n + 1 })).PartsCount], [b.length, 3])
    }
    await fails(get('hand', { PartNumber: 4 }), 416, 'InvalidPartNumber')
  })
  await test('GetObjectAttributes counts the parts', async () => {
    const r = await s3.send(new GetObjectAttributesCommand(at('hand', { ObjectAttributes: ['ETag', 'ObjectSize', 'ObjectParts'] })))
    assertSame([r.ETag, r.ObjectSize, r.ObjectParts?.TotalPartsCount], [ETAG.replaceAll('"', ''), 11 * MiB, 3])
  })
  await test('complete again: the same answer, not an error', async () => {
    const id = await create('again')
    const p = [await part('again', id, 1, 'only')]
    const one = await complete('again', id, p)
    const two = await complete('again', id, p)
    assertSame([two.ETag, two.Key, two.Bucket], [one.ETag, one.Key, one.Bucket])
    sameBytes(await bodyOf(await get('again')), Buffer.from('only'))
  })
  await test('what complete refuses leaves the upload as it was', async () => {
    const id = await create('refused')
    const [a, b, c] = [await part('refused', id, 1, letters[0]), await part('refused', id, 2, 'too small'), await part('refused', id, 3, 'end')]
    await fails(complete('refused', id, [b, a]), 400, 'InvalidPartOrder')
    await fails(complete('refused', id, [a, a]), 400, 'InvalidPartOrder')
    await fails(complete('refused', id, [a, b, c]), 400, 'EntityTooSmall')
    await fails(complete('refused', id, [a, { ...c, ETag: a.ETag }]), 400, 'InvalidPart')
    await fails(complete('refused', id, [a, { ...c, PartNumber: 4 }]), 400, 'InvalidPart')
    await fails(complete('refused', id, []), 400, 'MalformedXML')
    await fails(head('refused'), 404)
    await complete('refused', id, [a, { ...c, ETag: c.ETag.replaceAll('"', '') }])
    assertSame((await head('refused')).ContentLength, 5 * MiB + 3)
  })
  await test('conditions hold at complete', async () => {
    const id = await create('hand')
    const p = [await part('hand', id, 1, 'new')]
    await fails(complete('hand', id, p, { IfNoneMatch: '*' }), 412, 'PreconditionFailed')
    assertSame((await head('hand')).ETag, ETAG)
    await complete('hand', id, p, { IfMatch: ETAG })
    assertSame((await head('hand')).ContentLength, 3)
  })
  await test('abort: the upload is gone, with its parts', async () => {
    const id = await create('aborted')
    const p = await part('aborted', id, 1, 'x')
    assertSame((await s3.send(new AbortMultipartUploadCommand(at('aborted', { UploadId: id })))).$metadata.httpStatusCode, 204)
    await fails(parts('aborted', id), 404, 'NoSuchUpload')
    await fails(part('aborted', id, 2, 'x'), 404, 'NoSuchUpload')
    await fails(complete('aborted', id, [p]), 404, 'NoSuchUpload')
    await fails(s3.send(new AbortMultipartUploadCommand(at('aborted', { UploadId: id }))), 404, 'NoSuchUpload')
    await fails(head('aborted'), 404)
  })
  await test('uploads and part numbers that are none', async () => {
    for (const id of ['made-up', '0'.repeat(32), '../../x', 'ü']) await fails(part('none', id, 1, 'x'), 404, 'NoSuchUpload').catch((e) => { throw new Error(`${id}: ${e.message}`) })
    const id = await create('numbers')
    for (const n of [0, 10_001, -1]) await fails(part('numbers', id, n, 'x'), 400, 'InvalidArgument').catch((e) => { throw new Error(`${n}: ${e.message}`) })
    await part('numbers', id, 10_000, 'x')
    await fails(part('other-key', id, 1, 'x'), 404, 'NoSuchUpload')
    await s3.send(new AbortMultipartUploadCommand(at('numbers', { UploadId: id })))
  })
  await test('ListParts: what was uploaded, page by page', async () => {
    const id = await create('listed')
    for (const n of [3, 1, 20, 7, 10000]) await part('listed', id, n, `part ${n}`)
    const all = await parts('listed', id)
    assertSame(all.Parts.map((p) => [p.PartNumber, p.Size, p.ETag, p.LastModified instanceof Date]), [1, 3, 7, 20, 10000].map((n) => [n, 5 + String(n).length, quoted(md5(`part ${n}`)), true]))
    assertSame([all.IsTruncated, all.UploadId, all.Key, all.Bucket, all.StorageClass], [false, id, name('listed'), Bucket, 'STANDARD'])
    const seen = []
    for (let marker, pages = 0; ; pages++) {
      const r = await parts('listed', id, { MaxParts: 2, PartNumberMarker: marker })
      assert(r.Parts.length <= 2 && r.MaxParts === 2 && pages < 5, JSON.stringify(r))
      seen.push(...r.Parts.map((p) => p.PartNumber))
      marker = r.NextPartNumberMarker
      if (!r.IsTruncated) break
    }
    assertSame(seen, [1, 3, 7, 20, 10000])
    await s3.send(new AbortMultipartUploadCommand(at('listed', { UploadId: id })))
  })
  await test('ListMultipartUploads: prefix, delimiter, page by page', async () => {
    const keys = ['u/a', 'u/a', 'u/b/1', 'u/b/2', 'u/c', 'u/ü +%']
    const ids = []
    for (const k of keys) ids.push([name(k), await create(k)])
    const list = (more) => s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: name('u/'), ...more }))
    const all = await list()
    assertSame(all.Uploads?.map((u) => [u.Key, u.UploadId]).sort(), [...ids].sort())
    assert(all.Uploads.every((u) => u.Initiated instanceof Date && u.StorageClass === 'STANDARD'), JSON.stringify(all.Uploads[0]))
    assertSame(all.Uploads.map((u) => u.Key), keys.map(name), 'in the order of the keys')
    const d = await list({ Delimiter: '/' })
    assertSame([d.Uploads.map((u) => u.Key), d.CommonPrefixes?.map((c) => c.Prefix)], [['u/a', 'u/a', 'u/c', 'u/ü +%'].map(name), [name('u/b/')]])
    const seen = []
    for (let more = {}, pages = 0; ; pages++) {
      const r = await list({ MaxUploads: 2, ...more })
      assert((r.Uploads ?? []).length <= 2 && pages < 5, JSON.stringify(r))
      seen.push(...r.Uploads.map((u) => u.UploadId))
      if (!r.IsTruncated) break
      more = { KeyMarker: r.NextKeyMarker, UploadIdMarker: r.NextUploadIdMarker }
    }
    assertSame([seen.length, seen.sort()], [6, ids.map((i) => i[1]).sort()])
    for (const [Key, UploadId] of ids) await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
    assertSame((await list()).Uploads, undefined)
  })
  await test('an upload of one empty part makes an empty object', async () => {
    const id = await create('empty')
    await complete('empty', id, [await part('empty', id, 1, '')])
    assertSame((await head('empty')).ContentLength, 0)
  })
  await test('an object is whole while it is overwritten', async () => {
    await s3.send(new PutObjectCommand(at('whole', { Body: letters[0] })))
    const reading = await s3.send(new GetObjectCommand(at('whole')))
    const id = await create('whole')
    await complete('whole', id, [await part('whole', id, 1, letters[1]), await part('whole', id, 2, letters[2])])
    sameBytes(Buffer.from(await reading.Body.transformToByteArray()), letters[0])
    assertSame((await head('whole')).ContentLength, 6 * MiB)
  })
}
