"""Backups of builds that have objects: the index and the files that it names are of one moment."""
import hashlib
import json
import os
import random
import shutil
import threading
import time

import vk
from s3 import S3
from vk import want

PART = 5 << 20


def build(daemon, name):
    status, body = daemon.admin('POST', '/builds', {'id': name})
    want(status in (200, 201), f'build {name}: {status} {body[:300]!r}')
    return S3(json.loads(body)['env'])


def moved(s3, base):
    """The same keys, at another daemon."""
    s3.host = f'127.0.0.1:{base + 3}'
    return s3


def usage(t, data, name):
    u = json.loads(t.cli('storage', 'usage', name, '--recount', '--json', data=data).stdout)
    want(u['recount']['equal'], u)
    return {k: u[k] for k in ('bytes', 'objects', 'upload_bytes', 'uploads')}


def restored(t, out):
    """A daemon on what a backup gives."""
    new = t.place('data')
    t.cli('restore', out, data=new)
    shutil.copy(f'{t.main}.key', f'{new}.key')
    return new, t.at(new)


def everything(t):
    """Inline, blob and multipart objects, an unfinished upload: restored elsewhere they have the same bytes, and go on."""
    s3 = build(t.daemon, 'objects')
    r = random.Random(1)
    want_bytes = {'small': b'inline', 'empty': b'', 'blob': r.randbytes(100_000), 'a/b//c \u00e4': r.randbytes(20_000), 'type': b'{}'}
    for k, v in want_bytes.items():
        s3.put(k, v, headers={'Content-Type': 'application/json', 'x-amz-meta-a': 'b'} if k == 'type' else None)
    parts = [r.randbytes(PART), r.randbytes(PART), r.randbytes(1000)]
    up = s3.upload('multi')
    s3.complete('multi', up, [s3.part('multi', up, i + 1, p) for i, p in enumerate(parts)])
    want_bytes['multi'] = b''.join(parts)
    open_up = s3.upload('unfinished')
    first = s3.part('unfinished', open_up, 1, parts[0])
    before = usage(t, t.main, 'objects')
    want(before['uploads'] == 1 and before['upload_bytes'] == PART and before['objects'] == len(want_bytes), before)
    out, said = t.backup(t.main)
    t.cli('backup', 'verify', out)
    s3.put('small', b'changed since')
    s3.ok('DELETE', 'multi')
    new, d = restored(t, out)
    try:
        want(usage(t, new, 'objects') == before, 'usage of the restored folder')
        there = moved(s3, d.base)
        for k, v in want_bytes.items():
            want(there.get(k) == v, f'the bytes of {k}')
        headers, _ = there.ok('HEAD', 'type')
        want(headers['Content-Type'] == 'application/json' and headers['x-amz-meta-a'] == 'b', 'headers of an object')
        there.complete('unfinished', open_up, [first, there.part('unfinished', open_up, 2, b'end')])
        want(there.get('unfinished') == parts[0] + b'end', 'the upload goes on')
        there.put('new', b'n' * 50_000)
        again, _ = t.backup(new)
        t.cli('backup', 'verify', again)
    finally:
        d.stop()
    offline, said = t.backup(new)
    want(not said['daemon_running'], said)
    third, d = restored(t, offline)
    try:
        want(moved(s3, d.base).get('unfinished') == parts[0] + b'end' and s3.get('blob') == want_bytes['blob'], 'of a folder that no daemon has')
        usage(t, third, 'objects')
    finally:
        d.stop()
    moved(s3, t.daemon.base)
    blobs = [os.path.join(f, x) for f, _, names in os.walk(f'{new}/builds/objects/blobs') for x in names]
    os.unlink(blobs[0])
    said = t.refused('backup', '--out', t.place('x.tar'), data=new, says=['is missing', 'objects'])
    want(os.path.relpath(blobs[0], new) in said, said)


class Load:
    """Writers that put, replace and delete objects whose bytes tell what they are: a key's object is its number times its length."""

    def __init__(self, s3, n):
        self.s3, self.stop, self.errors, self.done = s3, threading.Event(), [], [0] * n
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(n)]

    @staticmethod
    def body(key, i):
        word = hashlib.sha256(f'{key} {i}'.encode()).digest()
        return f'{key} {i} '.encode().ljust(64) + word * (400 + i % 700)

    def run(self, part):
        r = random.Random(part)
        try:
            while not self.stop.is_set():
                self.done[part] += 1
                key = f'{part}/{r.randrange(12)}'
                if r.random() < 0.3:
                    self.s3.ok('DELETE', key)
                else:
                    self.s3.put(key, self.body(key, self.done[part]))
        except Exception as e:  # noqa: BLE001
            self.errors.append(repr(e))

    def __enter__(self):
        for x in self.threads:
            x.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for x in self.threads:
            x.join()


def under_load(t):
    """Backups while objects are replaced and deleted: each is whole, counts as it says, and leaves nothing behind."""
    s3 = build(t.daemon, 'churn-objects')
    made = []
    with Load(s3, 4) as load:
        time.sleep(0.3)
        until = time.monotonic() + 2.5
        while time.monotonic() < until or len(made) < 4:
            made.append(t.backup(t.main)[0])
    want(not load.errors, load.errors[:3])
    want(sum(load.done) > 100, load.done)
    for out in (made[0], made[len(made) // 2], made[-1]):
        t.cli('backup', 'verify', out)
        new, d = restored(t, out)
        try:
            usage(t, new, 'churn-objects')
            moved(s3, d.base)
            listed = json.loads(t.cli('storage', 'ls', 'churn-objects', '--recursive', '--json', data=new).stdout)['objects']
            want(listed, 'no objects')
            for o in listed:
                got = s3.get(o['key'])
                key, i = got[:64].decode().split()
                want(key == o['key'] and got == Load.body(key, int(i)), f'{o["key"]} is not what was written')
        finally:
            d.stop()
            moved(s3, t.daemon.base)
        shutil.rmtree(new)
    # What was deleted while a backup had its lease goes when that ends.
    now = usage(t, t.main, 'churn-objects')
    files = [x for _, _, names in os.walk(f'{t.main}/builds/churn-objects/blobs') for x in names]
    want(len(files) == now['objects'], f'{len(files)} files of {now["objects"]} objects')
    return f'{len(made)} backups, {sum(load.done)} writes and deletions'


def leases(t):
    """A lease keeps deleted bytes in their place until it ends, is its build's own, and ends with the build."""
    s3 = build(t.daemon, 'leased')
    s3.put('k', b'x' * 50_000)
    folder = f'{t.main}/builds/leased/blobs'

    def files():
        return [x for _, _, names in os.walk(folder) for x in names]

    def call(method, path, build='leased'):
        status, body = t.daemon.admin(method, f'/builds/{build}/services/storage/{path}')
        return status, json.loads(body) if body else None

    status, made = call('POST', 'leases')
    want(status == 201 and len(made['lease']) == 32 and made['seconds'] >= 60, made)
    s3.ok('DELETE', 'k')
    want(len(files()) == 1, 'the bytes are there while the lease runs')
    want(call('POST', f'leases/{made["lease"]}')[0] == 200, 'renewing')
    for wrong in ('0' * 32, 'x', made['lease'][:-1], made['lease'].upper()):
        if wrong != made['lease']:
            want(call('DELETE', f'leases/{wrong}')[0] == 404, wrong)
    want(call('DELETE', f'leases/{made["lease"]}', 'churn-objects')[0] == 404 and len(files()) == 1, 'of another build')
    want(call('DELETE', f'leases/{made["lease"]}')[0] == 204 and not files(), 'gone with the lease')
    want(call('DELETE', f'leases/{made["lease"]}')[0] == 404, 'ended twice')
    s3.put('k', b'x' * 50_000)
    status, made = call('POST', 'leases')
    want(status == 201, made)
    begun = time.monotonic()
    status, body = t.daemon.admin('POST', '/builds/leased/revoke')
    want(status == 200 and time.monotonic() - begun < 10, f'{status} {body[:200]!r}')
    want(call('POST', f'leases/{made["lease"]}')[0] == 404, 'a lease of a revoked build')
    status, made = call('POST', 'leases')
    want(status == 201, 'a revoked build is backed up, too')
    begun = time.monotonic()
    want(t.daemon.admin('DELETE', '/builds/leased')[0] == 204 and time.monotonic() - begun < 10, 'deleted under a lease')
    want(not os.path.exists(f'{t.main}/builds/leased'), 'its folder')
    many = [call('POST', 'leases', 'churn-objects') for _ in range(80)]
    got = [m['lease'] for s, m in many if s == 201]
    want(0 < len(got) <= 64 and {s for s, _ in many} == {201, 429}, {s for s, _ in many})
    for x in got:
        want(call('DELETE', f'leases/{x}', 'churn-objects')[0] == 204, 'end')


def interrupted(t):
    """A backup that is killed leaves a lease, not a daemon that cannot be stopped; what it held goes at the next start."""
    new = t.place('data')
    t.cli('restore', t.backup(t.main)[0], data=new)
    shutil.copy(f'{t.main}.key', f'{new}.key')
    d = t.at(new)
    folder = f'{new}/builds/objects/blobs'
    try:
        status, body = d.admin('POST', '/builds/objects/services/storage/leases')
        want(status == 201, body)
        n = sum(len(names) for _, _, names in os.walk(folder))
        t.cli('storage', 'rm', 'objects', 'blob', data=new)
        want(sum(len(names) for _, _, names in os.walk(folder)) == n, 'held')
    finally:
        want(d.stop() == 0, 'the daemon ends while there is a lease')
    want(sum(len(names) for _, _, names in os.walk(folder)) == n - 1, 'what was held is gone at the end')
    shutil.rmtree(new)
