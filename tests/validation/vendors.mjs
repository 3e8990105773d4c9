// The vendors as the checks meet them when all is well: what each call gets. A case says what is different.
import { ACCOUNT } from './values.mjs'

const json = (status, body, headers = {}) => ({ status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
export const xml = (status, code, headers = {}) => ({ status, headers: { 'content-type': 'application/xml', ...headers }, body: code ? `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>made up</Message></Error>` : '' })
export const none = (kind) => ({ none: kind })
export const html = (status) => ({ status, headers: { 'content-type': 'text/html' }, body: '<!doctype html><title>made up</title>' })

export const clerkError = (status, code) => json(status, { errors: [{ code, message: 'made up' }] })
export const stripeError = (status, type, code, message = 'made up') => json(status, { error: { type, ...(code && { code }), message } })
export const stripeDenied = (permission) =>
  stripeError(403, 'invalid_request_error', undefined, `The provided key does not have the required permissions for this endpoint on account 'acct_${ACCOUNT}'.${permission ? ` Having the '${permission}' permission would allow this request to continue.` : ''}`)

const ok = (rows = []) => ({ type: 'ok', response: { type: 'execute', result: { cols: [], rows, affected_row_count: 0, last_insert_rowid: null } } })
const closed = { type: 'ok', response: { type: 'close' } }
const sqlError = (code) => ({ type: 'error', error: { message: 'made up', code } })
/** The answer of /v2/pipeline: each part is rows, or the code of an error. */
export const pipeline = (...parts) => json(200, { baton: null, base_url: null, results: [...parts.map((part) => (typeof part === 'string' ? sqlError(part) : ok(part))), closed] })
const integer = (n) => ({ type: 'integer', value: String(n) })
export const tables = (all, own) => pipeline([[integer(all), integer(own)]])

export const domain = (host, satellite = false) => ({ object: 'domain', id: 'dmn_madeup', name: host, is_satellite: satellite, frontend_api_url: `https://${host}` })
export const domains = (...list) => json(200, { data: list, total_count: list.length })
export const jwks = (...kids) => json(200, { keys: kids.map((kid) => ({ use: 'sig', kty: 'RSA', kid, alg: 'RS256', n: 'AQAB', e: 'AQAB' })) })
export const instance = (environment_type) => json(200, { object: 'instance', id: 'ins_madeup', environment_type, allowed_origins: null })
export const balance = (livemode) => json(200, { object: 'balance', available: [], livemode, pending: [] })
export const intent = (status = 'requires_payment_method') => json(200, { id: 'seti_madeup', object: 'setup_intent', client_secret: 'seti_madeup_secret_MadeUp', status })
export { json }

/** By "METHOD path" (for statements in a pipeline, by the first word of the second one, or the first). */
export const GOOD = {
  clerk: (host, mode) => ({
    'GET /v1/instance': instance(mode === 'live' ? 'production' : 'development'),
    'GET /v1/users/count': json(200, { object: 'total_count', total_count: 3 }),
    'GET /v1/domains': domains(domain('satellite.example.com', true), domain(host)),
    'GET /v1/jwks': jwks('ins_madeup'),
    'GET /.well-known/jwks.json': jwks('ins_former', 'ins_madeup'),
  }),
  database: () => ({
    'SELECT 1': pipeline([[integer(1)]]),
    'BEGIN IMMEDIATE': pipeline([], [], []),
    'SELECT count(*)': tables(0, 0),
    SQL: { status: 200 },
  }),
  storage: () => ({
    'GET /bucket': { status: 200, headers: { 'content-type': 'application/xml' }, body: '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>' },
    'HEAD /bucket': { status: 200, headers: { 'x-amz-bucket-region': 'auto' }, body: '' },
    PUT: xml(200),
    GET: (probe) => ({ status: 200, headers: {}, body: probe }),
    DELETE: xml(204),
    OPTIONS: { status: 204, headers: { 'access-control-allow-origin': '*' }, body: '' },
  }),
  stripe: (mode) => ({
    'GET /v1/balance': balance(mode === 'live'),
    'POST /v1/checkout/sessions': stripeError(400, 'invalid_request_error', 'parameter_missing'),
    'GET /v1/checkout/sessions': json(200, { object: 'list', data: [], has_more: false }),
    'GET /v1/products': json(200, { object: 'list', data: [] }),
    'GET /v1/prices': json(200, { object: 'list', data: [] }),
    'GET /v1/customers': json(200, { object: 'list', data: [] }),
    'GET /v1/subscriptions': json(200, { object: 'list', data: [] }),
    'POST /v1/setup_intents': intent(),
    'GET /v1/setup_intents/seti_madeup': intent(),
    'POST /v1/setup_intents/seti_madeup/cancel': intent('canceled'),
  }),
}

/** Which of those a request is. */
export function nameOf(service, { method, url, body }, bucket) {
  if (method === 'SQL') return 'SQL'
  const { pathname } = new URL(url)
  if (service === 'database') return ['SELECT 1', 'BEGIN IMMEDIATE', 'SELECT count(*)'].find((sql) => body.includes(`"${sql}`))
  if (service === 'storage') return pathname === `/${bucket}` || pathname.endsWith(`/${bucket}`) ? `${method} /bucket` : method
  return `${method} ${pathname}`
}
