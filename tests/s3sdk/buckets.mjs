// What is asked of a bucket, its CORS rules, and what valetkey does not have.
import {
  CreateBucketCommand, DeleteBucketCommand, DeleteBucketCorsCommand, GetBucketCorsCommand, GetBucketLocationCommand, GetBucketVersioningCommand, HeadBucketCommand, HeadObjectCommand, ListBucketsCommand, ListObjectsV2Command, PutBucketCorsCommand, PutBucketPolicyCommand, PutBucketVersioningCommand, PutObjectAclCommand, PutObjectCommand, PutObjectTaggingCommand, GetObjectCommand,
} from '@aws-sdk/client-s3'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { bodyOf, fails, read } from './rig.mjs'

const ORIGIN = 'https://app.preview.example'

export async function buckets({ s3, env, title, own }) {
  const Bucket = env.R2_BUCKET
  const test = (what, fn) => check(`${title}: ${what}`, fn)
  const other = 'nobodys-bucket-of-this-name'

  await test('HeadBucket, GetBucketLocation, GetBucketVersioning, ListBuckets', async () => {
    assertSame((await s3.send(new HeadBucketCommand({ Bucket }))).$metadata.httpStatusCode, 200)
    const { LocationConstraint } = await s3.send(new GetBucketLocationCommand({ Bucket }))
    if (own) assertSame(LocationConstraint, 'auto')
    assertSame((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status, undefined)
    const l = await s3.send(new ListBucketsCommand({}))
    const names = l.Buckets.map((b) => b.Name)
    assert(names.includes(Bucket) && l.Buckets.every((b) => b.CreationDate instanceof Date) && l.Owner, JSON.stringify(l))
    if (own) assertSame(names, [Bucket])
  })
  await test('CORS rules: none, set, read, in force, removed', async () => {
    await fails(s3.send(new GetBucketCorsCommand({ Bucket })), 404, 'NoSuchCORSConfiguration')
    const CORSRules = [
      { ID: 'first', AllowedOrigins: [ORIGIN, 'https://*.wild.example'], AllowedMethods: ['GET', 'PUT'], AllowedHeaders: ['*'], ExposeHeaders: ['ETag', 'x-amz-meta-a'], MaxAgeSeconds: 60 },
      { AllowedOrigins: ['*'], AllowedMethods: ['HEAD'] },
    ]
    await s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }))
    assertSame((await s3.send(new GetBucketCorsCommand({ Bucket }))).CORSRules, CORSRules)
    const ask = (origin, method, headers) => fetch(`${env.R2_ENDPOINT}/${Bucket}/key`, { method: 'OPTIONS', headers: { ...(origin ? { origin } : {}), 'access-control-request-method': method, ...(headers ? { 'access-control-request-headers': headers } : {}) } })
    const yes = await ask(ORIGIN, 'PUT', 'content-type,x-amz-meta-a')
    assertSame([yes.status, yes.headers.get('access-control-allow-origin'), yes.headers.get('access-control-max-age')], [200, ORIGIN, '60'])
    assert(/PUT/.test(yes.headers.get('access-control-allow-methods')) && /content-type/i.test(yes.headers.get('access-control-allow-headers')) && /origin/i.test(yes.headers.get('vary')), [...yes.headers].join('; '))
    assertSame((await ask('https://a.b.wild.example', 'GET')).headers.get('access-control-allow-origin'), 'https://a.b.wild.example')
    for (const [origin, method] of [['https://evil.example', 'PUT'], [ORIGIN, 'DELETE'], [`${ORIGIN}.evil.example`, 'PUT'], ['https://wild.example', 'GET'], ['null', 'PUT']]) {
      const no = await ask(origin, method)
      assertSame([no.status, no.headers.get('access-control-allow-origin')], [403, null], `${origin} ${method}`)
    }
    assertSame((await ask(undefined, 'PUT')).status, 400)
    await s3.send(new DeleteBucketCorsCommand({ Bucket }))
    await fails(s3.send(new GetBucketCorsCommand({ Bucket })), 404, 'NoSuchCORSConfiguration')
    if (own) assertSame((await ask(ORIGIN, 'PUT')).status, 403)
  })
  await test('what valetkey does not have says so, and is not taken for something else', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'kept', Body: 'kept' }))
    const no = (c) => fails(s3.send(c), 501, 'NotImplemented').catch((e) => { throw new Error(`${c.constructor.name}: ${e.message}`) })
    await no(new PutObjectTaggingCommand({ Bucket, Key: 'kept', Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } }))
    await no(new PutBucketPolicyCommand({ Bucket, Policy: '{}' }))
    await no(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
    await no(new PutObjectCommand({ Bucket, Key: 'kept', Body: 'lost', Tagging: 'a=b' }))
    await no(new PutObjectCommand({ Bucket, Key: 'kept', Body: 'lost', ServerSideEncryption: 'aws:kms' }))
    await no(new PutObjectCommand({ Bucket, Key: 'kept', Body: 'lost', ServerSideEncryption: 'AES256' }))
    const acl = await s3.send(new PutObjectAclCommand({ Bucket, Key: 'kept', ACL: 'public-read' })).then(() => 'done', (e) => e)
    assertSame(acl.$metadata?.httpStatusCode, 501, acl.name)
    await fails(s3.send(new PutObjectCommand({ Bucket, Key: 'kept', Body: 'lost', ACL: 'public-read' })), 501)
    await fails(s3.send(new PutObjectCommand({ Bucket, Key: 'kept', Body: 'lost', StorageClass: 'GLACIER' })), 400, 'InvalidStorageClass')
    assertSame(String(await bodyOf(await read(s3, { Bucket, Key: 'kept' }))), 'kept')
    for (const more of [{ ACL: 'private' }, { ACL: 'bucket-owner-full-control' }, { StorageClass: 'STANDARD' }]) await s3.send(new PutObjectCommand({ Bucket, Key: 'taken', Body: 'x', ...more }))
  })
  if (!own) return
  await test('other buckets: nothing of them is said', async () => {
    await fails(s3.send(new HeadBucketCommand({ Bucket: other })), 403)
    await fails(s3.send(new ListObjectsV2Command({ Bucket: other })), 403, 'AccessDenied')
    await fails(s3.send(new PutObjectCommand({ Bucket: other, Key: 'k', Body: 'x' })), 403, 'AccessDenied')
    await fails(read(s3, { Bucket: other, Key: 'k' }), 403, 'AccessDenied')
    await fails(s3.send(new HeadObjectCommand({ Bucket: other, Key: 'k' })), 403)
    await fails(s3.send(new CreateBucketCommand({ Bucket: other })), 403, 'AccessDenied')
  })
  await test('creating its own bucket is no error for an app that always does; deleting it is refused', async () => {
    const c = await s3.send(new CreateBucketCommand({ Bucket })).then((r) => r.$metadata.httpStatusCode, (e) => e.name)
    assert([200, 'BucketAlreadyOwnedByYou'].includes(c), String(c))
    await fails(s3.send(new DeleteBucketCommand({ Bucket })), 403, 'AccessDenied')
    await s3.send(new HeadBucketCommand({ Bucket }))
  })
}
