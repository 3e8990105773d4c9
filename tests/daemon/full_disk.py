"""A full disk at start: a sentence, exit code 1, and nothing lost. The disk is a small tmpfs in a mount namespace of our own,
which needs no privilege where user namespaces are allowed."""
import os
import shutil
import subprocess
import sys

from harness import BASE, BIN, check, environ, folder, want

# Runs inside the namespace: argv = binary, folder, port base.
INSIDE = r'''
import hashlib, os, signal, subprocess, sys
binary, mnt, base = sys.argv[1:4]

def mount(size, *more):
    subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}k,mode=700' + ''.join(more), 'tmpfs', mnt], check=True)

def serve():
    """(ready, exit code, sentence)"""
    p = subprocess.Popen([binary, 'serve', '--data', mnt + '/data', '--port-base', base, '--loops', '2'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = p.stdout.readline()
    if line:
        p.send_signal(signal.SIGTERM)
    err = p.stderr.read()
    code = p.wait(20)
    said = [l for l in err.splitlines() if l.startswith('valetkey: ')]
    return bool(line), code, said[-1] if said else err

def read(path):
    try:
        with open(mnt + path, 'rb') as f:
            return f.read()
    except FileNotFoundError:
        return None

# Every size from nothing to plenty: it starts, or it says that the disk is full; then, with room, it starts, and what an
# unfinished start had made is still what counts.
full = ready = 0
for size in range(4, 260, 8):
    mount(size)
    r = serve()
    if r[0]:
        ready += 1
        assert r[1] == 0, (size, r)
    else:
        full += 1
        assert r[1] == 1 and 'disk is full' in r[2], (size, r)
    key, master, token = read('/data.key'), read('/data/vault/master'), read('/data/admin.token')
    subprocess.run(['mount', '-o', 'remount,size=4m', mnt], check=True)
    r = serve()
    assert r[0] and r[1] == 0, (size, r)
    assert key in (None, read('/data.key')) and master in (None, read('/data/vault/master')) and token in (None, read('/data/admin.token')), size
    subprocess.run(['umount', mnt], check=True)
assert full > 3 and ready > 3, (full, ready)
print(f'{full} sizes were too small, {ready} were enough')

# Existing data, then not one byte left.
mount(512)
assert serve()[0]
for p in ('-shm', '-wal'):  # as in a copy: a start needs room for them
    os.unlink(mnt + '/data/valetkey.db' + p)
cpus = os.sched_getaffinity(0)
before = {p: read(p) for p in ('/data.key', '/data/vault/master', '/data/admin.token', '/data/valetkey.db')}
with open(mnt + '/filler', 'wb', buffering=0) as f:
    refused = 0
    while refused < 8:  # the kernel counts a tmpfs's pages by processor: it may refuse a little too early, and then give some more
        os.sched_setaffinity(0, {list(cpus)[refused % len(cpus)]})
        try:
            f.write(b'x' * 4096)
            refused = 0
        except OSError:
            refused += 1
    os.sched_setaffinity(0, cpus)
r = serve()
assert not r[0] and r[1] == 1 and 'disk is full' in r[2], r
assert before == {p: read(p) for p in before}
os.unlink(mnt + '/filler')
assert serve()[0]
assert read('/data/vault/master') == before['/data/vault/master']
'''


def full_disk():
    unshare = shutil.which('unshare')
    want(unshare, 'there is no unshare(1) here to make a small disk with')
    f = folder()
    os.mkdir(f'{f}/mnt')
    args = [unshare, *([] if os.geteuid() == 0 else ['--user', '--map-root-user']), '--mount', sys.executable, '-c', INSIDE, BIN, f'{f}/mnt', str(BASE)]
    r = subprocess.run(args, capture_output=True, text=True, timeout=120, env=environ())
    want(r.returncode == 0, f'{r.stdout}\n{r.stderr}')
    return r.stdout.strip()


def run():
    check('a full disk at start', full_disk)
