// An app's page (an origin of the build), a page of somebody else, and objects that are pages themselves. Screenshot: tests/.work/.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'
import { cleanUp, root } from '../lib/daemon.mjs'
import { install } from '../lib/project.mjs'
import { Storage, raw } from '../lib/s3.mjs'
import { assert, assertSame, check, finish, note } from '../lib/tap.mjs'

for (const suite of ['browser', 's3sdk']) await install(path.join(root, 'tests', suite))
const { Browser, chromium, shots, stopAll } = await import('../browser/harness.mjs')
const sdk = createRequire(path.join(root, 'tests/s3sdk/package.json'))
const { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, GetObjectCommand, PutObjectCommand, S3Client, UploadPartCommand } = sdk('@aws-sdk/client-s3')
const { getSignedUrl } = sdk('@aws-sdk/s3-request-presigner')
const { createPresignedPost } = sdk('@aws-sdk/s3-presigned-post')

const md5 = (text) => createHash('md5').update(text).digest('hex')
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNk+M9Qz0AEYBxVSF+FABJADveWkH6oAAAAAElFTkSuQmCC', 'base64')

const storage = await Storage.start()
const port = (storage.base ?? 29800) + 50

// What scripts in objects call when they run: [path and query].
const calls = []
let ownPage = ''
const servers = [port, port + 1].map((p) => http.createServer((req, res) => {
  if (req.url === '/own.html') return res.setHeader('content-type', 'text/html').end(ownPage)
  if (req.url !== '/') calls.push(req.url)
  res.setHeader('content-type', 'text/html').setHeader('access-control-allow-origin', '*')
  res.end('<!doctype html><title>A page</title><h1>A page of another origin</h1><ul id="log"></ul>')
}).listen(p, '127.0.0.1'))
const mine = `http://localhost:${port}`
const theirs = `http://localhost:${port + 1}`

async function main() {
  const { id, env } = await storage.build('browser', ['--origin', mine])
  const s3 = new S3Client({ endpoint: env.R2_ENDPOINT, region: env.AWS_REGION, credentials: { accessKeyId: env.R2_ACCESS_KEY_ID, secretAccessKey: env.R2_SECRET_ACCESS_KEY }, maxAttempts: 1, forcePathStyle: true })
  const Bucket = env.R2_BUCKET
  const put = (Key, more) => getSignedUrl(s3, new PutObjectCommand({ Bucket, Key, ...more }), { expiresIn: 60 })
  const get = (Key, more) => getSignedUrl(s3, new GetObjectCommand({ Bucket, Key, ...more }), { expiresIn: 60 })
  const stored = async (key) => { const r = await raw(env, { key }); return r.status === 200 ? r.raw : r.status }
  const browser = await Browser.open()
  const { page } = browser

  await page.goto(mine)
  await check('a page of the build puts a file by a presigned URL and reads its ETag', async () => {
    const r = await page.evaluate(async (url) => {
      const r = await fetch(url, { method: 'PUT', body: new Blob(['from the page'], { type: 'text/markdown' }) })
      return [r.status, r.headers.get('etag'), r.type]
    }, await put('page.md'))
    assertSame(r, [200, `"${md5('from the page')}"`, 'cors'])
    assertSame(String(await stored('page.md')), 'from the page')
  })
  await check('it reads it again, a range of it, and its headers', async () => {
    const r = await page.evaluate(async (url) => {
      const all = await fetch(url)
      const part = await fetch(url, { headers: { range: 'bytes=5-7' } })
      return [await all.text(), all.headers.get('etag')?.length, all.headers.get('content-type'), part.status, await part.text()]
    }, await get('page.md'))
    assertSame(r, ['from the page', 34, 'text/markdown', 206, 'the'])
  })
  await check('it sends a form, 3 MiB and small, with progress as XMLHttpRequest tells it', async () => {
    const form = await createPresignedPost(s3, { Bucket, Key: 'form/${filename}', Expires: 60, Conditions: [['content-length-range', 0, 5 << 20], ['starts-with', '$Content-Type', '']] })
    const r = await page.evaluate(({ url, fields }) => Promise.all([[3 << 20, 'large ü.bin'], [3, 'small.txt']].map(([n, name]) => new Promise((resolve, reject) => {
      const body = new FormData()
      for (const [k, v] of Object.entries({ ...fields, 'Content-Type': 'text/x-form' })) body.append(k, v)
      body.append('file', new Blob([new Uint8Array(n).fill(65)]), name)
      const x = new XMLHttpRequest()
      let progress = 0
      x.upload.onprogress = (e) => (progress = e.loaded)
      x.onload = () => resolve([x.status, x.getResponseHeader('etag')?.length, progress > n])
      x.onerror = () => reject(new Error(`network error for ${name}`))
      x.open('POST', url)
      x.send(body)
    }))), form)
    assertSame(r, [[204, 34, true], [204, 34, true]])
    assertSame([(await stored('form/large ü.bin')).length, String(await stored('form/small.txt'))], [3 << 20, 'AAA'])
  })
  await check('a plain form, without script, comes back to the page by success_action_redirect', async () => {
    const form = await createPresignedPost(s3, { Bucket, Key: 'plain-form.txt', Expires: 60, Fields: { success_action_redirect: `${mine}/` } })
    await page.evaluate(({ url, fields }) => {
      const f = document.createElement('form')
      Object.assign(f, { action: url, method: 'post', enctype: 'multipart/form-data', id: 'upload' })
      for (const [name, value] of Object.entries(fields)) f.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }))
      f.append(Object.assign(document.createElement('input'), { type: 'file', name: 'file' }))
      document.body.append(f)
    }, form)
    await page.setInputFiles('#upload input[type=file]', { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('plain') })
    await Promise.all([page.waitForURL((u) => u.href.startsWith(mine) && u.searchParams.has('etag')), page.evaluate(() => document.querySelector('#upload').submit())])
    const to = new URL(page.url())
    assertSame([to.searchParams.get('bucket'), to.searchParams.get('key'), String(await stored('plain-form.txt'))], [Bucket, 'plain-form.txt', 'plain'])
    await page.goto(mine)
  })
  await check('it sends the parts of an upload, whose ETags complete it', async () => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }))
    const urls = await Promise.all([1, 2].map((PartNumber) => getSignedUrl(s3, new UploadPartCommand({ Bucket, Key: 'parts', UploadId, PartNumber }), { expiresIn: 60 })))
    const etags = await page.evaluate((urls) => Promise.all(urls.map(async (url, i) => (await fetch(url, { method: 'PUT', body: new Uint8Array(i ? 10 : 5 << 20).fill(66 + i) })).headers.get('etag'))), urls)
    await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'parts', UploadId, MultipartUpload: { Parts: etags.map((ETag, i) => ({ ETag, PartNumber: i + 1 })) } }))
    assert((await stored('parts')).equals(Buffer.concat([Buffer.alloc(5 << 20, 66), Buffer.alloc(10, 67)])), 'the object differs')
  })
  await check('errors are readable in the page, not "Failed to fetch"', async () => {
    const wrong = (await get('page.md')).replace(/X-Amz-Signature=./, (m) => `${m.slice(0, -1)}${m.at(-1) === '0' ? '1' : '0'}`)
    const r = await page.evaluate((urls) => Promise.all(urls.map(async (u) => { const r = await fetch(u); return [r.status, /<Code>([^<]*)/.exec(await r.text())?.[1]] })), [await get('absent'), wrong])
    assertSame(r, [[404, 'NoSuchKey'], [403, 'SignatureDoesNotMatch']])
  })
  await check('what is refused while a large body is on its way is readable too: a signature, a size', async () => {
    const wrong = (await put('refused')).replace(/X-Amz-Signature=./, (m) => `${m.slice(0, -1)}${m.at(-1) === '0' ? '1' : '0'}`)
    const form = await createPresignedPost(s3, { Bucket, Key: 'refused', Expires: 60, Conditions: [['content-length-range', 0, 1 << 20]] })
    const r = await page.evaluate(async ([wrong, form]) => {
      const out = []
      for (const n of [100_000, 5 << 20, 20 << 20]) {
        const body = new FormData()
        for (const [k, v] of Object.entries(form.fields)) body.append(k, v)
        body.append('file', new Blob([new Uint8Array(n)]))
        const told = (p) => p.then(async (r) => `${r.status} ${/<Code>([^<]*)/.exec(await r.text())?.[1]}`, (e) => e.message)
        out.push([n, await told(fetch(wrong, { method: 'PUT', body: new Uint8Array(n) })), await told(fetch(form.url, { method: 'POST', body }))])
      }
      return out
    }, [wrong, form])
    assertSame(r, [[100_000, '403 SignatureDoesNotMatch', '204 undefined'], [5 << 20, '403 SignatureDoesNotMatch', '400 EntityTooLarge'], [20 << 20, '403 SignatureDoesNotMatch', '400 EntityTooLarge']])
  })
  await check('an image is shown, and a script of another origin reads none of its pixels without leave', async () => {
    await raw(env, { method: 'PUT', key: 'a.png', body: PNG, headers: { 'content-type': 'image/png' } })
    const r = await page.evaluate((url) => Promise.all([undefined, 'anonymous'].map((crossOrigin) => new Promise((resolve) => {
      const img = Object.assign(new Image(), crossOrigin ? { crossOrigin } : {})
      img.onload = () => {
        const c = document.createElement('canvas').getContext('2d')
        c.drawImage(img, 0, 0)
        try { c.getImageData(0, 0, 1, 1); resolve([img.naturalWidth, 'read']) } catch (e) { resolve([img.naturalWidth, e.name]) }
        document.querySelector('#log').append(img)
      }
      img.onerror = () => resolve('not shown')
      img.src = url + (crossOrigin ? '' : '#plain')
    }))), await get('a.png'))
    assertSame(r, [[10, 'SecurityError'], [10, 'read']])
  })
  fs.mkdirSync(shots, { recursive: true })
  await page.screenshot({ path: path.join(shots, 's3browser-page.png') })

  await check('a page of another origin can neither put nor read', async () => {
    await page.goto(theirs)
    const form = await createPresignedPost(s3, { Bucket, Key: 'theirs-form', Expires: 60 })
    const r = await page.evaluate(async ([putUrl, getUrl, form]) => {
      const body = new FormData()
      for (const [k, v] of Object.entries(form.fields)) body.append(k, v)
      body.append('file', new Blob(['x']))
      const tries = [() => fetch(putUrl, { method: 'PUT', body: 'x' }), () => fetch(getUrl), () => fetch(getUrl, { method: 'DELETE' }), () => fetch(form.url, { method: 'POST', body })]
      return Promise.all(tries.map((t) => t().then((r) => `answer ${r.status}`, (e) => e.name)))
    }, [await put('theirs'), await get('page.md'), form])
    assertSame(r, ['TypeError', 'TypeError', 'TypeError', 'TypeError'])
    assertSame([await stored('theirs'), String(await stored('page.md'))], [404, 'from the page'])
  })
  if (storage.own) await check('`valetkey build origins` takes effect at once, both ways', async () => {
    const put2 = async () => page.evaluate((url) => fetch(url, { method: 'PUT', body: 'x' }).then((r) => r.status, (e) => e.name), await put('later'))
    await storage.daemon.mustCli(['build', 'origins', id, mine, theirs])
    assertSame(await put2(), 200)
    await storage.daemon.mustCli(['build', 'origins', id, mine])
    // A preflight may be kept by the browser; one of another method is not.
    assertSame(await page.evaluate((url) => fetch(url).then((r) => r.status, (e) => e.name), await get('page.md')), 'TypeError')
  })

  // Each of them tells when its script runs, and on which origin.
  const script = (name) => `new Image().src='${mine}/ran?${name}='+encodeURIComponent(self.origin);document.title='script ran'`
  const pages = {
    'page.html': ['text/html', `<!doctype html><title>quiet</title><p>An object that is a page</p><script>${script('html')}</script>`],
    'picture.svg': ['image/svg+xml', `<svg xmlns="http://www.w3.org/2000/svg"><script>${script('svg').replaceAll('&', '&amp;')}</script><circle r="9"/></svg>`],
    'page.xhtml': ['application/xhtml+xml', `<html xmlns="http://www.w3.org/1999/xhtml"><head><title>quiet</title></head><body><p>x</p><script>${script('xhtml')}</script></body></html>`],
    'sniffed.txt': ['text/plain', `<!doctype html><title>quiet</title><script>${script('txt')}</script>`],
    'untyped': [undefined, `<!doctype html><title>quiet</title><script>${script('untyped')}</script>`],
  }
  for (const [name, [type, body]] of Object.entries(pages)) {
    await check(`${name}: opened in the browser, its script does not run on an origin of ours`, async () => {
      calls.length = 0
      await raw(env, { method: 'PUT', key: name, body, headers: type ? { 'content-type': type } : {} })
      const urls = [await get(name), await get(name, { ResponseContentType: 'text/html', ResponseContentDisposition: 'inline' })]
      for (const url of urls) await page.goto(url, { waitUntil: 'load' }).catch((e) => assert(/Download is starting|ERR_ABORTED/.test(e.message), e.message))
      await page.waitForTimeout(150)
      const ran = calls.filter((c) => c.startsWith('/ran') && !c.endsWith('=null')).map(decodeURIComponent)
      assertSame(ran, [], 'scripts that ran, and where')
    })
  }
  if (calls.length) note(`ran in a sandbox: ${calls.join(' ')}`)
  await check('the same page on an origin of its own does run (so that the checks above can fail)', async () => {
    calls.length = 0
    ownPage = pages['page.html'][1]
    await page.goto(`${theirs}/own.html`)
    await page.waitForTimeout(150)
    assertSame(calls.filter((c) => c.startsWith('/ran')).map(decodeURIComponent), [`/ran?html=${theirs}`])
  })
}


try {
  if (await check('there is a Chromium', () => (chromium ? undefined : 'none is in PATH: install it (tools/install test), or set CHROMIUM to one'))) await check('the checks in the browser ran to their end', main)
} finally {
  await stopAll()
  for (const s of servers) { s.close(); s.closeAllConnections() }
  await storage.stop()
  await cleanUp()
}
finish()
