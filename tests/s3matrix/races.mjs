// Several clients at once on one key, one upload, one build: what is answered is what is there afterwards.
import { assert, assertSame, check } from '../lib/tap.mjs'
import { bytesOf, Conn } from './wire.mjs'
import { inHeader } from './sign.mjs'
import { is } from './auth.mjs'

const told = (r) => (r ? `${r.status} ${r.code ?? ''} ${r.text.slice(0, 300)}` : 'no answer')
const all = (n, fn) => Promise.all(Array.from({ length: n }, (_, i) => fn(i)))

export async function run(w) {
  const { key } = w.mine
  const first = await w.print(w.mine)
  const put = (path, body, headers, k = key) => w.ask(k, { method: 'PUT', path, body, headers })

  await check('of many writers that want to be the first one is, and it is the one that was told so', async () => {
    for (let round = 0; round < 10; round++) {
      const size = [10, 9000, 70000][round % 3]
      const said = await all(16, (i) => put('/vk-mine/race', String.fromCharCode(97 + i).repeat(size), [['If-None-Match', '*']]))
      assertSame(said.filter((r) => r.status === 200).length, 1, `round ${round}`)
      assert(said.every((r) => r.status === 200 || (r.status === 412 && r.code === 'PreconditionFailed')), said.map((r) => r.status).join())
      assertSame((await w.get(w.mine, 'race')).text, String.fromCharCode(97 + said.findIndex((r) => r.status === 200)).repeat(size), `round ${round}`)
      await w.tidy(['race'])
    }
  })
  await check('readers see one whole object or another while it is written and deleted all the time', async () => {
    let over = false
    const writers = all(4, async (i) => { for (let n = 0; n < 60; n++) { const r = n % 9 === 8 ? await w.ask(key, { method: 'DELETE', path: '/vk-mine/race' }) : await put('/vk-mine/race', String.fromCharCode(97 + i).repeat([10, 9000, 100000][n % 3])); assert(r.status < 300, told(r)) } }).finally(() => (over = true))
    const readers = all(4, async () => {
      while (!over) {
        const r = await w.get(w.mine, 'race')
        assert(r.status === 404 || (r.status === 200 && !r.cut && /^(.)\1*$/.test(r.text)), told(r))
        if (r.status === 200) assertSame(r.one('etag').length, 34)
      }
    })
    await Promise.all([writers, readers])
    await w.tidy(['race'])
  })
  await check('an upload is completed once, aborted once, and never both', async () => {
    const create = async () => /<UploadId>(.*?)</.exec((await w.ok(w.mine, { method: 'POST', path: '/vk-mine/race', query: 'uploads=' })).text)[1]
    for (let round = 0; round < 12; round++) {
      const id = await create()
      const part = await w.ok(w.mine, { method: 'PUT', path: '/vk-mine/race', query: `partNumber=1&uploadId=${id}`, body: `round ${round}` })
      const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.one('etag')}</ETag></Part></CompleteMultipartUpload>`
      const complete = () => w.ask(key, { method: 'POST', path: '/vk-mine/race', query: `uploadId=${id}`, body })
      const abort = () => w.ask(key, { method: 'DELETE', path: '/vk-mine/race', query: `uploadId=${id}` })
      const late = () => w.ask(key, { method: 'PUT', path: '/vk-mine/race', query: `partNumber=${2 + round}&uploadId=${id}`, body: 'late' })
      const said = await Promise.all(round % 2 ? [complete(), complete(), late(), complete()] : [complete(), abort(), late(), abort(), complete()])
      for (const r of said) assert([200, 204, 404].includes(r.status) && (r.status !== 404 || r.code === 'NoSuchUpload'), told(r))
      const got = await w.get(w.mine, 'race')
      const done = said.some((r) => r.text.includes('<CompleteMultipartUploadResult'))
      const aborted = said.some((r) => r.status === 204)
      assert(done !== aborted, `completed ${done}, aborted ${aborted}: ${said.map((r) => r.status)}`)
      assertSame(got.status, done ? 200 : 404, `round ${round}`)
      if (done) assertSame(got.text, `round ${round}`)
      await w.tidy(['race'])
    }
  })
  await check('a build that is deleted while clients work is gone for all of them, and its name begins anew', async () => {
    for (let round = 0; round < 3; round++) {
      const { env } = await w.daemon.createBuild('short-lived')
      const k = { id: env.R2_ACCESS_KEY_ID, secret: env.R2_SECRET_ACCESS_KEY }
      const at = `/${env.R2_BUCKET}`
      const big = Buffer.alloc(20 << 20, 'd')
      is(await w.pool.ask(inHeader(k, w.sized(w.base({ method: 'PUT', path: `${at}/big`, body: big })), { payload: 'UNSIGNED-PAYLOAD' })), [200])
      let over = false
      const clients = all(8, async (i) => {
        while (!over) {
          const r = i % 4 === 0 ? await put(`${at}/${i}`, 'p'.repeat(20000), [], k).catch(() => undefined) : i % 4 === 1 ? await w.ask(k, { method: 'GET', path: at, query: 'list-type=2' }).catch(() => undefined) : i % 4 === 2 ? await w.ask(k, { method: 'GET', path: `${at}/big` }).catch(() => undefined) : await w.ask(k, { method: 'POST', path: `${at}/up`, query: 'uploads=' }).catch(() => undefined)
          assert(!r || r.status === 200 || (r.status === 403 && r.code === 'InvalidAccessKeyId') || r.status === 503, told(r))
        }
      })
      const held = new Conn(w.port)
      held.socket.pause()
      held.write(bytesOf(inHeader(k, w.base({ method: 'GET', path: `${at}/big` }))))
      const half = new Conn(w.port)
      half.write(bytesOf(inHeader(k, w.base({ method: 'PUT', path: `${at}/half`, headers: [['Content-Length', 1 << 20]] }), { payload: 'UNSIGNED-PAYLOAD' })))
      half.write(Buffer.alloc(200000, 'h'))
      await new Promise((r) => setTimeout(r, 100))
      const t0 = Date.now()
      held.socket.resume()
      await Promise.all([w.daemon.mustCli(['build', 'delete', 'short-lived']), (async () => { await new Promise((r) => setTimeout(r, 50)); half.write(Buffer.alloc(300000, 'h')); await new Promise((r) => setTimeout(r, 50)); half.close() })()])
      over = true
      await clients
      assert(Date.now() - t0 < 15000, `it took ${Date.now() - t0} ms`)
      held.close()
      is(await w.ask(k, { method: 'GET', path: `${at}/big` }), [403, 'InvalidAccessKeyId'], 'the old key')
      const again = await w.daemon.createBuild('short-lived')
      const k2 = { id: again.env.R2_ACCESS_KEY_ID, secret: again.env.R2_SECRET_ACCESS_KEY }
      assert(k2.id !== k.id, 'the same key again')
      const r = await w.ask(k2, { method: 'GET', path: at, query: 'list-type=2' })
      assert(r.status === 200 && r.text.includes('<KeyCount>0</KeyCount>'), told(r))
      is(await w.ask(k2, { method: 'GET', path: `${at}/big` }), [404, 'NoSuchKey'], 'the new key')
      is(await put(`${at}/big`, 'new', [], k2), [200], 'the new key')
      is(await w.ask(k, { method: 'GET', path: `${at}/big` }), [403, 'InvalidAccessKeyId'], 'the old key')
      await w.daemon.mustCli(['build', 'delete', 'short-lived'])
    }
  })
  await check('a client that does not read what it asked for does not keep its build from being deleted', async () => {
    const { env } = await w.daemon.createBuild('not-read')
    const k = { id: env.R2_ACCESS_KEY_ID, secret: env.R2_SECRET_ACCESS_KEY }
    is(await w.pool.ask(inHeader(k, w.sized(w.base({ method: 'PUT', path: `/${env.R2_BUCKET}/big`, body: Buffer.alloc(30 << 20, 'd') })), { payload: 'UNSIGNED-PAYLOAD' })), [200])
    const held = new Conn(w.port)
    held.socket.pause()
    held.write(bytesOf(inHeader(k, w.base({ method: 'GET', path: `/${env.R2_BUCKET}/big` }))))
    const half = new Conn(w.port)
    half.write(bytesOf(inHeader(k, w.base({ method: 'PUT', path: `/${env.R2_BUCKET}/half`, headers: [['Content-Length', 1 << 20]] }), { payload: 'UNSIGNED-PAYLOAD' })))
    half.write(Buffer.alloc(200000, 'h'))
    await new Promise((r) => setTimeout(r, 200))
    const t0 = Date.now()
    await w.daemon.mustCli(['build', 'delete', 'not-read'])
    assert(Date.now() - t0 < 10000, `it took ${Date.now() - t0} ms`)
    is(await w.ask(k, { method: 'GET', path: `/${env.R2_BUCKET}/big` }), [403, 'InvalidAccessKeyId'])
    held.close()
    half.close()
  })
  await check('usage is what a recount gives, and nothing is left on the disk', async () => {
    await new Promise((r) => setTimeout(r, 200))
    await w.tidy([])
    assertSame(await w.print(w.mine), first, 'the build')
    const [said, counted] = w.usage(w.mine)
    assertSame(said, counted)
  })
}
