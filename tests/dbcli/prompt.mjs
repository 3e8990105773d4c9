// The SQL prompt at a terminal (a pseudo-terminal of Python's): keys, history, its file.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { assert, assertSame, check } from '../lib/tap.mjs'
import { binary, tempFolder } from '../lib/daemon.mjs'

const DRIVER = `
import os, pty, select, sys, time
keys = eval(sys.stdin.read())
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
out = b""
def drain(until, limit=10):
    global out
    end, seen = time.time() + limit, len(out)
    while time.time() < end:
        if select.select([fd], [], [], 0.05)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:
                return
            if not data:
                return
            out += data
        elif until in out[seen:] or until == b"":
            return
drain(b"> ")
for k in keys:
    os.write(fd, k)
    drain(b"> " if k.endswith((b"\\r", b"\\x03", b"\\x04")) else b"", 10 if k.endswith(b"\\r") else 1)
end = time.time() + 10
while time.time() < end:
    drain(b"\\0", 0.2)
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        break
else:
    os.kill(pid, 9)
    status = 9 << 8
sys.stdout.buffer.write(out)
sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 99)
`

export async function prompt(daemon) {
  await daemon.createBuild('prompt')
  const home = tempFolder()
  const file = path.join(home, 'valetkey', 'history')
  const type = (keys) => {
    const r = spawnSync('python3', ['-c', DRIVER, binary, 'db', 'shell', 'prompt', '--data', daemon.data], {
      input: `[${keys.map((k) => `b'${[...Buffer.from(k)].map((b) => `\\x${b.toString(16).padStart(2, '0')}`).join('')}'`).join(',')}]`,
      env: { ...process.env, XDG_STATE_HOME: home, TERM: 'xterm', NO_COLOR: '1' }, timeout: 60000,
    })
    return { code: r.status, text: r.stdout?.toString() ?? '', stderr: r.stderr?.toString() }
  }
  const kept = () => fs.readFileSync(file, 'utf8').split('\n').filter(Boolean)

  await check('lines are edited: left, home, word and line kill, backspace over a character of three bytes', async () => {
    const r = type(['SELECT 2;', '\x1b[D\x1b[D', '1', '\r', 'nonsense here', '\x15', "SELECT '☃x';", '\x1b[D\x1b[D\x1b[D', '\x7f', '\x01', '\x05', '\r', 'SELECT 7 junk', '\x17', '+1;\r', '\x04'])
    assertSame(r.code, 0, r.stderr + r.text)
    assert(/\n *12\r?\n/.test(r.text), r.text)
    assert(/\nx\r?\n/.test(r.text) && !/☃x'\r?\n/.test(r.text), r.text)
    assert(/\n *8\r?\n/.test(r.text), r.text)
  })

  await check('the arrows bring back what was typed, also in the next session; the file is 0600 in a folder of 0700', async () => {
    assertSame([fs.statSync(file).mode & 0o777, fs.statSync(path.dirname(file)).mode & 0o777], [0o600, 0o700])
    assertSame(kept(), ['SELECT 12;', "SELECT 'x';", 'SELECT 7 +1;'])
    const r = type(['\x1b[A\x1b[A\x1b[A\x1b[B', '\r', '\x1b[A', '\x7f', '||2;\r', '\x04'])
    assertSame(r.code, 0)
    assert(/\nx2\r?\n/.test(r.text), r.text)
  })

  await check('what may be a secret is not written: key shapes, words beside a text, a line that begins with a blank', async () => {
    const before = kept()
    const mark = 'never-on-disk'
    const r = type([`SELECT '${mark}' AS password;\r`, ` SELECT '${mark}';\r`, 'SELECT\r', `'${mark}', 'token';\r`, `SELECT 'vk_b_${'0'.repeat(8)}${mark}';\r`, 'SELECT 99;\r', '.tables\r', '\x04'])
    assertSame(r.code, 0)
    assertSame(kept().slice(before.length), ['SELECT 99;', '.tables'])
    assert(!fs.readFileSync(file, 'utf8').includes(mark), 'a secret is in the file')
  })

  await check('Ctrl-C forgets the statement, Ctrl-D ends, the terminal is as it was', async () => {
    const r = type(['SELECT (\r', '\x03', 'SELECT 5;\r', '.quit\r'])
    assertSame(r.code, 0)
    assert(/\n *5\r?\n/.test(r.text) && !r.text.includes('syntax'), r.text)
  })

  await check('a history that cannot be written is no error', async () => {
    fs.rmSync(path.join(home, 'valetkey'), { recursive: true })
    fs.writeFileSync(path.join(home, 'valetkey'), 'a file')
    const r = type(['SELECT 6;\r', '\x04'])
    assert(r.code === 0 && /\n *6\r?\n/.test(r.text), r.text)
  })
}
