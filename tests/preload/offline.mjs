// No name is looked up: a request that would leave this machine fails, and which host it was for is printed at the end.
import dns from 'node:dns'
const asked = new Set()
dns.lookup = (name, options, done = options) => {
  asked.add(name)
  process.nextTick(done, Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: name }))
}
process.on('exit', () => console.log(`asked: ${[...asked].sort().join(' ')}`))
