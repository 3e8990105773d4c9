// What asks the vendors, against servers on loopback: the guard sees public addresses, and only the dial behind it leads here.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import net from 'node:net'
import path from 'node:path'
import tls from 'node:tls'
import { run, tempFolder } from '../lib/daemon.mjs'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { cases, listed } from './cases.mjs'
import { clerkPk, clerkSk } from './values.mjs'

const HOST = 'vendor.example.com'
const PUBLIC = [{ address: '8.8.8.8', family: 4 }]

function certificate(name) {
  const folder = tempFolder('valetkey-certificate')
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')]
  const { status, stderr } = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-keyout', key, '-out', cert], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl: ${stderr}`)
  return { key: readFileSync(key), cert: readFileSync(cert, 'utf8') }
}

/** A server on a port of its own; `stop` ends it with all of its connections. */
async function listen(server) {
  const sockets = new Set()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  return { port, sockets, stop: () => (sockets.forEach((socket) => socket.destroy()), new Promise((resolve) => server.close(resolve))) }
}

export default async function asking(load) {
  const { sender } = load('./key-send.js')
  const { postgresSender } = load('./key-postgres.js')
  const own = certificate(HOST)
  const to = (port) => () => net.connect(port, '127.0.0.1')
  const options = (port, more = {}) => ({ resolve: async () => PUBLIC, dial: to(port), ca: own.cert, withinMs: 5000, ...more })
  const get = (more = {}) => ({ method: 'GET', url: `https://${HOST}/a/b?c=d`, headers: {}, ...more })

  /** One exchange with a server that does as `handle` says. */
  async function served(name, handle, then, more = {}, ask = get()) {
    await check(`asking: ${name}`, async () => {
      const seen = []
      const server = await listen(https.createServer(own, (request, response) => {
        const chunks = []
        request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
          seen.push({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() })
          handle(response, request)
        })
      }))
      try {
        const began = Date.now()
        await then(await sender(options(server.port, more))(ask), seen, { server, took: Date.now() - began })
      } finally {
        await server.stop()
      }
    })
  }
  const is = (want) => (got) => assertSame(got, want, 'outcome')

  await served('an answer comes as it was sent', (response) => response.writeHead(401, { 'X-One': 'a', 'Set-Cookie': ['b=c', 'd=e'] }).end('né'), (got, seen, { server }) => {
    assertSame([got.status, got.headers['x-one'], Buffer.from(got.body).toString()], [401, 'a', 'né'], 'answer')
    const [{ method, url, headers }] = seen
    assertSame([method, url, headers.host, headers.connection, headers.cookie, headers.authorization, headers['content-length']], ['GET', '/a/b?c=d', HOST, 'close', undefined, undefined, undefined], 'request')
    assertSame(server.sockets.size <= 1, true, 'connections')
  })
  await served('a body has its length, also an empty one', (response) => response.end(), (_, [{ method, headers, body }]) => assertSame([method, headers['content-length'], headers['transfer-encoding'], headers.authorization, body], ['POST', '0', undefined, 'Bearer made-up', ''], 'request'),
    {}, get({ method: 'POST', headers: { authorization: 'Bearer made-up' }, body: '' }))
  await served('a body of many bytes', (response) => response.end(), (_, [{ method, headers, body }]) => assertSame([method, headers['content-length'], body], ['PUT', '4', 'né!'], 'request'), {}, get({ method: 'PUT', body: 'né!' }))
  await served('HEAD', (response) => response.writeHead(404, { 'content-length': 5 }).end(), (got) => assertSame([got.status, got.body.length], [404, 0], 'answer'), {}, get({ method: 'HEAD' }))
  await served('a redirect to this machine is an answer', (response) => response.writeHead(302, { location: 'https://127.0.0.1/' }).end(), (got, seen) => assertSame([got.status, seen.length], [302, 1], 'answer, requests'))
  await served('a body beyond 1 MiB', (response) => response.end(Buffer.alloc(1024 * 1024 + 1)), is({ none: 'too_large' }))
  await served('a body of 1 MiB', (response) => response.end(Buffer.alloc(1024 * 1024)), (got) => assertSame(got.body.length, 1024 * 1024, 'bytes'))
  await served('a body without end', (response) => void (function more() { if (!response.destroyed) response.write(Buffer.alloc(65536), more) })(), is({ none: 'too_large' }))
  await served('a head beyond 16 KiB', (response) => response.writeHead(200, { 'x-long': 'x'.repeat(20 * 1024) }).end(), is({ none: 'too_large' }))
  await served('bytes that drip', (response) => {
    const timer = setInterval(() => response.write('x'), 20)
    response.on('close', () => clearInterval(timer))
  }, (got, _, { took }) => assertSame([got, took >= 300 && took < 4000], [{ none: 'timeout' }, true], `outcome after ${took} ms`), { withinMs: 400 })
  await served('no answer at all', () => {}, is({ none: 'timeout' }), { withinMs: 300 })
  await served('an answer that breaks off', (response, request) => { response.writeHead(200, { 'content-length': 100 }).write('x', () => request.socket.destroy()) }, is({ none: 'unreachable' }))
  await served('another protocol on offer', (_, request) => request.socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'), is({ none: 'unreachable' }))
  await served('an answer that is none', (_, request) => request.socket.end('SSH-2.0-made-up\r\n'), is({ none: 'unreachable' }))
  await served('a certificate that nobody vouches for', (response) => response.end(), (got, seen) => assertSame([got, seen.length], [{ none: 'tls' }, 0], 'outcome'), { ca: undefined })
  await served('a certificate of another host', (response) => response.end(), (got, seen) => assertSame([got, seen.length], [{ none: 'tls' }, 0], 'outcome'), {}, get({ url: 'https://other.example.com/' }))
  await served('a certificate of a name, asked by address', (response) => response.end(), is({ none: 'tls' }), {}, get({ url: 'https://8.8.8.8/' }))
  await check('asking: certificates are checked whatever the environment says', async () => {
    const server = await listen(https.createServer(own, (_, response) => response.end()))
    const saved = [process.env.NODE_TLS_REJECT_UNAUTHORIZED, process.emitWarning]
    try {
      process.emitWarning = () => {}
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
      assertSame(await sender(options(server.port, { ca: undefined }))(get()), { none: 'tls' }, 'outcome')
    } finally {
      if (saved[0] === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = saved[0]
      process.emitWarning = saved[1]
      await server.stop()
    }
  })
  await check('asking: an authority of the owner counts when NODE_EXTRA_CA_CERTS names it', async () => {
    const server = await listen(https.createServer(own, (_, response) => response.end()))
    const folder = tempFolder('valetkey-authority')
    writeFileSync(path.join(folder, 'ca.pem'), own.cert)
    const script = `require(${JSON.stringify(load.resolve('./key-send.js'))}).sender({ resolve: async () => [{ address: '8.8.8.8', family: 4 }], dial: () => require('node:net').connect(${server.port}, '127.0.0.1') })({ method: 'GET', url: 'https://${HOST}/', headers: {} }).then((got) => console.log(got.none ?? got.status))`
    const outcome = async (env) => (await run(process.execPath, ['-e', script], { env: { PATH: process.env.PATH, ...env } })).stdout.trim()
    assertSame([await outcome({ NODE_EXTRA_CA_CERTS: path.join(folder, 'ca.pem') }), await outcome({ NODE_EXTRA_CA_CERTS: '' })], ['200', 'tls'], 'outcomes')
    await server.stop()
  })
  for (const [name, talk, want] of [['a port that says nothing', () => {}, 'timeout'], ['a port that speaks without TLS', (socket) => socket.write('220 made-up\r\n'), 'tls'], ['a port that closes', (socket) => socket.destroy(), 'tls']]) {
    await check(`asking: ${name}`, async () => {
      const server = await listen(net.createServer(talk))
      assertSame(await sender(options(server.port, { withinMs: 400 }))(get()), { none: want }, 'outcome')
      await server.stop()
    })
  }
  await check('asking: the next address when one does not take the connection', async () => {
    const server = await listen(https.createServer(own, (_, response) => response.end('here')))
    const closed = await listen(net.createServer())
    await closed.stop()
    const dialled = []
    const dial = ({ address }) => (dialled.push(address), net.connect(address === '1.1.1.1' ? closed.port : server.port, '127.0.0.1'))
    const got = await sender(options(server.port, { dial, resolve: async () => [{ address: '1.1.1.1', family: 4 }, ...PUBLIC] }))(get())
    assertSame([got.status, dialled], [200, ['1.1.1.1', '8.8.8.8']], 'outcome')
    await server.stop()
  })
  await check('asking: names that are not found, and a resolver that does not answer', async () => {
    const failing = (code) => options(1, { resolve: async () => Promise.reject(Object.assign(new Error('made up'), { code })) })
    for (const code of ['ENOTFOUND', 'EAI_AGAIN', 'ENODATA']) assertSame(await sender(failing(code))(get()), { none: 'dns' }, code)
    assertSame(await sender(options(1, { resolve: async () => [] }))(get()), { none: 'dns' }, 'no address')
    assertSame(await sender(options(1, { resolve: () => new Promise(() => {}), withinMs: 200 }))(get()), { none: 'timeout' }, 'no answer')
  })

  // ---- PostgreSQL
  /** Speaks as much of PostgreSQL's protocol as a login and three statements need. */
  function postgres(log, { ssl = 'S', password = 'made:up', fails = {}, silent = false, flood = false, odd = false, cert = own } = {}) {
    const message = (type, ...parts) => {
      const body = Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part >> 24, part >> 16, part >> 8, part]) : Buffer.from(part))))
      const head = Buffer.from([type.charCodeAt(0), 0, 0, 0, 0])
      head.writeInt32BE(body.length + 4, 1)
      return Buffer.concat([head, body])
    }
    const error = (code) => message('E', `SERROR\0VERROR\0C${code}\0Mmade up\0\0`)
    const ready = message('Z', 'I')
    return net.createServer((raw) => {
      raw.once('data', (first) => {
        log.push(first.readInt32BE(4) === 80877103 ? 'SSLRequest' : 'something else')
        raw.write(ssl)
        if (ssl !== 'S') return
        const socket = new tls.TLSSocket(raw, { isServer: true, ...cert })
        socket.on('error', () => {})
        let started = false
        let data = Buffer.alloc(0)
        socket.on('data', (chunk) => {
          data = Buffer.concat([data, chunk])
          for (;;) {
            const at = started ? 1 : 0
            if (data.length < at + 4 || data.length < at + data.readInt32BE(at)) return
            const size = at + data.readInt32BE(at)
            const [type, body] = [started ? String.fromCharCode(data[0]) : 'startup', data.subarray(at + 4, size).toString()]
            data = data.subarray(size)
            started = true
            if (silent) return
            if (odd) return void socket.write(message(...odd))
            if (flood) {
              socket.write(Buffer.from([69, 0x3f, 0xff, 0xff, 0xff])) // an error of a gigabyte
              const more = () => { while (!socket.destroyed && socket.write(Buffer.alloc(64 * 1024, 65))); }
              socket.on('drain', more)
              return more()
            }
            if (type === 'startup') {
              log.push(body.slice(4).split('\0').slice(0, 4).join(' '))
              socket.write(message('R', 3))
            } else if (type === 'p') {
              if (body !== `${password}\0`) return void socket.end(error('28P01'))
              socket.write(Buffer.concat([message('R', 0), ready]))
            } else if (type === 'Q') {
              const sql = body.slice(0, -1)
              log.push(sql)
              const code = fails[sql.split(' ')[0]]
              socket.write(Buffer.concat([code ? error(code) : message('C', 'DONE\0'), ready]))
            } else if (type === 'X') {
              log.push('end')
            }
          }
        })
      })
    })
  }
  const TABLE = 'CREATE TABLE _vk_probe_x (a integer)'
  const sql = (url) => ({ method: 'SQL', url, headers: {}, body: TABLE })
  const URL_ = `postgres://made-up:made%3Aup@${HOST}/my%20app?sslmode=disable`
  async function database(name, server, want, log, more = {}, url = URL_) {
    await check(`PostgreSQL: ${name}`, async () => {
      const seen = []
      const listening = await listen(postgres(seen, server))
      try {
        const { status, code, none } = await postgresSender(options(listening.port, more))(sql(url))
        if (more.anyLack) return assert(status === undefined && none !== undefined, `${status} ${code} ${none}`)
        assertSame({ status, code, none }, { status: undefined, code: undefined, none: undefined, ...want }, 'outcome')
        if (log) assertSame(seen, log, 'what it was told')
      } finally {
        await listening.stop()
      }
    })
  }
  const login = ['SSLRequest', 'user made-up database my app']
  await database('a login, a table, and all of it taken back', {}, { status: 200 }, [...login, 'BEGIN', TABLE, 'ROLLBACK', 'end'])
  await database('a wrong password', { password: 'other' }, { status: 400, code: '28P01' }, login)
  await database('a user that may make no tables', { fails: { CREATE: '42501' } }, { status: 400, code: '42501' }, [...login, 'BEGIN', TABLE])
  await database('a read-only copy', { fails: { CREATE: '25006' } }, { status: 400, code: '25006' })
  await database('a server without TLS gets no password', { ssl: 'N' }, { none: 'tls' }, ['SSLRequest'])
  await database('a server of another kind', { ssl: 'H' }, { none: 'tls' }, ['SSLRequest'])
  await database('a certificate that nobody vouches for', {}, { none: 'tls' }, ['SSLRequest'], { ca: undefined })
  await database('a certificate of another host', { cert: certificate('other.example.com') }, { none: 'tls' }, ['SSLRequest'])
  await database('no answer', { silent: true }, { none: 'timeout' }, undefined, { withinMs: 400 })
  await database('an address of this machine', {}, { none: 'guard' }, [], { resolve: async () => [{ address: '127.0.0.1', family: 4 }] })
  await check('PostgreSQL: what was not typed is not taken from the environment of the app', async () => {
    Object.assign(process.env, { PGPASSWORD: 'of the app', PGUSER: 'of-the-app' })
    try {
      await database('no password', { password: 'of the app' }, { status: 400, code: '28P01' }, login, {}, `postgres://made-up@${HOST}/my%20app`)
      await database('no user', { password: 'of the app' }, { none: 'invalid' }, [], {}, `postgres://${HOST}/my%20app`)
    } finally {
      delete process.env.PGPASSWORD
      delete process.env.PGUSER
    }
  })
  for (const odd of [['R', 99], ['R'], ['E', 'S'], ['D', '\xff\xff\xff'], ['T', '\xff\xff'], ['?', 'x'], ['R', 10, 'SCRAM-SHA-256\0\0'], ['R', 12, 'v=x']])
    await database(`a server that speaks something else: ${JSON.stringify(odd)}`, { odd }, {}, undefined, { withinMs: 1500, anyLack: true })
  await database('a message that does not end', { flood: true }, { none: 'too_large' }, login.slice(0, 1), { withinMs: 20_000 })
  await database('a pooler on another port', {}, { none: 'guard' }, [], {}, `postgres://a:b@${HOST}:6543/x`)
  await database('an address that is escaped wrongly', {}, { none: 'invalid' }, [], {}, `postgres://a:b%zz@${HOST}/x`)
  await database('a host that is a number', {}, { none: 'invalid' }, [], {}, 'postgres://a:b@0x7f.1/x')

  // ---- what the app calls
  await check('validateKeys: the table, the guard and the keys that the app was built with, in a server of its own', () => {
    const folder = tempFolder('valetkey-app')
    const script = `require(${JSON.stringify(load.resolve('./validate-keys.js'))}).validateKeys(JSON.parse(process.argv[1])).then((result) => console.log(JSON.stringify(result)))`
    const keys = {
      clerk: { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: clerkPk('127.0.0.1.example.com'), CLERK_SECRET_KEY: clerkSk() },
      storage: { ...cases.find(({ service }) => service === 'storage').keys, R2_ACCOUNT_ID: '', R2_ENDPOINT: 'https://localhost' },
      stripe: {},
    }
    writeFileSync(path.join(folder, '.env.keys'), `STRIPE_SECRET_KEY=${'sk'}_test_made-up\n`)
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--conditions=react-server', '-e', script, JSON.stringify(keys)], { cwd: folder, encoding: 'utf8', env: { PATH: process.env.PATH, VALETKEY_REFUSED_KEYS: listed(clerkSk()) } })
    assert(status === 0, stderr)
    const result = JSON.parse(stdout)
    assertSame(Object.entries(result).map(([service, { valid, unverified, error }]) => [service, valid, unverified, error]), [
      ['clerk', false, false, 'Secret key is one of the keys that this app was built with, not one of yours.'],
      ['storage', false, false, 'localhost is not asked: it is not at a public address, or not on the port of this service.'],
      ['stripe', false, false, 'Publishable key is empty.'],
    ], 'reports')
    assert(result.stripe.checks.filter(({ id }) => id === 'shape').length === 2, 'what is stored is not taken for what was not typed')
  })
}
