// The matrix: every way in × every way to write a key that is not one's own × everybody who may ask. One table says what each must answer;
// a refusal has no effect on any build, and what counts as data stays inside of the build that sent it.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { bin, bytesOf, eachOf } from './wire.mjs'
import { decode, encode, form, inHeader, inQuery, signedFields } from './sign.mjs'
import { decodeXml, SECRET } from './world.mjs'

const DENIED = [403, 'AccessDenied']
const LONG = 'x'.repeat(1025)

// How a key can be written: bucket and key as they stand in a path. `is`: what the server must make of it.
//   outside: the space of other builds · bad: no key at all · long · foreign: a bucket of others · nobucket: no name of a bucket
//   data: a key like any other, below the build that asks
const FORMS = [
  ...['builds/other/k', 'builds/other/public/shown.txt', 'builds/mine2/k', 'builds/min/k', 'builds/other', 'builds/mine', 'builds/', 'builds//k', 'builds//mine/k', 'builds/MINE/k', 'builds/mine%00', 'builds/mine/builds/mine/k', 'builds%2fother%2fk', '%62uilds/other/k', 'builds/%6fther/k', 'builds/*/k', 'builds/mine%2f%62uilds/mine/k'].map((key) => ({ key, is: key.includes('%00') ? 'bad' : 'outside' })),
  ...['builds/mine/../other/k', 'builds/mine/%2e%2e/other/k', 'builds/mine/%2E./other/k', 'builds/mine/.%2e/other/k', 'builds/mine/..%2fother/k', 'builds/mine/%2e%2e%2fother%2fk', '../vk-other/k', '%2e%2e/vk-other/k', '..%2fvk-other%2fk', 'a/../../vk-other/k', '..', '.', '%2e', './k', 'builds/mine/./k', 'builds/mine/k/..', 'builds/mine/..', 'public/../secret.txt', 'public/%2e%2e/secret.txt'].map((key) => ({ key, is: 'bad' })),
  ...['builds/mine/%00k', 'k%00', '%00', 'builds/other%00/k', 'builds/mine/%c0%ae%c0%ae/other/k', 'builds/mine/%c0%af..%c0%afother/k', 'builds/mine/%e0%80%ae%e0%80%ae/k', '%ff', '%ed%a0%80', 'builds/mine/%f8%88%80%80%ae/k'].map((key) => ({ key, is: 'bad' })),
  { key: LONG, is: 'long' },
  ...['builds/mine/%252e%252e/other/k', 'builds/mine/..%5cother%5ck', 'builds/mine/..%255cother', '/builds/other/k', '%2fbuilds/other/k', '//vk-other/k', 'builds/mine//../k'.replace('..', '...'), 'builds/mine/..;/other/k', 'builds/mine/%ef%bc%8e%ef%bc%8e/other/k', 'Builds/other/k', 'builds%5cother%5ck', 'builds%20/other/k', '%0d%0aSet-Cookie:%20a=b', '..%20/k', 'a%3fversions', '%23k', '%25', 'builds/mine/builds/other/k'].map((key) => ({ key, is: 'data' })),
  ...['vk-other', 'vk-mine2', 'vk-min', 'vk-expired', 'vk-nobody', 'other', 'mine'].map((bucket) => ({ bucket, key: 'k', is: 'foreign' })),
  { bucket: 'vk-other', key: 'builds/mine/k', is: 'foreign' },
  { bucket: 'vk-other', key: 'builds/other/k', is: 'foreign' },
  { bucket: 'vk-other', key: 'public/shown.txt', is: 'foreign', shown: true },
  ...['vk-mine%2f..%2fvk-other', '..', '%2e%2e', 'vk-mine%00', 'VK-OTHER', 'vk-mine%5c..', 'vk-mine%20', 'builds%2fother', '127.0.0.1'].map((bucket) => ({ bucket, key: 'k', is: 'nobucket' })),
].map((f) => ({ bucket: 'vk-mine', ...f }))

const path = (f) => `/${f.bucket}/${f.key}`
const text = (f) => decode(f.key)
const xml = (s) => s.replace(/[&<>\r\n]/g, (c) => `&#${c.charCodeAt(0)};`)
const inScope = (key) => (key.startsWith('builds/mine/') ? key.slice('builds/mine/'.length) : key)

// What is made of a form when it is a path or the source of a copy; the first two are seen before anybody's bucket is.
const refusals = { bad: [400, 'InvalidObjectName'], long: [400, 'KeyTooLongError'], nobucket: [400, 'InvalidBucketName'], outside: DENIED, foreign: DENIED }
const early = { bad: 1, long: 1, nobucket: 1 }

const upload = (w) => `uploadId=${w.other.upload}`
const complete = '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"0123456789abcdef0123456789abcdef"</ETag></Part></CompleteMultipartUpload>'
const byPath = (method, query, more = {}) => ({ make: (f, w) => ({ method, path: path(f), query: query?.(w), ...more.request }), ...more })
const inList = (query, name, more = {}) => ({ make: (f) => ({ method: 'GET', path: `/${f.bucket}`, query: `${query}${query ? '&' : ''}${name}=${f.key}` }), list: true, ...more })

// `data`: the answer for a key that is data and that nothing is stored under. `stores`: it then is. `copies`: the form is a header's value.
const WAYS = [
  ['GET', byPath('GET', undefined, { data: [404, 'NoSuchKey'], open: true })],
  ['HEAD', byPath('HEAD', undefined, { data: [404], open: true })],
  ['GET of a range', byPath('GET', undefined, { data: [404, 'NoSuchKey'], open: true, request: { headers: [['Range', 'bytes=0-3']] } })],
  ['PUT', byPath('PUT', undefined, { data: [200], stores: true, request: { body: 'written' } })],
  ['PUT, If-None-Match', byPath('PUT', undefined, { data: [200], stores: true, skip: (f) => f.key.startsWith('%2fbuilds'), request: { body: 'written', headers: [['If-None-Match', '*']] } })],
  ['DELETE', byPath('DELETE', undefined, { data: [204] })],
  ['GetObjectAttributes', byPath('GET', () => 'attributes=', { data: [404, 'NoSuchKey'], request: { headers: [['x-amz-object-attributes', 'ETag,ObjectSize']] } })],
  ['CopyObject to', byPath('PUT', undefined, { data: [200], stores: true, request: { headers: [['x-amz-copy-source', '/vk-mine/k']] } })],
  ['CopyObject from', { copies: true, make: (f) => ({ method: 'PUT', path: '/vk-mine/copied', headers: [['x-amz-copy-source', path(f)]] }), data: [404, 'NoSuchKey'] }],
  ['CopyObject from, no slash in front', { copies: true, make: (f) => ({ method: 'PUT', path: '/vk-mine/copied', headers: [['x-amz-copy-source', path(f).slice(1)]] }), data: [404, 'NoSuchKey'] }],
  ['CopyObject from, all of it encoded', { copies: true, make: (f) => ({ method: 'PUT', path: '/vk-mine/copied', headers: [['x-amz-copy-source', encode(decode(path(f)))]] }), data: [404, 'NoSuchKey'] }],
  ['CopyObject from, a version', { copies: true, make: (f) => ({ method: 'PUT', path: '/vk-mine/copied', headers: [['x-amz-copy-source', `${path(f)}?versionId=null`]] }), data: [404, 'NoSuchKey'] }],
  ['CopyObject from, in the query', { copies: true, make: (f) => ({ method: 'PUT', path: '/vk-mine/copied', query: `x-amz-copy-source=${encode(path(f))}` }), presigned: true, data: [404, 'NoSuchKey'] }],
  ['UploadPartCopy from', { copies: true, make: (f, w) => ({ method: 'PUT', path: '/vk-mine/unfinished', query: `partNumber=2&uploadId=${w.mine.upload}`, headers: [['x-amz-copy-source', path(f)]] }), data: [404, 'NoSuchKey'] }],
  ['UploadPartCopy from a range', { copies: true, make: (f, w) => ({ method: 'PUT', path: '/vk-mine/unfinished', query: `partNumber=2&uploadId=${w.mine.upload}`, headers: [['x-amz-copy-source', path(f)], ['x-amz-copy-source-range', 'bytes=0-3']] }), data: [404, 'NoSuchKey'] }],
  ['CreateMultipartUpload', byPath('POST', () => 'uploads=', { data: [200], opens: true })],
  ['UploadPart', byPath('PUT', (w) => `partNumber=1&${upload(w)}`, { data: [404, 'NoSuchUpload'], request: { body: 'a part' } })],
  ['UploadPartCopy to', byPath('PUT', (w) => `partNumber=1&${upload(w)}`, { data: [404, 'NoSuchUpload'], request: { headers: [['x-amz-copy-source', '/vk-mine/k']] } })],
  ['ListParts', byPath('GET', upload, { data: [404, 'NoSuchUpload'] })],
  ['CompleteMultipartUpload', byPath('POST', upload, { data: [404, 'NoSuchUpload'], request: { body: complete } })],
  ['AbortMultipartUpload', byPath('DELETE', upload, { data: [404, 'NoSuchUpload'] })],
  ['presigned GET', byPath('GET', undefined, { presigned: true, data: [404, 'NoSuchKey'], open: true })],
  ['presigned HEAD', byPath('HEAD', undefined, { presigned: true, data: [404], open: true })],
  ['presigned PUT', byPath('PUT', undefined, { presigned: true, data: [200], stores: true, request: { body: 'written' } })],
  ['presigned DELETE', byPath('DELETE', undefined, { presigned: true, data: [204] })],
  ['POST form, key', { form: (f) => [text(f), 'file.txt'], make: (f) => ({ method: 'POST', path: `/${f.bucket}` }), data: [204], stores: true }],
  ['POST form, ${filename}', { form: (f) => { const at = text(f).lastIndexOf('/') + 1; return [`${text(f).slice(0, at)}\${filename}`, text(f).slice(at)] }, skip: (f) => /["\r\n\0\\]|^$/.test(text(f).slice(text(f).lastIndexOf('/') + 1)), make: (f) => ({ method: 'POST', path: `/${f.bucket}` }), data: [204], stores: true }],
  ['POST form, key, as it stands in a URL', { form: (f) => [f.key, 'file.txt'], raw: true, make: (f) => ({ method: 'POST', path: `/${f.bucket}` }), data: [204], stores: true }],
  ['DeleteObjects', { make: (f) => ({ method: 'POST', path: `/${f.bucket}`, query: 'delete=', body: `<Delete><Object><Key>${xml(text(f))}</Key></Object></Delete>` }), inBody: true, data: [200], skip: (f) => /\0/.test(text(f)) }],
  ['DeleteObjects, as it stands in a URL', { make: (f) => ({ method: 'POST', path: `/${f.bucket}`, query: 'delete=', body: `<Delete><Object><Key>${xml(f.key)}</Key></Object></Delete>` }), inBody: true, raw: true, data: [200] }],
  ['ListObjects, prefix', inList('', 'prefix')],
  ['ListObjectsV2, prefix', inList('list-type=2', 'prefix')],
  ['ListObjectsV2, prefix and delimiter', inList('list-type=2&delimiter=/', 'prefix')],
  ['ListObjectVersions, prefix', inList('versions=', 'prefix')],
  ['ListMultipartUploads, prefix', inList('uploads=', 'prefix')],
  ['ListObjects, marker', inList('', 'marker', { marker: true })],
  ['ListObjects, marker below the prefix', inList('prefix=builds/', 'marker', { marker: true })],
  ['ListObjectsV2, start-after', inList('list-type=2', 'start-after', { marker: true })],
  ['ListObjectVersions, key-marker', inList('versions=', 'key-marker', { marker: true })],
  ['ListMultipartUploads, key-marker', inList('uploads=', 'key-marker', { marker: true })],
  ['ListMultipartUploads, both markers', { ...inList('', 'key-marker'), make: (f, w) => ({ method: 'GET', path: `/${f.bucket}`, query: `uploads=&upload-id-marker=${w.other.upload}&key-marker=${f.key}` }), marker: true }],
  ['ListObjectsV2, delimiter', inList('list-type=2&prefix=builds/', 'delimiter', { marker: true, any: true })],
  ['ListObjectsV2, continuation-token', inList('list-type=2', 'continuation-token', { token: true })],
].map(([name, x]) => ({ name, ...x }))

// A listing takes the beginning of the build's own prefix for the prefix itself; of the others it says nothing.
const BEGINNINGS = new Set(['builds/mine', 'builds/'])
const endsInDots = (key) => /(^|\/)\.\.?$/.test(key) && !/(^|\/)\.\.?\//.test(key)

// The one answer that `mine` must get.
function expected(way, f) {
  if (way.list) {
    if (f.is === 'nobucket' || f.is === 'foreign') return refusals[f.is]
    if (way.token) return [400, 'InvalidArgument']
    if (f.is === 'long') return refusals.long
    if (text(f).startsWith('builds/mine/builds/mine/')) return [200] // a prefix of nothing
    if (way.any && !/[\0\x80-\xff]/.test(text(f))) return [200]
    if (f.is === 'bad' && !endsInDots(text(f))) return way.any ? undefined : refusals.bad
    return way.marker || f.is !== 'outside' || BEGINNINGS.has(text(f)) ? [200] : DENIED
  }
  // The source of a copy is decoded as a whole: an encoded slash ends the bucket there.
  if (way.copies && f.is === 'nobucket') return f.bucket.includes('%2f') ? (f.bucket.includes('..') ? refusals.bad : DENIED) : [400, 'InvalidArgument']
  if (way.inBody && f.is === 'bad' && !way.raw && /[\x80-\xff\0]/.test(text(f))) return [400, 'MalformedXML']
  if (way.form && f.is === 'nobucket') return DENIED // no form is looked at for what is no bucket
  // What is not decoded is another key: only where nothing was encoded is it the same.
  const is = way.raw && f.is !== 'foreign' && f.is !== 'nobucket' ? plain(f.key) : f.is
  if (way.inBody && is !== 'data' && is !== 'foreign' && is !== 'nobucket') return [200, refusals[is][1]]
  return is === 'data' ? way.data : refusals[is]
}
const plain = (key) => key.length > 1024 ? 'long' : /(^|\/)\.\.?(\/|$)/.test(key) ? 'bad' : /^builds\/(?!mine\/)/.test(key) || /^builds\/mine\/builds\/mine\//.test(key) ? 'outside' : 'data'

const REFUSED = (w) => [
  ['an expired key', w.expired.key, [400, 'ExpiredToken']],
  ['a revoked key', w.revoked.key, [403, 'InvalidAccessKeyId']],
  ['the key of a deleted build', w.deleted.key, [403, 'InvalidAccessKeyId']],
  ['a wrong secret', { id: w.mine.key.id, secret: w.mine.key.secret.replace(/^./, (c) => (c === '0' ? '1' : '0')) }, [403, 'SignatureDoesNotMatch']],
  ['another build’s secret', { id: w.mine.key.id, secret: w.other.key.secret }, [403, 'SignatureDoesNotMatch']],
  ['the secret of another build’s id', { id: w.other.key.id, secret: w.mine.key.secret }, [403, 'SignatureDoesNotMatch']],
  ['an id of nobody', { id: '0'.repeat(32), secret: w.mine.key.secret }, [403, 'InvalidAccessKeyId']],
  ['the secret as the id', { id: w.mine.key.secret, secret: w.mine.key.secret }, [403, 'InvalidAccessKeyId']],
  ['a key of the database', { id: w.mine.env.TURSO_AUTH_TOKEN, secret: w.mine.env.TURSO_AUTH_TOKEN }, [403, 'InvalidAccessKeyId']],
  ['no signature', null, DENIED],
  ['a key of the database as a bearer', 'bearer', [400, 'InvalidRequest']],
]

function request(w, way, f, key) {
  let r = w.base(way.make(f, w))
  if (way.form) {
    const [name, file] = way.form(f)
    const b = form(typeof key === 'object' && key ? signedFields(key, [['key', name]], { free: [] }) : [['key', name]], 'bytes of a form', file)
    r = { ...r, headers: [...r.headers, ['Content-Type', b.type]], body: b.body }
  }
  r = w.sized(r)
  if (key === 'bearer') r = { ...r, headers: [...r.headers, ['Authorization', `Bearer ${w.mine.env.TURSO_AUTH_TOKEN}`]] }
  else if (key && !way.form) r = way.presigned ? inQuery(key, r) : inHeader(key, r)
  return r
}

const shows = (r, what) => `${what}: ${r.status} ${r.code ?? ''} ${r.text.slice(0, 300)}`
function same(r, [status, code], what) {
  const empty = r.body.length === 0 // of HEAD, and of what has no answer but its status
  assert(r.status === status && (empty || r.code === code), `${shows(r, what)}, want ${status} ${code ?? ''}`)
  assert(!r.text.includes(SECRET.slice(0, 12)), `${what} shows what others stored: ${r.text.slice(0, 300)}`)
  assert(!/(min|mine2|other) only/.test(r.text), `${what} shows keys of others: ${r.text.slice(0, 300)}`)
  assertSame(r.headers.get('x-amz-request-id')?.length, 1, `${what}: x-amz-request-id`)
}

export async function run(w) {
  const first = await w.prints()
  let cells = 0
  for (const way of WAYS) {
    const forms = FORMS.filter((f) => !way.skip?.(f))
    await check(`${way.name} × ${forms.length} forms, with a good key`, async () => {
      const stored = []
      await eachOf(forms, 8, async (f) => {
        const want = expected(way, f)
        const r = await w.pool.ask(request(w, way, f, w.mine.key))
        cells++
        if (want) same(r, want, `${way.name} ${path(f)}`)
        else assert(r.status === 200 || r.status === 400, shows(r, `${way.name} ${path(f)}`))
        if (way.stores && r.status < 300) stored.push(inScope(way.form ? (way.raw ? f.key : text(f)) : text(f)))
        if (way.opens && r.status === 200) assertSame((await w.ask(w.mine.key, { method: 'DELETE', path: path(f), query: `uploadId=${/<UploadId>(.*?)</.exec(r.text)[1]}` })).status, 204)
        if (way.list && r.status === 200 && !way.marker) assert(!/<Prefix>builds\/(min|mine2|other)\//.test(r.text.replace(/<Prefix>[^<]*<\/Prefix>/, '')), shows(r, `${way.name} ${path(f)}`))
      })
      await w.tidy(stored)
      assertSame(await w.prints(), first, 'the other builds')
    })
    await check(`${way.name} × a stranger’s good key`, async () => {
      await eachOf(forms, 8, async (f) => {
        const want = expected(way, f)
        const syntax = want && early[f.is] && !way.list && (way.copies || (!way.form && !way.inBody) || f.is === 'nobucket') ? want : way.form && early[way.raw ? plain(f.key) : f.is] ? want : f.is === 'nobucket' ? want : DENIED
        same(await w.pool.ask(request(w, way, f, w.third.key)), syntax, `${way.name} ${path(f)}`)
        cells++
      })
      await w.tidy([])
      assertSame(await w.prints(), first, 'the other builds')
    })
    await check(`${way.name} × ${REFUSED(w).length} keys that open nothing`, async () => {
      for (const [who, key, want] of REFUSED(w)) {
        const few = forms.filter((f, i) => (i + WAYS.indexOf(way)) % 3 === 0 || f.key === 'k' || f.key === 'builds/other/k')
        await eachOf(key && key !== 'bearer' && key.id.length === 32 ? forms : few, 8, async (f) => {
          if (way.open && f.shown && !key) return // what anybody may read is below
          const r = await w.pool.ask(request(w, way, f, key))
          cells++
          // A form shows nobody's key in its head; without one in its fields it is anonymous.
          same(r, way.form && (key === 'bearer' || f.is === 'nobucket') ? (f.is === 'nobucket' && key === 'bearer' ? want : DENIED) : want, `${way.name} ${path(f)} with ${who}`)
        })
      }
      await w.tidy([])
      assertSame(await w.prints(), first, 'the other builds')
    })
  }

  await check('control rows: the same requests on the build’s own keys are served', async () => {
    for (const way of WAYS) {
      const own = { bucket: 'vk-mine', key: 'builds/mine/k', is: 'data' }
      const at = /Part|Complete|Abort/.test(way.name) && !way.copies ? { ...own, key: 'unfinished' } : own
      if (/Complete|Abort|token/.test(way.name)) continue // they end the upload: below, and in the other suites
      const r = await w.pool.ask(request({ ...w, base: w.base.bind(w), sized: w.sized.bind(w), other: w.mine }, way, at, w.mine.key))
      const want = way.name === 'PUT, If-None-Match' ? 412 : way.name === 'GET of a range' ? 206 : way.data?.[0] === 404 || !way.data ? 200 : way.data[0]
      assert(r.status === (way.name === 'CopyObject to' ? 400 : want), shows(r, way.name)) // onto itself
      if (way.opens) assertSame((await w.ask(w.mine.key, { method: 'DELETE', path: path(at), query: `uploadId=${/<UploadId>(.*?)</.exec(r.text)[1]}` })).status, 204)
      if (way.stores || /DELETE|DeleteObjects/.test(way.name)) await w.put(w.mine, 'k', `${SECRET}: mine k`)
    }
    await w.ok(w.mine, { method: 'DELETE', path: w.at(w.mine, 'copied') })
    assertSame(await w.prints(), first, 'the other builds')
  })
  await buckets(w, first)
  await tokens(w)
  await strangers(w)
  await check(`usage is what a recount gives, for every build, after ${cells} cells`, async () => {
    for (const id of w.behind ? [] : ['mine', ...w.neighbours]) { // of what is at a vendor there is no index here
      const [said, counted] = w.usage(w[id])
      assertSame(said, counted, id)
    }
    assert(cells > 12 * 10 * 8, `${cells} cells`)
  })
}

// Requests on buckets, of which a build has one.
async function buckets(w, first) {
  const rules = '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>'
  const ways = [['ListObjects', 'GET', '', 200], ['ListObjectsV2', 'GET', 'list-type=2', 200], ['ListObjectVersions', 'GET', 'versions=', 200], ['ListMultipartUploads', 'GET', 'uploads=', 200], ['HeadBucket', 'HEAD', '', 200], ['CreateBucket', 'PUT', '', 200], ['GetBucketLocation', 'GET', 'location=', 200], ['GetBucketVersioning', 'GET', 'versioning=', 200], ['PutBucketCors', 'PUT', 'cors=', 200, rules], ['GetBucketCors', 'GET', 'cors=', 200], ['DeleteBucketCors', 'DELETE', 'cors=', 204], ['DeleteBucket', 'DELETE', '', 403]]
  for (const [name, method, query, own, body] of ways)
    await check(`${name} × buckets of others × everybody`, async () => {
      const ask = (key, bucket) => w.ask(key, { method, path: `/${bucket}`, query, body })
      for (const bucket of ['vk-other', 'vk-mine2', 'vk-min', 'vk-nobody', 'vk-', 'any', 'mine'].filter((b) => b !== 'vk-')) same(await ask(w.mine.key, bucket), DENIED, `${name} ${bucket}`)
      for (const bucket of ['..', 'vk-mine%2f..%2fvk-other', 'VK-OTHER', 'vk-mine%00', '%2e%2e%2fvk-other']) same(await ask(w.mine.key, bucket), [400, 'InvalidBucketName'], `${name} ${bucket}`)
      for (const [who, key, want] of REFUSED(w)) if (key !== 'bearer') same(await ask(key, 'vk-mine'), want, `${name} with ${who}`)
      same(await ask(w.third.key, 'vk-mine'), DENIED, `${name} by a stranger`)
      const r = await ask(w.mine.key, 'vk-mine')
      assert(r.status === own, shows(r, name))
      assertSame(await w.prints(), first, 'the other builds')
    })
  await check('ListBuckets shows the build’s own one and nothing else', async () => {
    const r = await w.ok(w.mine, { method: 'GET', path: '/' })
    assertSame([...r.text.matchAll(/<Name>(.*?)<\/Name>/g)].map((m) => m[1]), ['vk-mine'])
    for (const query of ['prefix=vk-', 'prefix=', 'continuation-token=x', 'max-buckets=1000']) assert(!/vk-(?!mine<)/.test((await w.ask(w.mine.key, { method: 'GET', path: '/', query })).text), query)
  })
  await check('operations that a key has no right to, or that valetkey does not have, change nothing', async () => {
    for (const sub of ['acl', 'tagging', 'policy', 'lifecycle', 'versioning', 'object-lock', 'retention', 'legal-hold', 'website', 'logging', 'replication', 'encryption', 'notification', 'publicAccessBlock', 'ownershipControls'])
      for (const [method, at] of [['PUT', '/vk-mine/k'], ['DELETE', '/vk-mine/k'], ['PUT', '/vk-mine'], ['DELETE', '/vk-mine'], ['POST', '/vk-mine/k']]) {
        const r = await w.ask(w.mine.key, { method, path: at, query: `${sub}=`, body: method === 'DELETE' ? '' : '<x/>' })
        assert(r.status === 501 || r.status === 405 || r.status === 400, shows(r, `${method} ${at}?${sub}`))
      }
    assertSame((await w.get(w.mine, 'k')).text, `${SECRET}: mine k`)
  })
}

async function tokens(w) {
  const page = (b, query, key = b.key) => w.ask(key, { method: 'GET', path: `/${b.bucket}`, query: `list-type=2&${query}` })
  const next = (r) => encode(decodeXml(/<NextContinuationToken>(.*?)</.exec(r.text)[1]))
  await check('a token goes on with the listing that it came from, and with no other', async () => {
    const mine = next(await page(w.mine, 'max-keys=2'))
    const go = await page(w.mine, `max-keys=2&continuation-token=${mine}`)
    assert(go.status === 200 && go.text.includes('<KeyCount>2</KeyCount>'), go.text)
    const bad = [400, 'InvalidArgument']
    same(await page(w.other, `max-keys=2&continuation-token=${mine}`), bad, 'another build')
    same(await page(w.mine, `max-keys=2&continuation-token=${next(await page(w.other, 'max-keys=2'))}`), bad, 'the token of another build')
    same(await page(w.mine, `max-keys=2&prefix=d&continuation-token=${mine}`), bad, 'another prefix')
    same(await page(w.mine, `max-keys=2&delimiter=/&continuation-token=${mine}`), bad, 'another delimiter')
    for (let i = 0; i < decode(mine).length; i += 7) {
      const t = decode(mine)
      same(await page(w.mine, `continuation-token=${encode(t.slice(0, i) + (t[i] === 'A' ? 'B' : 'A') + t.slice(i + 1))}`), bad, `byte ${i} changed`)
    }
    for (const t of ['', 'A', '%00', '../../other', 'x'.repeat(6000)]) same(await page(w.mine, `continuation-token=${t}`), bad, t.slice(0, 20))
  })
}

// Without any signature: public/ of a build, and preflights.
async function strangers(w) {
  const first = await w.prints()
  await check('anybody reads what is below public/, and nothing else', async () => {
    for (const at of ['/vk-mine/public/shown.txt', '/vk-mine/builds/mine/public/shown.txt', '/vk-other/public/shown.txt', '/vk-other/%70ublic/shown.txt', '/vk-other/public%2fshown.txt']) {
      const r = await w.ask(null, { method: 'GET', path: at })
      assert(r.status === 200 && r.text.includes(SECRET), shows(r, at))
      const h = await w.ask(null, { method: 'HEAD', path: at })
      assert(h.status === 200 && Number(h.one('content-length')) > 20, shows(h, `HEAD ${at}`))
    }
    const refused = ['/vk-other/k', '/vk-other/secret.txt', '/vk-other/public', '/vk-other/publi', '/vk-other/Public/shown.txt', '/vk-other/public/nothing', '/vk-other/public/', '/vk-other//public/shown.txt', '/vk-other/public/../secret.txt', '/vk-other/public/%2e%2e/secret.txt', '/vk-other/public%2f..%2fsecret.txt', '/vk-other/public/..%2fsecret.txt', '/vk-other/public%00/shown.txt', '/vk-other/public%5c..%5csecret.txt', '/vk-other/builds/mine/public/shown.txt', '/vk-mine/builds/other/public/shown.txt', '/vk-other/builds/other/builds/other/public/shown.txt', '/vk-revoked/public/shown.txt', '/vk-expired/public/shown.txt', '/vk-deleted/public/shown.txt', '/vk-nobody/public/shown.txt', '/vk-/public/shown.txt', '/vk-OTHER/public/shown.txt', '/public/shown.txt', '/other/public/shown.txt', '/vk-other%2fpublic/shown.txt', '/', '/vk-other', '/vk-other/']
    for (const at of refused)
      for (const method of ['GET', 'HEAD']) same(await w.ask(null, { method, path: at }), DENIED, `${method} ${at}`)
  })
  await check('and does nothing else with it', async () => {
    for (const [method, query, more] of [['PUT', '', { body: 'x' }], ['DELETE', ''], ['POST', 'uploads='], ['GET', 'attributes=', { headers: [['x-amz-object-attributes', 'ETag']] }], ['GET', `uploadId=${w.other.upload}`], ['PUT', `partNumber=1&uploadId=${w.other.upload}`, { body: 'x' }], ['DELETE', `uploadId=${w.other.upload}`], ['PUT', '', { headers: [['x-amz-copy-source', '/vk-other/k']] }], ['PUT', '', { headers: [['x-amz-content-sha256', 'UNSIGNED-PAYLOAD']], body: 'x' }], ['PUT', '', { headers: [['x-amz-content-sha256', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'], ['x-amz-decoded-content-length', '1']], body: '1\r\nx\r\n0\r\n\r\n' }]])
      same(await w.ask(null, { method, path: '/vk-other/public/shown.txt', query, ...more }), DENIED, `${method} ?${query}`)
    for (const query of ['', 'list-type=2', 'list-type=2&prefix=public/', 'versions=&prefix=public/', 'uploads=', 'cors=', 'location=']) same(await w.ask(null, { method: 'GET', path: '/vk-other', query }), DENIED, `GET ?${query}`)
    for (const query of ['response-content-type=text/html', 'response-content-disposition=attachment', 'response-expires=x']) same(await w.ask(null, { method: 'GET', path: '/vk-other/public/shown.txt', query }), [400, 'InvalidRequest'], query)
    assertSame(await w.prints(), first, 'the other builds')
  })
  await check('a preflight shows rules of the bucket that it names, and nothing of what is in it', async () => {
    const preflight = (at, origin = 'https://app.example', method = 'GET', more = []) => w.ask(null, { method: 'OPTIONS', path: at, headers: [...(origin === null ? [] : [['Origin', origin]]), ...(method ? [['Access-Control-Request-Method', method]] : []), ...more] })
    await w.ok(w.other, { method: 'PUT', path: '/vk-other', query: 'cors=', body: '<CORSConfiguration><CORSRule><AllowedOrigin>https://app.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader></CORSRule></CORSConfiguration>' })
    const there = await preflight('/vk-other/k')
    assert(there.status === 200 && there.one('access-control-allow-origin') === 'https://app.example', shows(there, 'allowed'))
    const absent = await preflight('/vk-other/not-there')
    assertSame([absent.status, absent.one('access-control-allow-origin')], [200, 'https://app.example'], 'the same for a key that is not there')
    for (const [at, ...how] of [['/vk-mine/k'], ['/vk-other/k', 'https://evil.example'], ['/vk-other/k', 'https://app.example.evil'], ['/vk-other/k', 'null'], ['/vk-other/k', 'https://app.example', 'PUT'], ['/vk-other/k', 'https://app.example', 'GET', [['Access-Control-Request-Headers', 'authorization']]], ['/vk-other/k', 'https://app.example', undefined], ['/vk-other/k', 'https://app.example', 'GET\tPUT'], ['/vk-revoked/k'], ['/vk-expired/k'], ['/vk-deleted/k'], ['/vk-nobody/k'], ['/vk-other/../vk-mine/k'], ['/vk-other/builds/mine/k'], ['/'], ['/vk-other/%00'], ['/vk-other/k', 'https://app.example', ''], ['/vk-other/k', null]]) {
      const r = await preflight(at, ...(how.length ? [how[0], how.length > 1 ? how[1] ?? '' : 'GET', how[2]] : []))
      assert(r.status >= 400 && r.status < 500 && !r.headers.has('access-control-allow-origin'), shows(r, `${at} ${how}`))
    }
    const get = await w.ask(w.other.key, { method: 'GET', path: '/vk-other/k', headers: [['Origin', 'https://app.example']] })
    assertSame(get.one('access-control-allow-origin'), 'https://app.example', 'an answer')
    const lost = await w.ask(w.other.key, { method: 'GET', path: '/vk-other/lost', headers: [['Origin', 'https://app.example']] })
    assertSame([lost.status, lost.one('access-control-allow-origin')], [404, 'https://app.example'], 'an error')
    await w.ok(w.other, { method: 'DELETE', path: '/vk-other', query: 'cors=' })
  })
}
