// Writing, reading and removing single objects through the SDK.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import zlib from 'node:zlib'
import {
  DeleteObjectCommand, DeleteObjectsCommand, GetObjectAttributesCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { bytes, raw } from '../lib/s3.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { MiB, ODD_KEYS, bodyOf, fails, md5, quoted, sameBytes, read } from './rig.mjs'

const OLD = new Date('2020-01-01T00:00:00Z')
const NOW = () => new Date() // in whole seconds on the wire: not before the object

// `name(key)`: the key as this app writes it.
export async function objects({ s3, env, title, name = (k) => k }) {
  const Bucket = env.R2_BUCKET
  const at = (key, more) => ({ Bucket, Key: name(key), ...more })
  const put = (key, Body, more) => s3.send(new PutObjectCommand(at(key, { Body, ...more })))
  const get = (key, more) => read(s3, at(key, more))
  const head = (key, more) => s3.send(new HeadObjectCommand(at(key, more)))
  const del = (key, more) => s3.send(new DeleteObjectCommand(at(key, more)))
  const test = (what, fn) => check(`${title}: ${what}`, fn)

  async function holds(key, want, more = {}) {
    const [g, h] = await Promise.all([get(key), head(key)])
    sameBytes(await bodyOf(g), want)
    for (const r of [g, h]) {
      assertSame([r.ContentLength, r.ETag, r.AcceptRanges], [want.length, more.ETag ?? quoted(md5(want)), 'bytes'])
      assert(Math.abs(Date.now() - r.LastModified.getTime()) < 120_000, `LastModified ${r.LastModified}`)
      for (const [k, v] of Object.entries(more)) assertSame(r[k], v, k)
    }
  }

  const stream = (b, pieces) => Readable.from((function* () { for (let i = 0; i < b.length; i += pieces) yield b.subarray(i, i + pieces) })(), { objectMode: false })
  const big = bytes(2 * MiB + 1, 7)
  for (const [what, key, body, want] of [
    ['a string', 'kinds/string', 'grüße, 世界', Buffer.from('grüße, 世界')],
    ['a Buffer', 'kinds/buffer', bytes(70_001, 2), bytes(70_001, 2)],
    ['a Uint8Array', 'kinds/u8', new Uint8Array([0, 13, 10, 255]), Buffer.from([0, 13, 10, 255])],
    ['nothing', 'kinds/empty', '', Buffer.alloc(0)],
    ['one byte', 'kinds/one', Buffer.from([0]), Buffer.from([0])],
    ['2 MiB and a byte (Expect: 100-continue)', 'kinds/expect', big, big],
  ]) {
    await test(`put, get and head of ${what}`, async () => {
      const t0 = performance.now()
      const r = await put(key, body)
      assertSame([r.$metadata.httpStatusCode, r.ETag], [200, quoted(md5(want))])
      // A server that leaves Expect unanswered costs the SDK 6 s.
      assert(performance.now() - t0 < 5500, `it took ${performance.now() - t0} ms`)
      await holds(key, want)
    })
  }
  for (const [length, piece] of [[0, 1], [5, 1], [100_000, 777], [3 * MiB, 65_536]])
    await test(`a stream of known length, ${length} bytes`, async () => {
      const want = bytes(length, 3)
      await put(`kinds/stream-${length}`, stream(want, piece), { ContentLength: length })
      await holds(`kinds/stream-${length}`, want)
    })
  await test('a stream that ends before its length leaves nothing, and what was there stays', async () => {
    await put('kinds/short', 'before')
    // Framed as chunks the end is seen and refused; with a plain length the server waits for the rest, until the client goes.
    const r = await s3.send(new PutObjectCommand(at('kinds/short', { Body: stream(bytes(1000), 100), ContentLength: 2000 })), { abortSignal: AbortSignal.timeout(700) }).then(() => 'taken', (e) => e)
    assert(r !== 'taken' && (r.name === 'AbortError' || r.$metadata?.httpStatusCode === 400), String(r))
    await holds('kinds/short', Buffer.from('before'))
  })
  for (const length of [0, 9, 300_000])
    await test(`lib-storage: a stream of unknown length, ${length} bytes`, async () => {
      const want = bytes(length, 4)
      await new Upload({ client: s3, params: at(`kinds/upload-${length}`, { Body: stream(want, 10_000) }) }).done()
      await holds(`kinds/upload-${length}`, want)
    })

  await test('what is stored beside the bytes comes back, and an overwrite replaces all of it', async () => {
    const expires = new Date('2030-05-06T07:08:09Z')
    await put('meta', 'x', {
      ContentType: 'text/plain; charset=utf-8', CacheControl: 'max-age=60, public', ContentDisposition: 'attachment; filename="a b.txt"', ContentLanguage: 'de-CH', Expires: expires,
      Metadata: { Author: 'someone', 'with-dash': 'a  b   c', empty: '', equals: 'a=b;c,d "e"' },
    })
    for (const r of [await get('meta'), await head('meta')]) {
      assertSame([r.ContentType, r.CacheControl, r.ContentDisposition, r.ContentLanguage, r.ExpiresString], ['text/plain; charset=utf-8', 'max-age=60, public', 'attachment; filename="a b.txt"', 'de-CH', 'Mon, 06 May 2030 07:08:09 GMT'])
      assertSame([r.Metadata.author, r.Metadata['with-dash'].replace(/ +/g, ' '), r.Metadata.equals, Object.keys(r.Metadata).filter((k) => r.Metadata[k]).length], ['someone', 'a b c', 'a=b;c,d "e"', 3])
    }
    await put('meta', 'y', { ContentType: 'image/png', Metadata: { other: '1' } })
    const r = await head('meta')
    assertSame([r.ContentType, r.CacheControl, r.ContentDisposition, r.ContentLanguage, r.ExpiresString, r.Metadata], ['image/png', undefined, undefined, undefined, undefined, { other: '1' }])
  })
  await test('metadata in UTF-8 comes back as it was sent', async () => {
    const value = 'grüße 世界 😀'
    const w = await raw(env, { key: name('meta-utf8'), method: 'PUT', headers: { 'x-amz-meta-title': value }, body: 'x' })
    assertSame(w.status, 200, w.text)
    const r = await raw(env, { key: name('meta-utf8'), method: 'HEAD' })
    assertSame(Buffer.from(r.headers['x-amz-meta-title'] ?? '', 'latin1').toString(), value)
  })
  await test('metadata of more than 8,192 bytes is refused, and nothing is stored', async () => {
    await fails(put('meta-large', 'x', { Metadata: Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`k${i}`, 'v'.repeat(2000)])) }), 400, 'MetadataTooLarge')
    await fails(head('meta-large'), 404)
    await put('meta-full', 'x', { Metadata: Object.fromEntries(Array.from({ length: 4 }, (_, i) => [`k${i}`, 'v'.repeat(2000)])) })
    assertSame((await head('meta-full')).Metadata.k3.length, 2000)
  })
  await test('content-encoding gzip stays, aws-chunked does not', async () => {
    const want = zlib.gzipSync('hello '.repeat(1000))
    await put('gz', stream(want, 50), { ContentLength: want.length, ContentEncoding: 'gzip', ContentType: 'text/plain' })
    await holds('gz', want, { ContentEncoding: 'gzip' })
    const plain = bytes(1000, 5)
    await put('nogz', stream(plain, 50), { ContentLength: plain.length })
    assertSame((await head('nogz')).ContentEncoding || undefined, undefined)
  })
  await test('response-* of a signed GET decide what the answer says', async () => {
    await put('over', 'x', { ContentType: 'text/plain', CacheControl: 'no-store' })
    const r = await get('over', { ResponseContentType: 'application/json', ResponseContentDisposition: 'attachment; filename="ü.json"', ResponseCacheControl: 'max-age=5', ResponseContentEncoding: 'identity', ResponseContentLanguage: 'fr', ResponseExpires: new Date('2031-01-02T03:04:05Z') })
    assertSame([r.ContentType, r.CacheControl, r.ContentEncoding, r.ContentLanguage, r.ExpiresString], ['application/json', 'max-age=5', 'identity', 'fr', 'Thu, 02 Jan 2031 03:04:05 GMT'])
    assert(r.ContentDisposition.startsWith('attachment; filename='), r.ContentDisposition)
    assertSame((await head('over')).ContentType, 'text/plain')
  })

  const numbers = bytes(1000, 6)
  await test('ranges: the slice, 206 and Content-Range', async () => {
    await put('range', numbers)
    for (const [range, from, to] of [['bytes=0-9', 0, 10], ['bytes=0-0', 0, 1], ['bytes=990-', 990, 1000], ['bytes=-7', 993, 1000], ['bytes=500-5000', 500, 1000], ['bytes=-5000', 0, 1000], ['bytes=999-999', 999, 1000], ['bytes=0-', 0, 1000]]) {
      const r = await get('range', { Range: range })
      sameBytes(await bodyOf(r), numbers.subarray(from, to), range)
      assertSame([r.$metadata.httpStatusCode, r.ContentRange, r.ContentLength, r.ETag], [206, `bytes ${from}-${to - 1}/1000`, to - from, quoted(md5(numbers))], range)
    }
    const h = await head('range', { Range: 'bytes=10-19' })
    assertSame([h.$metadata.httpStatusCode, h.ContentLength], [206, 10])
  })
  await test('ranges that cannot be had: InvalidRange', async () => {
    await put('range-empty', '')
    for (const [key, range] of [['range', 'bytes=1000-'], ['range', 'bytes=1000-1001'], ['range', 'bytes=-0'], ['range-empty', 'bytes=0-0'], ['range-empty', 'bytes=-1']]) await fails(get(key, { Range: range }), 416, 'InvalidRange')
  })
  await test('ranges that are none are ignored', async () => {
    for (const range of ['bytes=5-2', 'bytes=a-b', 'bytes=', 'lines=0-1', 'bytes=0-1,5-6', 'bytes=-']) {
      const r = await get('range', { Range: range })
      assertSame([r.$metadata.httpStatusCode, (await bodyOf(r)).length], [200, 1000], range)
    }
  })

  await test('the four conditions of a read', async () => {
    const { ETag } = await put('cond', 'x')
    const bare = ETag.replaceAll('"', '')
    for (const [more, status] of [
      [{ IfMatch: ETag }, 200], [{ IfMatch: bare }, 200], [{ IfMatch: '*' }, 200], [{ IfMatch: `"0", ${ETag}` }, 200], [{ IfMatch: '"0"' }, 412],
      [{ IfNoneMatch: ETag }, 304], [{ IfNoneMatch: bare }, 304], [{ IfNoneMatch: '*' }, 304], [{ IfNoneMatch: '"0"' }, 200],
      [{ IfModifiedSince: OLD }, 200], [{ IfModifiedSince: NOW() }, 304], [{ IfUnmodifiedSince: OLD }, 412], [{ IfUnmodifiedSince: NOW() }, 200],
      [{ IfMatch: ETag, IfUnmodifiedSince: OLD }, 200], [{ IfNoneMatch: '"0"', IfModifiedSince: NOW() }, 200], [{ IfNoneMatch: ETag, IfModifiedSince: OLD }, 304], [{ IfMatch: '"0"', IfUnmodifiedSince: NOW() }, 412],
    ]) for (const ask of [get, head]) {
      const what = `${ask === get ? 'GET' : 'HEAD'} ${JSON.stringify(more)}`
      const r = status === 200 ? ask('cond', more).then((r) => assertSame(r.ETag, ETag)) : fails(ask('cond', more), status, ask === get && status === 412 ? 'PreconditionFailed' : undefined)
      await r.catch((e) => { throw new Error(`${what}: ${e.name} ${e.message}`) })
    }
  })
  await test('the time of LastModified itself is "not modified since"', async () => {
    const { LastModified } = await head('cond')
    await fails(get('cond', { IfModifiedSince: LastModified }), 304)
    await get('cond', { IfUnmodifiedSince: LastModified })
  })

  await test('conditional writes: If-None-Match *, If-Match', async () => {
    const { ETag } = await put('once', 'first', { IfNoneMatch: '*' })
    await fails(put('once', 'second', { IfNoneMatch: '*' }), 412, 'PreconditionFailed')
    await fails(put('once', 'second', { IfMatch: '"00000000000000000000000000000000"' }), 412, 'PreconditionFailed')
    await fails(put('once-absent', 'x', { IfMatch: ETag }), 404, 'NoSuchKey')
    await holds('once', Buffer.from('first'))
    const second = await put('once', 'second', { IfMatch: ETag })
    await fails(put('once', 'third', { IfMatch: ETag }), 412, 'PreconditionFailed')
    assertSame(second.ETag, quoted(md5('second')))
    await holds('once', Buffer.from('second'))
  })
  await test('of twelve that create one key at once exactly one does', async () => {
    const all = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => put('race', `writer ${i}`, { IfNoneMatch: '*' })))
    const won = all.flatMap((r, i) => (r.status === 'fulfilled' ? [i] : []))
    assertSame(won.length, 1, 'winners')
    for (const r of all) if (r.status === 'rejected') assert([412, 409].includes(r.reason.$metadata?.httpStatusCode), String(r.reason))
    await holds('race', Buffer.from(`writer ${won[0]}`))
  })
  await test('conditional deletes', async () => {
    const { ETag } = await put('del', 'x')
    await fails(del('del', { IfMatch: '"0"' }), 412, 'PreconditionFailed')
    await head('del')
    assertSame((await del('del', { IfMatch: ETag })).$metadata.httpStatusCode, 204)
    await fails(head('del'), 404)
  })

  await test('a deleted object is gone; deleting what is not there is no error', async () => {
    await put('gone', 'x')
    for (let i = 0; i < 2; i++) assertSame((await del('gone')).$metadata.httpStatusCode, 204)
    await fails(get('gone'), 404, 'NoSuchKey')
    await fails(head('gone'), 404, 'NotFound')
  })
  await test('DeleteObjects: what was there, what was not, odd keys, a condition', async () => {
    const keys = ['many/1', 'many/2 &<>"', 'many/ü+%20']
    for (const k of keys) await put(k, 'x')
    const r = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [...keys, 'many/absent'].map((k) => ({ Key: name(k) })) } }))
    assertSame([r.Deleted.map((d) => d.Key).sort(), r.Errors ?? []], [[...keys, 'many/absent'].map(name).sort(), []])
    for (const k of keys) await fails(head(k), 404)
    await put('many/kept', 'x')
    await put('many/1', 'x')
    const c = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: name('many/kept'), ETag: '"0"' }, { Key: name('many/1'), ETag: quoted(md5('x')) }] } }))
    assertSame([c.Errors?.map((e) => [e.Key, e.Code]), c.Deleted?.map((d) => d.Key)], [[[name('many/kept'), 'PreconditionFailed']], [name('many/1')]])
    await head('many/kept')
  })
  await test('DeleteObjects: Quiet says errors only, 1,000 keys go, 1,001 do not', async () => {
    await put('many/quiet', 'x')
    const q = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Quiet: true, Objects: [{ Key: name('many/quiet') }] } }))
    assertSame([q.Deleted ?? [], q.Errors ?? []], [[], []])
    await fails(head('many/quiet'), 404)
    await put('many/n999', 'x')
    const names = (n) => Array.from({ length: n }, (_, i) => ({ Key: name(`many/n${i}`) }))
    assertSame((await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: names(1000) } }))).Deleted.length, 1000)
    await fails(head('many/n999'), 404)
    await put('many/n0', 'x')
    await fails(s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: names(1001) } })), 400, 'MalformedXML')
    await head('many/n0')
  })

  await test('GetObjectAttributes', async () => {
    const checksum = createHash('sha256').update('hello').digest('base64')
    await put('attr', 'hello', { ChecksumSHA256: checksum })
    const r = await s3.send(new GetObjectAttributesCommand(at('attr', { ObjectAttributes: ['ETag', 'ObjectSize', 'StorageClass', 'Checksum', 'ObjectParts'] })))
    assertSame([r.ETag, r.ObjectSize, r.StorageClass, r.Checksum?.ChecksumSHA256, r.ObjectParts?.TotalPartsCount], [md5('hello'), 5, 'STANDARD', checksum, undefined])
    const one = await s3.send(new GetObjectAttributesCommand(at('attr', { ObjectAttributes: ['ObjectSize'] })))
    assertSame([one.ETag, one.ObjectSize, one.StorageClass], [undefined, 5, undefined])
    await fails(s3.send(new GetObjectAttributesCommand(at('attr-absent', { ObjectAttributes: ['ETag'] }))), 404, 'NoSuchKey')
  })

  await test('every odd key is a key of its own: put, get, head, list, delete', async () => {
    const bad = []
    const say = (key, what) => (e) => bad.push(`${JSON.stringify(key.slice(0, 40))} ${what}: ${e.name} ${e.message}`)
    await Promise.all(ODD_KEYS.map((k) => put(`odd/${k}`, `body of ${k}`, { Metadata: { n: String(k.length) } }).catch(say(k, 'put'))))
    await Promise.all(ODD_KEYS.map(async (k) => {
      try { sameBytes(await bodyOf(await get(`odd/${k}`)), Buffer.from(`body of ${k}`)) } catch (e) { say(k, 'get')(e) }
      await head(`odd/${k}`).then((r) => assertSame(r.Metadata.n, String(k.length))).catch(say(k, 'head'))
    }))
    const l = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: name('odd/') }))
    assertSame(l.Contents?.length, ODD_KEYS.length, 'the number of keys listed')
    await Promise.all(ODD_KEYS.map((k) => del(`odd/${k}`).catch(say(k, 'delete'))))
    assertSame((await s3.send(new ListObjectsV2Command({ Bucket, Prefix: name('odd/') }))).KeyCount, 0, 'keys after the deletes')
    assertSame(bad, [])
  })
}
