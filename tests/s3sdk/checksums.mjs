// The five checksum algorithms: single objects, COMPOSITE and FULL_OBJECT uploads, values that are wrong.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, GetObjectAttributesCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { root } from '../lib/daemon.mjs'
import { raw } from '../lib/s3.mjs'
import { assertSame, check } from '../lib/tap.mjs'
import { MiB, bodyOf, fails, refused, sameBytes, read } from './rig.mjs'

const { small, ...rest } = JSON.parse(readFileSync(path.join(root, 'tests/data/storage/checksums.json')))
const LARGE = rest['multipart (5 MiB of a, 5 MiB of b, 1 MiB of c)']
const ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']
const letters = [Buffer.alloc(5 * MiB, 'a'), Buffer.alloc(5 * MiB, 'b'), Buffer.alloc(MiB, 'c')]

export async function checksums({ s3, env, title }) {
  const Bucket = env.R2_BUCKET
  const test = (what, fn) => check(`${title}: ${what}`, fn)
  const at = (Key, more) => ({ Bucket, Key, ...more })
  const head = (Key, more) => s3.send(new HeadObjectCommand(at(Key, { ChecksumMode: 'ENABLED', ...more })))

  for (const A of ALGORITHMS) {
    const field = `Checksum${A}`
    const value = (text) => small[text][A.toLowerCase()]
    await test(`${A}: made by the SDK or by the app, checked, told again on GET, HEAD, attributes and list`, async () => {
      for (const [key, Body, more] of [['string', 'hello world', { ChecksumAlgorithm: A }], ['given', 'hello world', { [field]: value('hello world') }], ['stream', Readable.from([Buffer.from('hello '), Buffer.from('world')], { objectMode: false }), { ChecksumAlgorithm: A, ContentLength: 11 }]]) {
        const Key = `${A}/${key}`
        const p = await s3.send(new PutObjectCommand(at(Key, { Body, ...more })))
        const g = await read(s3, at(Key, { ChecksumMode: 'ENABLED' }))
        assertSame([p[field], p.ChecksumType, g[field], g.ChecksumType, (await head(Key))[field]], [value('hello world'), 'FULL_OBJECT', value('hello world'), 'FULL_OBJECT', value('hello world')], key)
        sameBytes(await bodyOf(g), Buffer.from('hello world'))
        const a = await s3.send(new GetObjectAttributesCommand(at(Key, { ObjectAttributes: ['Checksum'] })))
        assertSame([a.Checksum?.[field], a.Checksum?.ChecksumType], [value('hello world'), 'FULL_OBJECT'], key)
      }
      const l = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: `${A}/` }))
      assertSame(l.Contents.map((o) => [o.ChecksumAlgorithm, o.ChecksumType]), Array(3).fill([[A], 'FULL_OBJECT']))
    })
    await test(`${A}: of nothing`, async () => {
      const p = await s3.send(new PutObjectCommand(at(`${A}-empty`, { Body: '', ChecksumAlgorithm: A })))
      assertSame(p[field], value('empty'))
    })
    await test(`${A}: a wrong value is refused, in a header and in a trailer, and nothing is stored`, async () => {
      await fails(s3.send(new PutObjectCommand(at(`${A}-wrong`, { Body: 'hello', [field]: value('hello world') }))), 400, 'BadDigest')
      const trailer = (v) => ({ method: 'PUT', key: `${A}-wrong`, payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', body: `5\r\nhello\r\n0\r\nx-amz-checksum-${A.toLowerCase()}:${v}\r\n\r\n`, headers: { 'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': '5', 'x-amz-trailer': `x-amz-checksum-${A.toLowerCase()}` } })
      await refused(raw(env, trailer(value('hello world'))), 400, 'BadDigest')
      await fails(head(`${A}-wrong`), 404)
      assertSame((await raw(env, trailer(value('hello')))).status, 200)
      assertSame((await head(`${A}-wrong`))[field], value('hello'))
    })
  }
  await test('values that are none: InvalidRequest; two at once too', async () => {
    const put = (headers) => raw(env, { method: 'PUT', key: 'none', body: 'hello', headers })
    for (const v of ['AAAA', '!!!!', '', 'NhCmhg', 'NhCmhg==NhCmhg==']) await refused(put({ 'x-amz-checksum-crc32': v }), 400, 'InvalidRequest')
    await refused(put({ 'x-amz-checksum-crc32': small.hello.crc32, 'x-amz-checksum-sha256': small.hello.sha256 }), 400, 'InvalidRequest')
    await fails(head('none'), 404)
  })
  await test('Content-MD5: right, wrong, none', async () => {
    const put = (md5) => raw(env, { method: 'PUT', key: 'md5', body: 'hello', headers: { 'content-md5': md5 } })
    await refused(put(small['hello world']['content-md5']), 400, 'BadDigest')
    await refused(put('bm9uZQ=='), 400, 'InvalidDigest')
    await fails(head('md5'), 404)
    assertSame((await put(small.hello['content-md5'])).status, 200)
  })
  await test('the SHA-256 of the payload is checked', async () => {
    const other = 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9'
    await refused(raw(env, { method: 'PUT', key: 'sha', body: 'hello', payload: other }), 400, 'XAmzContentSHA256Mismatch')
    await fails(head('sha'), 404)
  })
  await test('a range has no checksum of the whole, so that the SDK takes it', async () => {
    const r = await read(s3, at('CRC32/string', { Range: 'bytes=0-4', ChecksumMode: 'ENABLED' }))
    sameBytes(await bodyOf(r), Buffer.from('hello'))
    assertSame(r.ChecksumCRC32, undefined)
  })

  // Parts of a, b and c; the values are known.
  const upload = async (Key, A, type) => {
    const { UploadId, ...c } = await s3.send(new CreateMultipartUploadCommand(at(Key, { ChecksumAlgorithm: A, ChecksumType: type })))
    const Parts = await Promise.all(letters.map(async (Body, i) => {
      const r = await s3.send(new UploadPartCommand(at(Key, { UploadId, PartNumber: i + 1, Body, ChecksumAlgorithm: A })))
      return { PartNumber: i + 1, ETag: r.ETag, [`Checksum${A}`]: r[`Checksum${A}`] }
    }))
    return { UploadId, Parts, created: c }
  }
  const finish = (Key, { UploadId, Parts }, more) => s3.send(new CompleteMultipartUploadCommand(at(Key, { UploadId, MultipartUpload: { Parts }, ...more })))
  await test('CRC32 COMPOSITE: parts, whole, attributes', async () => {
    const u = await upload('mp-crc32', 'CRC32')
    assertSame([u.created.ChecksumAlgorithm, u.created.ChecksumType, u.Parts.map((p) => p.ChecksumCRC32)], ['CRC32', 'COMPOSITE', LARGE['part crc32']])
    const whole = LARGE['crc32 COMPOSITE']
    for (const [more, code] of [[{ ChecksumCRC32: whole.replace(/-3$/, '-2') }, 'BadDigest'], [{ ChecksumCRC32: whole.replace(/-3$/, '-x') }, 'InvalidRequest'], [{ ChecksumSHA256: small.empty.sha256 }, 'BadDigest'], [{ ChecksumType: 'FULL_OBJECT' }, 'InvalidRequest']])
      await fails(finish('mp-crc32', u, more), 400, code).catch((e) => { throw new Error(`${JSON.stringify(more)}: ${e.message}`) })
    const r = await finish('mp-crc32', u, { ChecksumCRC32: whole, ChecksumType: 'COMPOSITE' })
    assertSame([r.ChecksumCRC32, r.ChecksumType, r.ETag], [LARGE['crc32 COMPOSITE'], 'COMPOSITE', LARGE.etag])
    const h = await head('mp-crc32')
    assertSame([h.ChecksumCRC32, h.ChecksumType], [LARGE['crc32 COMPOSITE'], 'COMPOSITE'])
    sameBytes(await bodyOf(await read(s3, at('mp-crc32', { ChecksumMode: 'ENABLED' }))), Buffer.concat(letters))
    const a = await s3.send(new GetObjectAttributesCommand(at('mp-crc32', { ObjectAttributes: ['Checksum', 'ObjectParts'] })))
    assertSame([a.Checksum.ChecksumCRC32.replace(/-3$/, ''), a.ObjectParts.TotalPartsCount, a.ObjectParts.Parts?.map((p) => [p.PartNumber, p.Size, p.ChecksumCRC32])], [LARGE['crc32 COMPOSITE'].replace(/-3$/, ''), 3, letters.map((b, i) => [i + 1, b.length, LARGE['part crc32'][i]])])
  })
  await test('CRC32 FULL_OBJECT: combined from the parts, and checked when the app says it', async () => {
    const u = await upload('mp-full', 'CRC32', 'FULL_OBJECT')
    await fails(finish('mp-full', u, { ChecksumCRC32: LARGE['part crc32'][0], ChecksumType: 'FULL_OBJECT' }), 400, 'BadDigest')
    const r = await finish('mp-full', u, { ChecksumCRC32: LARGE['crc32 FULL_OBJECT'], ChecksumType: 'FULL_OBJECT' })
    assertSame([r.ChecksumCRC32, r.ChecksumType], [LARGE['crc32 FULL_OBJECT'], 'FULL_OBJECT'])
    const g = await read(s3, at('mp-full', { ChecksumMode: 'ENABLED' }))
    sameBytes(await bodyOf(g), Buffer.concat(letters))
    assertSame(g.ChecksumCRC32, LARGE['crc32 FULL_OBJECT'])
  })
  await test('SHA256 COMPOSITE', async () => {
    const u = await upload('mp-sha256', 'SHA256')
    const r = await finish('mp-sha256', u)
    assertSame([r.ChecksumSHA256, r.ChecksumType], [LARGE['sha256 COMPOSITE'], 'COMPOSITE'])
  })
  await test('CRC64NVME is of the whole object only, SHA-1 and SHA-256 of parts only', async () => {
    const u = await upload('mp-nvme', 'CRC64NVME')
    const r = await finish('mp-nvme', u)
    const whole = await s3.send(new PutObjectCommand(at('nvme-whole', { Body: Buffer.concat(letters), ChecksumAlgorithm: 'CRC64NVME' })))
    assertSame([r.ChecksumCRC64NVME, r.ChecksumType], [whole.ChecksumCRC64NVME, 'FULL_OBJECT'])
    for (const [A, type] of [['CRC64NVME', 'COMPOSITE'], ['SHA256', 'FULL_OBJECT'], ['SHA1', 'FULL_OBJECT']])
      await fails(s3.send(new CreateMultipartUploadCommand(at('mp-no', { ChecksumAlgorithm: A, ChecksumType: type }))), 400, 'InvalidRequest').catch((e) => { throw new Error(`${A} ${type}: ${e.message}`) })
  })
  await test('a part with a wrong checksum, a complete that names a wrong one', async () => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(at('mp-wrong', { ChecksumAlgorithm: 'CRC32' })))
    await fails(s3.send(new UploadPartCommand(at('mp-wrong', { UploadId, PartNumber: 1, Body: 'hello', ChecksumCRC32: small.empty.crc32 }))), 400, 'BadDigest')
    const p = await s3.send(new UploadPartCommand(at('mp-wrong', { UploadId, PartNumber: 1, Body: 'hello', ChecksumAlgorithm: 'CRC32' })))
    await fails(finish('mp-wrong', { UploadId, Parts: [{ PartNumber: 1, ETag: p.ETag, ChecksumCRC32: small.empty.crc32 }] }), 400, 'InvalidPart')
    await finish('mp-wrong', { UploadId, Parts: [{ PartNumber: 1, ETag: p.ETag, ChecksumCRC32: p.ChecksumCRC32 }] })
  })
  await test('a checksum of the whole that nothing can be compared with is not passed over', async () => {
    const { UploadId, ChecksumAlgorithm } = await s3.send(new CreateMultipartUploadCommand(at('mp-plain'))) // the SDK's default may name one
    const p = await s3.send(new UploadPartCommand(at('mp-plain', { UploadId, PartNumber: 1, Body: 'hello' })))
    const u = { UploadId, Parts: [{ PartNumber: 1, ETag: p.ETag }] }
    await fails(finish('mp-plain', u, { ChecksumCRC32: small.empty.crc32 }), 400, ChecksumAlgorithm ? 'BadDigest' : 'InvalidRequest')
    await finish('mp-plain', u)
  })
}
