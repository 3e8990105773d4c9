"""Sockets that a service manager has opened, and what it is told."""
from rig import *  # noqa: F403

LAUNCH = f'{HERE}/launch.py'
CONSOLE, DATABASE = f'127.0.0.1:{BASE}', f'127.0.0.1:{PORT}'


def wrap(*args):
    return (sys.executable, LAUNCH, *args, '--')


def inode(pid, fd):
    return os.readlink(f'/proc/{pid}/fd/{fd}')


def listeners():
    """{port: inode} of ours that listen"""
    out = {}
    with open('/proc/net/tcp') as f:
        for line in f.readlines()[1:]:
            w = line.split()
            if w[3] == '0A':
                out[int(w[1].split(':')[1], 16)] = w[9]
    return out


def given(*args):
    """Starts with these, restarts, and serves; the sockets stay the same."""
    def go(d, key):
        before = {p: i for p, i in listeners().items() if p in (BASE, PORT)}
        want(len(before) == 2, before)
        must_restart(d)
        d.sql(key, 'INSERT INTO t VALUES (1)')
        want({p: i for p, i in listeners().items() if p in (BASE, PORT)} == before, 'a listener is another one after the restart')
        until('the old roles have gone', lambda: len(children(d.p.pid)) == 3)
        for pid in [d.p.pid, *children(d.p.pid)]:
            with open(f'/proc/{pid}/environ') as f:
                want('LISTEN_FDS=' not in f.read(), f'{role(pid)} has LISTEN_FDS')
    return with_daemon(go, wrap=wrap(*args))


def waits_for_the_start():
    """Who connects before there is a daemon is served by it."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('127.0.0.1', PORT))
    s.listen(16)
    early = socket.create_connection(('127.0.0.1', PORT), timeout=20)
    early.sendall(b'GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    fd = s.fileno()
    os.set_inheritable(fd, True)
    code = ('import os,sys; fd=int(sys.argv[1]); os.dup2(fd,3); os.environ.update(LISTEN_FDS="1",LISTEN_PID=str(os.getpid()),LISTEN_FDNAMES="database");'
            'os.execvp(sys.argv[2],sys.argv[2:])')
    popen = subprocess.Popen

    def with_fd(*a, **k):
        return popen(*a, pass_fds=(fd,), **k)
    subprocess.Popen = with_fd
    try:
        d = vk.Daemon(BASE, wrap=(sys.executable, '-c', code, str(fd)))
    finally:
        subprocess.Popen = popen
    try:
        want(early.recv(4096).startswith(b'HTTP/1.1 200'), 'it was not served')
    finally:
        d.stop()
    later = socket.create_connection(('127.0.0.1', PORT), timeout=5)  # waits for the next start
    later.close()
    s.close()


def not_with(words, *args):
    try:
        d = vk.Daemon(BASE, wrap=wrap(*args))
    except Failure as e:
        for w in words:
            want(w in str(e), f'no {w!r} in: {e}')
        return
    d.stop()
    raise Failure('it started')


def wrong():
    not_with(['"web"', 'FileDescriptorName=', 'console, auth, database'], '--names', 'web', DATABASE)
    not_with(['"database"', 'gave it twice'], '--names', 'database:database', DATABASE, f'127.0.0.1:{PORT + 10}')
    not_with([f'127.0.0.1:{PORT + 10}', f'the settings say {DATABASE}', 'ListenStream='], '--names', 'database', f'127.0.0.1:{PORT + 10}')
    not_with(['without a name', f'127.0.0.1:{PORT + 10}'], f'127.0.0.1:{PORT + 10}')
    not_with(['fewer names'], '--names', 'console', CONSOLE, DATABASE)
    not_with(['not a listening TCP socket'], '--names', 'database', f'udp@{DATABASE}')
    not_with(['not a listening TCP socket'], '--names', 'database', f'connected@{DATABASE}')
    not_with(['SO_REUSEPORT', 'ReusePort='], '--names', 'database', f'reuseport@{DATABASE}')


def not_for_us():
    """LISTEN_PID names another process: the variables mean nothing (sd_listen_fds(3))."""
    return with_daemon(lambda d, key: d.sql(key, 'SELECT 1') and None, wrap=wrap('--names', 'web', '--pid', '1', f'127.0.0.1:{PORT + 10}'))


def notifications():
    path = f'/tmp/valetkey-notify-{os.getpid()}'
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(path)
    s.settimeout(10)
    try:
        def go(d, key):
            want(b'READY=1' in s.recv(4096), 'no READY')
            must_restart(d)
            first, second = s.recv(4096), s.recv(4096)
            want(b'RELOADING=1\n' in first and b'MONOTONIC_USEC=' in first, first)
            want(b'READY=1' in second, second)
            d.stop()
            want(b'STOPPING=1' in s.recv(4096), 'no STOPPING')
        return with_daemon(go, env={'NOTIFY_SOCKET': path})
    finally:
        os.unlink(path)


def run():
    check('socket activation: every listener by its name', given, '--names', 'console:database', CONSOLE, DATABASE)
    check('socket activation: in another order', given, '--names', 'database:console', DATABASE, CONSOLE)
    check('socket activation: only one; the other is opened', given, '--names', 'database', DATABASE)
    check('socket activation: without names, by their places', given, DATABASE, CONSOLE)
    check('socket activation: none', given)
    check('socket activation: names, places and kinds that cannot be are told', wrong)
    check('socket activation: meant for another process', not_for_us)
    check('a connection of before the start is served, one of after the end waits for the next', waits_for_the_start)
    check('the service manager is told: ready, reloading, ready, stopping', notifications)
