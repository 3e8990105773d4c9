// An organisation with accounts at vendors: a second daemon in the vendors' role, whose keys are entered into the first one. With
// VALETKEY_TEST_BROKERED=database,auth a suite's builds have these services from there, and the suite itself does not notice.
import http from 'node:http'
import { buildVendor, vendorBinary } from './vendor_build.mjs'
import { Daemon, portBase } from './daemon.mjs'

let vendor
const orgs = new WeakMap()

/** The vendors: the second daemon, started once. */
export async function vendors() {
  vendor ??= (async () => {
    buildVendor()
    const daemon = new Daemon({ portBase: await portBase(), program: vendorBinary, args: ['--vendor-role'] })
    return daemon.start()
  })()
  return vendor
}

/** Passes what comes for Clerk's API on to the build that plays the instance: api.clerk.com knows no builds. */
async function clerkApi(build) {
  const to = new URL(build.env.CLERK_API_URL)
  const server = http.createServer((ask, answer) => {
    const up = http.request({ host: to.hostname, port: to.port, method: ask.method, path: to.pathname + ask.url, headers: { ...ask.headers, host: to.host } }, (r) => {
      answer.writeHead(r.statusCode, r.headers)
      r.pipe(answer)
    })
    up.on('error', () => answer.destroy())
    ask.pipe(up)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return `http://127.0.0.1:${server.address().port}`
}

/** `lines`: { name: value }, given on standard input. */
export async function entered(daemon, args, lines) {
  const r = await daemon.cli(args, { input: Object.entries(lines).map(([name, value]) => `${name}=${value}\n`).join('') })
  if (r.code !== 0) throw new Error(`valetkey ${args.join(' ')}: exit ${r.code}: ${r.stderr || r.stdout}`)
  return r.stdout
}

/** How a build gets each service from the vendors. `org`: what the organisation has there, made once a daemon. */
const WAYS = {
  database: {
    async bind(daemon, build, up) {
      const own = await up.createBuild(build.id)
      await entered(daemon, ['build', 'use', build.id, 'database', 'turso', `hostname=${own.env.TURSO_DATABASE_URL}`], { database_token: own.env.TURSO_AUTH_TOKEN })
    },
  },
  auth: {
    async org(daemon, up) {
      const instance = await up.createBuild('instance', ['--origin', 'http://localhost:3000', '--framework', 'next'])
      await entered(daemon, ['keys', 'set', 'clerk'], { publishable_key: instance.env.CLERK_PUBLISHABLE_KEY ?? instance.env.NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, secret_key: instance.env.CLERK_SECRET_KEY, api_base: await clerkApi(instance) })
      return instance
    },
    async bind(daemon, build) {
      await daemon.mustCli(['build', 'use', build.id, 'auth', 'clerk'])
    },
  },
}

/** Binds a build that was just made; what `build create` says of it then. */
export async function bound(daemon, build, services) {
  const up = await vendors()
  const org = orgs.get(daemon) ?? orgs.set(daemon, {}).get(daemon)
  for (const service of services) {
    const way = WAYS[service]
    org[service] ??= way.org?.(daemon, up) ?? true
    await org[service]
    await way.bind(daemon, build, up)
  }
  const again = await daemon.cli(['build', 'create', build.id, '--json'])
  if (again.code !== 0) throw new Error(`build create ${build.id}: ${again.stderr}`)
  const now = JSON.parse(again.stdout)
  // Browsers find Clerk by its publishable key; what plays it here has another address.
  if (org.auth) now.env.NEXT_PUBLIC_CLERK_PROXY_URL = (await org.auth).env.NEXT_PUBLIC_CLERK_PROXY_URL
  return { ...now, created: build.created }
}

