// The status page, without a browser: what it is made of.
import { check, assert, assertSame } from '../lib/tap.mjs'
import { request } from '../lib/daemon.mjs'

export async function page(daemon) {
  const get = (p) => request(daemon.adminUrl + p)

  await check('the page needs no token and asks nothing of strangers', async () => {
    const html = await get('/')
    assertSame([html.status, html.type], [200, 'text/html; charset=utf-8'])
    const csp = html.headers['content-security-policy']
    assert(!csp.includes('unsafe') && csp.includes("frame-ancestors 'none'") && csp.includes("connect-src 'self'"), csp)
    const all = [html, await get('/console.css'), await get('/console.js'), await get('/favicon.svg')]
    for (const r of all) assertSame(r.status, 200)
    for (const r of all) assert(!/https?:\/\/(?!www\.w3\.org\/2000\/svg)/.test(r.text), 'no address of another host')
    assert(!/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/.test(html.text), 'nothing inline')
    for (const m of html.text.matchAll(/(?:src|href)="([^"]+)"/g)) assertSame((await get(m[1])).status, 200, m[1])
  })

  await check('the script keeps the token in memory and out of addresses', async () => {
    const js = (await get('/console.js')).text
    for (const word of ['localStorage', 'sessionStorage', 'document.cookie', 'indexedDB', 'innerHTML', 'eval(', 'location']) assert(!js.includes(word), word)
  })
}
