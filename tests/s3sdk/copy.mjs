// CopyObject and UploadPartCopy.
import {
  CompleteMultipartUploadCommand, CopyObjectCommand, CreateMultipartUploadCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand, UploadPartCommand, UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { bytes, raw } from '../lib/s3.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { encodedPath } from '../lib/sigv4.mjs'
import { MiB, ODD_KEYS, bodyOf, fails, md5, quoted, sameBytes, read } from './rig.mjs'

export async function copies({ s3, env, title, name = (k) => k }) {
  const Bucket = env.R2_BUCKET
  const at = (key, more) => ({ Bucket, Key: name(key), ...more })
  const put = (key, Body, more) => s3.send(new PutObjectCommand(at(key, { Body, ...more })))
  const get = (key, more) => read(s3, at(key, more))
  const head = (key) => s3.send(new HeadObjectCommand(at(key)))
  const source = (key) => `${Bucket}/${encodedPath(name(key))}`
  const copy = (from, to, more) => s3.send(new CopyObjectCommand(at(to, { CopySource: source(from), ...more })))
  const test = (what, fn) => check(`${title}: ${what}`, fn)

  await put('from', 'hello', { ContentType: 'text/css', CacheControl: 'max-age=1', Metadata: { a: '1' } })
  await test('a copy has the bytes and what is stored beside them', async () => {
    const r = await copy('from', 'to')
    assertSame([r.CopyObjectResult.ETag, r.CopyObjectResult.LastModified instanceof Date], [quoted(md5('hello')), true])
    const g = await get('to')
    sameBytes(await bodyOf(g), Buffer.from('hello'))
    assertSame([g.ContentType, g.CacheControl, g.Metadata], ['text/css', 'max-age=1', { a: '1' }])
  })
  await test('a copy with REPLACE has what the request says', async () => {
    await copy('from', 'replaced', { MetadataDirective: 'REPLACE', ContentType: 'text/x-other', Metadata: { b: '2' } })
    const g = await head('replaced')
    assertSame([g.ContentType, g.CacheControl, g.Metadata, g.ContentLength], ['text/x-other', undefined, { b: '2' }, 5])
    await copy('from', 'copied', { MetadataDirective: 'COPY', ContentType: 'text/x-other', Metadata: { b: '2' } })
    assertSame([(await head('copied')).ContentType, (await head('copied')).Metadata], ['text/css', { a: '1' }])
  })
  await test('onto itself: refused without a change, done with REPLACE', async () => {
    await put('self', 'hello', { Metadata: { a: '1' } })
    const e = await fails(copy('self', 'self'), 400, 'InvalidRequest')
    assert(/itself/.test(e.message), e.message)
    await copy('self', 'self', { MetadataDirective: 'REPLACE', Metadata: { a: '2' }, ContentType: 'text/plain' })
    const g = await get('self')
    sameBytes(await bodyOf(g), Buffer.from('hello'))
    assertSame([g.Metadata, g.ContentType], [{ a: '2' }, 'text/plain'])
  })
  await test('conditions on the source', async () => {
    const { ETag, LastModified } = await head('from')
    const before = new Date(LastModified.getTime() - 3600_000)
    for (const [more, ok] of [[{ CopySourceIfMatch: ETag }, 1], [{ CopySourceIfMatch: '"0"' }, 0], [{ CopySourceIfNoneMatch: '"0"' }, 1], [{ CopySourceIfNoneMatch: ETag }, 0], [{ CopySourceIfModifiedSince: before }, 1], [{ CopySourceIfModifiedSince: LastModified }, 0], [{ CopySourceIfUnmodifiedSince: LastModified }, 1], [{ CopySourceIfUnmodifiedSince: before }, 0]]) {
      const r = ok ? copy('from', 'cond', more) : fails(copy('from', 'cond-not', more), 412, 'PreconditionFailed')
      await r.catch((e) => { throw new Error(`${JSON.stringify(more)}: ${e.name} ${e.message}`) })
    }
    await fails(head('cond-not'), 404)
  })
  await test('conditions on the target', async () => {
    await copy('from', 'target', { IfNoneMatch: '*' })
    await fails(copy('from', 'target', { IfNoneMatch: '*' }), 412, 'PreconditionFailed')
  })
  await test('a source that is not there, in a bucket that is not ours', async () => {
    await fails(copy('absent', 'to-absent'), 404, 'NoSuchKey')
    await fails(head('to-absent'), 404)
    const e = await s3.send(new CopyObjectCommand(at('to-absent', { CopySource: 'some-other-bucket-of-nobody/key' }))).then(() => 0, (e) => e.name)
    assert(['NoSuchBucket', 'AccessDenied'].includes(e), e)
    await fails(head('to-absent'), 404)
  })
  await test('every odd key as source and as target', async () => {
    const bad = []
    await Promise.all(ODD_KEYS.map(async (k) => {
      try {
        const b = Buffer.from(`copy of ${k}`)
        await put(`odd/${k}`, b)
        await copy(`odd/${k}`, `odd-to/${k}`)
        sameBytes(await bodyOf(await get(`odd-to/${k}`)), b)
      } catch (e) {
        bad.push(`${JSON.stringify(k.slice(0, 40))}: ${e.name} ${e.message}`)
      }
    }))
    assertSame(bad, [])
  })
  await test('the ways a source may be written: slash before, versionId=null, encoded or not', async () => {
    await put('ways/a b+c', 'x')
    const full = `${Bucket}/${name('ways/a b+c')}`
    for (const [i, from] of [`/${source('ways/a b+c')}`, `${source('ways/a b+c')}?versionId=null`, source('ways/a b+c').replaceAll('/', '%2F'), full].entries()) {
      const r = await raw(env, { method: 'PUT', key: name(`ways/to-${i}`), headers: { 'x-amz-copy-source': from } })
      assertSame([r.status, (await head(`ways/to-${i}`).catch((e) => e)).ContentLength], [200, 1], `${from}: ${r.text}`)
    }
  })
  await test('checksums stay with the copy, or are made when asked for', async () => {
    await put('sum', 'hello', { ChecksumAlgorithm: 'SHA256' })
    const r = await copy('sum', 'sum-to')
    assertSame(r.CopyObjectResult.ChecksumSHA256, 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=')
    assertSame((await s3.send(new HeadObjectCommand(at('sum-to', { ChecksumMode: 'ENABLED' })))).ChecksumSHA256, 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=')
    const c = await copy('sum', 'sum-crc', { ChecksumAlgorithm: 'CRC32C' })
    assertSame(c.CopyObjectResult.ChecksumCRC32C, 'mnG7TA==')
  })

  const big = bytes(11 * MiB, 21)
  await test('UploadPartCopy: ranges of an object become parts, beside one that is uploaded', async () => {
    await put('large', big)
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(at('assembled')))
    const part = async (PartNumber, range) => {
      const r = await s3.send(new UploadPartCopyCommand(at('assembled', { UploadId, PartNumber, CopySource: source('large'), CopySourceRange: range })))
      assert(r.CopyPartResult.LastModified instanceof Date, 'LastModified')
      return { PartNumber, ETag: r.CopyPartResult.ETag }
    }
    const Parts = await Promise.all([part(2, `bytes=0-${6 * MiB - 1}`), part(1), s3.send(new UploadPartCommand(at('assembled', { UploadId, PartNumber: 3, Body: 'the end' }))).then((r) => ({ PartNumber: 3, ETag: r.ETag }))])
    Parts.sort((a, b) => a.PartNumber - b.PartNumber)
    const want = Buffer.concat([big, big.subarray(0, 6 * MiB), Buffer.from('the end')])
    assertSame(Parts.map((p) => p.ETag), [quoted(md5(big)), quoted(md5(big.subarray(0, 6 * MiB))), quoted(md5('the end'))])
    await s3.send(new CompleteMultipartUploadCommand(at('assembled', { UploadId, MultipartUpload: { Parts } })))
    sameBytes(await bodyOf(await get('assembled')), want)
  })
  await test('a copy of a multipart object has the same bytes and an ETag of its own', async () => {
    const r = await copy('assembled', 'assembled-copy')
    const want = Buffer.concat([big, big.subarray(0, 6 * MiB), Buffer.from('the end')])
    sameBytes(await bodyOf(await get('assembled-copy')), want)
    assertSame(r.CopyObjectResult.ETag, (await head('assembled-copy')).ETag)
    assertSame(r.CopyObjectResult.ETag, quoted(md5(want)))
  })
  await test('UploadPartCopy: ranges that cannot be had', async () => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(at('bad-range')))
    for (const range of ['bytes=0-', 'bytes=-5', 'bytes=5-2', 'octets=0-1', `bytes=0-${11 * MiB}`]) {
      const e = await s3.send(new UploadPartCopyCommand(at('bad-range', { UploadId, PartNumber: 1, CopySource: source('large'), CopySourceRange: range }))).then(() => 'done', (e) => e)
      assert(['InvalidArgument', 'InvalidRange'].includes(e.name) && [400, 416].includes(e.$metadata.httpStatusCode), `${range}: ${e.name ?? e} ${e.message}`)
    }
  })
}
