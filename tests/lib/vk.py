"""A real daemon on its own data folder and ports, for the suites in Python: starts it, asks it, ends it by its id."""
import glob
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import traceback

from meanwhile import Meanwhile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(ROOT, os.environ.get('VALETKEY_BIN', 'build/valetkey'))

passed = failed = 0
folders = []


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
        return True
    except Exception as e:
        failed += 1
        print(f'not ok {passed + failed} - {name}', flush=True)
        for line in (str(e) if isinstance(e, Failure) else traceback.format_exc()).splitlines():
            print(f'#   {line}', flush=True)
        return False


def finish():
    for f in folders:
        shutil.rmtree(f, ignore_errors=True)
    print(f'1..{passed + failed}')
    return 1 if failed or not passed else 0


def execute(sql, *args):
    return {'type': 'execute', 'stmt': {'sql': sql, 'args': list(args)}}


def text(v):
    return {'type': 'text', 'value': v}


CLOSE = {'type': 'close'}


class Daemon:
    tls = None  # context of a client, when the database's listener has TLS

    def __init__(self, base, *flags, wrap=(), env=None, program=BIN, data=None, tls=None):
        folder = tempfile.mkdtemp(prefix='valetkey-test-')
        folders.append(folder)
        self.tls = tls
        self.base, self.data, self.log_path = base, data or f'{folder}/data', f'{folder}/log'
        clean = {k: v for k, v in os.environ.items() if not k.startswith('VALETKEY_')}
        clean['VALETKEY_DEBUG_DUMPABLE'] = '1'  # so that /proc/<pid>/fd can be read by us
        clean.update(env or {})
        self.log_file = open(self.log_path, 'wb')
        self.p = subprocess.Popen([*wrap, program, 'serve', '--data', self.data, '--port-base', str(base), *flags], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=self.log_file, env=clean)
        if not self.p.stdout.readline():
            self.p.wait()
            raise Failure(f'the daemon did not become ready:\n{self.log()}')
        threading.Thread(target=self.p.stdout.read, daemon=True).start()
        with open(f'{self.data}/admin.token') as f:
            self.token = f.read().strip()

    def log(self):
        with open(self.log_path, errors='replace') as f:
            return f.read()

    def front(self):
        """The id of the front process; 0 while there is none."""
        for path in glob.glob(f'/proc/{self.p.pid}/task/*/children'):
            with open(path) as f:
                for pid in f.read().split():
                    try:
                        with open(f'/proc/{pid}/comm') as c:
                            if 'front' in c.read():
                                return int(pid)
                    except OSError:
                        pass
        return 0

    def open_databases(self):
        """Files of builds that front has open."""
        found = []
        for fd in glob.glob(f'/proc/{self.front()}/fd/*'):
            try:
                to = os.readlink(fd)
            except OSError:
                continue
            if '/builds/' in to:
                found.append(to)
        return found

    def admin(self, method, path, body=None, seconds=40):
        """(status, body as bytes)"""
        c = http.client.HTTPConnection('127.0.0.1', self.base, timeout=seconds)
        try:
            headers = {'Authorization': f'Bearer {self.token}'}
            if body is not None:
                headers['Content-Type'] = 'application/json'
            c.request(method, f'/api/v1{path}', None if body is None else json.dumps(body), headers)
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def build(self, name):
        """Its valet key."""
        status, body = self.admin('POST', '/builds', {'id': name})
        want(status in (200, 201), f'build {name}: {status} {body[:300]!r}')
        return json.loads(body)['env']['TURSO_AUTH_TOKEN']

    def pipeline(self, key, requests, baton=None, seconds=40):
        """(status, body as text)"""
        c = http.client.HTTPSConnection('127.0.0.1', self.base + 2, timeout=seconds, context=self.tls) if self.tls \
            else http.client.HTTPConnection('127.0.0.1', self.base + 2, timeout=seconds)
        try:
            c.request('POST', '/v2/pipeline', json.dumps({'baton': baton, 'requests': requests}),
                      {'Authorization': f'Bearer {key}', 'Content-Type': 'application/json'})
            r = c.getresponse()
            return r.status, r.read().decode('utf-8')
        finally:
            c.close()

    def one(self, key, request, seconds=40):
        """The result of one request on a stream of its own: ('ok', response) or ('error', error)."""
        status, body = self.pipeline(key, [request, CLOSE], seconds=seconds)
        if status != 200:
            try:
                return 'error', json.loads(body)
            except ValueError:
                return 'error', {'code': f'HTTP {status}', 'message': body}
        first = json.loads(body)['results'][0]
        return first['type'], first.get('response') or first.get('error')

    def sql(self, key, sql, *args, seconds=40):
        kind, got = self.one(key, execute(sql, *args), seconds)
        want(kind == 'ok', f'{sql[:200]}: {got}')
        return got['result']

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        try:
            return self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
            return None


def quickly(seconds, fn, *args):
    """What fn gives, and a failure when it takes longer than that, and than others on this machine explain."""
    meanwhile, begun = Meanwhile(), time.monotonic()
    got = fn(*args)
    took = time.monotonic() - begun
    want(meanwhile.allows(took, seconds), f'took {took:.1f} s, more than {seconds} s: {str(got)[:200]}')
    return got
