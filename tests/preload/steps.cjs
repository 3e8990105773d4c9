// What an app does that knows nothing of valetkey, with classes from either kind of module. Prints a line for each step.
const https = require('node:https')
const say = async (name, step) => {
  try {
    console.log(`${name}: ${await step()}`)
  } catch (e) {
    console.log(`${name}: failed: ${e.type ?? e.name} ${e.code ?? e.cause?.code ?? e.statusCode ?? e.$metadata?.httpStatusCode ?? ''}`.trimEnd())
  }
}
const got = (url, headers, how = 'get') => new Promise((resolve, reject) => {
  const done = (res) => res.resume().on('end', () => resolve(res.statusCode))
  const req = how === 'get' ? https.get(url, { headers }, done) : https.request({ hostname: new URL(url).hostname, path: new URL(url).pathname, headers, agent: new https.Agent({ keepAlive: true }) }, done).end()
  req.on('error', reject)
})

module.exports = async ({ Stripe, S3 }) => {
  const { env } = process
  const key = env.OWN_KEY ?? env.STRIPE_SECRET_KEY
  const quiet = { maxNetworkRetries: 0, telemetry: false }
  for (const [name, options] of [['http', {}], ['fetch', { httpClient: Stripe.createFetchHttpClient() }]]) {
    const stripe = new Stripe(key, { ...quiet, ...options })
    await say(`stripe ${name}`, async () => {
      const made = await stripe.products.create({ name: 'Café ☕ & more' })
      const read = await stripe.products.retrieve(made.id)
      const all = await stripe.products.list({ limit: 100 })
      return `${read.name}, ${all.data.some((one) => one.id === made.id)}`
    })
  }
  const basic = `Basic ${Buffer.from(`${key}:`).toString('base64')}`
  await say('https.get', () => got('https://api.stripe.com/v1/balance', { Authorization: basic }))
  await say('https.request', () => got('https://api.stripe.com/v1/balance', { Authorization: basic }, 'request'))
  await say('fetch', async () => (await fetch(new Request('https://api.stripe.com/v1/products', { method: 'POST', headers: { authorization: `Bearer ${key}` }, body: new URLSearchParams({ name: 'By fetch' }) }))).status)

  const { S3Client, PutObjectCommand, GetObjectCommand, ListObjectsV2Command, CopyObjectCommand, DeleteObjectCommand } = S3
  for (const forcePathStyle of [true, false]) {
    const s3 = new S3Client({
      region: 'auto', endpoint: `https://${env.R2_ACCOUNT_ID}.r2.cloudflarestorage.com`, forcePathStyle, maxAttempts: 1,
      credentials: { accessKeyId: env.OWN_ID ?? env.R2_ACCESS_KEY_ID, secretAccessKey: env.R2_SECRET_ACCESS_KEY },
    })
    const Bucket = env.R2_BUCKET
    const Key = `${env.R2_PREFIX}a b+c/ü (1) ${forcePathStyle}.txt`
    await say(`r2 ${forcePathStyle ? 'path' : 'host'}`, async () => {
      await s3.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.alloc(300_000, 'x'), ContentType: 'text/plain', Metadata: { a: 'b  c' } }))
      const text = await (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString()
      await s3.send(new CopyObjectCommand({ Bucket, Key: `${Key}.copy`, CopySource: encodeURI(`${Bucket}/${Key}`) }))
      const list = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: env.R2_PREFIX, MaxKeys: 50, Delimiter: '|' }))
      await s3.send(new DeleteObjectCommand({ Bucket, Key }))
      return `${text.length}, ${list.Contents.length >= 2}`
    })
  }
}
