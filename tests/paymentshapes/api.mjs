// Calls of the API as they are on the wire, without the SDK: what is judged is what was sent.
import { assert } from '../lib/tap.mjs'

const pairs = (value, name) => {
  if (value === undefined) return []
  if (Array.isArray(value)) return value.flatMap((v, i) => pairs(v, `${name}[${i}]`))
  if (value && typeof value === 'object') return Object.entries(value).flatMap(([k, v]) => pairs(v, name ? `${name}[${k}]` : k))
  return [[name, value === null ? '' : String(value)]]
}

export function api(env) {
  const call = async (method, path, params = {}, version = '2026-10-28.endive') => {
    const form = new URLSearchParams(pairs(params, '')).toString()
    const query = method === 'GET' && form ? `?${form}` : ''
    const r = await fetch(env.STRIPE_API_BASE + path + query, {
      method,
      headers: { Authorization: `Bearer ${env.STRIPE_SECRET_KEY}`, 'Stripe-Version': version, ...(method !== 'GET' && { 'Content-Type': 'application/x-www-form-urlencoded' }) },
      body: method === 'GET' ? undefined : form,
    })
    const json = await r.json()
    return { status: r.status, json, notice: r.headers.get('stripe-notice') }
  }
  const good = async (method, path, params, version) => {
    const { status, json } = await call(method, path, params, version)
    assert(status === 200, `${method} ${path}: ${status} ${JSON.stringify(json.error ?? json).slice(0, 500)}`)
    return json
  }
  return { call, get: (path, params, version) => good('GET', path, params, version), post: (path, params, version) => good('POST', path, params, version), del: (path) => good('DELETE', path) }
}
