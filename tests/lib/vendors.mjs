// Every vendor that valetkey makes things at, each played by its stand-in (tests/upstreams) or, for PostgreSQL, by a server of its own.
import { randomBytes } from 'node:crypto'
import { portBase } from './daemon.mjs'
import { Postgres } from './postgres.mjs'
import { ClerkPlatform, platformToken as clerkToken } from '../upstreams/clerk_platform.mjs'
import { Neon, apiKey } from '../upstreams/neon.mjs'
import { R2Account } from '../upstreams/r2_api.mjs'
import { StripeConnect } from '../upstreams/stripe_connect.mjs'
import { Turso, WANTED, platformToken as tursoToken } from '../upstreams/turso.mjs'

const hex = (n) => randomBytes(n).toString('hex')

/**
 * By name: the `service`, and `start(at)` with { admin, token } of a daemon where that what they hand out works. It gives { keys: what the
 * organisation enters, all(): the names of what lies there, some of others too,
 * each: how many things a build has, suspends: false where a build gets nothing of its own that could be ended alone, stand, stop() }.
 */
export const VENDORS = {
  turso: {
    service: 'database',
    async start(at) {
      const token = tursoToken()
      const stand = await new Turso({ tokens: [{ token, group: 'default', scopes: WANTED }], data: at }).start()
      return { stand, keys: { org: 'acme', group: 'default', token, api_base: stand.base }, all: () => stand.state().databases.map((d) => d.name) }
    },
  },
  neon: {
    service: 'database',
    async start(at) {
      const key = apiKey()
      const stand = await new Neon({ keys: [{ key }] }).start()
      return { stand, keys: { api_key: key, org_id: stand.org, api_base: stand.base }, all: () => [...stand.projects.values()].map((p) => p.name) }
    },
  },
  postgres: {
    service: 'database',
    async start(at) {
      const server = await Postgres.start((await portBase()) + 20)
      const org = { user: 'valetkey', password: `org${server.password}` }
      await server.rows(`CREATE ROLE ${org.user} LOGIN CREATEDB CREATEROLE NOSUPERUSER PASSWORD '${org.password}'; GRANT CONNECT ON DATABASE postgres TO ${org.user}`)
      await server.closeToBuilds()
      await server.rows('CREATE ROLE vk_foreign; CREATE DATABASE vk_foreign OWNER vk_foreign; REVOKE ALL ON DATABASE vk_foreign FROM PUBLIC')
      const all = async () => (await server.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE 'vk\\_%' UNION ALL SELECT datname FROM pg_database WHERE datname LIKE 'vk\\_%'")).map(String)
      return { stop: () => server.down(), keys: { admin_url: server.url(org) }, all, each: 2 }
    },
  },
  clerk: {
    service: 'auth',
    async start(at) {
      const token = clerkToken()
      const stand = await new ClerkPlatform({ tokens: [{ token }], data: at }).start()
      return { stand, keys: { platform_token: token, api_base: stand.base }, all: () => [...stand.applications.values()].map((a) => a.name) }
    },
  },
  r2: {
    service: 'storage',
    async start(at) {
      const parent = { account: hex(16), id: hex(16), secret: hex(32) }
      const token = `made-up-${hex(16)}`
      const stand = await new R2Account({ parent, api: [token], buckets: ['accounting'] }).start()
      return {
        stand,
        keys: { account_id: parent.account, access_key_id: parent.id, secret_access_key: parent.secret, endpoint: stand.base, api_base: stand.base, api_token: token },
        all: () => [...stand.buckets.keys()],
        suspends: false,
      }
    },
  },
  stripe: {
    service: 'payments',
    async start(at) {
      const stand = await new StripeConnect({ data: at }).start()
      stand.make({ country: 'US', metadata: { valetkey: 'nobody-s' } })
      return { stand, keys: { secret_key: stand.key, publishable_key: stand.key.replace('sk_', 'pk_'), api_base: stand.base }, all: () => [...stand.accounts.values()].map((a) => a.metadata?.valetkey), suspends: false }
    },
  },
}
