// The builds, users and browsers that the suite is about, the endpoints as the source has them, and what tells whether anything changed.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'

import { manyGuesses, Pool } from '../auth/lib.mjs'
import { Daemon, tempFolder } from '../lib/daemon.mjs'

const source = new URL('../../src/services/auth/', import.meta.url)

// What everybody may call. A new endpoint that is not in this list must refuse whoever is not known.
export const open = ['POST /dev_browser', 'GET /environment', 'PATCH /environment', 'GET /client/handshake', 'GET /.well-known/jwks.json', 'GET /tickets/accept']

// Every row of every table of the service: { method, path, backend }. operator.c's are the admin API's.
export function endpoints() {
  const found = []
  for (const f of fs.readdirSync(source).filter((f) => f.endsWith('.c') && !/^(test_|fuzz_|operator)/.test(f))) {
    const text = fs.readFileSync(new URL(f, source), 'utf8')
    for (const [, table] of text.matchAll(/const vk_auth_route vk_auth_\w+_routes\[\] = \{(.*?)\n\};/gs))
      for (const [, method, where, need] of table.matchAll(/\{(?:\.method = )?"([A-Z]+)",\s*(?:\.path = )?"(\/[^"]*)",\s*([\w. =]+)/g))
        found.push({ method, path: where, backend: f.startsWith('backend') || /BACKEND/.test(need) })
  }
  return found
}

const password = 'correct horse battery'

// A build with a user in a browser, who has claimed a second address, and another browser with an open sign-up and sign-in.
async function used(daemon, id, args = []) {
  const pool = new Pool(daemon, id, (await daemon.createBuild(id, ['--framework', 'node', ...args])).env)
  const b = await pool.browser()
  const done = await b.signUp(`ada@${id}.example`, password)
  const session = done.response.created_session_id
  const claimed = await b.call('POST', '/me/email_addresses', { email_address: `second@${id}.example` }, { query: { _clerk_session_id: session } })
  const token = await b.call('POST', `/client/sessions/${session}/tokens`, {})
  const c = await pool.browser()
  const up = await c.call('POST', '/client/sign_ups', { email_address: `new@${id}.example`, password })
  const inn = await c.call('POST', '/client/sign_ins', { identifier: `ada@${id}.example` })
  const invited = await pool.backend('POST', '/invitations', { email_address: `guest@${id}.example` })
  const ticket = await pool.backend('POST', '/sign_in_tokens', { user_id: done.response.created_user_id })
  const ids = {
    sess: session, idn: claimed.response?.id, sua: up.response?.id, sia: inn.response?.id, user: done.response.created_user_id, client: done.client?.id,
    inv: invited.body?.id, sit: ticket.body?.id, name: 'supabase',
  }
  for (const [name, value] of Object.entries(ids)) if (!value) throw new Error(`${id}: no ${name}: ${claimed.text} ${up.text} ${inn.text} ${JSON.stringify(invited.body)}`)
  return { id, pool, env: pool.env, browser: b.id, second: c.id, ids, jwt: token.body.jwt }
}

export async function everybody(base) {
  const ctx = {}
  const foreign = await new Daemon({ portBase: base + 10, args: manyGuesses }).start()
  ctx.foreign = await used(foreign, 'own')
  await foreign.stop()

  const data = path.join(tempFolder(), 'data')
  const early = await new Daemon({ portBase: base, data, args: manyGuesses, env: { VALETKEY_TEST_CLOCK_OFFSET_MS: '-120000' } }).start()
  ctx.expired = await used(early, 'expired', ['--ttl', '60s'])
  await early.stop()

  const daemon = await new Daemon({ portBase: base, data, args: manyGuesses }).start()
  for (const id of ['own', 'other', 'revoked', 'deleted']) ctx[id] = await used(daemon, id)
  const stranger = await ctx.own.pool.browser() // signed in to the same build, as somebody else
  await stranger.signUp('eve@own.example', password)
  ctx.stranger = stranger.id
  ctx.nobody = (await ctx.own.pool.browser()).id
  await daemon.mustCli(['build', 'revoke', 'revoked'])
  await daemon.mustCli(['build', 'delete', 'deleted'])
  return { daemon, ctx }
}

export function fingerprint(daemon, ...ids) {
  const hash = createHash('sha256')
  for (const id of ids)
    for (const f of ['auth.db', 'auth.db-wal']) hash.update(fs.readFileSync(path.join(daemon.data, 'builds', id, f)))
  return hash.digest('hex')
}
