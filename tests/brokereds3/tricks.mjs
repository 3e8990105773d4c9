// A vendor that lies, hangs, cuts off, redirects, answers huge: the client gets an error of S3 that it tries again, or a cut, and never something else.
import { raw, bytes } from '../lib/s3.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { world } from './vendor.mjs'

const error = (status, code, more = {}) => (req, res) => {
  const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>the organisation's secret matter</Message><AWSAccessKeyId>0123456789abcdef0123456789abcdef</AWSAccessKeyId></Error>`
  req.resume()
  res.writeHead(status, { 'Content-Type': 'application/xml', 'Content-Length': Buffer.byteLength(text), ...more })
  res.end(req.method === 'HEAD' ? undefined : text)
  return true
}
const answer = (status, type, text, more = {}) => (req, res) => {
  req.resume()
  res.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text), ...more })
  res.end(text)
  return true
}
const list = (inside) => answer(200, 'application/xml', `<ListBucketResult><IsTruncated>false</IsTruncated>${inside}</ListBucketResult>`)

export async function tricks() {
  const w = await world()
  const { r2, storage } = w
  const { env } = await storage.build('shop')
  await raw(env, { key: 'k', method: 'PUT', body: 'hello' })
  const ways = {
    GET: () => raw(env, { key: 'k' }),
    HEAD: () => raw(env, { key: 'k', method: 'HEAD' }),
    PUT: () => raw(env, { key: 'p', method: 'PUT', body: 'hello' }),
    'PUT, large': () => raw(env, { key: 'p', method: 'PUT', body: bytes(500_000) }),
    list: () => raw(env, { query: [['list-type', '2']] }),
    copy: () => raw(env, { key: 'c', method: 'PUT', headers: { 'x-amz-copy-source': `/${env.R2_BUCKET}/k` } }),
    create: () => raw(env, { key: 'm', method: 'POST', query: [['uploads', '']] }),
    DELETE: () => raw(env, { key: 'gone', method: 'DELETE' }),
  }
  const each = async (trick, want, only = Object.keys(ways)) => {
    r2.trick = trick
    try {
      for (const name of only) {
        const r = await ways[name]().catch((e) => ({ status: 0, text: '', headers: {}, error: e }))
        const code = /<Code>(.*?)</.exec(r.text)?.[1]
        const [status, name2] = typeof want === 'function' ? want(name) : want
        assertSame([r.status, name === 'HEAD' ? undefined : code], [status, name === 'HEAD' ? undefined : name2], `${name}: ${r.text.slice(0, 300)} ${r.error ?? ''}`)
        assert(!/secret matter|0123456789abcdef/.test(r.text + JSON.stringify(r.headers)), `${name} shows the vendor's words: ${r.text}`)
      }
    } finally {
      r2.trick = undefined
    }
  }
  const AWAY = [503, 'ServiceUnavailable']

  for (const [status, code] of [[401, 'Unauthorized'], [403, 'AccessDenied'], [403, 'InvalidAccessKeyId'], [403, 'SignatureDoesNotMatch'], [400, 'ExpiredToken'], [403, 'RequestTimeTooSkewed'], [404, 'NoSuchBucket'], [400, 'AuthorizationHeaderMalformed']])
    await check(`the organisation's key is refused (${code}): 503, and not a word of it`, () => each(error(status, code), (name) => (name === 'HEAD' && ![401, 403].includes(status) ? [status] : AWAY)))
  await check('redirects are not followed', () => each(error(307, 'TemporaryRedirect', { Location: 'http://127.0.0.1:9/elsewhere' }), AWAY))
  for (const [status, code, want] of [[404, 'NoSuchKey', [404, 'NoSuchKey']], [412, 'PreconditionFailed', [412, 'PreconditionFailed']], [429, 'TooManyRequests', [503, 'SlowDown']], [500, 'InternalError', [500, 'InternalError']], [503, 'SlowDown', [503, 'SlowDown']], [501, 'NotImplemented', [501, 'NotImplemented']], [418, '<script>', AWAY], [499, 'x'.repeat(100), AWAY]])
    await check(`${status} ${code.slice(0, 20)} is S3's own error, in our words`, () => each(error(status, code), want, ['GET', 'PUT', 'PUT, large', 'list', 'copy', 'create']))
  await check('pages of a proxy, gzip, and nothing are no answers', async () => {
    for (const trick of [answer(200, 'text/html', '<html><body>maintenance</body></html>'), answer(200, 'application/xml', ''), answer(200, 'application/xml', '\x1f\x8b\x08', { 'Content-Encoding': 'gzip' }), answer(200, 'application/xml', '<!DOCTYPE a [<!ENTITY b "c">]><ListBucketResult><Contents><Key>&b;</Key></Contents></ListBucketResult>')])
      await each(trick, AWAY, ['list', 'copy', 'create'])
    await each(answer(502, 'text/html', '<html>bad gateway</html>'), AWAY)
    await each(answer(200, 'text/plain', 'stored'), AWAY, ['PUT', 'PUT, large']) // without an ETag
  })
  await check('an error within 200 is an error', () => each(error(200, 'InternalError'), [500, 'InternalError'], ['copy', 'list', 'create']))
  await check('listings that show what is not the build’s are refused as a whole', async () => {
    for (const key of ['k', 'builds/other/1/k', 'builds/shop/k', 'builds/shop2/1/k', 'builds/shop/1', '']) await each(list(`<Contents><Key>${key}</Key><Size>1</Size></Contents>`), AWAY, ['list'])
    await each(list('<CommonPrefixes><Prefix>builds/</Prefix></CommonPrefixes>'), AWAY, ['list'])
    await each(list('<Contents><Key>k</Key></Contents>'.repeat(1001)), AWAY, ['list'])
    await each(list(`<Name>${'x'.repeat(9 << 20)}</Name>`), AWAY, ['list'])
  })
  await check('an answer that is cut off is cut off, and one that never came is 503', async () => {
    await each((req, res) => { req.resume(); req.socket.destroy(); return true }, AWAY)
    r2.trick = (req, res) => { res.writeHead(200, { 'Content-Length': 1_000_000, ETag: '"x"' }); res.write(bytes(200_000)); setTimeout(() => res.destroy(), 50); return true }
    const r = await ways.GET().then((x) => x.status, (e) => e.code ?? e.message)
    r2.trick = undefined
    assert(r !== 200, `the client took a part for the whole: ${r}`)
  })
  await check('a success before the body is there is none', async () => {
    r2.trick = (req, res) => { if (req.method !== 'PUT') return false; res.writeHead(200, { ETag: '"early"', 'Content-Length': 0, Connection: 'close' }); res.end(); return true }
    const r = await raw(env, { key: 'early', method: 'PUT', body: bytes(8_000_000), payload: '0'.repeat(64) }).catch(() => ({ status: 0 }))
    r2.trick = undefined
    assert(r.status !== 200, `${r.status}`)
  })
  await check('afterwards all is as before', async () => {
    assertSame((await ways.GET()).text, 'hello')
    assert(!/Sanitizer|a role ended/.test(storage.daemon.log), storage.daemon.log.slice(-2000))
  })
  await w.stop()
}
