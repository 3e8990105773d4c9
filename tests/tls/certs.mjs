// Certificates of an authority that lasts as long as the test, made by the openssl program.
import fs from 'node:fs'
import path from 'node:path'
import { run } from '../lib/daemon.mjs'

async function openssl(...args) {
  const r = await run('openssl', args)
  if (r.code !== 0) throw new Error(`openssl ${args.join(' ')}: ${r.stderr}`)
  return r.stdout
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
export const RSA = ['-newkey', 'rsa:2048']
export const WEAK = ['-newkey', 'rsa:1024']

export class Authority {
  static async make(dir) {
    const a = new Authority()
    Object.assign(a, { dir, cert: path.join(dir, 'ca.pem'), key: path.join(dir, 'ca.key') })
    await openssl('req', '-x509', ...EC, '-nodes', '-keyout', a.key, '-out', a.cert, '-days', '30', '-subj', '/CN=test authority')
    return a
  }

  // { cert, key }: paths. `names` as openssl writes them: "DNS:localhost,IP:127.0.0.1".
  async issue(name, { names = 'DNS:localhost,IP:127.0.0.1', days = 30, kind = EC } = {}) {
    const file = (ending) => path.join(this.dir, `${name}.${ending}`)
    const out = { cert: file('pem'), key: file('key') }
    await openssl('req', ...kind, '-nodes', '-keyout', out.key, '-out', file('csr'), '-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`)
    await openssl('x509', '-req', '-in', file('csr'), '-CA', this.cert, '-CAkey', this.key, '-CAcreateserial', '-days', String(days), '-copy_extensions', 'copy', '-out', out.cert)
    fs.chmodSync(out.key, 0o600)
    return out
  }
}

// What `openssl s_client` says; it ends with its input.
export async function sClient(port, args, input = '') {
  const r = await run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], { input, timeout: 20000 })
  return r.stdout + r.stderr
}
