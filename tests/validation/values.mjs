// Made-up values in the vendors' shapes. Put together when they are needed: no file here has anything that looks like a live key.
const filler = (n, word = 'MadeUp') => word.repeat(Math.ceil(n / word.length)).slice(0, n)
const base64 = (text) => Buffer.from(text).toString('base64')
const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

export const ACCOUNT = '1MadeUpAccount01'
export const OTHER_ACCOUNT = '1MadeUpAccount02'

export const clerkPk = (host, mode = 'test', padded = false) => `pk_${mode}_${padded ? base64(`${host}$`) : base64(`${host}$`).replace(/=+$/, '')}`
export const rawPk = (text) => `pk_test_${base64(text).replace(/=+$/, '')}`
export const clerkSk = (mode = 'test') => `sk_${mode}_${filler(42)}`
export const stripeKey = (kind, mode = 'test', account = ACCOUNT) => `${kind}_${mode}_5${account}${filler(82)}`
/** Older keys do not say whose they are. */
export const oldStripeKey = (kind, mode = 'test') => `${kind}_${mode}_${filler(24, 'OldMadeUp')}`
export const webhookSecret = () => `whsec_${filler(32)}`
export const jwt = (claims) => `${base64url({ alg: 'EdDSA', typ: 'JWT' })}.${base64url(claims)}.${filler(40)}`
export const hex = (n) => '0123456789abcdef'.repeat(8).slice(0, n)

/** A key as valetkey makes them: its last six characters are the sum of the others. */
export function valet(prefix, body = filler(30, 'MadeUpValet')) {
  const key = `${prefix}${body}`
  let crc = 0xffffffff
  for (const byte of Buffer.from(key)) {
    crc ^= byte
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  let sum = (crc ^ 0xffffffff) >>> 0
  let text = ''
  for (let i = 0; i < 6; i++) [text, sum] = [BASE62[sum % 62] + text, Math.floor(sum / 62)]
  return key + text
}

/** JSON in which nothing looks like a key to a reader of the text: the first "_" or letter of each is escaped. */
export const withoutKeys = (json) =>
  json.replace(/\b([prs]k|whsec|vk)_/g, '$1\\u005f').replace(/\beyJ/g, '\\u0065yJ').replace(/\bA(KIA|SIA)/g, '\\u0041$1')
