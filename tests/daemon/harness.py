"""Starts, watches and ends real daemons for this suite. Every process it starts is its own and is ended by its id."""
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from meanwhile import Meanwhile  # noqa: E402
from ports import port_base  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(ROOT, os.environ.get('VALETKEY_BIN', 'build/valetkey'))
BASE = port_base()
FULL = os.environ.get('VALETKEY_TEST_FULL') == '1'
ROLES = ('front', 'keeper', 'courier')
# A child's /proc entries belong to root while it is not dumpable.
DUMPABLE = {} if os.geteuid() == 0 else {'VALETKEY_DEBUG_DUMPABLE': '1'}

passed = failed = 0
folders = []
running = []


class Failure(Exception):
    pass


def want(cond, what):
    if not cond:
        raise Failure(what)


def check(name, fn, *args):
    """One named check; what it raises is the failure."""
    global passed, failed
    try:
        note = fn(*args)
        passed += 1
        print(f'ok {passed + failed} - {name}' + (f' ({note})' if isinstance(note, str) else ''), flush=True)
    except Exception as e:
        failed += 1
        print(f'not ok {passed + failed} - {name}', flush=True)
        text = str(e) if isinstance(e, Failure) else traceback.format_exc()
        for line in text.splitlines():
            print(f'#   {line}', flush=True)
    finally:
        for d in list(running):
            d.kill()


def finish():
    for f in folders:
        shutil.rmtree(f, ignore_errors=True)
    print(f'1..{passed + failed}')
    return 1 if failed or not passed else 0


def folder():
    f = tempfile.mkdtemp(prefix='valetkey-daemon-')
    folders.append(f)
    return f


def until(what, fn, seconds=5.0, step=0.002):
    """The first true answer of fn, and how many ms it took."""
    meanwhile, begun = Meanwhile(), time.monotonic()
    while True:
        got = fn()
        if got:
            return got, (time.monotonic() - begun) * 1000
        want(meanwhile.allows(time.monotonic() - begun, seconds), f'not within {seconds} s: {what}')
        time.sleep(step)


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except OSError:
        return False


def environ(extra=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith('VALETKEY_') and k not in ('NOTIFY_SOCKET', 'CREDENTIALS_DIRECTORY')}
    env.update(DUMPABLE)
    env.update(extra or {})
    return env


class Daemon:
    def __init__(self, data, *flags, base=BASE, env=None, wrap=()):
        self.data, self.base = data, base
        args = [*wrap, BIN, 'serve', '--data', data, '--port-base', str(base), *flags]
        self.begun = time.monotonic()
        self.p = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ(env))
        running.append(self)
        self.out, self.err = [], []
        self.ready_ms = None
        self.readers = [threading.Thread(target=self._read, args=a, daemon=True) for a in ((self.p.stdout, self.out), (self.p.stderr, self.err))]
        for t in self.readers:
            t.start()

    def _read(self, stream, to):
        for line in stream:
            if stream is self.p.stdout and self.ready_ms is None:
                self.ready_ms = (time.monotonic() - self.begun) * 1000
            to.append(line.decode('utf-8', 'replace'))

    @property
    def pid(self):
        return self.p.pid

    def log(self):
        return ''.join(self.err)

    def ready(self, seconds=5.0):
        until(f'ready line; log:\n{self.log()}', lambda: self.out or self.p.poll() is not None, seconds)
        time.sleep(0.01) if not self.out else None
        want(self.out, f'ended with {self.p.poll()} before it was ready:\n{self.log()}')
        return self

    def ended(self, code, *words, seconds=15.0):
        """Waits for the end; checks the exit code and that one sentence holds every word."""
        try:
            self.p.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f'still running after {seconds} s:\n{self.log()}') from None
        for t in self.readers:
            t.join(5)
        log = self.log()
        want(self.p.returncode == code, f'exit code {self.p.returncode}, not {code}:\n{log}')
        if words:
            lines = [l for l in log.splitlines() if l.startswith('valetkey: ')]
            want(any(all(w in l for w in words) for l in lines), f'no sentence with {words} in:\n{log}')
        if self in running:
            running.remove(self)
        return self

    def stop(self, sig=signal.SIGTERM):
        self.p.send_signal(sig)
        return self.ended(0)

    def kill(self):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()
        if self in running:
            running.remove(self)

    def children(self):
        """Role to pid, of those that live now."""
        found = {}
        for stat in glob.glob('/proc/[0-9]*/stat'):
            try:
                with open(stat) as f:
                    text = f.read()
            except OSError:
                continue
            name = text[text.index('(') + 1:text.rindex(')')]
            state, parent = text[text.rindex(')') + 2:].split()[:2]
            if int(parent) == self.pid and state not in 'ZX' and name.startswith('vk-'):
                found[name[3:]] = int(stat.split('/')[2])
        return found


def http(port=None, path='/healthz', method='GET', headers=(), body=b'', unix=None, seconds=5.0):
    """One request over its own connection: (status, head, body)."""
    with connect(port, unix, seconds) as s:
        lines = [f'{method} {path} HTTP/1.1', *([] if any(h.lower().startswith('host:') for h in headers) else ['Host: 127.0.0.1']),
                 'Connection: close', *headers]
        if body:
            lines.append(f'Content-Length: {len(body)}')
        s.sendall('\r\n'.join(lines).encode() + b'\r\n\r\n' + body)
        return answer(s)


def connect(port=None, unix=None, seconds=5.0):
    s = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(seconds)
    s.connect(unix if unix else ('127.0.0.1', port))
    return s


def answer(s):
    got = b''
    while True:
        piece = s.recv(65536)
        if not piece:
            break
        got += piece
    want(got.startswith(b'HTTP/1.1 '), f'no answer: {got[:80]!r}')
    head, _, body = got.partition(b'\r\n\r\n')
    return int(got[9:12]), head.decode(), body


def serves(base):
    """Console and database both answer."""
    try:
        return http(base)[0] == 200 and http(base + 2, '/v2/pipeline', 'POST', body=b'{}')[0] == 401
    except (OSError, Failure):
        return False


def ports_free(base=BASE):
    for port in (base, base + 2):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that ended a moment ago do not count
        try:
            s.bind(('127.0.0.1', port))
            s.listen()
        except OSError:
            return False
        finally:
            s.close()
    return True


def once(data, **kw):
    """A data folder that has been started and stopped once."""
    return Daemon(data, **kw).ready().stop()


def token(data):
    with open(f'{data}/admin.token') as f:
        return f.read().strip()


def content(path):
    with open(path, 'rb') as f:
        return f.read()


def mode(path):
    return os.lstat(path).st_mode & 0o777


READY = re.compile(r'^valetkey \d+\.\d+\.\d+ ready: console http://127\.0\.0\.1:(\d+), auth http://127\.0\.0\.1:(?:\d+), database http://127\.0\.0\.1:(\d+), '
                   r'storage http://127\.0\.0\.1:(\d+), payments http://127\.0\.0\.1:(?:\d+), data (.+) \(pid (\d+), (\d+) loops?\); fences: no_new_privs,[^;]+(?:; not there: .+)?\n$')

if not os.access(BIN, os.X_OK):
    print(f'not ok 1 - there is a program to test ({BIN})\n1..1')
    sys.exit(1)
