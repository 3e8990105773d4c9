// What is stored comes back without running anywhere and without becoming anybody else's header.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { bin } from './wire.mjs'
import { encode, form, inHeader, inQuery, signedFields } from './sign.mjs'
import { is } from './auth.mjs'

const told = (r) => (r ? `${r.status} ${r.code ?? ''} ${r.head}\n${r.text.slice(0, 300)}` : 'no answer')
const SANDBOX = "sandbox; default-src 'none'"

export async function run(w) {
  const { key } = w.mine
  const first = await w.print(w.mine)
  const at = '/vk-mine/stored'
  const put = (headers, body = 'stored') => w.ask(key, { method: 'PUT', path: at, headers, body })
  const get = (query, headers) => w.ask(key, { method: 'GET', path: at, query, headers })
  const done = async () => { await w.tidy(['stored']); assertSame(await w.print(w.mine), first, 'the build') }

  await check('what a browser could run is shown in a sandbox, and no type is guessed', async () => {
    const active = ['text/html', 'text/html; charset=utf-8', 'TEXT/HTML', 'image/svg+xml', 'application/xhtml+xml', 'text/xml', 'application/xml', 'application/javascript', 'text/javascript', 'text/css', 'application/octet-stream', 'multipart/x-mixed-replace', 'x', '', 'image/png,text/html', 'image/png;,text/html', 'video/mp4, text/html', 'audio/x,text/html', 'text/plain;a=",text/html', 'text/plain, text/html', 'image/png text/html', 'application/pdf,image/svg+xml', 'image/svg', 'message/rfc822', 'text/vtt', bin('text/html; ü')]
    const inert = ['image/png', 'image/jpeg', 'text/plain', 'text/plain; charset=utf-8', 'video/mp4', 'audio/ogg', 'application/pdf', 'IMAGE/PNG']
    for (const type of [...active, ...inert]) {
      is(await put([['Content-Type', type]], '<script>alert(1)</script>'), [200], type)
      const want = inert.includes(type) ? undefined : SANDBOX
      for (const [what, r] of [['GET', await get()], ['HEAD', await w.ask(key, { method: 'HEAD', path: at })], ['a range', await get('', [['Range', 'bytes=0-3']])], ['presigned', await w.pool.ask(inQuery(key, w.base({ method: 'GET', path: at })))]]) {
        assertSame([r.one('content-security-policy'), r.headers.get('content-security-policy')?.length ?? 0, r.one('x-content-type-options')], [want, want ? 1 : 0, 'nosniff'], `${what} of ${type}`)
        if (type) assertSame(r.headers.get('content-type'), [type], what)
      }
    }
    is(await put([['Content-Type', 'image/png']]), [200])
    for (const type of ['text/html', 'image/svg+xml', 'image/png,text/html']) assertSame((await get(`response-content-type=${encode(type)}`)).one('content-security-policy'), SANDBOX, `asked for as ${type}`)
    is(await put([['Content-Type', 'text/html']]), [200])
    assertSame((await get(`response-content-type=${encode('image/png')}`)).one('content-security-policy'), undefined, 'asked for as a picture')
    is(await put([['Content-Type', 'text/html'], ['Content-Security-Policy', 'default-src *'], ['X-Content-Type-Options', 'sniff'], ['Set-Cookie', 'a=b'], ['Access-Control-Allow-Origin', '*'], ['Location', '/'], ['Refresh', '0'], ['x-amz-meta-content-security-policy', 'x']]), [200])
    const r = await get()
    assertSame([r.headers.get('content-security-policy'), r.headers.get('x-content-type-options'), ...['set-cookie', 'access-control-allow-origin', 'location', 'refresh'].map((h) => r.headers.has(h))], [[SANDBOX], ['nosniff'], false, false, false, false], told(r))
    for (const r of [await get('', [['If-None-Match', '*']]), await w.ask(key, { method: 'GET', path: '/vk-mine/nothing' }), await w.ask(null, { method: 'GET', path: '/vk-mine/k' })]) assertSame(r.one('x-content-type-options'), 'nosniff', told(r))
    await done()
    const shown = await w.ask(w.mine.key, { method: 'PUT', path: '/vk-mine/public/page.html', headers: [['Content-Type', 'text/html']], body: '<script>1</script>' })
    is(shown, [200])
    assertSame((await w.ask(null, { method: 'GET', path: '/vk-mine/public/page.html' })).one('content-security-policy'), SANDBOX, 'a public page')
    await w.tidy(['public/page.html'])
  })

  await check('no header gets into an answer through a header that is stored, wherever it came in', async () => {
    const evil = ['a\r\nSet-Cookie: evil=1', 'a\nSet-Cookie: evil=1', 'a\rSet-Cookie: evil=1', 'a\r\n\r\n<script>', 'a\0b', 'a\x01b', 'a\x7fb', 'a\x1b[0m', 'a\r\n folded']
    const clean = (r, what) => { assert(!/\r\n(set-cookie|x-evil)/i.test(`\r\n${r.head}`) && !/[\0\x01\x7f\x1b]/.test(r.head) && r.status !== 500, `${what}: ${told(r)}`) }
    for (const value of evil) {
      for (const name of ['x-amz-meta-a', 'Cache-Control', 'Content-Disposition']) {
        const url = w.sized(w.base({ method: 'PUT', path: at, query: `${name}=${encode(value)}`, body: 'x' }))
        const r = await w.pool.ask(inQuery(key, url))
        assert(name !== 'x-amz-meta-a' || (r.status === 400 && r.code === 'InvalidArgument'), `in the query, ${JSON.stringify(value)}: ${told(r)}`)
        clean(r, name)
        clean(await get(), name)
        const b = form(signedFields(key, [['key', 'stored'], [name, value]]))
        const f = await w.pool.ask(w.sized(w.base({ method: 'POST', path: '/vk-mine', headers: [['Content-Type', b.type]], body: b.body })))
        is(f, [400, 'InvalidArgument'], `in a form, ${name} ${JSON.stringify(value)}`)
        clean(f, name)
      }
      for (const name of ['content-type', 'content-disposition', 'content-encoding', 'content-language', 'cache-control', 'expires']) {
        is(await put([]), [200])
        is(await get(`response-${name}=${encode(value)}`), [400, 'InvalidArgument'], `response-${name}=${JSON.stringify(value)}`)
      }
      const to = form(signedFields(key, [['key', 'stored'], ['success_action_redirect', `http://127.0.0.1/${value}`]]))
      const sent = await w.pool.ask(w.sized(w.base({ method: 'POST', path: '/vk-mine', headers: [['Content-Type', to.type]], body: to.body })))
      clean(sent, 'success_action_redirect')
      assert(sent.status !== 303, told(sent))
    }
    await done()
  })
  await check('names of metadata are names of headers', async () => {
    const names = ['a\r\nset-cookie: evil=1;b', 'a\nx-evil', 'a: b', 'a b', 'a\tb', 'a:', 'a,b', 'a/b', 'a@b', 'a"b', 'a\x01', '\xff', bin('ü'), '', 'a\0', 'x'.repeat(300)]
    for (const name of names) {
      const full = `x-amz-meta-${name}`
      const r = await w.pool.ask(inQuery(key, w.sized(w.base({ method: 'PUT', path: at, query: `${encode(full)}=v`, body: 'x' }))))
      if (name) is(r, [400, 'InvalidArgument'], `in the query: ${JSON.stringify(full.slice(0, 60))}`)
      const g = await get()
      assert(!/\r\n(set-cookie|x-evil)/i.test(g.head), told(g))
      if (/["\r\n\0]/.test(full)) continue
      const b = form(signedFields(key, [['key', 'stored'], [full, 'v']], { free: [full], conditions: [['starts-with', `$${name === 'ü' ? '' : Buffer.from(full, 'latin1').toString('utf8')}`, '']] }))
      const f = await w.pool.ask(w.sized(w.base({ method: 'POST', path: '/vk-mine', headers: [['Content-Type', b.type]], body: b.body })))
      if (name) assert(f.status >= 400 && f.status < 500, `in a form: ${JSON.stringify(full.slice(0, 60))}: ${told(f)}`)
    }
    for (const [n, v] of [['x-amz-meta-A-B_c.d!#$%&\'*+^`|~', 'value'], ['x-amz-meta-utf', bin('größe ✓')], ['x-amz-meta-latin', 'gr\xf6\xdfe'], ['x-amz-meta-tab', 'a\tb'], ['x-amz-meta-empty', ''], [`x-amz-meta-${'n'.repeat(245)}`, 'long name']]) {
      is(await put([[n, v]]), [200], n)
      const r = await get()
      assertSame(r.headers.get(n.toLowerCase()), [v], n)
      assert(r.head.includes(`\r\n${n.toLowerCase()}: ${v}`), told(r))
    }
    await done()
  })
  await check('metadata is bounded, however it comes', async () => {
    const big = (n) => Array.from({ length: n }, (_, i) => [`x-amz-meta-${i}`, 'v'.repeat(1000)])
    is(await put(big(8)), [200], '8,000 bytes')
    assertSame((await get()).headers.get('x-amz-meta-7'), ['v'.repeat(1000)])
    is(await put(big(9)), [400, 'MetadataTooLarge'], '9,000 bytes')
    is(await put([['x-amz-meta-a', 'v'.repeat(8192)]]), [400, 'MetadataTooLarge'], 'one of 8,193')
    is(await put([['x-amz-meta-a', 'v'.repeat(8191)]]), [200], 'one of 8,192')
    is(await put([[`x-amz-meta-${'n'.repeat(4000)}`, 'v']]), [400, 'InvalidArgument'], 'a name of 4,000')
    const fields = big(12)
    const b = form(signedFields(key, [['key', 'stored'], ...fields]))
    is(await w.pool.ask(w.sized(w.base({ method: 'POST', path: '/vk-mine', headers: [['Content-Type', b.type]], body: b.body }))), [400, 'MetadataTooLarge'], 'in a form')
    const f = form(signedFields(key, [['key', 'stored'], ['x-ignore-a', 'v'.repeat(30000)]]))
    const over = await w.pool.ask(w.sized(w.base({ method: 'POST', path: '/vk-mine', headers: [['Content-Type', f.type]], body: f.body })))
    assert(over.status === 400, told(over))
    const many = form(signedFields(key, [['key', 'stored'], ...Array.from({ length: 500 }, (_, i) => [`x-ignore-${i}`, 'v'])]))
    const lots = await w.pool.ask(w.sized(w.base({ method: 'POST', path: '/vk-mine', headers: [['Content-Type', many.type]], body: many.body })))
    assert(lots.status === 400, told(lots))
    is(await w.ask(key, { method: 'POST', path: at, query: 'uploads=', headers: big(9) }), [400, 'MetadataTooLarge'], 'of an upload')
    is(await w.ask(key, { method: 'PUT', path: '/vk-mine/copied', headers: [['x-amz-copy-source', '/vk-mine/k'], ['x-amz-metadata-directive', 'REPLACE'], ...big(9)] }), [400, 'MetadataTooLarge'], 'of a copy')
    for (const h of [['Content-Disposition', 'd'.repeat(9000)], ['Content-Type', 't'.repeat(9000)], ['Cache-Control', 'c'.repeat(15000)]]) {
      const r = await put([h])
      assert(r.status === 200 || r.status === 400, told(r))
      if (r.status === 200) assertSame((await get()).one(h[0].toLowerCase()), h[1], h[0])
    }
    const all = [['Content-Disposition', 'd'.repeat(2000)], ['Cache-Control', 'c'.repeat(2000)], ['Content-Language', 'l'.repeat(2000)], ['Expires', 'e'.repeat(1000)], ...big(7)]
    const r = await put(all)
    if (r.status === 200) is(await get('', [['Origin', 'https://app.example']]), [200], 'all of it together')
    else is(r, [400, 'MetadataTooLarge'], 'all of it together')
    await done()
  })
  await check('copies take metadata of the source or of the request, and no header of the system in between', async () => {
    is(await put([['x-amz-meta-a', 'source'], ['Content-Type', 'image/png']]), [200])
    is(await w.ask(key, { method: 'PUT', path: '/vk-mine/copied', headers: [['x-amz-copy-source', at], ['x-amz-meta-b', 'request'], ['Content-Type', 'text/html']] }), [200])
    const r = await w.ask(key, { method: 'GET', path: '/vk-mine/copied' })
    assertSame([r.one('x-amz-meta-a'), r.one('x-amz-meta-b'), r.one('content-type')], ['source', undefined, 'image/png'], told(r))
    for (const d of ['copy', 'REPLACE ', 'MERGE', '', 'COPY,REPLACE']) { const x = await w.ask(key, { method: 'PUT', path: '/vk-mine/copied', headers: [['x-amz-copy-source', at], ['x-amz-metadata-directive', d]] }); assert(x.status === 400 || (d === 'REPLACE ' && x.status === 200), `"${d}": ${told(x)}`) }
    await w.tidy(['stored', 'copied'])
  })
  await check('an origin cannot write into an answer, and x-amz-request-id is the one of the document', async () => {
    const rule = (x) => w.ask(key, { method: 'PUT', path: '/vk-mine', query: 'cors=', body: `<CORSConfiguration><CORSRule>${x}<AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>` })
    for (const x of ['<AllowedOrigin>https://a&#13;&#10;Set-Cookie: a=b</AllowedOrigin>', '<AllowedOrigin>*</AllowedOrigin><ExposeHeader>a&#13;&#10;Set-Cookie: b</ExposeHeader>', '<AllowedOrigin>*</AllowedOrigin><AllowedHeader>a&#10;b</AllowedHeader>', '<AllowedOrigin>*</AllowedOrigin><ExposeHeader>a b</ExposeHeader>', '<AllowedOrigin>*</AllowedOrigin><AllowedMethod>TRACE</AllowedMethod>', '<AllowedOrigin>*</AllowedOrigin><MaxAgeSeconds>-1</MaxAgeSeconds>', '<AllowedOrigin>a*b*c</AllowedOrigin>']) is(await rule(x), [400, 'MalformedXML'], x)
    is(await rule('<AllowedOrigin>*</AllowedOrigin><AllowedOrigin>https://*.example</AllowedOrigin>'), [200])
    for (const origin of ['https://a.example, https://b.example', '\xff\xfe', 'x'.repeat(5000), 'null', '*', '"><script>', 'https://a.example\tb']) {
      const r = await w.ask(key, { method: 'GET', path: '/vk-mine/secret.txt', headers: [['Origin', origin]] })
      assert(r.status === 200 && [undefined, '*', origin].includes(r.one('access-control-allow-origin')), told(r))
    }
    for (const bad of ['a\r\nSet-Cookie: x=1', 'a\nb', 'a\0b']) { const r = await w.pool.ask(w.base({ method: 'OPTIONS', path: '/vk-mine/k', headers: [['Origin', bad], ['Access-Control-Request-Method', 'GET']] })); assert(!/\r\nset-cookie/i.test(r.head), told(r)) }
    for (const headers of ['x\x01y', 'a:b', 'x'.repeat(9000), Array.from({ length: 300 }, (_, i) => `x-${i}`).join(), 'a b', 'a;b', '"']) { const r = await w.ask(null, { method: 'OPTIONS', path: '/vk-mine/k', headers: [['Origin', 'https://a.example'], ['Access-Control-Request-Method', 'GET'], ['Access-Control-Request-Headers', headers]] }); assert(r.status >= 400 && r.status < 500, `${headers.slice(0, 30)}: ${told(r)}`) }
    is(await w.ask(key, { method: 'DELETE', path: '/vk-mine', query: 'cors=' }), [204])
    const seen = new Set()
    for (const r of [await w.get(w.mine, 'k'), await w.get(w.mine, 'nothing'), await w.ask(null, { method: 'GET', path: '/' }), await w.ask(key, { method: 'PUT', path: '/vk-mine', query: 'acl=' }), await w.ask(key, { method: 'POST', path: '/vk-mine', query: 'delete=', body: 'x'.repeat(3 << 20) }), await w.pool.ask(Buffer.from(`GET /vk-mine/k HTTP/1.1\r\nHost: evil.example\r\n\r\n`)), await w.pool.ask(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nA B: c\r\n\r\n'))]) {
      const id = r.one('x-amz-request-id')
      assert(id && r.headers.get('x-amz-request-id').length === 1 && (!r.code || r.text.includes(`<RequestId>${id}</RequestId>`)) && !seen.has(id), told(r))
      assert(r.headers.has('date') && r.one('x-content-type-options') === 'nosniff', told(r))
      seen.add(id)
    }
    await done()
  })
  await check('errors show what the client sent as text, and no secret of anybody', async () => {
    for (const path of ['/vk-mine/%3Cscript%3Ealert(1)%3C/script%3E', '/vk-mine/%22%3E%3Cx%3E', "/vk-mine/]]>&lt;<x a='b'>".replace(/[<>]/g, (c) => encode(c)), '/vk-mine/%1b%5b0m', '/vk-mine/%ef%bf%be']) {
      const r = await w.pool.ask(inHeader(key, w.base({ method: 'GET', path })))
      assert(r.one('content-type') === 'application/xml' && !/<script|<x/.test(r.text), told(r))
    }
    const wrong = await w.ask({ id: key.id, secret: 'wrong' }, { method: 'GET', path: '/vk-mine/k' })
    assert(/<StringToSign>AWS4-HMAC-SHA256\n/.test(wrong.text) && /<CanonicalRequest>GET\n/.test(wrong.text), 'it helps with what was signed')
    const secrets = [w.mine, w.other].flatMap((b) => [b.key.secret, b.env.TURSO_AUTH_TOKEN])
    for (const r of [wrong, await w.ask({ id: '0'.repeat(32), secret: 'x' }, { method: 'GET', path: '/vk-mine/k' }), await w.get(w.mine, 'nothing')]) for (const s of secrets) assert(!r.text.includes(s.slice(0, 16)) && !r.head.includes(s.slice(0, 16)), told(r))
    for (const s of secrets) assert(!w.daemon.log.includes(s.slice(0, 16)), 'a secret in the log')
    for (const path of ['/minio/admin/v3/info', '/minio/health/live', '/debug/pprof/', '/metrics', '/?Action=ListUsers', '/.git/config', '/api/v1/builds', '/healthz', '/server-status', '/env']) { const r = await w.ask(null, { method: 'GET', path: path.split('?')[0], query: path.split('?')[1] ?? '' }); assert(r.status === 403 || r.status === 400, `${path}: ${told(r)}`); const s = await w.ask(key, { method: 'POST', path: path.split('?')[0], query: path.split('?')[1] ?? '' }); assert(s.status >= 400 && s.status < 600 && s.status !== 500, `${path}: ${told(s)}`) }
  })
}
