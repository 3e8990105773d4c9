// An app as people write it: the SDK with nothing but the build's environment. Its lines are TAP.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { CreateBucketCommand, DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'

const { R2_BUCKET: Bucket, R2_PREFIX: prefix, R2_ENDPOINT: endpoint, R2_ACCESS_KEY_ID: accessKeyId, R2_SECRET_ACCESS_KEY: secretAccessKey } = process.env
const large = Buffer.alloc(6 << 20, 'valetkey')
let n = 0
async function check(name, fn) {
  try {
    await fn()
    console.log(`ok ${++n} - ${name}`)
  } catch (e) {
    process.exitCode = 1
    console.log(`not ok ${++n} - ${name}\n# ${String(e?.stack ?? e).replaceAll('\n', '\n# ')}`)
  }
}
const same = (a, b) => { if (a !== b) throw new Error(`${a} is not ${b}`) }

// As the SDK's documentation has it, as R2's has it, and as those do who leave the checksums at the SDK's default.
for (const [who, s3, p] of [
  ['all from the environment', new S3Client({}), ''],
  ['the names of R2', new S3Client({ region: 'auto', endpoint, credentials: { accessKeyId, secretAccessKey } }), prefix],
  ['checksums as the SDK has them', new S3Client({ requestChecksumCalculation: 'WHEN_SUPPORTED', responseChecksumValidation: 'WHEN_SUPPORTED' }), 'supported/'],
]) {
  const text = async (Key) => (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString()
  await check(`${who}: put, get, head, list, delete`, async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: `${p}a.txt`, Body: 'grüße', ContentType: 'text/plain' }))
    same(await text(`${p}a.txt`), 'grüße')
    same((await s3.send(new HeadObjectCommand({ Bucket, Key: `${p}a.txt` }))).ContentType, 'text/plain')
    same((await s3.send(new ListObjectsV2Command({ Bucket, Prefix: `${p}a` }))).Contents?.[0].Key, `${p}a.txt`)
    await s3.send(new DeleteObjectCommand({ Bucket, Key: `${p}a.txt` }))
    same((await s3.send(new GetObjectCommand({ Bucket, Key: `${p}a.txt` })).catch((e) => e)).name, 'NoSuchKey')
  })
  await check(`${who}: streams and a multipart upload`, async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: `${p}stream`, Body: Readable.from([Buffer.from('hello '), Buffer.from('world')], { objectMode: false }), ContentLength: 11 }))
    same(await text(`${p}stream`), 'hello world')
    await new Upload({ client: s3, params: { Bucket, Key: `${p}large`, Body: Readable.from([large], { objectMode: false }) } }).done()
    const r = await s3.send(new GetObjectCommand({ Bucket, Key: `${p}large` }))
    const sha = (b) => createHash('sha256').update(b).digest('hex')
    same(sha(Buffer.from(await r.Body.transformToByteArray())), sha(large))
  })
  await check(`${who}: presigned upload and download`, async () => {
    const put = await fetch(await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: `${p}signed` }), { expiresIn: 60 }), { method: 'PUT', body: 'by fetch' })
    same(put.status, 200)
    same(await (await fetch(await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: `${p}signed` })))).text(), 'by fetch')
  })
  await check(`${who}: an app that makes sure of its bucket goes on`, async () => {
    const r = await s3.send(new CreateBucketCommand({ Bucket })).catch((e) => e)
    if (r instanceof Error) same(r.name, 'BucketAlreadyOwnedByYou')
  })
}
