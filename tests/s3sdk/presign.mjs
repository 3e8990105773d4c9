// Presigned URLs as the SDK makes them, used by plain fetch; and forms.
import {
  CompleteMultipartUploadCommand, CreateMultipartUploadCommand, DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, UploadPartCommand,
} from '@aws-sdk/client-s3'
import { createPresignedPost } from '@aws-sdk/s3-presigned-post'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { sleep } from '../lib/daemon.mjs'
import { bytes } from '../lib/s3.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { MiB, ODD_KEYS, bodyOf, fails, md5, quoted, refused, sameBytes, read } from './rig.mjs'

const content = async (answer) => Buffer.from(await answer.arrayBuffer())

async function fine(answer, status) {
  const r = await answer
  if (r.status !== status) throw new Error(`HTTP ${r.status}, ${status} expected: ${(await r.text()).slice(0, 800)}`)
  return r
}

export async function presigned({ s3, env, title, name = (k) => k }) {
  const Bucket = env.R2_BUCKET
  const at = (key, more) => ({ Bucket, Key: name(key), ...more })
  const url = (Command, key, more, options) => getSignedUrl(s3, new Command(at(key, more)), { expiresIn: 60, ...options })
  const head = (key) => s3.send(new HeadObjectCommand(at(key)))
  const get = async (key) => bodyOf(await read(s3, at(key)))
  const test = (what, fn) => check(`${title}: ${what}`, fn)

  await test('PUT, GET, HEAD and DELETE by plain fetch', async () => {
    const r = await fine(fetch(await url(PutObjectCommand, 'a'), { method: 'PUT', body: 'hello' }), 200)
    assertSame(r.headers.get('etag'), quoted(md5('hello')))
    assertSame(String(await content(await fine(fetch(await url(GetObjectCommand, 'a')), 200))), 'hello')
    const h = await fine(fetch(await url(HeadObjectCommand, 'a'), { method: 'HEAD' }), 200)
    assertSame(h.headers.get('content-length'), '5')
    await fine(fetch(await url(DeleteObjectCommand, 'a'), { method: 'DELETE' }), 204)
    await refused(fetch(await url(GetObjectCommand, 'a')), 404, 'NoSuchKey')
  })
  await test('PUT of a stream, of a form type that fetch adds, of 3 MiB', async () => {
    const want = bytes(3 * MiB, 11)
    await fine(fetch(await url(PutObjectCommand, 'b'), { method: 'PUT', body: want, headers: { 'content-type': 'video/mp4' } }), 200)
    assertSame((await head('b')).ContentType, 'video/mp4')
    sameBytes(await content(await fine(fetch(await url(GetObjectCommand, 'b')), 200)), want)
    await fine(fetch(await url(PutObjectCommand, 'c'), { method: 'PUT', body: new Blob(['blob'], { type: 'text/csv' }) }), 200)
    assertSame([(await head('c')).ContentType, String(await get('c'))], ['text/csv', 'blob'])
    await fine(fetch(await url(PutObjectCommand, 'empty'), { method: 'PUT', body: '' }), 200)
    assertSame((await head('empty')).ContentLength, 0)
  })
  await test('PUT of a stream without a length', async () => {
    const want = bytes(300_000, 14)
    await fine(fetch(await url(PutObjectCommand, 'streamed'), { method: 'PUT', body: new ReadableStream({ start(c) { for (let i = 0; i < want.length; i += 50_000) c.enqueue(want.subarray(i, i + 50_000)); c.close() } }), duplex: 'half' }), 200)
    sameBytes(await get('streamed'), want)
  })
  await test('a signed content type must be sent as it was signed', async () => {
    const u = await url(PutObjectCommand, 'typed', { ContentType: 'image/png' }, { signableHeaders: new Set(['content-type']) })
    await refused(fetch(u, { method: 'PUT', body: 'x', headers: { 'content-type': 'text/html' } }), 403, 'SignatureDoesNotMatch')
    await fails(head('typed'), 404)
    await fine(fetch(u, { method: 'PUT', body: 'x', headers: { 'content-type': 'image/png' } }), 200)
    assertSame((await head('typed')).ContentType, 'image/png')
  })
  await test('a signed length is the length', async () => {
    const u = await url(PutObjectCommand, 'sized', { ContentLength: 3 }, { signableHeaders: new Set(['content-length']) })
    await refused(fetch(u, { method: 'PUT', body: 'four' }), 403, 'SignatureDoesNotMatch')
    await fine(fetch(u, { method: 'PUT', body: 'xyz' }), 200)
  })
  await test('metadata in the URL is stored', async () => {
    await fine(fetch(await url(PutObjectCommand, 'meta', { Metadata: { who: 'me & you', 'two-words': 'x' } }), { method: 'PUT', body: 'x' }), 200)
    assertSame((await head('meta')).Metadata, { who: 'me & you', 'two-words': 'x' })
  })
  await test('metadata as headers that are signed', async () => {
    const u = await url(PutObjectCommand, 'meta-h', { Metadata: { who: 'me' } }, { unhoistableHeaders: new Set(['x-amz-meta-who']) })
    await refused(fetch(u, { method: 'PUT', body: 'x', headers: { 'x-amz-meta-who': 'you' } }), 403, 'SignatureDoesNotMatch')
    await fine(fetch(u, { method: 'PUT', body: 'x', headers: { 'x-amz-meta-who': 'me' } }), 200)
    assertSame((await head('meta-h')).Metadata, { who: 'me' })
  })
  await test('response-* in the URL', async () => {
    const r = await fine(fetch(await url(GetObjectCommand, 'c', { ResponseContentDisposition: 'attachment; filename="übung 1.csv"', ResponseContentType: 'text/plain' })), 200)
    assert(r.headers.get('content-disposition').startsWith('attachment;'), r.headers.get('content-disposition'))
    assertSame(r.headers.get('content-type'), 'text/plain')
  })
  await test('ranges and conditions beside a presigned GET', async () => {
    const u = await url(GetObjectCommand, 'c')
    assertSame(String(await content(await fine(fetch(u, { headers: { range: 'bytes=1-2' } }), 206))), 'lo')
    await fine(fetch(u, { headers: { 'if-none-match': quoted(md5('blob')) } }), 304)
    assertSame(String(await content(await fine(fetch(u, { headers: { range: 'bytes=1-2', 'if-range': quoted(md5('blob')) } }), 206))), 'lo')
    assertSame(String(await content(await fine(fetch(u, { headers: { range: 'bytes=1-2', 'if-range': '"other"' } }), 200))), 'blob')
  })
  await test('presigned lists and parts of an upload', async () => {
    const l = await fine(fetch(await getSignedUrl(s3, new ListObjectsV2Command({ Bucket, Prefix: name('c') }))), 200)
    assert((await l.text()).includes(`<Key>${name('c')}</Key>`), 'no key in the list')
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(at('parts')))
    const Parts = []
    for (const [PartNumber, body] of [[1, bytes(5 * MiB, 12)], [2, Buffer.from('end')]]) {
      const r = await fine(fetch(await url(UploadPartCommand, 'parts', { UploadId, PartNumber }), { method: 'PUT', body }), 200)
      Parts.push({ PartNumber, ETag: r.headers.get('etag') })
    }
    await s3.send(new CompleteMultipartUploadCommand(at('parts', { UploadId, MultipartUpload: { Parts } })))
    sameBytes(await get('parts'), Buffer.concat([bytes(5 * MiB, 12), Buffer.from('end')]))
  })
  await test('every odd key', async () => {
    const bad = []
    // fetch takes "/../" and "/./" out of a path; these keys have none.
    await Promise.all(ODD_KEYS.map(async (k) => {
      try {
        await fine(fetch(await url(PutObjectCommand, `odd/${k}`), { method: 'PUT', body: k }), 200)
        sameBytes(await content(await fine(fetch(await url(GetObjectCommand, `odd/${k}`)), 200)), Buffer.from(k))
      } catch (e) {
        bad.push(`${JSON.stringify(k.slice(0, 40))}: ${e.message}`)
      }
    }))
    assertSame(bad, [])
  })
  await test('what was changed in a URL, or is for another method, key or time, opens nothing', async () => {
    await s3.send(new PutObjectCommand(at('secret', { Body: 'secret' })))
    const u = await url(GetObjectCommand, 'secret')
    await refused(fetch(u, { method: 'DELETE' }), 403, 'SignatureDoesNotMatch')
    await refused(fetch(u, { method: 'PUT', body: 'x' }), 403, 'SignatureDoesNotMatch')
    await refused(fetch(u.replace('secret?', 'other?')), 403, 'SignatureDoesNotMatch')
    await refused(fetch(u.replace('X-Amz-Expires=60', 'X-Amz-Expires=61')), 403, 'SignatureDoesNotMatch')
    await refused(fetch(`${u}&response-content-type=text%2Fhtml`), 403, 'SignatureDoesNotMatch')
    await refused(fetch(u.replace(/X-Amz-Signature=(.)/, (m, c) => `X-Amz-Signature=${c === '0' ? '1' : '0'}`)), 403, 'SignatureDoesNotMatch')
    await refused(fetch(u.replace(/X-Amz-Signature=[^&]*&?/, '')), 400, 'AuthorizationQueryParametersError')
    await refused(fetch(u.split('?')[0]), 403, 'AccessDenied')
    for (const n of ['0', '-1', '604801', 'abc']) await refused(fetch(u.replace('X-Amz-Expires=60', `X-Amz-Expires=${n}`)), 400, 'AuthorizationQueryParametersError')
    await refused(fetch(u, { headers: { 'x-amz-meta-a': '1' } }), 403, 'AccessDenied')
    assertSame(String(await get('secret')), 'secret')
  })
  await test('a URL ends when it says', async () => {
    const u = await getSignedUrl(s3, new GetObjectCommand(at('secret')), { expiresIn: 1, signingDate: new Date(Math.floor(Date.now() / 1000) * 1000) })
    await sleep(2100)
    const body = await refused(fetch(u), 403, 'AccessDenied')
    assert(/expired/i.test(body), body)
    const early = await getSignedUrl(s3, new GetObjectCommand(at('secret')), { expiresIn: 60, signingDate: new Date(Date.now() + 20 * 60_000) })
    await refused(fetch(early), 403, 'AccessDenied')
  })
}

export async function forms({ s3, env, title, name = (k) => k }) {
  const Bucket = env.R2_BUCKET
  const at = (key, more) => ({ Bucket, Key: name(key), ...more })
  const head = (key) => s3.send(new HeadObjectCommand(at(key)))
  const get = async (key) => bodyOf(await read(s3, at(key)))
  const test = (what, fn) => check(`${title}: ${what}`, fn)
  const sign = (key, options) => createPresignedPost(s3, { Bucket, Key: name(key), Expires: 60, ...options })
  const send = ({ url, fields }, file, filename = 'a.txt', { more = {}, after = {} } = {}) => {
    const form = new FormData()
    for (const [k, v] of Object.entries({ ...fields, ...more })) form.append(k, v)
    if (file !== undefined) form.append('file', file instanceof Blob ? file : new Blob([file]), filename)
    for (const [k, v] of Object.entries(after)) form.append(k, v)
    return fetch(url, { method: 'POST', body: form, redirect: 'manual' })
  }

  await test('a file is stored: 204, ETag, Location', async () => {
    const r = await fine(send(await sign('f/one'), 'hello'), 204)
    assertSame([r.headers.get('etag'), String(await get('f/one'))], [quoted(md5('hello')), 'hello'])
    assert(decodeURIComponent(r.headers.get('location') ?? '').endsWith(`/${Bucket}/${name('f/one')}`), r.headers.get('location'))
  })
  await test('${filename} is the name of the file, without its folders', async () => {
    await fine(send(await sign('f/up/${filename}'), 'x', 'my photo ü+%.png'), 204)
    assertSame(String(await get('f/up/my photo ü+%.png')), 'x')
    await fine(send(await sign('f/up2/${filename}'), 'y', 'folder/sub/plain.txt'), 204)
    assertSame(String(await get('f/up2/plain.txt')), 'y')
  })
  await test('3 MiB, 0 bytes, bytes that look like a boundary', async () => {
    const large = Buffer.concat([bytes(3 * MiB, 13), Buffer.from('\r\n--\r\n------formdata-undici-0\r\n--')])
    await fine(send(await sign('f/large'), large), 204)
    sameBytes(await get('f/large'), large)
    await fine(send(await sign('f/empty'), ''), 204)
    assertSame((await head('f/empty')).ContentLength, 0)
  })
  await test('success_action_status: 200, 201 with XML, anything else is 204', async () => {
    for (const [value, status] of [['200', 200], ['201', 201], ['204', 204], ['999', 204]]) {
      const r = await fine(send(await sign('f/status', { Fields: { success_action_status: value } }), 'x'), status)
      if (status !== 201) continue
      const xml = await r.text()
      assert(xml.includes(`<Key>${name('f/status')}</Key>`) && xml.includes(`<Bucket>${Bucket}</Bucket>`) && xml.includes(md5('x')) && /<PostResponse/.test(xml), xml)
    }
  })
  await test('success_action_redirect: 303 with bucket, key and etag', async () => {
    const r = await fine(send(await sign('f/re dir', { Fields: { success_action_redirect: 'https://app.example/done?a=1' } }), 'x'), 303)
    const to = new URL(r.headers.get('location'))
    assertSame([`${to.origin}${to.pathname}`, to.searchParams.get('a'), to.searchParams.get('bucket'), to.searchParams.get('key'), to.searchParams.get('etag')], ['https://app.example/done', '1', Bucket, name('f/re dir'), quoted(md5('x'))])
    // An address that is none, or a script: as if there were none.
    const s = await send(await sign('f/redirect-no', { Fields: { success_action_redirect: 'javascript:alert(1)' } }), 'x')
    assertSame([s.status, (s.headers.get('location') ?? '').startsWith('javascript:')], [204, false])
  })
  await test('what a form says is stored beside the bytes', async () => {
    const Fields = { 'Content-Type': 'image/png', 'Cache-Control': 'max-age=7', 'Content-Disposition': 'inline; filename="ü.png"', 'x-amz-meta-who': 'me' }
    await fine(send(await sign('f/meta', { Fields }), 'x'), 204)
    const h = await head('f/meta')
    assertSame([h.ContentType, h.CacheControl, h.Metadata], ['image/png', 'max-age=7', { who: 'me' }])
  })
  await test('conditions: length, starts-with, what no condition names', async () => {
    const range = await sign('f/range', { Conditions: [['content-length-range', 3, 5]] })
    await refused(send(range, 'xx'), 400, 'EntityTooSmall')
    await refused(send(range, 'xxxxxx'), 400, 'EntityTooLarge')
    await refused(send(range, bytes(2 * MiB)), 400, 'EntityTooLarge')
    await fails(head('f/range'), 404)
    await fine(send(range, 'xxxxx'), 204)
    const typed = await sign('f/typed', { Conditions: [['starts-with', '$Content-Type', 'image/']] })
    await refused(send(typed, 'x', 'a', { more: { 'Content-Type': 'text/html' } }), 403, 'AccessDenied')
    await refused(send(typed, 'x'), 403, 'AccessDenied')
    await fails(head('f/typed'), 404)
    await fine(send(typed, 'x', 'a', { more: { 'Content-Type': 'image/gif' } }), 204)
    assertSame((await head('f/typed')).ContentType, 'image/gif')
    await refused(send(await sign('f/extra'), 'x', 'a', { more: { 'x-amz-meta-extra': '1' } }), 403, 'AccessDenied')
    await fine(send(await sign('f/extra'), 'x', 'a', { more: { 'x-ignore-me': '1' }, after: { 'x-amz-meta-late': '1' } }), 204)
    assertSame((await head('f/extra')).Metadata ?? {}, {})
  })
  await test('another key, another bucket, another policy, another key id: refused', async () => {
    const good = await sign('f/mine')
    const { key, Key, ...rest } = good.fields
    assertSame([key === undefined, Key === undefined].sort(), [false, true], 'one of the two names')
    await refused(send({ ...good, fields: { ...rest, key: name('f/other') } }, 'x'), 403, 'AccessDenied')
    await refused(send({ ...good, fields: rest }, 'x'), 400, 'InvalidArgument')
    const signature = good.fields['X-Amz-Signature']
    await refused(send({ ...good, fields: { ...good.fields, 'X-Amz-Signature': signature.replace(/^./, (c) => (c === '0' ? '1' : '0')) } }, 'x'), 403, 'SignatureDoesNotMatch')
    await refused(send({ ...good, fields: { ...good.fields, 'X-Amz-Credential': good.fields['X-Amz-Credential'].replace(/^[^/]*/, '0'.repeat(32)) } }, 'x'), 403, 'InvalidAccessKeyId')
    const { Policy, ...open } = good.fields
    assert(Policy, 'no policy')
    const r = await send({ ...good, fields: open }, 'x')
    assert(r.status >= 400 && r.status < 500, `without a policy: ${r.status}`)
    const none = await send({ ...good, fields: { key: name('f/mine') } }, 'x')
    assertSame(none.status, 403, 'without any signature')
    await refused(send(good), 400, 'InvalidArgument').catch(() => refused(send(good), 400, 'MalformedPOSTRequest'))
    for (const k of ['f/mine', 'f/other']) await fails(head(k), 404)
  })
  await test('keys outside of the build and with dots are refused when all is signed', async () => {
    for (const k of ['builds/someone-else/x', 'a/../../x', '../x', './x']) {
      const r = await send(await createPresignedPost(s3, { Bucket, Key: k, Expires: 60 }), 'x')
      const code = /<Code>([^<]*)/.exec(await r.text())?.[1]
      assert(r.status >= 400 && ['AccessDenied', 'InvalidObjectName', 'InvalidArgument'].includes(code), `${k}: ${r.status} ${code}`)
    }
    const r = await send(await sign('f/up3/${filename}'), 'x', '..')
    assert(r.status >= 400 && r.status < 500, `a file named "..": ${r.status}`)
  })
  await test('an expired policy', async () => {
    const f = await sign('f/late', { Expires: 1 })
    await sleep(2100)
    const body = await refused(send(f, 'x'), 403, 'AccessDenied')
    assert(/expired/i.test(body), body)
    await fails(head('f/late'), 404)
  })
}
