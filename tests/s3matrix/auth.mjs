// Signatures that must not be taken: each is a good one with one thing changed, and the good one is served beside it.
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { bin, bytesOf, Conn } from './wire.mjs'
import { form, inHeader, inQuery, joined, plainChunks, sha256, signedChunks, signedFields, signedTrailer, stamp } from './sign.mjs'

const MINUTE = 60e3
const FORMS = ['hash', 'UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER']

export function crc32of(text) {
  const b = Buffer.alloc(4)
  b.writeUInt32BE(crc32 ? crc32(Buffer.from(text, 'latin1')) : slowCrc32(text))
  return b.toString('base64')
}
function slowCrc32(text) {
  let c = 0xffffffff
  for (const byte of Buffer.from(text, 'latin1')) {
    c ^= byte
    for (let i = 0; i < 8; i++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
  }
  return (c ^ 0xffffffff) >>> 0
}

// A PUT in one of the five forms. `spoil` may change the pieces of a body in chunks before they are joined, `trailer` what comes behind.
export function putIn(w, key, payload, { path = '/vk-mine/in-chunks', body = 'the body of it', pieces = [body.slice(0, 6), body.slice(6)], decoded = body.length, spoil = (x) => x, trailer = [['x-amz-checksum-crc32', crc32of(body)]], announce = 'x-amz-checksum-crc32', headers = [], sign, end } = {}) {
  const head = { method: 'PUT', path, headers: [['Host', w.host], ...headers], query: '', body: '' }
  if (payload === 'hash' || payload === 'UNSIGNED-PAYLOAD') return inHeader(key, { ...head, headers: [...head.headers, ['Content-Length', body.length]], body }, { payload: payload === 'hash' ? undefined : payload, ...sign })
  const withTrailer = payload.endsWith('TRAILER')
  head.headers.push(['content-encoding', 'aws-chunked'], ...(decoded === null ? [] : [['x-amz-decoded-content-length', decoded]]), ...(withTrailer && announce ? [['x-amz-trailer', announce]] : []))
  const r = inHeader(key, head, { payload, ...sign })
  let text
  if (payload.startsWith('STREAMING-UNSIGNED')) text = plainChunks(spoil(pieces)) + trailer.map(([n, v]) => `${n}:${v}\r\n`).join('') + '\r\n'
  else {
    const chunks = signedChunks(r, pieces)
    text = joined(spoil(chunks)) + (withTrailer ? signedTrailer(r, chunks.at(-1).signature, trailer) : '\r\n')
  }
  r.body = end ? end(text) : text
  r.headers.push(['Content-Length', r.body.length])
  return r
}

const told = (r) => `${r.status} ${r.code ?? ''} ${r.text.slice(0, 300)}`
export function is(r, [status, code], what) { assert(r.status === status && (r.code === code || !r.body.length), `${what}: ${told(r)}, want ${status} ${code ?? ''}`) }

export async function run(w) {
  const { key } = w.mine
  const wrong = { id: key.id, secret: key.secret.replace(/^./, (c) => (c === 'f' ? 'e' : 'f')) }
  const first = await w.print(w.mine)
  const unchanged = async () => { await w.tidy([]); assertSame(await w.print(w.mine), first, 'the build') }
  const get = (more) => w.base({ method: 'GET', path: '/vk-mine/k', ...more })
  const del = (more) => w.base({ method: 'DELETE', path: '/vk-mine/k', ...more })

  await check('the five forms of a payload are taken with a right signature', async () => {
    for (const f of FORMS) {
      is(await w.pool.ask(putIn(w, key, f)), [200], f)
      assertSame((await w.get(w.mine, 'in-chunks')).text, 'the body of it', f)
      assertSame((await w.get(w.mine, 'in-chunks')).one('content-encoding'), undefined, f)
    }
    await w.tidy(['in-chunks'])
  })
  await check('and by nobody with a wrong one: wrong secret, unknown id, a signature of zeros, cut, in upper case', async () => {
    for (const f of FORMS) {
      is(await w.pool.ask(putIn(w, wrong, f)), [403, 'SignatureDoesNotMatch'], f)
      is(await w.pool.ask(putIn(w, { id: 'a'.repeat(32), secret: key.secret }, f)), [403, 'InvalidAccessKeyId'], f)
      for (const [how, want] of [[(s) => '0'.repeat(s.length), [403, 'SignatureDoesNotMatch']], [(s) => s.slice(0, -1), [400, 'AuthorizationHeaderMalformed']], [(s) => s.toUpperCase(), [400, 'AuthorizationHeaderMalformed']], [(s) => `${s}0`, [400, 'AuthorizationHeaderMalformed']], [() => '', [400, 'AuthorizationHeaderMalformed']]]) {
        const r = putIn(w, key, f)
        r.headers = r.headers.map(([n, v]) => (n === 'Authorization' ? [n, v.replace(/[0-9a-f]{64}$/, how)] : [n, v]))
        if (/[a-f]/.test(r.seed) || how('ab') !== 'AB') is(await w.pool.ask(r), want, `${f} ${how}`)
      }
    }
    await unchanged()
  })
  await check('no form is taken without a signature, with its credential alone, or with two', async () => {
    for (const f of FORMS) {
      const r = putIn(w, key, f)
      const bare = { ...r, headers: r.headers.filter(([n]) => n !== 'Authorization') }
      is(await w.pool.ask(bare), [403, 'AccessDenied'], f)
      const scope = encodeURIComponent(`${key.id}/${r.scope}`)
      for (const query of [`X-Amz-Credential=${scope}`, `X-Amz-Credential=${scope}&X-Amz-Algorithm=AWS4-HMAC-SHA256`, `X-Amz-Signature=${r.seed}`, `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${scope}&X-Amz-Date=${r.time}&X-Amz-Expires=300&X-Amz-SignedHeaders=host`, `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${scope}&X-Amz-Date=${r.time}&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=`]) is(await w.pool.ask({ ...bare, query }), [400, 'AuthorizationQueryParametersError'], `${f} ?${query.slice(0, 40)}`)
      is(await w.pool.ask({ ...r, query: `X-Amz-Credential=${scope}` }), [400, 'InvalidRequest'], `${f}: header and query`)
      is(await w.pool.ask({ ...r, query: inQuery(key, { ...r, headers: [['Host', w.host]] }).query }), [400, 'InvalidRequest'], `${f}: both, both right`)
      const two = await w.pool.ask({ ...r, headers: [...r.headers, r.headers.find(([n]) => n === 'Authorization')] })
      assert(two.status === 400, told(two))
    }
    for (const query of [`AWSAccessKeyId=${key.id}&Signature=aaaa&Expires=1999999999`, `AWSAccessKeyId=${key.id}`]) is(await w.pool.ask(get({ query })), [400, 'InvalidRequest'], query)
    for (const v of [`AWS ${key.id}:c2lnbmF0dXJl`, 'AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256 Credential=x', `Basic ${key.id}`, `aws4-hmac-sha256 Credential=${key.id}`]) { const r = await w.pool.ask(get({ headers: [['Authorization', v]] })); assert(r.status === 400 && ['InvalidRequest', 'AuthorizationHeaderMalformed'].includes(r.code), `${v}: ${told(r)}`) }
    await unchanged()
  })
  await check('what must be signed is signed: host, every x-amz-*, and what SignedHeaders names is there', async () => {
    const at = (names, r = get()) => w.pool.ask(inHeader(key, r, { names }))
    is(await at(['x-amz-content-sha256', 'x-amz-date']), [403, 'AccessDenied'], 'host left out')
    is(await at(['host', 'x-amz-date']), [403, 'AccessDenied'], 'x-amz-content-sha256 left out')
    is(await at(['host', 'x-amz-content-sha256']), [403, 'AccessDenied'], 'x-amz-date left out')
    for (const h of [['x-amz-meta-a', 'b'], ['x-amz-copy-source', '/vk-mine/secret.txt'], ['X-Amz-Acl', 'private'], ['x-amz-storage-class', 'STANDARD'], ['x-amz-unheard-of', '1'], ['x-amz-security-token', 'a'], ['x-amz-date', '20260101T000000Z'], ['X-AMZ-META-A', 'b']]) {
      const signedPut = inHeader(key, w.sized(w.base({ method: 'PUT', path: '/vk-mine/unsigned', body: 'x' })))
      is(await w.pool.ask({ ...signedPut, headers: [...signedPut.headers, h] }), h[0] === 'x-amz-date' || h[0] === 'x-amz-security-token' ? [h[0] === 'x-amz-date' ? 400 : 403, h[0] === 'x-amz-date' ? 'AuthorizationHeaderMalformed' : 'AccessDenied'] : [403, 'AccessDenied'], `header form with ${h}`)
      const url = inQuery(key, w.sized(w.base({ method: 'PUT', path: '/vk-mine/unsigned', body: 'x' })))
      is(await w.pool.ask({ ...url, headers: [...url.headers, h] }), [403, 'AccessDenied'], `presigned with ${h}`)
    }
    is(await at(['host', 'x-amz-content-sha256', 'x-amz-date', 'x-amz-meta-none']), [403, 'SignatureDoesNotMatch'], 'a header that is not there')
    for (const names of [['x-amz-date', 'host', 'x-amz-content-sha256'], ['host', 'host', 'x-amz-content-sha256', 'x-amz-date'], ['Host', 'x-amz-content-sha256', 'x-amz-date'], ['host', 'x-amz-content-sha256', 'x-amz-date', '']]) { const r = await at(names); assert(r.status === 400 && r.code === 'AuthorizationHeaderMalformed', `${names}: ${told(r)}`) }
    await unchanged()
  })
  await check('a presigned URL takes nothing that was not signed with it', async () => {
    const url = inQuery(key, get())
    is(await w.pool.ask(url), [200], 'as it is')
    for (const [what, r] of [['another method', { ...url, method: 'DELETE' }], ['HEAD', { ...url, method: 'HEAD' }], ['PUT', { ...url, method: 'PUT' }], ['another key', { ...url, path: '/vk-mine/secret.txt' }], ['a slash more', { ...url, path: '/vk-mine//k' }], ['a parameter more', { ...url, query: `${url.query}&response-content-type=text/html` }], ['a parameter in front', { ...url, query: `versionId=null&${url.query}` }], ['a longer life', { ...url, query: url.query.replace('Expires=300', 'Expires=301') }], ['another host', { ...url, headers: [['Host', `localhost:${w.port}`]] }]]) is(await w.pool.ask(r), [403, 'SignatureDoesNotMatch'], what)
    const cors = inQuery(key, get({ path: '/vk-mine', query: 'list-type=2' }))
    is(await w.pool.ask({ ...cors, query: cors.query.replace('list-type=2&', '') }), [403, 'SignatureDoesNotMatch'], 'a parameter less')
    is(await w.pool.ask({ ...url, query: `${url.query}&X-Amz-Signature=${url.seed}` }), [400, 'AuthorizationQueryParametersError'], 'two signatures')
    is(await w.pool.ask({ ...url, query: url.query.replace('X-Amz-Date', 'x-amz-date') }), [400, 'AuthorizationQueryParametersError'], 'in another case')
    await unchanged()
  })
  await check('clocks may differ by a quarter of an hour', async () => {
    const at = (min, f = inHeader, o = {}) => w.pool.ask(f(key, get(), { date: new Date(Date.now() + min * MINUTE), ...o }))
    for (const min of [-14, 14]) is(await at(min), [200], `${min} min`)
    for (const min of [-16, 16, -60 * 24, 60 * 24, -525600]) is(await at(min), [403, 'RequestTimeTooSkewed'], `${min} min`)
    is(await at(-16, inQuery, { expires: 3600 }), [200], 'presigned a while ago')
    is(await at(-16, inQuery, { expires: 60 }), [403, 'AccessDenied'], 'presigned, over')
    is(await at(16, inQuery, { expires: 3600 }), [403, 'AccessDenied'], 'presigned in the future')
    is(await at(-60 * 24 * 8, inQuery, { expires: 604800 }), [403, 'AccessDenied'], 'presigned eight days ago')
  })
  await check('the scope of a credential is compared: day, region, service, end', async () => {
    const now = Date.now()
    const day = (ms) => stamp(new Date(now + ms)).slice(0, 8)
    for (const o of [{ day: day(-86400e3) }, { day: day(86400e3) }, { region: 'eu-west-1' }, { region: 'AUTO' }, { service: 'ec2' }, { service: 'S3' }, { end: 'aws4_requests' }, { end: 'AWS4_REQUEST' }, { end: 'aws4_request/more' }, { day: '00000000' }, { day: '2026112' }]) {
      is(await w.pool.ask(inHeader(key, get(), o)), [400, 'AuthorizationHeaderMalformed'], JSON.stringify(o))
      is(await w.pool.ask(inQuery(key, get(), o)), [400, 'AuthorizationQueryParametersError'], `presigned, ${JSON.stringify(o)}`)
      const b = form(signedFields(key, [['key', 'by-form']], o))
      is(await w.pool.ask(w.sized(w.base({ method: 'POST', path: '/vk-mine', headers: [['Content-Type', b.type]], body: b.body }))), [400, 'InvalidArgument'], `form, ${JSON.stringify(o)}`)
    }
    for (const region of ['auto', 'us-east-1', '']) is(await w.pool.ask(inHeader(key, get(), { region })), [200], `region "${region}"`)
    await unchanged()
  })
  await check('X-Amz-Expires is a number from 1 to 604800, X-Amz-Date a date, each once', async () => {
    for (const expires of ['0', '-1', '604801', 'abc', '', '1.5', '1e3', '0x10', '+60', '%2060', '99999999999999999999', null]) is(await w.pool.ask(inQuery(key, get(), { expires })), [400, 'AuthorizationQueryParametersError'], `${expires}`)
    for (const expires of ['1', '604800']) is(await w.pool.ask(inQuery(key, get(), { expires })), [200], expires)
    const good = stamp(new Date())
    for (const time of ['', 'abc', good.slice(0, -1), `${good}Z`, good.replace('T', ' '), '20261301T000000Z', '20260230T000000Z', '99999999T999999Z', good.toLowerCase()]) { const r = await w.pool.ask(inHeader(key, get(), { time, day: good.slice(0, 8) })); assert(r.status === 400 && r.code === 'AuthorizationHeaderMalformed', `${time}: ${told(r)}`) }
  })
  await check('x-amz-content-sha256 must be one of its forms, and a hash must be that of the body', async () => {
    const put = (payload, more = {}) => w.pool.ask(inHeader(key, w.sized(w.base({ method: 'PUT', path: '/vk-mine/hashed', body: 'abc', ...more })), { payload, ...more.sign }))
    is(await put('0'.repeat(64)), [400, 'XAmzContentSHA256Mismatch'], 'another hash')
    is(await put(sha256('abd')), [400, 'XAmzContentSHA256Mismatch'], 'of another body')
    for (const p of ['', 'x', 'unsigned-payload', 'UNSIGNED', sha256('abc').slice(1), `${sha256('abc')}0`, 'UNSIGNED-PAYLOAD ,x']) is(await put(p), [400, 'InvalidArgument'], p)
    for (const p of ['STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD', 'STREAMING-', 'STREAMING-UNSIGNED-PAYLOAD']) is(await put(p), [501, 'NotImplemented'], p)
    is(await put(sha256('abc'), { sign: { noPayloadHeader: true } }), [400, 'InvalidRequest'], 'no such header')
    for (const [method, path, query, body] of [['POST', '/vk-mine', 'delete=', '<Delete><Object><Key>k</Key></Object></Delete>'], ['PUT', '/vk-mine', 'cors=', '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>'], ['POST', '/vk-mine/k', 'uploads=', ''], ['DELETE', '/vk-mine/k', '', ''], ['GET', '/vk-mine/k', '', ''], ['GET', '/vk-mine', '', '']]) is(await w.pool.ask(inHeader(key, w.sized(w.base({ method, path, query, body })), { payload: sha256(`${body}.`) })), [400, 'XAmzContentSHA256Mismatch'], `${method} ${path}?${query}`)
    await unchanged()
  })
  await check('a STREAMING payload is for objects and parts only', async () => {
    for (const payload of FORMS.slice(2))
      for (const [method, path, query, headers] of [['GET', '/vk-mine/k', ''], ['DELETE', '/vk-mine/k', ''], ['POST', '/vk-mine', 'delete='], ['POST', '/vk-mine/k', 'uploads='], ['PUT', '/vk-mine', 'cors='], ['PUT', '/vk-mine', ''], ['PUT', '/vk-mine/copied', '', [['x-amz-copy-source', '/vk-mine/k']]]]) is(await w.pool.ask(inHeader(key, w.base({ method, path, query, headers }), { payload })), [400, 'InvalidRequest'], `${payload} ${method} ${path}?${query}`)
    await unchanged()
  })
  await check('chunks that are signed: order, bytes, signatures, sizes, and all of them are there', async () => {
    const SIGNED = FORMS.slice(3)
    const BROKEN = [[400, 'IncompleteBody'], [400, 'InvalidRequest'], [403, 'SignatureDoesNotMatch']]
    const no = (r, wants, what) => assert(wants.some(([s, c]) => r.status === s && r.code === c), `${what}: ${told(r)}`)
    const body = 'aaaaaabbbbbb'
    for (const f of SIGNED) {
      const put = (o) => w.pool.ask(putIn(w, key, f, { body, ...o }))
      const bad = [403, 'SignatureDoesNotMatch']
      is(await put({ spoil: ([a, b, e]) => [b, a, e] }), bad, `${f}: in another order`)
      is(await put({ spoil: ([a, b, e]) => [{ ...a, data: 'aaaaaA' }, b, e] }), bad, `${f}: a byte changed`)
      is(await put({ spoil: ([a, b, e]) => [a, { ...b, data: 'bbbbbB' }, e] }), bad, `${f}: a byte of the second changed`)
      is(await put({ spoil: ([a, b, e]) => [a, { ...b, line: b.line.replace(/signature=..../, 'signature=0000') }, e] }), bad, `${f}: a signature changed`)
      is(await put({ spoil: ([a, b, e]) => [a, b, { ...e, line: `0;chunk-signature=${a.signature}\r\n` }] }), bad, `${f}: the last signature is the first one`)
      is(await put({ spoil: ([a, b, e]) => [a, a, e] }), bad, `${f}: one twice`)
      is(await put({ decoded: 6, spoil: ([a, , e]) => [a, e] }), bad, `${f}: one left out, and the length says so`)
      no(await put({ spoil: ([a, , e]) => [a, e] }), BROKEN, `${f}: one left out`)
      no(await put({ spoil: ([a, b]) => [a, b, { line: '0\r\n', data: '' }] }), [[400, 'InvalidRequest']], `${f}: the last signature missing`)
      no(await put({ spoil: ([a, b, e]) => [{ ...a, line: '6\r\n' }, b, e] }), [[400, 'InvalidRequest']], `${f}: the first signature missing`)
      no(await put({ spoil: ([a, b, e]) => [{ ...a, line: a.line.replace('chunk-signature', 'chunk-signatures') }, b, e] }), [[400, 'InvalidRequest']], `${f}: another extension`)
      for (const cut of [1, 2, 40, 70, 100, 150]) no(await put({ end: (t) => t.slice(0, -cut) }), [...BROKEN, [400, 'MalformedTrailerError']], `${f}: ${cut} bytes cut off`)
      for (const d of [body.length - 1, body.length + 1]) is(await put({ decoded: d }), [400, 'IncompleteBody'], `${f}: decoded length ${d}`)
      is(await put({ decoded: null }), [411, 'MissingContentLength'], `${f}: no decoded length`)
      for (const d of ['-1', 'x', '', '1e1', '99999999999999999999']) is(await put({ decoded: d }), [411, 'MissingContentLength'], `${f}: decoded length ${d}`)
      no(await put({ end: (t) => `${t}more` }), [[400, 'InvalidRequest']], `${f}: bytes behind the end`)
      const other = putIn(w, key, f, { body, path: '/vk-mine/in-chunks2' }) // the chain of another request
      const r = putIn(w, key, f, { body })
      is(await w.pool.ask({ ...r, body: other.body }), bad, `${f}: chunks of another request`)
    }
    await unchanged()
  })
  await check('trailers: announced, complete, right, and nothing else', async () => {
    for (const f of [FORMS[2], FORMS[4]]) {
      const put = (o) => w.pool.ask(putIn(w, key, f, o))
      const right = ['x-amz-checksum-crc32', crc32of('the body of it')]
      const malformed = [400, 'MalformedTrailerError']
      is(await put({ trailer: [['x-amz-checksum-crc32', crc32of('another body')]] }), [400, 'BadDigest'], `${f}: wrong`)
      is(await put({ trailer: [] }), malformed, `${f}: missing`)
      is(await put({ announce: null }), malformed, `${f}: not announced`)
      is(await put({ announce: 'x-amz-checksum-sha1' }), malformed, `${f}: another one announced`)
      is(await put({ trailer: [right, right] }), malformed, `${f}: twice`)
      is(await put({ trailer: [right, ['x-amz-meta-a', 'b']] }), malformed, `${f}: one more`)
      is(await put({ trailer: [['x-amz-checksum-crc32', 'AAAA']] }), malformed, `${f}: no checksum`)
      is(await put({ trailer: [['x-amz-checksum-crc32', '']] }), malformed, `${f}: empty`)
      for (const announce of ['x-amz-meta-a', 'content-type', 'x-amz-checksum-crc32,x-amz-checksum-sha1', 'x-amz-checksum-md5', 'x-amz-trailer-signature', 'x-amz-checksum-crc32 ,']) is(await put({ announce, trailer: announce.split(',').map((n, i) => [n.trim(), i ? 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' : right[1]]) }), [400, 'InvalidRequest'], `${f}: announces ${announce}`)
      is(await put({ headers: [right] }), [400, 'InvalidRequest'], `${f}: in the head as well`)
      is(await put({ headers: [['x-amz-sdk-checksum-algorithm', 'SHA256']] }), [400, 'InvalidRequest'], `${f}: another algorithm named`)
    }
    const s = putIn(w, key, FORMS[4], {})
    is(await w.pool.ask({ ...s, body: s.body.replace(/(trailer-signature:)..../, '$10000') }), [403, 'SignatureDoesNotMatch'], 'a trailer with a wrong signature')
    const without = s.body.replace(/x-amz-trailer-signature:.*\r\n/, '')
    is(await w.pool.ask({ ...s, headers: s.headers.map(([n, v]) => (n === 'Content-Length' ? [n, without.length] : [n, v])), body: without }), [400, 'MalformedTrailerError'], 'a trailer without its signature')
    is(await w.ask(key, { method: 'PUT', path: '/vk-mine/in-chunks', headers: [['x-amz-trailer', 'x-amz-checksum-crc32']], body: 'plain' }), [400, 'MalformedTrailerError'], 'a plain body with a trailer announced')
    is(await w.ask(key, { method: 'POST', path: '/vk-mine', query: 'delete=', headers: [['x-amz-trailer', 'x-amz-checksum-crc32']], body: '<Delete><Object><Key>k</Key></Object></Delete>' }), [400, 'MalformedTrailerError'], 'a document with a trailer announced')
    await unchanged()
  })
  await check('checksums in the head: wrong, malformed, two of them, of another algorithm than is named', async () => {
    const put = (headers, body = 'abc') => w.ask(key, { method: 'PUT', path: '/vk-mine/summed', headers, body })
    const md5 = (t) => createHash('md5').update(t).digest('base64')
    is(await put([['Content-MD5', md5('abd')]]), [400, 'BadDigest'], 'MD5')
    for (const v of ['', 'x', md5('abc').slice(2), `${md5('abc')}AAAA`]) is(await put([['Content-MD5', v]]), [400, 'InvalidDigest'], `MD5 ${v}`)
    for (const [n, v] of [['crc32', 'AAAAAA=='], ['crc32c', 'AAAAAA=='], ['crc64nvme', 'AAAAAAAAAAA='], ['sha1', 'AAAAAAAAAAAAAAAAAAAAAAAAAAA='], ['sha256', `${'A'.repeat(43)}=`]]) {
      is(await put([[`x-amz-checksum-${n}`, v]]), [400, 'BadDigest'], n)
      for (const bad of ['', 'x', `${v}A`, v.slice(4)]) is(await put([[`x-amz-checksum-${n}`, bad]]), [400, 'InvalidRequest'], `${n} ${bad}`)
    }
    is(await put([['x-amz-checksum-crc32', crc32of('abc')], ['x-amz-checksum-sha1', 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=']]), [400, 'InvalidRequest'], 'two')
    is(await put([['x-amz-sdk-checksum-algorithm', 'SHA1'], ['x-amz-checksum-crc32', crc32of('abc')]]), [400, 'InvalidRequest'], 'another one named')
    is(await put([['x-amz-sdk-checksum-algorithm', 'CRC32']]), [400, 'InvalidRequest'], 'named, not given')
    is(await put([['x-amz-sdk-checksum-algorithm', 'ROT13']]), [400, 'InvalidRequest'], 'one there is none of')
    await unchanged()
  })
  await check('a session token is refused for a key that has none', async () => {
    is(await w.ask(key, { method: 'GET', path: '/vk-mine/k', headers: [['x-amz-security-token', 'a token']] }), [403, 'InvalidToken'], 'header')
    is(await w.pool.ask(inQuery(key, get(), { more: ['X-Amz-Security-Token=abc'] })), [403, 'InvalidToken'], 'query')
    is(await w.pool.ask(inHeader(key, get({ query: 'X-Amz-Security-Token=abc' }))), [403, 'InvalidToken'], 'in the query of a signed request')
    const b = form(signedFields(key, [['key', 'by-form'], ['x-amz-security-token', 'abc']]))
    is(await w.pool.ask(w.sized(w.base({ method: 'POST', path: '/vk-mine', headers: [['Content-Type', b.type]], body: b.body }))), [403, 'InvalidToken'], 'form')
    await unchanged()
  })
  await forms(w, unchanged)
  await check('a key that is revoked opens nothing from then on: signed, presigned for a week, in a form, on a connection that is open', async () => {
    const { env } = await w.daemon.createBuild('soon-revoked')
    const mine = { id: env.R2_ACCESS_KEY_ID, secret: env.R2_SECRET_ACCESS_KEY }
    const bucket = env.R2_BUCKET
    const put = inHeader(mine, w.sized(w.base({ method: 'PUT', path: `/${bucket}/k`, body: 'stored' })))
    const url = inQuery(mine, w.base({ method: 'GET', path: `/${bucket}/k` }), { expires: 604800 })
    const open = new Conn(w.port)
    open.write(bytesOf(put))
    is(await open.answer('PUT'), [200], 'before')
    open.write(bytesOf(url))
    is(await open.answer(), [200], 'before')
    await w.put(w.mine, 'k', (await w.get(w.mine, 'k')).text) // a connection serves others' requests as well
    await w.daemon.mustCli(['build', 'revoke', 'soon-revoked'])
    for (const r of [put, url]) {
      open.write(bytesOf(r))
      is(await open.answer(), [403, 'InvalidAccessKeyId'], `${r.method} on the open connection`)
      is(await w.pool.ask(r), [403, 'InvalidAccessKeyId'], r.method)
    }
    const b = form(signedFields(mine, [['key', 'by-form']]))
    is(await w.pool.ask(w.sized(w.base({ method: 'POST', path: `/${bucket}`, headers: [['Content-Type', b.type]], body: b.body }))), [403, 'InvalidAccessKeyId'], 'form')
    open.close()
  })
  await check('transfers of a revoked build end: what is being sent is cut off, what is being written is not stored', async () => {
    const { env } = await w.daemon.createBuild('in-the-middle')
    const mine = { id: env.R2_ACCESS_KEY_ID, secret: env.R2_SECRET_ACCESS_KEY }
    const big = 48 << 20
    is(await w.pool.ask(inHeader(mine, w.sized(w.base({ method: 'PUT', path: `/${env.R2_BUCKET}/big`, body: Buffer.alloc(big, 'x') })), { payload: 'UNSIGNED-PAYLOAD' })), [200], 'the object')
    const down = new Conn(w.port)
    down.socket.pause()
    down.write(bytesOf(inHeader(mine, w.base({ method: 'GET', path: `/${env.R2_BUCKET}/big` }))))
    const up = new Conn(w.port)
    const head = inHeader(mine, w.base({ method: 'PUT', path: `/${env.R2_BUCKET}/k`, headers: [['Content-Length', 1 << 20]] }), { payload: 'UNSIGNED-PAYLOAD' })
    up.write(bytesOf(head))
    up.write(Buffer.alloc(512 << 10, 'y'))
    await new Promise((r) => setTimeout(r, 300))
    const t0 = Date.now()
    const revoked = w.daemon.mustCli(['build', 'revoke', 'in-the-middle'])
    up.write(Buffer.alloc(512 << 10, 'y'))
    const r = await up.answer('PUT')
    assert(r === undefined || (r.status === 403 && r.code === 'InvalidAccessKeyId') || (r.status === 200 && Date.now() - t0 < 1000), r && told(r))
    down.socket.resume()
    const got = await down.answer('GET')
    await revoked
    assert(got.cut, `all of ${got.body.length} bytes were sent to a key that was revoked meanwhile`)
    up.close()
    down.close()
  })
}

// Uploads by a form: the policy decides, and what it does not speak of is refused.
async function forms(w, unchanged) {
  const { key } = w.mine
  const post = (fields, o = {}) => {
    const b = form(fields, o.file, o.name)
    return w.pool.ask(w.sized(w.base({ method: 'POST', path: o.path ?? '/vk-mine', headers: [['Content-Type', b.type], ...(o.headers ?? [])], body: b.body })))
  }
  const signed = (fields, o) => signedFields(key, [['key', 'by-form'], ...fields], o)
  await check('a form is held to its policy', async () => {
    is(await post(signed([])), [204], 'a good one')
    await w.tidy(['by-form'])
    const denied = [403, 'AccessDenied']
    is(await post(signed([], { expires: -1 })), denied, 'expired')
    is(await post([...signed([]), ['x-amz-meta-a', 'not in the policy']]), denied, 'a field more')
    is(await post([...signed([]), ['success_action_redirect', 'https://evil.example']]), denied, 'a redirect more')
    is(await post(signed([], { conditions: [{ bucket: 'vk-other' }] })), denied, 'of another bucket')
    is(await post(signed([['bucket', 'vk-other']])), denied, 'a field that names another bucket')
    is(await post(signed([], { conditions: [['eq', '$key', 'another']] })), denied, 'of another key')
    is(await post(signed([], { conditions: [['starts-with', '$key', 'public/']] })), denied, 'of another folder')
    is(await post(signed([], { conditions: [['content-length-range', 0, 3]] })), [400, 'EntityTooLarge'], 'too large')
    is(await post(signed([], { conditions: [['content-length-range', 1000, 2000]] })), [400, 'EntityTooSmall'], 'too small')
    for (const policy of ['', '{}', '[]', 'null', '{"expiration":"x","conditions":[]}', '{"expiration":"2999-01-01T00:00:00Z"}', '{"conditions":[],"expiration":"2999-01-01T00:00:00Z","more":1}', '{"expiration":"2999-01-01T00:00:00Z","conditions":[["eq","$key"]]}', '{"expiration":"2999-01-01T00:00:00Z","conditions":[["like","$key","x"]]}', '{"Expiration":"2999-01-01T00:00:00Z","conditions":[]}', `{"expiration":"2999-01-01T00:00:00Z","conditions":${'['.repeat(2000)}${']'.repeat(2000)}}`]) { const r = await post(signed([], { policy })); assert(r.status === 400 && ['InvalidPolicyDocument', 'InvalidArgument'].includes(r.code), `${policy.slice(0, 60)}: ${told(r)}`) }
    const changed = signed([]).map(([n, v]) => (n === 'policy' ? [n, v.replace(/^./, 'f')] : [n, v]))
    is(await post(changed), [403, 'SignatureDoesNotMatch'], 'the policy changed')
    for (const part of ['policy', 'x-amz-credential', 'x-amz-date', 'x-amz-signature']) { const r = await post(signed([]).filter(([n]) => n !== part)); assert(r.status >= 400 && r.status < 500, `without ${part}: ${told(r)}`) }
    for (const part of ['policy', 'x-amz-credential', 'x-amz-signature', 'key']) is(await post([...signed([]), signed([]).find(([n]) => n === part)]), [400, 'InvalidArgument'], `${part} twice`)
    is(await post(signed([]).filter(([n]) => n !== 'key')), [400, 'InvalidArgument'], 'no key')
    is(await post(signed([]), { file: null }), [400, 'MalformedPOSTRequest'], 'no file')
    is(await post(signedFields(w.other.key, [['key', 'by-form']])), denied, 'another build’s key')
    is(await post([['key', 'by-form']]), denied, 'no policy at all')
    for (const id of ['AWSAccessKeyId', 'signature']) is(await post([...signed([]), [id, 'x']]), [400, 'InvalidRequest'], id)
    await unchanged()
  })
}
