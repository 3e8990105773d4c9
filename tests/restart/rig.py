"""Daemons that are restarted, and what the tests of it share."""
import glob
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import vk  # noqa: E402
from ports import port_base  # noqa: E402
from vk import BIN, CLOSE, Failure, check, execute, finish, folders, text, want  # noqa: E402,F401

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = port_base()
PORT = BASE + 2


def restart(d, seconds=60):
    """What `valetkey restart --json` says: (exit code, its object, from standard output or error)."""
    r = subprocess.run([BIN, 'restart', '--data', d.data, '--json'], capture_output=True, text=True, timeout=seconds)
    try:
        return r.returncode, json.loads(r.stdout or r.stderr)
    except ValueError:
        raise Failure(f'restart: {r.returncode} {r.stdout!r} {r.stderr!r}\n{d.log()[-3000:]}') from None


def must_restart(d):
    code, said = restart(d)
    want(code == 0 and said['state'] == 'done', f'{code} {said}\n{d.log()[-3000:]}')
    return said


def refused(d, *words):
    """A restart that fails and says why; the daemon goes on."""
    code, said = restart(d)
    message = said.get('error', {}).get('message', '')
    want(code == 1, f'exit code {code}: {said}')
    for w in words:
        want(w in message, f'no {w!r} in: {message}')
    return message


def in_background(fn, *args):
    """Starts fn; the function that is returned waits for what it gives."""
    got = []

    def run():
        try:
            got.append((True, fn(*args)))
        except Exception as e:
            got.append((False, e))
    t = threading.Thread(target=run, daemon=True)
    t.start()

    def wait(seconds=60):
        t.join(seconds)
        want(got, f'not within {seconds} s')
        if not got[0][0]:
            raise got[0][1]
        return got[0][1]
    return wait


def children(pid):
    found = []
    for path in glob.glob(f'/proc/{pid}/task/*/children'):
        try:
            with open(path) as f:
                found += [int(p) for p in f.read().split()]
        except OSError:
            pass
    return found


def role(pid):
    try:
        with open(f'/proc/{pid}/comm') as f:
            return f.read().strip()
    except OSError:
        return ''


def roles(d):
    """{'vk-front': [pids], …}"""
    out = {}
    for pid in children(d.p.pid):
        out.setdefault(role(pid), []).append(pid)
    return out


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except OSError:
        return False


def until(what, fn, seconds=10):
    meanwhile, begun = vk.Meanwhile(), time.monotonic()
    while True:
        got = fn()
        if got:
            return got
        want(meanwhile.allows(time.monotonic() - begun, seconds), f'not within {seconds} s: {what}')
        time.sleep(0.005)


def status(d):
    try:
        with open(f'{d.data}/restart.json') as f:
            return json.load(f)
    except FileNotFoundError:
        return {'number': 0, 'state': 'none'}


def body(*requests, baton=None):
    return json.dumps({'baton': baton, 'requests': list(requests)})


class Client:
    """One connection, kept. It never tries anything again: what goes wrong is raised."""

    def __init__(self, key, port=PORT, tls=None, seconds=30):
        self.key = key
        self.c = http.client.HTTPSConnection('127.0.0.1', port, timeout=seconds, context=tls) if tls \
            else http.client.HTTPConnection('127.0.0.1', port, timeout=seconds)

    def pipeline(self, *requests, baton=None):
        self.c.request('POST', '/v2/pipeline', body(*requests, baton=baton),
                       {'Authorization': f'Bearer {self.key}', 'Content-Type': 'application/json'})
        r = self.c.getresponse()
        self.last = r
        got = r.read()
        want(r.status == 200, f'{r.status} {got[:300]!r}')
        got = json.loads(got)
        for x in got['results']:
            want(x['type'] == 'ok', f'{x}')
        return got

    def sql(self, sql, *args):
        return self.pipeline(execute(sql, *args), CLOSE)['results'][0]['response']['result']

    def close(self):
        self.c.close()


def one_value(d, key, sql):
    return int(d.sql(key, sql)['rows'][0][0]['value'])


class Load:
    """Clients that ask steadily, each at its own pace, and count what fails. `act(client, n)` is one request, or what belongs
    together; it is given a number that no other gets."""

    def __init__(self):
        self.threads, self.failures, self.done, self.took = [], [], [], []
        self.stopping, self.lock, self.n = False, threading.Lock(), 0

    def number(self):
        with self.lock:
            self.n += 1
            return self.n

    def start(self, clients, rate, make, act, keep=True):
        for _ in range(clients):
            self.threads.append(threading.Thread(target=self.work, args=(rate, make, act, keep), daemon=True))
            self.threads[-1].start()

    def work(self, rate, make, act, keep):
        client, due = None, time.monotonic()
        while not self.stopping:
            n, begun = self.number(), time.monotonic()
            try:
                client = client or make()
                act(client, n)
                self.done.append(n)
            except Exception as e:
                self.failures.append((n, repr(e)))
                if client:
                    client.close()
                client = None
            self.took.append(time.monotonic() - begun)
            if client and not keep:
                client.close()
                client = None
            due = max(due + 1 / rate, begun)
            time.sleep(max(0.0, due - time.monotonic()))

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join(60)
        return self

    def none_failed(self, d):
        want(not self.failures, f'{len(self.failures)} of {self.n} failed: {self.failures[:5]}\n{d.log()[-2500:]}')
        want(len(self.done) > 50, f'only {len(self.done)} requests were made')


def insert(client, n):
    client.sql(f'INSERT INTO t VALUES ({n})')


def write_and_read(client, n):
    if n % 2:
        insert(client, n)
    else:
        client.sql('SELECT count(*) FROM t')


def rows_are(d, key, load, only=lambda n: True):
    """Every write that was answered is there once, and nothing else."""
    rows = sorted(int(r[0]['value']) for r in d.sql(key, 'SELECT n FROM t')['rows'])
    wanted = sorted(n for n in load.done if only(n))
    want(rows == wanted, f'{len(rows)} rows, {len(wanted)} answered writes; lost {sorted(set(wanted) - set(rows))[:5]}, '
         f'too many {sorted(set(rows) - set(wanted))[:5]}, double {len(rows) - len(set(rows))}')


def with_daemon(fn, *flags, base=BASE, **options):
    d = vk.Daemon(base, *flags, **options)
    try:
        key = d.build('app')
        d.sql(key, 'CREATE TABLE t(n INTEGER)')
        note = fn(d, key)
        if d.p.poll() is None:
            want(d.stop() == 0, f'it did not end well:\n{d.log()[-2500:]}')
        for bad in ('Sanitizer', 'runtime error', 'could not be ended for the restart'):
            want(bad not in d.log(), f'{bad} in the log:\n{d.log()[-4000:]}')
        return note
    finally:
        if d.p.poll() is None:
            d.stop()


def certificate():
    """(flags, context of a client that trusts it), made by the openssl program."""
    import tempfile
    dir = tempfile.mkdtemp(prefix='valetkey-test-')
    folders.append(dir)
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', f'{dir}/key.pem',
                    '-out', f'{dir}/cert.pem', '-days', '30', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'],
                   check=True, capture_output=True)
    os.chmod(f'{dir}/key.pem', 0o600)
    context = ssl.create_default_context(cafile=f'{dir}/cert.pem')
    return ['--listen', 'database=127.0.0.1 tls', '--tls-cert', f'{dir}/cert.pem', '--tls-key', f'{dir}/key.pem'], context


__all__ = [n for n in dir() if not n.startswith('_')]
