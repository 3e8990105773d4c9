import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import blake from 'blakejs'
import sodium from 'libsodium-wrappers'
import nacl from 'tweetnacl'
import ts from 'typescript'
import { Daemon, cleanUp, portBase, request, root, tempFolder } from '../lib/daemon.mjs'
import { assert, assertSame, check, finish } from '../lib/tap.mjs'

const FILE = path.join(root, 'tests/data/sealing/boxes.json')
const made = (text) => createHash('sha256').update(text).digest()
const fingerprint = (key) => `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`

// NaCl's own box, in the form of libsodium's sealed one.
function byTweetnacl(recipient, plain, secret = nacl.randomBytes(32)) {
  const own = nacl.box.keyPair.fromSecretKey(secret)
  const nonce = blake.blake2b(Buffer.concat([own.publicKey, recipient]), null, 24)
  return Buffer.concat([own.publicKey, nacl.box(plain, nonce, recipient, secret)])
}

function vectors() {
  const keys = nacl.box.keyPair.fromSecretKey(made('valetkey test box'))
  const hex = (bytes) => Buffer.from(bytes).toString('hex')
  const entry = (vendor, build, at, fields) => JSON.stringify({ vendor, build, at, fields })
  const box = ([name, plain]) => {
    const ephemeral = made(`ephemeral ${name}`)
    return { name, ephemeral: hex(ephemeral), plain: Buffer.from(plain).toString('base64'), box: byTweetnacl(keys.publicKey, Buffer.from(plain), ephemeral).toString('base64') }
  }
  return {
    made_by: 'tweetnacl 1.0.3 and blakejs 1.2.1', secret: hex(keys.secretKey), public: hex(keys.publicKey), fingerprint: fingerprint(keys.publicKey),
    boxes: [
      ['empty', ''], ['one byte', 'a'], ['fifteen', '0123456789abcde'], ['a block', '0123456789abcdef'], ['thirty-two', '0123456789abcdef'.repeat(2)],
      ['sixty-five', 'y'.repeat(65)], ['text', 'Größe ✓'],
      ['entry', entry('turso', '', 1764400000000, { org: 'acme', group: 'default', token: 'eyJhAAAAAAAAAAAAAA.eyJiAAAA.cccc' })],
      ['entry of a build', entry('turso', 'shop', 1764400000001, { database_token: 'eyJhBBBBBBBBBBBBBB.eyJiBBBB.cccc' })],
      ['key-encryption key', JSON.stringify({ kek: Buffer.alloc(32, 7).toString('base64'), at: 1764400000002, kdf: null })],
      ['long', entry('turso', '', 1764400000003, { token: 'x'.repeat(2048) })],
    ].map(box),
  }
}

// The example as a browser would have it: compiled, strictly, with no types of Node.
async function example() {
  const file = path.join(root, 'tests/sealing/seal.ts')
  const options = { strict: true, noUncheckedIndexedAccess: true, noEmit: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022, lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'], types: [] }
  const said = ts.getPreEmitDiagnostics(ts.createProgram([file], options)).map((d) => ts.flattenDiagnosticMessageText(d.messageText, '\n'))
  assertSame(said, [], 'what the compiler says')
  const out = path.join(tempFolder('valetkey-seal'), 'seal.mjs')
  fs.writeFileSync(out, ts.transpileModule(fs.readFileSync(file, 'utf8'), { compilerOptions: options }).outputText)
  return import(pathToFileURL(out))
}

await sodium.ready
const stored = JSON.parse(fs.readFileSync(FILE, 'utf8'))
const recipient = new Uint8Array(Buffer.from(stored.public, 'hex'))
const secret = new Uint8Array(Buffer.from(stored.secret, 'hex'))
const random = (bytes) => crypto.getRandomValues(bytes)

await check('the vectors are what tweetnacl and blakejs make', () => assertSame(stored, vectors()))
await check('libsodium opens each', () => {
  for (const b of stored.boxes) assertSame(Buffer.from(sodium.crypto_box_seal_open(Buffer.from(b.box, 'base64'), recipient, secret)).toString('base64'), b.plain, b.name)
})
let ours
await check('the example for browsers compiles', async () => void (ours = await example()))
await check('it makes the same boxes', () => {
  for (const b of stored.boxes) {
    const ephemeral = (bytes) => (bytes.set(Buffer.from(b.ephemeral, 'hex')), bytes)
    assertSame(Buffer.from(ours.seal(recipient, new Uint8Array(Buffer.from(b.plain, 'base64')), ephemeral)).toString('base64'), b.box, b.name)
  }
})
await check('libsodium opens those that it makes of its own', () => {
  for (let n = 0; n < 200; n += 7) {
    const plain = random(new Uint8Array(n))
    const one = ours.seal(recipient, plain, random)
    assertSame([...sodium.crypto_box_seal_open(one, recipient, secret)], [...plain])
    assert(Buffer.compare(one, ours.seal(recipient, plain, random)) !== 0, 'each box has a key of its own')
  }
})
await check('a key that is none is refused', () => {
  let said = ''
  try { ours.seal(new Uint8Array(32), new Uint8Array(1), random) } catch (e) { said = e.message }
  assertSame(said, 'That is no public key.')
})

const daemon = await new Daemon({ portBase: await portBase() }).start()
try {
  const token = fs.readFileSync(path.join(daemon.data, 'admin.token'), 'utf8').trim()
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const api = (method, where, body) => request(`${daemon.adminUrl}/api/v1/keys${where}`, { method, headers, body: body && JSON.stringify(body) })
  const box = (await api('GET', '/sealing')).json()
  const key = new Uint8Array(Buffer.from(box.key, 'base64'))
  await check('the daemon shows the fingerprint of its key', () => assertSame(box.fingerprint, fingerprint(key)))
  const value = () => `eyJh${Buffer.from(random(new Uint8Array(24))).toString('hex')}.eyJi.${Buffer.from(random(new Uint8Array(24))).toString('hex')}`
  const fields = (token) => ({ org: 'acme', group: 'default', token })
  const ways = {
    'the example for browsers': (token) => ours.entry(key, 'turso', '', fields(token), random),
    tweetnacl: (token) => byTweetnacl(key, Buffer.from(JSON.stringify({ vendor: 'turso', build: '', at: Date.now(), fields: fields(token) }))).toString('base64'),
    libsodium: (token) => Buffer.from(sodium.crypto_box_seal(JSON.stringify({ vendor: 'turso', build: '', at: Date.now(), fields: fields(token) }), key)).toString('base64'),
  }
  let version = 0
  for (const [name, make] of Object.entries(ways))
    await check(`a daemon takes an entry of ${name}, once`, async () => {
      const token = value()
      const sealed = make(token)
      const answer = await api('PUT', '/turso', { sealed })
      assertSame(answer.status, 200, answer.text)
      version++
      const one = (await api('GET', '?vendor=turso')).json().keys[0]
      assertSame([one.state, one.version], ['ready', version])
      const field = one.fields.find((f) => f.name === 'token')
      assert(field.mask.endsWith(token.slice(-4)) && !JSON.stringify(one).includes(token), 'the mask has its end, and nothing has more')
      assertSame((await api('PUT', '/turso', { sealed })).status, 400, 'the same entry again')
    })
  await check('what was changed on its way is refused', async () => {
    const sealed = Buffer.from(ways.libsodium(value()), 'base64')
    sealed[60] ^= 1
    const answer = await api('PUT', '/turso', { sealed: sealed.toString('base64') })
    assertSame(answer.status, 400, answer.text)
    assertSame((await api('GET', '?vendor=turso')).json().keys[0].version, version)
  })
} finally {
  await cleanUp()
}
finish()
