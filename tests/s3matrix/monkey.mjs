// Requests that are well signed and otherwise made of pieces at random: none is an internal error, ends a connection without an answer, or
// reaches another build. SEED=n repeats a run.
import { assert, assertSame, check, note } from '../lib/tap.mjs'
import { seeded } from '../lib/daemon.mjs'
import { eachOf } from './wire.mjs'
import { form, inHeader, inQuery, signedFields } from './sign.mjs'
import { SECRET } from './world.mjs'

const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'PATCH']
const PATHS = ['/', '/vk-mine', '/vk-mine/', '/vk-mine/k', '/vk-mine/monkey', '/vk-mine/monkey/2', '/vk-mine/unfinished', '/vk-mine/public/shown.txt', '/vk-mine/builds/mine/k', '/vk-mine/builds/mine/', '/vk-mine/builds/other/k', '/vk-other/k', '/vk-mine/..', '/vk-mine/%00', '/vk-mine/%e2%9c%93', '/vk-mine//', '/nobody/k', `/vk-mine/${'m'.repeat(1024)}`]
const QUERIES = ['uploads=', 'uploadId=UPLOAD', 'uploadId=0123', 'partNumber=1', 'partNumber=10000', 'partNumber=0', 'delete=', 'cors=', 'location=', 'versioning=', 'versions=', 'list-type=2', 'list-type=1', 'attributes=', 'acl=', 'tagging=', 'prefix=k', 'prefix=builds/', 'prefix=%ff', 'delimiter=/', 'delimiter=%00', 'delimiter=', 'max-keys=1', 'max-keys=0', 'max-keys=-1', 'max-uploads=1', 'max-parts=1', 'marker=k', 'start-after=a', 'continuation-token=x', 'key-marker=k', 'upload-id-marker=UPLOAD', 'version-id-marker=null', 'encoding-type=url', 'encoding-type=x', 'fetch-owner=true', 'versionId=null', 'versionId=1', 'response-content-type=text/html', 'response-expires=%0a', 'x-id=PutObject', 'x-amz-copy-source=%2fvk-mine%2fk', 'x-amz-acl=private', 'x-amz-checksum-crc32=AAAAAA%3d%3d', 'x-amz-meta-q=1', '=', 'a', '%00=%00', 'part-number-marker=1', 'x-amz-checksum-mode=ENABLED', 'renameObject=']
const HEADERS = [['x-amz-copy-source', '/vk-mine/k'], ['x-amz-copy-source', '/vk-other/k'], ['x-amz-copy-source', '%'], ['x-amz-copy-source-range', 'bytes=0-3'], ['x-amz-copy-source-range', 'bytes=3-0'], ['x-amz-copy-source-if-match', '"x"'], ['x-amz-metadata-directive', 'REPLACE'], ['x-amz-metadata-directive', 'x'], ['x-amz-acl', 'private'], ['x-amz-acl', 'public-read'], ['x-amz-storage-class', 'STANDARD'], ['x-amz-meta-m', 'v'], ['x-amz-meta-m', '\xff'], ['x-amz-checksum-algorithm', 'CRC32'], ['x-amz-checksum-algorithm', 'x'], ['x-amz-checksum-type', 'FULL_OBJECT'], ['x-amz-checksum-type', 'COMPOSITE'], ['x-amz-checksum-crc32', 'AAAAAA=='], ['x-amz-sdk-checksum-algorithm', 'CRC32'], ['x-amz-trailer', 'x-amz-checksum-crc32'], ['x-amz-decoded-content-length', '3'], ['x-amz-object-attributes', 'ETag,ObjectParts,Checksum,ObjectSize'], ['x-amz-max-parts', '1'], ['x-amz-part-number-marker', '-1'], ['x-amz-checksum-mode', 'ENABLED'], ['x-amz-security-token', 'x'], ['Content-MD5', 'AAAA'], ['Content-Type', 'text/html'], ['Content-Type', 'multipart/form-data; boundary=x'], ['Content-Type', 'multipart/form-data'], ['Content-Encoding', 'aws-chunked,gzip'], ['Content-Encoding', 'aws-chunked'], ['If-Match', '*'], ['If-Match', '"x"'], ['If-None-Match', '*'], ['If-None-Match', '"x"'], ['If-Modified-Since', 'Sun, 06 Nov 1994 08:49:37 GMT'], ['If-Unmodified-Since', 'Sun, 06 Nov 1994 08:49:37 GMT'], ['If-Range', '"x"'], ['Range', 'bytes=0-3'], ['Range', 'bytes=-1'], ['Range', 'bytes=9999999-'], ['Origin', 'https://app.example'], ['Access-Control-Request-Method', 'PUT'], ['Access-Control-Request-Headers', 'x'], ['Expires', 'x'], ['Cache-Control', ''], ['x-amz-server-side-encryption', 'AES256'], ['x-amz-tagging', 'a=b'], ['x-amz-if-match-size', '1'], ['x-amz-mp-object-size', '1'], ['x-amz-expected-bucket-owner', 'x']]
const BODIES = ['', '', '', 'abc', '<Delete><Object><Key>monkey</Key></Object></Delete>', '<Delete><Object><Key>builds/other/k</Key></Object><Object><Key>..</Key></Object></Delete>', '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"d41d8cd98f00b204e9800998ecf8427e"</ETag></Part></CompleteMultipartUpload>', '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>', '<CreateBucketConfiguration><LocationConstraint>auto</LocationConstraint></CreateBucketConfiguration>', '3\r\nabc\r\n0\r\n\r\n', '3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n', '--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nmonkey\r\n--x\r\n', 'm'.repeat(20000)]
const PAYLOADS = [undefined, undefined, undefined, 'UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', '0'.repeat(64)]

export async function run(w) {
  const seed = Number(process.env.SEED ?? (Date.now() & 0x7fffffff))
  const count = process.env.VALETKEY_TEST_FULL === '1' ? 60000 : 6000
  note(`monkey: seed ${seed}`)
  const r = seeded(seed)
  const { key } = w.mine
  const others = await w.prints()
  const some = (list, most) => Array.from({ length: r.below(most + 1) }, () => r.pick(list))
  const one = () => {
    const headers = new Map(some(HEADERS, r.pick([0, 1, 2, 6])).map(([n, v]) => [n, v]))
    let q = { method: r.pick(METHODS), path: r.pick(PATHS), query: some(QUERIES, r.pick([0, 1, 2, 2, 5])).join('&').replaceAll('UPLOAD', w.mine.upload), headers: [...headers], body: r.pick(BODIES) }
    if (q.path === '/vk-mine' && q.method === 'POST' && r.chance(0.7)) {
      const names = some(['x-amz-meta-f', 'Content-Type', 'acl', 'x-amz-checksum-crc32', 'success_action_status', 'success_action_redirect', 'x-amz-storage-class', 'bucket', 'x-ignore-me', 'tagging', 'x-amz-decoded-content-length', 'x-amz-copy-source', 'Content-MD5', 'If-Match', 'x-amz-trailer'], 4)
      const b = form(signedFields(key, [['key', r.pick(['monkey', 'builds/other/k', '${filename}', '', '\xff', '..', 'm'.repeat(2000)])], ...[...new Set(names)].map((n) => [n, r.pick(['1', 'AAAAAA==', 'vk-mine', 'http://x/', '201', 'a\r\nb', '\xff', ''])])]), r.pick(['', 'file', 'f'.repeat(30000)]), r.pick(['a', '../b', '', 'builds']))
      q = { ...q, query: '', body: b.body, headers: [...q.headers.filter(([n]) => n !== 'Content-Type'), ['Content-Type', b.type]] }
      return w.sized(w.base(q))
    }
    q = w.sized(w.base(q))
    return r.chance(0.15) ? q : r.chance(0.25) ? inQuery(key, q) : inHeader(key, q, { payload: r.pick(PAYLOADS) })
  }
  await check(`${count} requests of pieces at random, seed ${seed}`, async () => {
    const codes = new Map()
    await eachOf(Array.from({ length: count }, one), 12, async (q) => {
      const a = await w.pool.ask(q)
      const what = `${q.method} ${q.path}?${q.query} ${JSON.stringify(q.headers)} ${q.body.slice(0, 200)}: ${a.status} ${a.text.slice(0, 200)}`
      assert(a.status >= 200 && (a.status < 500 || a.status === 501), what)
      assert(!a.cut && a.headers.has('x-amz-request-id') && !/\r\n(a=|b)\r\n/.test(a.head), what)
      assert(!/other only|: other |mine2 only/.test(a.text), what)
      if (a.status >= 400 && a.body.length) assert(a.code && a.one('content-type') === 'application/xml', what)
      codes.set(a.status, (codes.get(a.status) ?? 0) + 1)
    })
    assert((codes.get(200) ?? 0) > count / 50, `served: ${[...codes].join(' ')}`)
    assertSame(await w.prints(), others, 'the other builds')
  })
  await check('and what they have left behind is counted rightly', async () => {
    await new Promise((ok) => setTimeout(ok, 100))
    const [said, counted] = w.usage(w.mine)
    assertSame(said, counted)
    for (const k of ['k', 'secret.txt']) await w.put(w.mine, k, `${SECRET}: mine ${k}`)
  })
}
