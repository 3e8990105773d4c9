// The table: every request kind × every credential → served or refused. A new endpoint is a new row here.
//
// `who` of a request: 'valet' is served to the build's own key alone; 'admin' to the admin token alone; 'open' to anybody. Every other
// credential is refused in the shape of its listener, and refused means that nothing changed.
import { withChecksum } from '../lib/daemon.mjs'

const pipeline = (version, ...requests) => (ctx) => ({ method: 'POST', path: `/${version}/pipeline`, body: { baton: ctx.baton ?? null, requests } })
const ex = (sql, args = []) => ({ type: 'execute', stmt: { sql, args } })
const close = { type: 'close' }
const write = "INSERT INTO t(v) VALUES ('written by the matrix')"

export const database = [
  { name: 'execute, read', who: 'valet', make: pipeline('v2', ex('SELECT v FROM t'), close) },
  { name: 'execute, write', who: 'valet', make: pipeline('v2', ex(write), close) },
  { name: 'execute, DDL', who: 'valet', make: pipeline('v2', ex('CREATE TABLE IF NOT EXISTS made_by_matrix(x)'), close) },
  { name: 'execute, stream left open', who: 'valet', make: pipeline('v2', ex('BEGIN IMMEDIATE'), ex(write)), after: 'close the stream' },
  { name: 'batch, transaction', who: 'valet', make: pipeline('v2', { type: 'batch', batch: { steps: [{ stmt: { sql: 'BEGIN' } }, { stmt: { sql: write } }, { stmt: { sql: 'COMMIT' } }] } }, close) },
  { name: 'sequence', who: 'valet', make: pipeline('v2', { type: 'sequence', sql: `${write}; DELETE FROM t WHERE id = 999` }, close) },
  { name: 'store_sql and its use', who: 'valet', make: pipeline('v2', { type: 'store_sql', sql_id: 1, sql: write }, { type: 'execute', stmt: { sql_id: 1 } }, close) },
  { name: 'close_sql', who: 'valet', make: pipeline('v2', { type: 'close_sql', sql_id: 1 }, close) },
  { name: 'describe', who: 'valet', make: pipeline('v2', { type: 'describe', sql: 'SELECT v FROM t' }, close) },
  { name: 'get_autocommit', who: 'valet', make: pipeline('v3', { type: 'get_autocommit' }, close) },
  { name: 'close alone', who: 'valet', make: pipeline('v2', close) },
  { name: 'no requests', who: 'valet', make: pipeline('v2'), after: 'close the stream' },
  { name: 'v3 pipeline, write', who: 'valet', make: pipeline('v3', ex(write), close) },
  { name: 'going on with a stream of the build', who: 'valet', baton: true, make: pipeline('v2', ex('SELECT count(*) FROM t'), { type: 'get_autocommit' }) },
  { name: 'closing a stream of the build', who: 'valet', baton: true, ends: true, make: pipeline('v2', close) },
  { name: 'cursor', who: 'valet', make: () => ({ method: 'POST', path: '/v3/cursor', body: { baton: null, batch: { steps: [{ stmt: { sql: write } }] } } }), mayBeMissing: true },
  { name: 'dump', who: 'valet', make: () => ({ method: 'GET', path: '/dump' }), mayBeMissing: true },
  { name: 'whose key is this', who: 'valet', make: () => ({ method: 'GET', path: '/valet' }), mayBeMissing: true },
  { name: 'a pipeline that is no JSON', who: 'valet', make: () => ({ method: 'POST', path: '/v2/pipeline', body: '{' }), served: 400 },
  { name: 'a body of 33 MB', who: 'valet', make: () => ({ method: 'POST', path: '/v2/pipeline', body: Buffer.alloc(33 << 20, 32), once: true }), served: 413 },
  { name: 'GET /v2', who: 'open', make: () => ({ method: 'GET', path: '/v2' }) },
  { name: 'GET /v3', who: 'open', make: () => ({ method: 'GET', path: '/v3' }) },
  { name: 'GET /health', who: 'open', make: () => ({ method: 'GET', path: '/health' }) },
  { name: 'GET /version', who: 'open', make: () => ({ method: 'GET', path: '/version' }) },
]

const someone = (ctx) => ctx.user ?? `user_${'0'.repeat(27)}`
export const admin = [
  { name: 'status', who: 'admin', make: () => ({ method: 'GET', path: '/api/v1/status' }) },
  { name: 'copy the metadata', who: 'admin', make: () => ({ method: 'GET', path: '/api/v1/metadata/export' }) },
  { name: 'list builds', who: 'admin', make: () => ({ method: 'GET', path: '/api/v1/builds' }) },
  { name: 'create a build', who: 'admin', make: () => ({ method: 'POST', path: '/api/v1/builds', body: { id: 'made-by-matrix' } }) },
  { name: 'create a build that exists', who: 'admin', make: (ctx) => ({ method: 'POST', path: '/api/v1/builds', body: { id: ctx.own.id } }) },
  { name: 'show', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}` }) },
  { name: 'environment', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/env` }) },
  { name: 'set origins', who: 'admin', make: (ctx) => ({ method: 'PUT', path: `/api/v1/builds/${ctx.own.id}/origins`, body: { origins: ['https://app.example.org'] } }) },
  { name: 'check origins', who: 'admin', make: (ctx) => ({ method: 'POST', path: `/api/v1/builds/${ctx.own.id}/origins/check` }) },
  { name: 'download', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/database/export` }) },
  { name: 'schema record', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/database/ddl` }) },
  { name: 'take a snapshot', who: 'admin', make: (ctx) => ({ method: 'POST', path: `/api/v1/builds/${ctx.own.id}/services/database/snapshots`, body: { name: 'matrix' } }) },
  { name: 'list snapshots', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/database/snapshots` }) },
  { name: 'compare with a snapshot', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/database/snapshots/matrix/diff` }) },
  { name: 'restore a snapshot', who: 'admin', make: (ctx) => ({ method: 'POST', path: `/api/v1/builds/${ctx.own.id}/services/database/snapshots/matrix/restore` }) },
  { name: 'remove a snapshot', who: 'admin', make: (ctx) => ({ method: 'DELETE', path: `/api/v1/builds/${ctx.own.id}/services/database/snapshots/matrix` }) },
  { name: 'store an object', who: 'admin', make: (ctx) => ({ method: 'PUT', path: `/api/v1/builds/${ctx.own.id}/services/storage/object?key=matrix`, body: { by: 'the matrix' } }) },
  { name: 'read an object', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/storage/object?key=matrix` }) },
  { name: 'list objects', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/storage/objects` }) },
  { name: 'usage of the storage', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/storage/usage?recount=1` }) },
  { name: 'export of the storage', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/storage/export` }) },
  { name: 'copy of the storage’s index', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/storage/copy` }) },
  { name: 'take a lease', who: 'admin', make: (ctx) => ({ method: 'POST', path: `/api/v1/builds/${ctx.own.id}/services/storage/leases` }), then: (ctx, r) => { ctx.lease = r.json().lease } },
  { name: 'renew a lease', who: 'admin', make: (ctx) => ({ method: 'POST', path: `/api/v1/builds/${ctx.own.id}/services/storage/leases/${ctx.lease ?? '0'.repeat(32)}` }) },
  { name: 'end a lease', who: 'admin', make: (ctx) => ({ method: 'DELETE', path: `/api/v1/builds/${ctx.own.id}/services/storage/leases/${ctx.lease ?? '0'.repeat(32)}` }) },
  { name: 'remove objects', who: 'admin', make: (ctx) => ({ method: 'POST', path: `/api/v1/builds/${ctx.own.id}/services/storage/objects/delete`, body: { keys: ['matrix'] } }) },
  { name: 'make a user', who: 'admin', make: (ctx) => ({ method: 'POST', path: `/api/v1/builds/${ctx.own.id}/services/auth/users`, body: { email_address: ['matrix@example.com'], skip_password_requirement: true } }), then: (ctx, r) => { ctx.user = r.json().id } },
  { name: 'list users', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/auth/users` }) },
  { name: 'count users', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/auth/users/count` }) },
  { name: 'read a user', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/auth/users/${someone(ctx)}` }) },
  ...['ban', 'unban', 'lock', 'unlock'].map((what) => ({ name: `${what} a user`, who: 'admin', make: (ctx) => ({ method: 'POST', path: `/api/v1/builds/${ctx.own.id}/services/auth/users/${someone(ctx)}/${what}` }) })),
  { name: 'users with their passwords’ digests', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/auth/users/export` }) },
  { name: 'messages to users', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/auth/outbox` }) },
  { name: 'export of the users', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/auth/export` }) },
  { name: 'remove a user', who: 'admin', make: (ctx) => ({ method: 'DELETE', path: `/api/v1/builds/${ctx.own.id}/services/auth/users/${someone(ctx)}` }) },
  { name: 'make a catalogue', who: 'admin', make: (ctx) => ({ method: 'POST', path: `/api/v1/builds/${ctx.own.id}/services/payments/seed`, body: { products: [{ id: 'prod_matrix', name: 'Matrix' }] } }) },
  { name: 'read the catalogue', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/payments/catalogue` }) },
  { name: 'list events', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/payments/events` }), then: (ctx, r) => { ctx.event = r.json().events[0]?.id } },
  { name: 'read an event', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/payments/events/${ctx.event ?? 'evt_0'}` }) },
  { name: 'send an event once more', who: 'admin', make: (ctx) => ({ method: 'POST', path: `/api/v1/builds/${ctx.own.id}/services/payments/events/${ctx.event ?? 'evt_0'}/resend` }) },
  { name: 'see where events go', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/payments/webhook` }) },
  { name: 'set where events go', who: 'admin', make: (ctx) => ({ method: 'PUT', path: `/api/v1/builds/${ctx.own.id}/services/payments/webhook`, body: { path: '/api/matrix' } }) },
  { name: 'export of the payments', who: 'admin', make: (ctx) => ({ method: 'GET', path: `/api/v1/builds/${ctx.own.id}/services/payments/export` }) },
  { name: 'check keys of one’s own', who: 'admin', make: () => ({ method: 'POST', path: '/api/v1/validate', body: { stripe: { STRIPE_SECRET_KEY: 'a shape that is none' } } }) },
  { name: 'revoke', who: 'admin', make: () => ({ method: 'POST', path: '/api/v1/builds/victim/revoke' }) },
  { name: 'delete', who: 'admin', make: () => ({ method: 'DELETE', path: '/api/v1/builds/victim' }) },
  { name: 'health', who: 'open', make: () => ({ method: 'GET', path: '/api/v1/health' }) },
  { name: 'metrics', who: 'admin', make: () => ({ method: 'GET', path: '/metrics' }) },
  { name: 'readyz', who: 'open', make: () => ({ method: 'GET', path: '/readyz' }) },
  { name: 'healthz', who: 'open', make: () => ({ method: 'GET', path: '/healthz' }) },
]

// The storage service knows signatures only: whatever stands in a header of the credentials below is refused there, as is what others sign.
// `open`: served to anybody, who is told nothing that he does not see anyway;
// `anyKey`: to each build, about itself. tests/s3matrix tries each of them with every key of others.
const s3 = (method, key, query, more) => (ctx) => ({ method, path: `/vk-${ctx.own.id}${key === undefined ? '' : `/${key}`}`, query, ...more?.(ctx) })
const parts = '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"d41d8cd98f00b204e9800998ecf8427e"</ETag></Part></CompleteMultipartUpload>'
const rules = '<CORSConfiguration><CORSRule><AllowedOrigin>https://app.example.org</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>'
const upload = (ctx) => ({ query: `uploadId=${ctx.upload}` })
export const storage = [
  { name: 'ListBuckets', anyKey: true, make: () => ({ method: 'GET', path: '/' }) },
  { name: 'CreateBucket', make: s3('PUT') },
  { name: 'HeadBucket', make: s3('HEAD') },
  { name: 'DeleteBucket', served: 403, make: s3('DELETE') },
  { name: 'GetBucketLocation', make: s3('GET', undefined, 'location=') },
  { name: 'GetBucketVersioning', make: s3('GET', undefined, 'versioning=') },
  { name: 'PutBucketCors', make: s3('PUT', undefined, 'cors=', () => ({ body: rules })) },
  { name: 'GetBucketCors', make: s3('GET', undefined, 'cors=') },
  { name: 'preflight', open: [200, 403], make: s3('OPTIONS', 'k', '', () => ({ headers: [['Origin', 'https://app.example.org'], ['Access-Control-Request-Method', 'GET']] })) },
  { name: 'DeleteBucketCors', served: 204, make: s3('DELETE', undefined, 'cors=') },
  { name: 'PutObject', make: s3('PUT', 'k', '', () => ({ body: 'written by the matrix' })) },
  { name: 'PutObject, in chunks without signatures', served: 400, make: s3('PUT', 'k', '', () => ({ body: '', headers: [['x-amz-decoded-content-length', '1']], payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' })) },
  { name: 'GetObject', make: s3('GET', 'k') },
  { name: 'HeadObject', make: s3('HEAD', 'k') },
  { name: 'GetObjectAttributes', make: s3('GET', 'k', 'attributes=', () => ({ headers: [['x-amz-object-attributes', 'ETag']] })) },
  { name: 'CopyObject', make: s3('PUT', 'copy', '', (ctx) => ({ headers: [['x-amz-copy-source', `/vk-${ctx.own.id}/k`]] })) },
  { name: 'ListObjects', make: s3('GET') },
  { name: 'ListObjectsV2', make: s3('GET', undefined, 'list-type=2') },
  { name: 'ListObjectVersions', make: s3('GET', undefined, 'versions=') },
  { name: 'CreateMultipartUpload', make: s3('POST', 'big', 'uploads=') },
  { name: 'UploadPart', make: s3('PUT', 'up', '', (ctx) => ({ query: `partNumber=1&uploadId=${ctx.upload}`, body: 'a part' })) },
  { name: 'UploadPartCopy', make: s3('PUT', 'up', '', (ctx) => ({ query: `partNumber=2&uploadId=${ctx.upload}`, headers: [['x-amz-copy-source', `/vk-${ctx.own.id}/k`]] })) },
  { name: 'ListParts', make: s3('GET', 'up', '', upload) },
  { name: 'ListMultipartUploads', make: s3('GET', undefined, 'uploads=') },
  { name: 'CompleteMultipartUpload', served: 400, make: s3('POST', 'up', '', (ctx) => ({ ...upload(ctx), body: parts })) },
  { name: 'AbortMultipartUpload', served: 204, make: s3('DELETE', 'up', '', upload) },
  { name: 'DeleteObjects', make: s3('POST', undefined, 'delete=', () => ({ body: '<Delete><Object><Key>copy</Key></Object></Delete>' })) },
  { name: 'PostObject', served: 403, make: s3('POST', undefined, '', () => ({ body: '--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nbytes\r\n--x--\r\n', headers: [['Content-Type', 'multipart/form-data; boundary=x']] })) },
  { name: 'DeleteObject', served: 204, make: s3('DELETE', 'k') },
  { name: 'what valetkey does not have', anyKey: true, served: 501, make: s3('PUT', 'k', 'acl=') },
]

const swapCase = (s) => s.replace(/[a-zA-Z]/, (c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()))
const body = (ctx) => ctx.own.token.slice(5, 35)
const last = (c) => (c === '0' ? '1' : '0')

// `headers(ctx)` of a credential. `is`: whom it stands for on the database's listener.
export const credentials = [
  { name: 'own key', is: 'own', headers: (c) => ({ Authorization: `Bearer ${c.own.token}` }) },
  { name: 'the other build’s key', is: 'other', headers: (c) => ({ Authorization: `Bearer ${c.other.token}` }) },
  { name: 'a revoked key', headers: (c) => ({ Authorization: `Bearer ${c.revoked.token}` }), code: /^AUTH_JWT_INVALID$/ },
  { name: 'an expired key', headers: (c) => ({ Authorization: `Bearer ${c.expired.token}` }), code: /^AUTH_JWT_EXPIRED$/ },
  { name: 'a deleted build’s key', headers: (c) => ({ Authorization: `Bearer ${c.deleted.token}` }) },
  { name: 'a key of another installation', headers: (c) => ({ Authorization: `Bearer ${c.foreign.token}` }) },
  { name: 'cut by one character', headers: (c) => ({ Authorization: `Bearer ${c.own.token.slice(0, -1)}` }) },
  { name: 'cut to its prefix', headers: () => ({ Authorization: 'Bearer vk_b_' }) },
  { name: 'cut to twenty characters', headers: (c) => ({ Authorization: `Bearer ${c.own.token.slice(0, 20)}` }) },
  { name: 'one character more', headers: (c) => ({ Authorization: `Bearer ${c.own.token}A` }) },
  { name: 'two keys in one', headers: (c) => ({ Authorization: `Bearer ${c.own.token}${c.other.token}` }) },
  { name: 'wrong checksum', headers: (c) => ({ Authorization: `Bearer ${c.own.token.slice(0, -1)}${last(c.own.token.at(-1))}` }) },
  { name: 'forged body, right checksum', headers: () => ({ Authorization: `Bearer ${withChecksum('vk_b_' + 'A1b2C3'.repeat(5))}` }) },
  { name: 'own body with one character changed, right checksum', headers: (c) => ({ Authorization: `Bearer ${withChecksum('vk_b_' + last(body(c)[0]) + body(c).slice(1))}` }) },
  { name: 'own body in another case, right checksum', headers: (c) => ({ Authorization: `Bearer ${withChecksum('vk_b_' + swapCase(body(c)))}` }) },
  { name: 'own body as another kind', headers: (c) => ({ Authorization: `Bearer ${withChecksum('vk_p_' + body(c))}` }) },
  { name: 'own body as an admin token', headers: (c) => ({ Authorization: `Bearer ${withChecksum('vk_a_' + body(c))}` }) },
  { name: 'own body under another service’s prefix', headers: (c) => ({ Authorization: `Bearer ${withChecksum('sk_test_' + 'vk0' + body(c))}` }) },
  { name: 'the admin token', is: 'admin', headers: (c) => ({ Authorization: `Bearer ${c.adminToken}` }) },
  { name: 'the admin token, last character changed', headers: (c) => ({ Authorization: `Bearer ${c.adminToken.slice(0, -1)}${last(c.adminToken.at(-1))}` }) },
  { name: 'the admin token, cut', headers: (c) => ({ Authorization: `Bearer ${c.adminToken.slice(0, -1)}` }) },
  { name: 'a JSON web token', headers: () => ({ Authorization: ['Bearer', ['eyJhbGciOiJub25lIn0', 'eyJhIjoicncifQ', ''].join('.')].join(' ') }) },
  { name: 'the build’s id', headers: (c) => ({ Authorization: `Bearer ${c.own.id}` }) },
  { name: 'no header', headers: () => ({}) },
  { name: 'empty header', headers: () => ({ Authorization: '' }) },
  { name: 'scheme alone', headers: () => ({ Authorization: 'Bearer' }) },
  { name: 'scheme and a blank', headers: () => ({ Authorization: 'Bearer ' }) },
  { name: 'key without scheme', headers: (c) => ({ Authorization: c.own.token }) },
  { name: 'Basic', headers: (c) => ({ Authorization: `Basic ${Buffer.from(`${c.own.id}:${c.own.token}`).toString('base64')}` }) },
  { name: 'Basic with the key itself', headers: (c) => ({ Authorization: `Basic ${c.own.token}` }) },
  { name: 'scheme Token', headers: (c) => ({ Authorization: `Token ${c.own.token}` }) },
  { name: 'in a cookie', headers: (c) => ({ Cookie: `token=${c.own.token}; __session=${c.own.token}` }) },
  { name: 'in x-api-key', headers: (c) => ({ 'x-api-key': c.own.token, 'x-authorization': `Bearer ${c.own.token}` }) },
  { name: 'in the query', headers: () => ({}), query: (c) => `?authToken=${c.own.token}&jwt=${c.own.token}` },
  { name: 'a control character behind it', headers: (c) => ({ Authorization: `Bearer ${c.own.token}\t\t.` }) },
  { name: '60 kB', headers: () => ({ Authorization: `Bearer ${'A'.repeat(12000)}` }), status: [400, 401, 431] },
  { name: 'the own key after a comma', headers: (c) => ({ Authorization: `Bearer ${c.other.token.slice(0, -1)}, Bearer ${c.own.token}` }) },
]
