// What lies around a request: framing of HTTP and of aws-chunked, sizes, slowness, Expect, pipelines; and documents that attack who reads them.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { Daemon } from '../lib/daemon.mjs'
import { Meanwhile } from '../lib/meanwhile.mjs'
import { portBase } from '../lib/ports.mjs'
import { bytesOf, Conn, Pool } from './wire.mjs'
import { form, inHeader, plainChunks, signedFields } from './sign.mjs'
import { is, putIn } from './auth.mjs'

const told = (r) => (r ? `${r.status} ${r.code ?? ''} ${r.text.slice(0, 300)}` : 'no answer')

// Sends bytes on a connection of its own, the rest when the first are on their way; the first answer.
async function raw(w, bytes, { method = 'PUT', rest, ms = 15000 } = {}) {
  const c = new Conn(w.port)
  c.write(bytes)
  if (rest) for (const part of rest) { if (c.over) break; c.write(part) }
  try { return await c.answer(method, { ms }) } finally { c.close() }
}

export async function run(w) {
  const { key } = w.mine
  const first = await w.print(w.mine)
  const unchanged = async () => { await w.tidy([]); assertSame(await w.print(w.mine), first, 'the build') }
  const head = (headers, o = {}) => inHeader(key, w.base({ method: 'PUT', path: '/vk-mine/framed', ...o.request, headers }), { payload: 'UNSIGNED-PAYLOAD', ...o })

  await check('bodies that two readers could read differently are refused, and nothing follows on that connection', async () => {
    const smuggled = bytesOf(inHeader(key, w.base({ method: 'DELETE', path: '/vk-mine/k' }))).toString('latin1')
    for (const [what, headers, body] of [
      ['both lengths', [['Content-Length', 4], ['Transfer-Encoding', 'chunked']], `0\r\n\r\n${smuggled}`],
      ['both lengths, the other way', [['Transfer-Encoding', 'chunked'], ['Content-Length', 5]], `0\r\n\r\n${smuggled}`],
      ['two lengths', [['Content-Length', 0], ['Content-Length', 5]], `12345${smuggled}`],
      ['two equal lengths', [['Content-Length', 5], ['Content-Length', 5]], `12345${smuggled}`],
      ['a list of lengths', [['Content-Length', '5, 5']], `12345${smuggled}`],
      ['a sign', [['Content-Length', '+5']], `12345${smuggled}`],
      ['less than nothing', [['Content-Length', '-1']], smuggled],
      ['in hex', [['Content-Length', '0x5']], `12345${smuggled}`],
      ['2^64 and 5', [['Content-Length', '18446744073709551621']], `12345${smuggled}`],
      ['gzip, chunked', [['Transfer-Encoding', 'gzip, chunked']], `0\r\n\r\n${smuggled}`],
      ['chunked, identity', [['Transfer-Encoding', 'chunked, identity']], `0\r\n\r\n${smuggled}`],
      ['two codings', [['Transfer-Encoding', 'chunked'], ['Transfer-Encoding', 'identity']], `0\r\n\r\n${smuggled}`],
      ['xchunked', [['Transfer-Encoding', 'xchunked']], `0\r\n\r\n${smuggled}`],
      ['identity', [['Transfer-Encoding', 'identity']], smuggled],
    ]) {
      const c = new Conn(w.port)
      c.write(bytesOf({ ...head(headers), body }))
      const r = await c.answer('PUT')
      assert(r && (r.status === 400 || r.status === 501) && r.closes, `${what}: ${told(r)}`)
      assert(await c.answer('DELETE') === undefined, `${what}: what was behind it is answered`)
      c.close()
    }
    for (const h of [['Content-Length ', '4'], ['Transfer-Encoding', '\x0bchunked'], ['X\r\nContent-Length', '4'], ['Content-Length', '4\nX: y']]) { const r = await raw(w, bytesOf({ ...head([h]), body: 'abcd' })); assert(r && r.status >= 400 && r.closes, `${JSON.stringify(h)}: ${told(r)}`) }
    await unchanged()
  })
  await check('pieces of HTTP: sizes, line ends, extensions, trailers', async () => {
    for (const [what, body] of [['-1', '-1\r\nx\r\n0\r\n\r\n'], ['0x10', '0x10\r\n0123456789abcdef\r\n0\r\n\r\n'], ['17 digits', '00000000000000001\r\nx\r\n0\r\n\r\n'], ['17 digits of f', 'fffffffffffffffff\r\nx\r\n0\r\n\r\n'], ['all bits', 'ffffffffffffffff\r\nx\r\n0\r\n\r\n'], ['a line feed alone', '1\nx\n0\n\n'], ['a line feed behind the data', '1\r\nx\n0\r\n\r\n'], ['no size', '\r\nx\r\n0\r\n\r\n'], ['a blank', '1 \r\nx\r\n0\r\n\r\n'], ['a blank in front', ' 1\r\nx\r\n0\r\n\r\n'], ['too much data', '1\r\nxy\r\n0\r\n\r\n'], ['an extension without end', `1;${'x'.repeat(70000)}`], ['a trailer without end', `0\r\n${'x: y\r\n'.repeat(30000)}`]]) {
      const r = await raw(w, bytesOf({ ...head([['Transfer-Encoding', 'chunked']]), body }))
      assert(r && r.status === 400 && r.closes, `${what}: ${told(r)}`)
    }
    await unchanged()
  })
  await check('pieces of aws-chunked: sizes, line ends, extensions, trailers', async () => {
    const FORM = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
    const put = (body, decoded = 1) => w.pool.ask(putIn(w, key, FORM, { decoded, announce: null, end: () => body }))
    is(await put('1\r\nx\r\n0\r\n\r\n'), [200], 'a good one')
    await w.tidy(['in-chunks'])
    const bad = [400, 'InvalidRequest']
    for (const [what, body] of [['-1', '-1\r\nx\r\n0\r\n\r\n'], ['0x1', '0x1\r\nx\r\n0\r\n\r\n'], ['17 digits', '00000000000000001\r\nx\r\n0\r\n\r\n'], ['line feeds', '1\nx\n0\n\n'], ['an extension', '1;chunk-signature=0\r\nx\r\n0\r\n\r\n'], ['an extension without end', `1;${'x'.repeat(1 << 20)}`], ['no size', '\r\nx\r\n0\r\n\r\n'], ['a blank', '1 \r\nx\r\n0\r\n\r\n'], ['more behind the end', '1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n'], ['no line end behind the data', '1\r\nxyz\r\n0\r\n\r\n']]) is(await put(body), bad, what)
    for (const [what, body, decoded] of [['a huge size', 'ffffffffffffffff\r\nx\r\n0\r\n\r\n', 1], ['a size beyond what was announced', '2\r\nxy\r\n0\r\n\r\n', 1], ['an end too early', '0\r\n\r\n', 1], ['cut off', '1\r\nx\r\n', 1], ['nothing', '', 0], ['nothing of one', '', 1], ['half of it', '1\r\nx\r\n0\r\n\r\n', 2]]) is(await put(body, decoded), [400, 'IncompleteBody'], what)
    for (const [what, body] of [['a megabyte of trailers', `1\r\nx\r\n0\r\nx-amz-checksum-crc32:${'A'.repeat(1 << 20)}\r\n\r\n`], ['many trailers', `1\r\nx\r\n0\r\n${'a:b\r\n'.repeat(10000)}\r\n`], ['a trailer without a colon', '1\r\nx\r\n0\r\nabc\r\n\r\n']]) is(await put(body), [400, 'MalformedTrailerError'], what)
    await unchanged()
  })
  await check('every framing of HTTP around every framing inside is read the same', async () => {
    for (const f of ['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'])
      for (const size of [0, 1, 100, 17000, 70000, 300000]) {
        const body = 'abcdefghij'.repeat(size / 10 + 1).slice(0, size)
        const r = putIn(w, key, f, { body, pieces: body.length ? [body.slice(0, body.length / 3), body.slice(body.length / 3)].filter(Boolean) : [] })
        for (const cut of [7, 16384, 1 << 20]) {
          const pieces = (r.body.match(new RegExp(`[^]{1,${size > 1000 ? Math.max(cut, 1000) : cut}}`, 'g')) ?? [])
          const chunked = { ...r, headers: [...r.headers.filter(([n]) => n !== 'Content-Length'), ['Transfer-Encoding', 'chunked']], body: `${plainChunks(pieces)}\r\n` }
          is(await w.pool.ask(chunked), [200], `${f}, ${size} bytes in pieces of ${cut}`)
          const got = await w.get(w.mine, 'in-chunks')
          assert(got.text === body, `${f}, ${size} bytes in pieces of ${cut}: ${got.body.length} bytes came back`)
        }
      }
    await w.tidy(['in-chunks'])
    await unchanged()
  })
  await check('heads: longer than there is room for, many lines, a target that is too long', async () => {
    for (const headers of [[['X-A', 'x'.repeat(1 << 20)]], Array.from({ length: 500 }, (_, i) => [`X-${i}`, 'x']), Array.from({ length: 300 }, (_, i) => [`x-amz-meta-${i}`, 'x'])]) { const r = await raw(w, bytesOf(head(headers))); assert(r && [400, 413, 431].includes(r.status) && r.closes, told(r)) }
    for (const path of [`/vk-mine/${'x'.repeat(20000)}`, `/vk-mine/${'%61'.repeat(9000)}`]) { const r = await raw(w, bytesOf(inHeader(key, w.base({ method: 'GET', path }))), { method: 'GET' }); assert(r && r.status >= 400 && r.status < 500, told(r)) }
    is(await w.ask(key, { method: 'GET', path: '/vk-mine', query: Array.from({ length: 80 }, (_, i) => `a${i}=b`).join('&') }), [400, 'InvalidRequest'], '80 parameters')
    for (const bad of ['/vk-mine/%', '/vk-mine/%2', '/vk-mine/%zz', '/vk-mine/k%']) { const r = await w.pool.ask({ ...w.signed(key, { method: 'GET', path: '/vk-mine/k' }), path: bad }); assert(r.status >= 400 && r.status < 500, `${bad}: ${told(r)}`) }
    for (const line of ['GET  /vk-mine/k HTTP/1.1', 'GET /vk-mine/k HTTP/2.0', 'GET /vk-mine/k', 'GET http://127.0.0.1/vk-mine/k HTTP/1.1', 'GET vk-mine/k HTTP/1.1', 'GET /vk-mine/\x00k HTTP/1.1', 'GET /vk-mine/\xff HTTP/1.1', 'get /vk-mine/k HTTP/1.1', 'PATCH /vk-mine/k HTTP/1.1', 'TRACE /vk-mine/k HTTP/1.1', 'PROPFIND /vk-mine/k HTTP/1.1']) { const r = await raw(w, `${line}\r\nHost: ${w.host}\r\n\r\n`, { method: 'GET' }); assert(r && r.status >= 400, `${line}: ${told(r)}`) }
    for (const host of ['evil.example', 'vk-other.evil.example', '127.0.0.1.evil.example', '', '127.0.0.1:99999', 'a b', 'localhost,127.0.0.1']) { const r = await raw(w, `GET /vk-mine/k HTTP/1.1\r\nHost: ${host}\r\n\r\n`, { method: 'GET' }); assert(r && [400, 421].includes(r.status), `Host ${host}: ${told(r)}`) }
    const vhost = await w.pool.ask(inHeader(key, { method: 'GET', path: '/builds/other/k', query: '', body: '', headers: [['Host', `vk-other.localhost:${w.port}`]] }))
    is(vhost, [403, 'AccessDenied'], 'another bucket in the host')
    is(await w.pool.ask(inHeader(key, { method: 'GET', path: '/../vk-other/k', query: '', body: '', headers: [['Host', `vk-mine.localhost:${w.port}`]] })), [400, 'InvalidObjectName'], 'dots below a bucket in the host')
    is(await w.pool.ask(inHeader(key, { method: 'GET', path: '/k', query: '', body: '', headers: [['Host', `vk-mine.localhost:${w.port}`]] })), [200], 'the own bucket in the host')
    await unchanged()
  })
  await check('behind an error the next request of a pipeline is another request', async () => {
    const good = bytesOf(w.signed(key, { method: 'GET', path: '/vk-mine/k' }))
    const bad = { id: key.id, secret: 'wrong' }
    const c = new Conn(w.port)
    c.write(Buffer.concat([bytesOf(w.signed(bad, { method: 'PUT', path: '/vk-mine/k', body: 'GET /vk-other/k HTTP/1.1\r\n\r\n' })), good, bytesOf(w.signed(bad, { method: 'GET', path: '/vk-mine/k' })), bytesOf(w.base({ method: 'GET', path: '/vk-mine/k' })), good]))
    is(await c.answer('PUT'), [403, 'SignatureDoesNotMatch'], 'the first')
    is(await c.answer(), [200], 'the second')
    is(await c.answer(), [403, 'SignatureDoesNotMatch'], 'the third')
    is(await c.answer(), [403, 'AccessDenied'], 'the fourth, unsigned on a connection that was signed on')
    is(await c.answer(), [200], 'the fifth')
    c.close()
    // A body of unknown length that was refused is not read as requests.
    const d = new Conn(w.port)
    d.write(Buffer.concat([bytesOf({ ...inHeader(bad, w.base({ method: 'PUT', path: '/vk-mine/k', headers: [['Transfer-Encoding', 'chunked']] }), { payload: 'UNSIGNED-PAYLOAD' }), body: '5\r\nabcde\r\n0\r\n\r\n' }), good]))
    is(await d.answer('PUT'), [403, 'SignatureDoesNotMatch'], 'in chunks')
    assert(await d.answer() === undefined, 'the connection went on')
    d.close()
    await unchanged()
  })
  await check('Expect: 100 Continue comes after signature, scope and quota, and not before', async () => {
    const put = (k, path, length, payload = 'UNSIGNED-PAYLOAD', more = []) => bytesOf(inHeader(k, w.base({ method: 'PUT', path, headers: [['Content-Length', length], ['Expect', '100-continue'], ...more] }), { payload }))
    for (const [what, bytes, want] of [
      ['a wrong secret', put({ id: key.id, secret: 'wrong' }, '/vk-mine/e', 100), [403, 'SignatureDoesNotMatch']],
      ['an unknown id', put({ id: '1'.repeat(32), secret: 'wrong' }, '/vk-mine/e', 100), [403, 'InvalidAccessKeyId']],
      ['no signature', bytesOf(w.base({ method: 'PUT', path: '/vk-mine/e', headers: [['Content-Length', 100], ['Expect', '100-continue']] })), [403, 'AccessDenied']],
      ['another build', put(key, '/vk-mine/builds/other/k', 100), [403, 'AccessDenied']],
      ['another bucket', put(key, '/vk-other/k', 100), [403, 'AccessDenied']],
      ['dots', put(key, '/vk-mine/../vk-other/k', 100), [400, 'InvalidObjectName']],
      ['more than the quota', put(key, '/vk-mine/e', 100 << 20), [403, 'QuotaExceeded']],
      ['more than an object may have', put(key, '/vk-mine/e', 2 ** 50), [400, 'EntityTooLarge']],
      ['a wrong secret, streaming', put({ id: key.id, secret: 'wrong' }, '/vk-mine/e', 100, 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', [['x-amz-decoded-content-length', 50]]), [403, 'SignatureDoesNotMatch']],
      ['a delete', bytesOf(inHeader({ id: key.id, secret: 'wrong' }, w.base({ method: 'POST', path: '/vk-mine', query: 'delete=', headers: [['Content-Length', 100], ['Expect', '100-continue']] }))), [403, 'SignatureDoesNotMatch']],
      ['metadata that is too large', put(key, '/vk-mine/e', 100, 'UNSIGNED-PAYLOAD', [['x-amz-meta-a', 'x'.repeat(9000)]]), [400, 'MetadataTooLarge']],
    ]) {
      const c = new Conn(w.port)
      c.write(bytes)
      const r = await c.answer('PUT', { interim: true })
      is(r, want, what)
      assert(r.closes, `${what}: the connection goes on, though its body may follow`)
      c.close()
    }
    const c = new Conn(w.port)
    c.write(put(key, '/vk-mine/e', 40000))
    assertSame((await c.answer('PUT', { interim: true }))?.status, 100, 'a good one')
    c.write(Buffer.alloc(40000, 'e'))
    is(await c.answer('PUT'), [200], 'its end')
    c.close()
    await w.tidy(['e'])
  })
  await check('a refusal is heard also while the client is still sending', async () => {
    for (const size of [1 << 10, 200 << 10, 3 << 20]) {
      const c = new Conn(w.port)
      c.write(bytesOf({ ...inHeader({ id: key.id, secret: 'wrong' }, w.base({ method: 'PUT', path: '/vk-mine/k', headers: [['Content-Length', size]] }), { payload: 'UNSIGNED-PAYLOAD' }), body: Buffer.alloc(size, 'x') }))
      is(await c.answer('PUT'), [403, 'SignatureDoesNotMatch'], `${size} bytes`)
      c.close()
    }
  })
  await check('what a build may store is counted while it comes, and given back when it does not stay', async () => {
    const before = w.usage(w.mine)
    const put = (headers, body) => raw(w, bytesOf({ ...inHeader(key, w.base({ method: 'PUT', path: '/vk-mine/quota', headers }), { payload: 'UNSIGNED-PAYLOAD' }), body: '' }), { rest: body })
    is(await put([['Content-Length', 65 << 20]], []), [403, 'QuotaExceeded'], 'announced')
    const r = await put([['Transfer-Encoding', 'chunked']], Array.from({ length: 70 }, () => Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(1 << 20, 'q'), Buffer.from('\r\n')])))
    is(r, [403, 'QuotaExceeded'], 'not announced')
    // Several at once, each of which fits alone: together they must not.
    const held = []
    const some = await Promise.all(Array.from({ length: 6 }, () => { const c = new Conn(w.port); held.push(c); c.write(bytesOf(inHeader(key, w.base({ method: 'PUT', path: '/vk-mine/quota', headers: [['Content-Length', 15 << 20], ['Expect', '100-continue']] }), { payload: 'UNSIGNED-PAYLOAD' }))); return c.answer('PUT', { interim: true }).then((a) => a.status) }))
    for (const c of held) c.close()
    assert(some.filter((s) => s === 100).length <= 4 && some.filter((s) => s === 403).length >= 2, `${some}`)
    for (let i = 0; i < 50; i++) if ((await w.pool.ask(inHeader(key, w.sized(w.base({ method: 'PUT', path: '/vk-mine/quota', body: Buffer.alloc(40 << 20, 'q') })), { payload: 'UNSIGNED-PAYLOAD' }))).status === 200) break
    assert((await w.get(w.mine, 'quota')).status === 200, 'room that was taken by nobody is not given back')
    await w.tidy(['quota'])
    assertSame(w.usage(w.mine), before, 'usage')
  })
  await check('a client that goes in the middle leaves nothing', async () => {
    for (const f of ['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'])
      for (const size of [100, 20000, 500000]) {
        const r = bytesOf(putIn(w, key, f, { body: 'g'.repeat(size) }))
        for (const part of [0.3, 0.6, 0.99]) { const c = new Conn(w.port); c.write(r.subarray(0, Math.floor(r.length * part))); await new Promise((ok) => c.socket.once('connect', ok)); await new Promise((ok) => setTimeout(ok, 5)); c.close() }
      }
    const b = form(signedFields(key, [['key', 'gone']]), 'z'.repeat(300000))
    const r = bytesOf(w.sized(w.base({ method: 'POST', path: '/vk-mine', headers: [['Content-Type', b.type]], body: b.body })))
    for (const part of [0.001, 0.5, 0.999]) { const c = new Conn(w.port); c.write(r.subarray(0, Math.floor(r.length * part))); await new Promise((ok) => setTimeout(ok, 10)); c.close() }
    await new Promise((ok) => setTimeout(ok, 200))
    await unchanged()
  })
  await xml(w, unchanged)
  await slow()
}

async function xml(w, unchanged) {
  const { key } = w.mine
  const ask = (query, body, path = '/vk-mine', method = 'POST') => w.ask(key, { method, path, query, body })
  const MALFORMED = [400, 'MalformedXML']
  await check('documents that attack who reads them are malformed ones', async () => {
    const key = '<Object><Key>k</Key></Object>'
    const wrap = (front, inside = key) => `${front}<Delete>${inside}</Delete>`
    const bombs = [
      ['a DTD', wrap('<!DOCTYPE Delete>')],
      ['an entity', wrap('<!DOCTYPE Delete [<!ENTITY a "k">]>', '<Object><Key>&a;</Key></Object>')],
      ['entities that grow', wrap(`<!DOCTYPE Delete [<!ENTITY a "aaaaaaaaaa">${'bcdefghijk'.split('').map((c) => `<!ENTITY ${c} "${`&${String.fromCharCode(c.charCodeAt(0) - 1)};`.repeat(10)}">`).join('')}]>`, '<Object><Key>&k;</Key></Object>')],
      ['one long entity many times', wrap(`<!DOCTYPE Delete [<!ENTITY a "${'a'.repeat(50000)}">]>`, `<Object><Key>${'&a;'.repeat(50000)}</Key></Object>`)],
      ['an external entity', wrap('<!DOCTYPE Delete [<!ENTITY a SYSTEM "file:///etc/passwd">]>', '<Object><Key>&a;</Key></Object>')],
      ['an external DTD', wrap(`<!DOCTYPE Delete SYSTEM "http://${w.host}/vk-mine/public/x.dtd">`)],
      ['a parameter entity', wrap('<!DOCTYPE Delete [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]>')],
      ['an entity that nobody knows', wrap('', '<Object><Key>&nbsp;</Key></Object>')],
      ['10^5 elements in each other', `<Delete>${'<a>'.repeat(100000)}${'</a>'.repeat(100000)}</Delete>`],
      ['60,000 of its own in each other', `${'<Delete>'.repeat(60000)}`],
      ['1001 keys', wrap('', key.repeat(1001))],
      ['no keys', wrap('', '')],
      ['a key twice in an entry', wrap('', '<Object><Key>k</Key><Key>secret.txt</Key></Object>')],
      ['no key', wrap('', '<Object></Object>')],
      ['an empty key', wrap('', '<Object><Key></Key></Object>')],
      ['text between', wrap('', `text${key}`)],
      ['another root', `<Remove>${key}</Remove>`],
      ['two roots', wrap('') + wrap('')],
      ['an element nobody knows', wrap('', `<Force>true</Force>${key}`)],
      ['nothing', ''],
      ['no XML', 'k'],
      ['a cut document', wrap('').slice(0, -3)],
      ['a NUL', wrap('', '<Object><Key>k\0</Key></Object>')],
      ['a reference to a NUL', wrap('', '<Object><Key>k&#0;</Key></Object>')],
      ['no UTF-8', wrap('', '<Object><Key>k\xff</Key></Object>')],
      ['UTF-16', `\xff\xfe${[...wrap('')].map((c) => `${c}\0`).join('')}`],
      ['10^4 attributes of one name', `<Delete ${'a="b" '.repeat(10000)}>${key}</Delete>`],
    ]
    for (const [what, body] of bombs) is(await ask('delete=', body), MALFORMED, what)
    const long = await ask('delete=', wrap('', `<Object><Key>${'k'.repeat(20000)}</Key></Object>`))
    assert(long.code === 'KeyTooLongError' || long.code === 'MalformedXML', `a long key: ${told(long)}`)
    for (const body of [wrap('', ' '.repeat(3 << 20)), `<Delete>${'<a>'.repeat(1e6)}</Delete>`]) { const r = await ask('delete=', body); assert(r.status >= 400 && r.status < 500, `${body.length} bytes: ${told(r)}`) }
    for (const [query, path, method] of [['cors=', '/vk-mine', 'PUT'], [`uploadId=${w.mine.upload}`, '/vk-mine/unfinished', 'POST'], ['', '/vk-mine', 'PUT']])
      for (const [what, body] of bombs.filter(([what, b]) => b && (what !== 'no keys' || query))) {
        const r = await ask(query, body.replaceAll('Delete', query.startsWith('cors') ? 'CORSConfiguration' : query ? 'CompleteMultipartUpload' : 'CreateBucketConfiguration'), path, method)
        is(r, MALFORMED, `${method} ${path}?${query}: ${what}`)
      }
    const numbers = [0, -1, 10001, 1e10, 'x', '', '1 2', '0x1'].map((n) => `<CompleteMultipartUpload><Part><PartNumber>${n}</PartNumber><ETag>"${'0'.repeat(32)}"</ETag></Part></CompleteMultipartUpload>`)
    for (const body of numbers) is(await ask(`uploadId=${w.mine.upload}`, body, '/vk-mine/unfinished'), MALFORMED, body)
    for (const etag of ['', '"', '""', 'x', '"../../other"', `"${'0'.repeat(31)}"`, `"${'0'.repeat(32)}-1"`]) { const r = await ask(`uploadId=${w.mine.upload}`, `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`, '/vk-mine/unfinished'); assert(r.status === 400 && ['InvalidPart', 'MalformedXML'].includes(r.code), `${etag}: ${told(r)}`) }
    await unchanged()
  })
  await check('numbers in queries are numbers within their bounds, and never an internal error', async () => {
    for (const n of ['-1', 'x', '1.5', '1e3', '0x10', '99999999999', '-99999999999999999999', '%00', '1%20', '+1']) {
      for (const q of ['max-keys', 'list-type=2&max-keys', 'versions=&max-keys', 'uploads=&max-uploads']) is(await ask(`${q}=${n}`, '', '/vk-mine', 'GET'), [400, 'InvalidArgument'], `${q}=${n}`)
      for (const q of ['max-parts', 'part-number-marker']) is(await ask(`uploadId=${w.mine.upload}&${q}=${n}`, '', '/vk-mine/unfinished', 'GET'), [400, 'InvalidArgument'], `${q}=${n}`)
      is(await ask(`partNumber=${n}`, '', '/vk-mine/k', 'GET'), [400, 'InvalidArgument'], `partNumber=${n}`)
      is(await ask(`partNumber=${n}&uploadId=${w.mine.upload}`, 'x', '/vk-mine/unfinished', 'PUT'), [400, 'InvalidArgument'], `partNumber=${n}`)
    }
    for (const id of ['', 'x', '../../x', '%00', '0'.repeat(31), '0'.repeat(33), 'g'.repeat(32), '0'.repeat(5000)]) for (const [method, more] of [['PUT', '&partNumber=1'], ['GET', ''], ['DELETE', ''], ['POST', '']]) { const r = await ask(`uploadId=${id}${more}`, method === 'POST' ? '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>' : '', '/vk-mine/unfinished', method); assert(r.status === 404 || r.status === 400, `${method} uploadId=${id.slice(0, 40)}: ${told(r)}`) }
    for (const range of ['bytes=0-', 'bytes=-1', 'bytes=9-1', 'bytes=a-b', 'bytes=-0', 'bytes=99999999999999999999-', 'bytes=0-99999999999999999999', 'bytes=-99999999999999999999', 'bytes=0-0,2-2', `bytes=${'0-0,'.repeat(2000)}`, 'bytes=', 'bytes', '=0-1', 'lines=0-1', 'bytes=0-0-0', 'bytes=\xff-']) { const r = await w.ask(key, { method: 'GET', path: '/vk-mine/k', headers: [['Range', range]] }); assert([200, 206, 416].includes(r.status), `Range ${range.slice(0, 40)}: ${told(r)}`) }
    await unchanged()
  })
}

// A daemon that is quick to lose its patience: bodies that come drop by drop.
async function slow() {
  await check('a body that comes more slowly than the limit is given up, and does not stay', async () => {
    const daemon = new Daemon({ portBase: await portBase(), args: ['--limit', 'slow_rate=1000', '--limit', 'slow_time=1s'] })
    await daemon.start()
    const { env } = await daemon.createBuild('slow')
    const key = { id: env.R2_ACCESS_KEY_ID, secret: env.R2_SECRET_ACCESS_KEY }
    const host = new URL(env.R2_ENDPOINT).host
    const port = Number(host.split(':')[1])
    const put = (payload, headers) => bytesOf(inHeader(key, { method: 'PUT', path: `/${env.R2_BUCKET}/k`, query: '', body: '', headers: [['Host', host], ...headers] }, { payload }))
    const b = form(signedFields(key, [['key', 'k']]), 'x'.repeat(100000))
    await Promise.all([[put('UNSIGNED-PAYLOAD', [['Content-Length', 100000]])], [put('UNSIGNED-PAYLOAD', [['Content-Length', 100]])], [put('UNSIGNED-PAYLOAD', [['Transfer-Encoding', 'chunked']]), '186a0\r\n'], [put('STREAMING-UNSIGNED-PAYLOAD-TRAILER', [['Content-Length', 100100], ['x-amz-decoded-content-length', 100000]]), '186a0\r\n'], [Buffer.concat([bytesOf({ method: 'POST', path: `/${env.R2_BUCKET}`, query: '', body: '', headers: [['Host', host], ['Content-Type', b.type], ['Content-Length', b.body.length]] }), Buffer.from(b.body.slice(0, 3000))])]].map(async ([head, more]) => {
      const m = new Meanwhile()
      const t0 = performance.now()
      const c = new Conn(port)
      c.write(head)
      if (more) c.write(more)
      const drops = setInterval(() => c.write('x'), 300)
      try {
        const r = await c.answer('PUT', { ms: 30000 })
        assert(r === undefined || r.status === 408 || (r.status === 400 && r.code === 'RequestTimeout'), told(r))
        assert(r === undefined || r.code === 'RequestTimeout', told(r))
      } finally { clearInterval(drops); c.close() }
      assert(m.allows(performance.now() - t0, 6000), `it took ${performance.now() - t0} ms`)
    }))
    const pool = new Pool(port)
    const r = await pool.ask(inHeader(key, { method: 'GET', path: `/${env.R2_BUCKET}`, query: '', body: '', headers: [['Host', host]] }))
    assert(r.status === 200 && !r.text.includes('<Key>'), told(r))
    pool.close()
    await daemon.stop()
  })
}
