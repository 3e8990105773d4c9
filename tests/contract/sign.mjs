// AWS Signature Version 4 in the header, the little of it that an adapter needs ("Signature Version 4" in Amazon's S3 API reference).
import { createHash, createHmac } from 'node:crypto'

const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const hmac = (key, text) => createHmac('sha256', key).update(text).digest()
const encoded = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

// { url, headers } of a request with the keys of a build's environment. `path` needs no encoding; `query` is a list of [name, value].
export function signed(env, { method, path, query = [], body = '' }) {
  const { host, origin } = new URL(env.R2_ENDPOINT)
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${time.slice(0, 8)}/${env.AWS_REGION}/s3/aws4_request`
  const headers = { host, 'x-amz-content-sha256': sha256(body), 'x-amz-date': time }
  const names = Object.keys(headers).join(';')
  const search = query.map((p) => p.map(encoded).join('=')).sort().join('&')
  const canonical = [method, path, search, ...Object.entries(headers).map(([k, v]) => `${k}:${v}`), '', names, headers['x-amz-content-sha256']].join('\n')
  const key = [time.slice(0, 8), env.AWS_REGION, 's3', 'aws4_request'].reduce(hmac, `AWS4${env.R2_SECRET_ACCESS_KEY}`)
  const signature = createHmac('sha256', key).update(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`).digest('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${env.R2_ACCESS_KEY_ID}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  return { url: `${origin}${path}${search ? `?${search}` : ''}`, headers: { ...headers, authorization } }
}
