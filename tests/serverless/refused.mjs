// An app whose key is no good: what its developer gets to see from a query and from the compatible client.
import { connect } from '@tursodatabase/serverless'
import { createClient } from '@tursodatabase/serverless/compat'
import { assert, check, finish } from '../lib/tap.mjs'

const url = process.env.TURSO_DATABASE_URL
const authToken = process.env.TURSO_AUTH_TOKEN
const want = { revoked: /revoked/i, forged: /unknown|revoked|invalid|not valid/i, none: /key|token|authenticat/i }[process.argv[2]]

const tries = {
  run: () => connect({ url, authToken }).run('CREATE TABLE x(a)'),
  all: () => connect({ url, authToken }).all('SELECT 1'),
  batch: () => connect({ url, authToken }).batch(['SELECT 1'], 'immediate'),
  'compat execute': () => createClient({ url, authToken }).execute('SELECT 1'),
  'compat batch': () => createClient({ url, authToken }).batch(['SELECT 1'], 'write'),
}
for (const [name, act] of Object.entries(tries))
  await check(`${process.argv[2]} key, ${name}: an error that says why`, async () => {
    let e
    try { await act() } catch (x) { e = x }
    assert(e, 'it was served')
    assert(want.test(e.message) && !/HTTP error!/.test(e.message), `message: ${e.message}`)
    assert(!authToken || !e.message.includes(authToken), 'the message shows the key')
  })
// This client shows the status alone for what it sends as a pipeline.
await check(`${process.argv[2]} key, exec: status 401`, async () => {
  let e
  try { await connect({ url, authToken }).exec('SELECT 1') } catch (x) { e = x }
  assert(e && /401/.test(e.message), `message: ${e?.message}`)
})
finish()
