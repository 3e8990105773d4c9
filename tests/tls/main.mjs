import fs from 'node:fs'
import https from 'node:https'
import path from 'node:path'
import tls from 'node:tls'
import { assert, assertSame, check, finish, note, ok } from '../lib/tap.mjs'
import { e2e, install, script, versions } from '../lib/clients.mjs'
import { Daemon, binary, cleanUp, portBase, request, run, sleep, tempFolder } from '../lib/daemon.mjs'
import { Authority, RSA, WEAK, sClient } from './certs.mjs'

const base = await portBase()
const dir = tempFolder('valetkey-certs')
const authority = await Authority.make(dir)
const DAY = 86400000

// Refused by `serve` before it listens: [name, arguments, words of the sentence].
async function refusals() {
  const good = await authority.issue('good')
  const other = await authority.issue('other')
  const weak = await authority.issue('weak', { kind: WEAK })
  const file = (name, text, mode = 0o600) => {
    const p = path.join(dir, name)
    fs.writeFileSync(p, text, { mode })
    fs.chmodSync(p, mode)
    return p
  }
  const open = file('open.key', fs.readFileSync(good.key), 0o640)
  const locked = path.join(dir, 'locked.key')
  await run('openssl', ['ec', '-in', good.key, '-aes256', '-passout', 'stdin', '-out', locked], { input: 'made up\n' })
  fs.chmodSync(locked, 0o600)
  const pair = (cert, key) => ['--listen', '127.0.0.1 tls', '--tls-cert', cert, '--tls-key', key]
  for (const [name, args, code, words] of [
    ['an address of the network without TLS', ['--listen', '0.0.0.0'], 2, ['auth', '0.0.0.0', 'TLS', '--allow-plain-network']],
    ['one listener on the network without TLS', ['--listen', 'database=[::]:4502'], 2, ['database', '::', 'TLS']],
    ['tls without a certificate', ['--listen', 'database=127.0.0.1 tls'], 2, ['--tls-cert', '--tls-self-signed']],
    ['a certificate that no listener uses', ['--tls-cert', good.cert, '--tls-key', good.key], 2, ['no listener has tls']],
    ['a certificate without its key', ['--listen', '127.0.0.1 tls', '--tls-cert', good.cert], 2, ['tls_cert', 'tls_key']],
    ['both kinds of certificate', [...pair(good.cert, good.key), '--tls-self-signed'], 2, ['tls_self_signed']],
    ['a name for an address', ['--listen', 'database=db.example.org'], 2, ['db.example.org', 'address']],
    ['an unknown listener', ['--listen', 'mail=127.0.0.1'], 2, ['mail']],
    ['an unknown word', ['--listen', '127.0.0.1 ssl'], 2, ['tls', 'ssl']],
    ['one port for all', ['--listen', '127.0.0.1:4502'], 2, ['port']],
    ['a port out of range', ['--listen', 'database=127.0.0.1:65536'], 2, ['address']],
    ['a name with a slash', ['--hosts', 'a/b'], 2, ['host names']],
    ['an address that this machine does not have', ['--listen', '203.0.113.77 tls', '--tls-self-signed'], 1, ['203.0.113.77', 'no address']],
    ['a certificate that is not there', pair(path.join(dir, 'none.pem'), good.key), 1, ['tls_cert', 'none.pem']],
    ['a folder for a certificate', pair(dir, good.key), 1, ['no plain file']],
    ['a file without certificate', pair(good.key, good.key), 1, ['no certificate', 'good.key']],
    ['a file without key', pair(good.cert, file('text.key', 'no key\n')), 1, ['no private key', 'text.key']],
    ["another certificate's key", pair(good.cert, other.key), 1, ['does not belong', 'other.key', 'good.pem']],
    ['a key that others can read', pair(good.cert, open), 1, ['chmod 600', '640']],
    ['a key with a password', pair(good.cert, locked), 1, ['password']],
    ['a key that is too small', pair(weak.cert, weak.key), 1, ['too small']],
  ]) {
    await check(`refused with a sentence: ${name}`, async () => {
      const r = await run(binary, ['serve', '--data', path.join(tempFolder(), 'data'), '--port-base', String(base), ...args], { timeout: 10000 })
      assertSame([r.code, r.stdout], [code, ''], r.stderr)
      const line = r.stderr.split('\n').find((l) => l.startsWith('valetkey: ')) ?? ''
      for (const w of words) assert(line.includes(w), `"${w}" is not in: ${line}`)
    })
  }
}

// The daemon's own certificate, and everything that apps and people do with it.
async function selfSigned() {
  const daemon = new Daemon({ portBase: base, tls: true, env: { VALETKEY_DEBUG_DUMPABLE: '1' }, args: ['--listen', '127.0.0.1 tls', '--tls-self-signed', '--hosts', 'db.test', '--url-browser', 'database=https://db.test:8443'] })
  await daemon.start()
  const file = path.join(daemon.data, 'tls/cert.pem')
  daemon.ca = fs.readFileSync(file)
  const [first, second] = versions.slice(-2)
  const build = async (id) => (await daemon.createBuild(id)).env
  const scheme = (env, s) => ({ ...env, TURSO_DATABASE_URL: env.TURSO_DATABASE_URL.replace(/^https:/, `${s}:`) })

  await check('the ready line and the environment say https', async () => {
    assert(daemon.ready.includes(`console https://127.0.0.1:${base}, auth https://127.0.0.1:${base + 1}, database https://127.0.0.1:${base + 2}`), daemon.ready)
    const env = await build('one')
    assertSame([env.TURSO_DATABASE_URL, env.NODE_EXTRA_CA_CERTS], [`https://127.0.0.1:${base + 2}`, file])
    assertSame([fs.statSync(file).mode & 0o777, fs.statSync(path.join(daemon.data, 'tls/key.pem')).mode & 0o777], [0o600, 0o600], 'modes')
  })
  await Promise.all([
    script('app.mjs', first, await build('app-https')),
    script('app.mjs', second, await build('app-https-2')),
  ])
  await Promise.all([
    script('app.mjs', second, scheme(await build('app-libsql'), 'libsql')),
    script('app.mjs', second, scheme(await build('app-wss'), 'wss')),
  ])
  await check('a client that does not trust the certificate does not connect', async () => {
    const e = await request(`${daemon.databaseUrl}/`).catch((x) => x)
    assertSame(e.code, 'DEPTH_ZERO_SELF_SIGNED_CERT')
  })
  await check('valetkey run: the app in it trusts us', async () => {
    const code = `const { createClient } = await import('@libsql/client'); const c = createClient({ url: process.env.TURSO_DATABASE_URL, authToken: process.env.TURSO_AUTH_TOKEN });
      await c.execute('CREATE TABLE t(a)'); await c.execute('INSERT INTO t VALUES (7)'); console.log((await c.execute('SELECT a FROM t')).rows[0].a)`
    const r = await run(binary, ['run', 'one', '--data', daemon.data, '--', process.execPath, '--input-type=module', '-e', code], { cwd: path.join(e2e, second) })
    assertSame([r.code, r.stdout], [0, '7\n'], r.stderr)
  })
  await check('db shell speaks TLS', async () => {
    const r = await daemon.cli(['db', 'shell', 'one'], { input: 'SELECT a + 1 AS b FROM t;\n' })
    assert(r.code === 0 && r.stdout.includes('8'), `${r.code} ${r.stdout} ${r.stderr}`)
  })
  await check('status and doctor know the listeners and the certificate', async () => {
    const s = (await daemon.admin('GET', '/api/v1/status')).json()
    assertSame(s.listeners, [...[['auth', 1], ['database', 2], ['storage', 3], ['payments', 4]].map(([name, n]) => ({ name, address: '127.0.0.1', port: base + n, tls: true })), { name: 'console', address: '127.0.0.1', port: base, tls: true }])
    assertSame([s.certificate.names, s.certificate.key, s.certificate.self_signed], ['localhost, db.test, 127.0.0.1, ::1', 'EC 256 bit', true])
    assert(s.certificate.seconds_left > 360 * 86400, s.certificate)
    const d = await daemon.cli(['doctor', '--json'])
    const lines = JSON.parse(d.stdout).checks.filter((c) => /port|certificate|console|database/.test(c.check))
    assertSame(lines.map((l) => l.result), ['ok', 'ok', 'ok', 'ok', 'ok', 'ok'], d.stdout)
    assert(lines[0].text.includes('our certificate'), lines)
  })
  await check('no process but the supervisor keeps the files of certificate and key open, and it keeps sealed copies', async () => {
    const open = (pid) => fs.readdirSync(`/proc/${pid}/fd`).map((fd) => { try { return fs.readlinkSync(`/proc/${pid}/fd/${fd}`) } catch { return '' } }).filter((to) => /vk-certificate|\.pem|\.key/.test(to))
    assertSame(daemon.children().map((c) => [c.role, open(c.pid)]).sort(), [['courier', []], ['front', []], ['keeper', []]])
    assertSame(open(daemon.pid).length, 2)
    for (const fd of fs.readdirSync(`/proc/${daemon.pid}/fd`)) {
      const at = `/proc/${daemon.pid}/fd/${fd}`
      if (!fs.readlinkSync(at).includes('vk-certificate')) continue
      const e = await fs.promises.writeFile(at, 'x', { flag: 'r+' }).catch((x) => x)
      assertSame(e?.code, 'EPERM', 'a sealed copy can be written to')
    }
  })
  await check('curl, with the certificate as its authority', async () => {
    const r = await run('curl', ['-sS', '--cacert', file, `${daemon.adminUrl}/healthz`])
    assertSame(JSON.parse(r.stdout).status, 'ok', r.stderr)
  })
  await check('Host: the added name is known, another is not', async () => {
    for (const [host, status] of [['db.test:8443', '200'], ['db.test', '200'], ['other.test', '421']])
      assertSame((await run('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', '--cacert', file, '-H', `Host: ${host}`, `${daemon.adminUrl}/healthz`])).stdout, status, host)
  })
  await check('what is plain and what is old: HTTP is answered in plain, TLS 1.1, CBC and h2 are refused', async () => {
    const r = await request(`http://127.0.0.1:${base + 2}/`)
    assertSame([r.status, r.text, r.headers.connection], [400, 'This port speaks TLS: its address begins https://.\n', 'close'])
    for (const args of [['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA256'], ['-tls1_2', '-cipher', 'AES128-GCM-SHA256']])
      assert(/Cipher is \(NONE\)/.test(await sClient(base + 2, args)), args.join(' '))
    const h2 = await sClient(base + 2, ['-alpn', 'h2'])
    assert(/alert no application protocol/.test(h2), h2)
    const both = await sClient(base + 2, ['-alpn', 'h2,http/1.1'])
    assert(/ALPN protocol: http\/1\.1/.test(both), both)
    for (const [args, cipher] of [[[], /TLSv1\.3, Cipher is TLS_AES_/], [['-tls1_2'], /TLSv1\.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256/]])
      assert(cipher.test(await sClient(base + 2, args)), args.join(' '))
    assert(/renegotiation|no_renegotiation|Secure Renegotiation IS supported/i.test(await sClient(base + 2, ['-tls1_2'])), 'secure renegotiation')
  })
  await check('renegotiation is refused, a flood of key updates ends the connection', async () => {
    const r = await sClient(base + 2, ['-tls1_2'], 'R\n')
    assert(/no renegotiation|RENEGOTIATING/i.test(r) && !/verify return:1[\s\S]*RENEGOTIATING[\s\S]*verify return:1/.test(r), r)
    const k = await run('sh', ['-c', `for i in $(seq 200); do echo k; sleep 0.01; done | timeout 15 openssl s_client -connect 127.0.0.1:${base + 2}`], { timeout: 20000 })
    const updates = (k.stderr.match(/KEYUPDATE/g) ?? []).length
    assert(updates >= 40 && updates <= 150, `${updates} key updates`)
  })
  await check('a session is resumed with TLS 1.2 and 1.3, on every loop, and a ticket is for one daemon only', async () => {
    for (const [args, version] of [[['-tls1_2'], 'TLSv1.2'], [['-tls1_3'], 'TLSv1.3']]) {
      const kept = path.join(dir, `session-${version}`)
      // With TLS 1.3 the ticket comes after the handshake, so a request is waited for.
      const ask = `printf 'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n'; sleep 0.5`
      const first = await run('sh', ['-c', `(${ask}) | openssl s_client -connect 127.0.0.1:${base} ${args.join(' ')} -ign_eof -sess_out ${kept}`])
      assert(first.stdout.includes('New, '), first.stdout)
      for (let i = 0; i < 3; i++) assert((await sClient(base + 2 * (i % 2), [...args, '-sess_in', kept])).includes(`Reused, ${version}`), `${version}, ${i}`)
    }
    const m = (await daemon.admin('GET', '/metrics')).text
    const value = (name, listener) => Number(new RegExp(`^${name}\\{listener="${listener}"\\} (\\d+)`, 'm').exec(m)[1])
    assert(value('valetkey_tls_resumed_total', 'database') >= 2 && value('valetkey_tls_handshakes_total', 'database') > 10, m)
    assert(value('valetkey_tls_handshakes_failed_total', 'database') >= 4, 'failed handshakes are counted')
  })
  await check('many requests on one connection, large bodies both ways', async () => {
    const env = await build('large')
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
    const blob = 'x'.repeat(1 << 20)
    const ask = (sql, args) => daemon.sql(env.TURSO_AUTH_TOKEN, sql, args, { agent, timeout: 30000 })
    await ask('CREATE TABLE big(a)')
    for (let i = 0; i < 8; i++) await ask('INSERT INTO big VALUES (?)', [{ type: 'text', value: blob + i }])
    const got = await ask('SELECT a FROM big ORDER BY rowid')
    assertSame(got.rows.map((r) => [r[0].value.length, r[0].value.at(-1)]), [...Array(8).keys()].map((i) => [blob.length + 1, String(i)]))
    agent.destroy()
    // A file goes out by another way than an answer in memory.
    const out = path.join(dir, 'large.db')
    const r = await request(`${daemon.adminUrl}/api/v1/builds/large/services/database/export`, { ca: daemon.ca, headers: { Authorization: `Bearer ${daemon.adminToken}` }, timeout: 30000 })
    assertSame(r.status, 200)
    fs.writeFileSync(out, r.raw)
    assertSame((await run('sqlite3', [out, 'PRAGMA integrity_check; SELECT count(*), sum(length(a)) FROM big;'])).stdout, `ok\n8|${8 * (blob.length + 1)}\n`)
  })
  await check('the certificate stays over a restart, and is made anew when its names change', async () => {
    const before = fs.readFileSync(file, 'utf8')
    await daemon.stop()
    await daemon.start()
    assertSame(fs.readFileSync(file, 'utf8'), before, 'after a restart')
    await daemon.stop()
    daemon.args = daemon.args.map((a) => (a === 'db.test' ? 'db2.test' : a))
    await daemon.start()
    const after = fs.readFileSync(file, 'utf8')
    assert(after !== before, 'it is the old one')
    await daemon.stop()
    daemon.env = { VALETKEY_TEST_CLOCK_OFFSET_MS: String(340 * DAY) }
    await daemon.start()
    assert(fs.readFileSync(file, 'utf8') !== after, 'it ends in 25 days and was not made anew')
    daemon.env = {}
    await daemon.stop()
  })
}

const serial = (port, ca) => new Promise((resolve, reject) => {
  const s = tls.connect({ port, host: '127.0.0.1', ca, servername: 'localhost' }, () => (resolve(s.getPeerCertificate().subject.CN), s.destroy()))
  s.on('error', reject)
})

// Certificates of an authority: exchanged while requests are under way.
async function reload() {
  const ca = fs.readFileSync(authority.cert)
  const live = { cert: path.join(dir, 'live.pem'), key: path.join(dir, 'live.key') }
  const put = (from) => {
    for (const k of ['cert', 'key']) {
      fs.copyFileSync(from[k], `${live[k]}.new`)
      fs.chmodSync(`${live[k]}.new`, 0o600)
      fs.renameSync(`${live[k]}.new`, live[k])
    }
  }
  const [one, two, short, rsa] = [await authority.issue('one'), await authority.issue('two'), await authority.issue('short', { days: 1 }), await authority.issue('rsa', { kind: RSA })]
  put(one)
  const daemon = new Daemon({ portBase: base, tls: true, args: ['--listen', 'database=127.0.0.1 tls', '--listen', 'console=127.0.0.1', '--tls-cert', live.cert, '--tls-key', live.key] })
  daemon.ca = ca
  await daemon.start()
  Object.defineProperty(daemon, 'adminUrl', { get: () => `http://127.0.0.1:${base}` })
  const db = base + 2
  const logged = async (words, from = 0) => {
    for (let i = 0; i < 100; i++) {
      if (daemon.log.slice(from).includes(words)) return daemon.log.slice(from)
      await sleep(50)
    }
    throw new Error(`"${words}" is not in the log:\n${daemon.log.slice(from)}`)
  }
  const hup = async (words) => {
    const from = daemon.log.length
    daemon.process.kill('SIGHUP')
    return logged(words, from)
  }
  const { env } = await daemon.createBuild('loaded')
  await daemon.sql(env.TURSO_AUTH_TOKEN, 'CREATE TABLE t(a)')

  await check('one listener with TLS, one without; the certificate of the authority is shown', async () => {
    assertSame([await serial(db, ca), env.TURSO_DATABASE_URL, env.NODE_EXTRA_CA_CERTS], ['one', `https://127.0.0.1:${db}`, undefined])
  })
  await check('reloading under load: no request fails, an open connection goes on, new ones get the new certificate', async () => {
    const agents = [...Array(6)].map(() => new https.Agent({ keepAlive: true, maxSockets: 1, ca }))
    const lasting = new https.Agent({ keepAlive: true, maxSockets: 1, ca })
    let going = true, sent = 0
    const failed = []
    const load = agents.map(async (agent, i) => {
      while (going) {
        // Half of them open a connection for each request.
        await daemon.sql(env.TURSO_AUTH_TOKEN, 'SELECT 1', [], { agent: i % 2 ? agent : new https.Agent({ ca }) }).then(() => sent++, (e) => failed.push(e.message))
      }
    })
    let sockets = new Set()
    const hold = async () => {
      const socket = await new Promise((resolve, reject) => https.get({ port: db, host: '127.0.0.1', path: '/health', agent: lasting, ca }, (res) => {
        const { socket } = res
        res.resume().on('end', () => resolve(socket))
      }).on('error', reject))
      sockets.add(socket)
      return socket.getPeerCertificate().subject.CN
    }
    assertSame(await hold(), 'one')
    const seen = []
    for (const [i, pair] of [two, one, two].entries()) {
      put(pair)
      await hup('the certificate is in use')
      seen.push(await serial(db, ca))
      if (i === 0) note(`${sent} requests so far`)
    }
    assertSame([seen, await hold(), sockets.size], [['two', 'one', 'two'], 'one', 1])
    going = false
    await Promise.all(load)
    assertSame([failed, sent > 50], [[], true], `${sent} requests`)
    for (const a of [...agents, lasting]) a.destroy()
  })
  await check('an RSA certificate', async () => {
    put(rsa)
    await hup('key="RSA 2048 bit"')
    assertSame(await serial(db, ca), 'rsa')
    assert(/ECDHE-RSA-AES128-GCM-SHA256/.test(await sClient(db, ['-tls1_2'])), 'TLS 1.2')
    put(two)
    await hup('the certificate is in use')
  })
  for (const [name, spoil, words] of [
    ['no certificate', () => fs.writeFileSync(live.cert, 'nothing\n'), 'no certificate'],
    ["another certificate's key", () => fs.copyFileSync(one.key, live.key), 'does not belong'],
    ['a key that others can read', () => fs.chmodSync(live.key, 0o644), 'chmod 600'],
    ['no file', () => fs.rmSync(live.cert), 'cannot be read'],
  ]) {
    await check(`a bad new certificate keeps the old one and is told in the log: ${name}`, async () => {
      spoil()
      const text = await hup('the certificate stays as it was')
      assert(text.includes(words), text)
      assertSame(await serial(db, ca), 'two')
      // A front that dies now comes back with the good one.
      put(two)
    })
  }
  await check('a front that is started again has the certificate that was good, whatever lies there', async () => {
    fs.writeFileSync(live.cert, 'nothing\n')
    await hup('the certificate stays as it was')
    const front = daemon.children().find((c) => c.role === 'front')
    process.kill(front.pid, 'SIGKILL')
    for (let i = 0; i < 100; i++) {
      const got = await serial(db, ca).catch(() => undefined)
      if (got) return assertSame(got, 'two')
      await sleep(50)
    }
    throw new Error('front did not come back')
  })
  await check('a certificate that expires soon: doctor and log say so; an expired one does not replace a good one', async () => {
    put(short)
    await hup('the certificate expires soon')
    let d = JSON.parse((await daemon.cli(['doctor', '--json'])).stdout).checks.find((c) => c.check === 'certificate')
    assert(d.result === 'note' && d.text.includes('SIGHUP'), d)
    put(two)
    await hup('the certificate is in use')
    await daemon.stop()
    daemon.env = { VALETKEY_TEST_CLOCK_OFFSET_MS: String(2 * DAY) }
    await daemon.start()
    put(short)
    assert((await hup('the certificate stays as it was')).includes('expired'), daemon.log)
    assertSame(await serial(db, ca), 'two')
    await daemon.stop()
    await daemon.start()
    await logged('the certificate has expired')
    d = await daemon.cli(['doctor', '--json'])
    const bad = JSON.parse(d.stdout).checks.find((c) => c.check === 'certificate')
    assert(d.code === 1 && bad.result === 'bad' && bad.text.includes('expired'), d.stdout)
  })
  await check('doctor: an address that the certificate does not name', async () => {
    await daemon.stop()
    daemon.env = {}
    put(two)
    daemon.args.push('--url-sandbox', 'database=libsql://db.example.org')
    await daemon.start()
    const d = JSON.parse((await daemon.cli(['doctor', '--json'])).stdout).checks.filter((c) => c.check === 'certificate')
    assertSame(d.map((c) => c.result), ['ok', 'note'])
    assert(d[1].text.includes('db.example.org'), d[1].text)
    assertSame((await daemon.createBuild('other')).env.TURSO_DATABASE_URL, 'libsql://db.example.org')
  })
  await daemon.stop()
}

async function network() {
  await check('plain on the network, when the operator says that something else encrypts: doctor says it again', async () => {
    const daemon = new Daemon({ portBase: base, args: ['--listen', 'database=0.0.0.0', '--allow-plain-network'] })
    await daemon.start()
    const all = JSON.parse((await daemon.cli(['doctor', '--json'])).stdout).checks
    assertSame(all.filter((c) => c.text.includes('--allow-plain-network')).map((c) => [c.check, c.result]), [[`port ${base + 2}`, 'note']])
    await daemon.stop()
  })
  await check('IPv6: [::] serves IPv4 too, the addresses in Host are known', async () => {
    const daemon = new Daemon({ portBase: base, tls: true, args: ['--listen', '[::] tls', '--tls-self-signed'] })
    await daemon.start()
    daemon.ca = fs.readFileSync(path.join(daemon.data, 'tls/cert.pem'))
    for (const host of ['127.0.0.1', '[::1]']) assertSame((await request(`https://${host}:${base}/healthz`, { ca: daemon.ca })).status, 200, host)
    const d = await daemon.cli(['doctor', '--json'])
    assertSame(JSON.parse(d.stdout).checks.filter((c) => /^port/.test(c.check)).map((c) => c.result), ['ok', 'ok', 'ok', 'ok', 'ok'], d.stdout)
    await daemon.stop()
  })
  await check('SIGHUP without TLS ends the daemon, as before', async () => {
    const daemon = new Daemon({ portBase: base })
    await daemon.start()
    daemon.process.kill('SIGHUP')
    assertSame((await daemon.exited).code, 0)
  })
}

try {
  for (const v of versions) await install(path.join(e2e, v))
  ok(versions.length >= 2, `client versions: ${versions.join(', ')}`)
  for (const part of [refusals, selfSigned, reload, network]) await check(`the part "${part.name}" ran to its end`, () => part())
} finally {
  await cleanUp()
}
finish()
