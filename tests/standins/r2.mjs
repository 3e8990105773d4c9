// Cloudflare R2's stand-in before Cloudflare's own client of its API.
import Cloudflare from 'cloudflare'
import { R2Account } from '../upstreams/r2_api.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'

const hex = (n, c) => c.repeat(n)

export async function r2() {
  const parent = { account: hex(32, 'a'), id: hex(32, 'b'), secret: hex(64, 'c') }
  const token = `made-up-token-${hex(26, 'x')}`
  const account = await new R2Account({ parent, api: [token], buckets: ['org-bucket'] }).start()
  const client = new Cloudflare({ apiToken: token, baseURL: `${account.base}/client/v4`, maxRetries: 0, timeout: 20_000 })
  const a = { account_id: parent.account }
  const no = async (promise, status, code) => {
    const e = await promise.then(() => undefined, (x) => x)
    assertSame([e?.status, e?.errors?.[0]?.code], [status, code])
  }

  await check('r2: buckets are made, looked at, listed and deleted by the vendor\'s client', async () => {
    const made = await client.r2.buckets.create({ ...a, name: 'build-shop-abc2de3f' })
    assertSame([made.name, made.storage_class], ['build-shop-abc2de3f', 'Standard'])
    await no(client.r2.buckets.create({ ...a, name: 'build-shop-abc2de3f' }), 409, 10004)
    await no(client.r2.buckets.create({ ...a, name: 'Build_Shop' }), 400, 10005)
    assertSame((await client.r2.buckets.get('build-shop-abc2de3f', a)).name, 'build-shop-abc2de3f')
    assertSame((await client.r2.buckets.list({ ...a, name_contains: '-abc' })).buckets.map((b) => b.name), ['build-shop-abc2de3f'])
    account.buckets.get('build-shop-abc2de3f').objects.set('a', { body: Buffer.from('a'), headers: {}, etag: 'a', at: new Date() })
    await no(client.r2.buckets.delete('build-shop-abc2de3f', a), 409, 10008)
    account.buckets.get('build-shop-abc2de3f').objects.clear()
    await client.r2.buckets.delete('build-shop-abc2de3f', a)
    await no(client.r2.buckets.get('build-shop-abc2de3f', a), 404, 10006)
  })
  await check('r2: CORS rules', async () => {
    const rule = { id: 'ours', allowed: { methods: ['GET', 'PUT'], origins: ['https://shop.example'], headers: ['*'] }, exposeHeaders: ['ETag'], maxAgeSeconds: 3600 }
    await no(client.r2.buckets.cors.get('org-bucket', a), 404, 10059)
    await client.r2.buckets.cors.update('org-bucket', { ...a, rules: [rule] })
    assertSame((await client.r2.buckets.cors.get('org-bucket', a)).rules, [rule])
    await no(client.r2.buckets.cors.update('org-bucket', { ...a, rules: [{ ...rule, colour: 'red' }] }), 400, 10040)
    await client.r2.buckets.cors.delete('org-bucket', a)
    await no(client.r2.buckets.cors.get('org-bucket', a), 404, 10059)
  })
  await check('r2: temporary credentials and what is used', async () => {
    const lent = await client.r2.temporaryCredentials.create({ ...a, bucket: 'org-bucket', parentAccessKeyId: parent.id, permission: 'object-read-write', ttlSeconds: 900, prefixes: ['builds/x/1/'] })
    assertSame([lent.accessKeyId, lent.secretAccessKey.length, Buffer.from(lent.sessionToken, 'base64').toString().slice(0, 4)], [parent.id, 64, 'jwt/'])
    assertSame((await client.r2.buckets.metrics.list(a)).standard.published.objects, 0)
  })
  await check('r2: another token, and another account', async () => {
    await no(new Cloudflare({ apiToken: 'not-that-one', baseURL: `${account.base}/client/v4`, maxRetries: 0 }).r2.buckets.list(a), 403, 10000)
    await no(client.r2.buckets.list({ account_id: hex(32, 'd') }), 403, 10000)
  })
  await check('r2: the client tries again after a 429, as it does with the vendor', async () => {
    account.plan({ path: '/client/v4/**', kind: 'rate', retryAfter: 1 })
    const patient = new Cloudflare({ apiToken: token, baseURL: `${account.base}/client/v4`, maxRetries: 2 })
    assertSame((await patient.r2.buckets.list(a)).buckets.map((b) => b.name), ['org-bucket'])
    assert(account.unmet().length === 0, 'the fault was met')
  })
  await account.stop()
}
