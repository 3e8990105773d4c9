"""Restarts under load: nothing fails, nothing is lost, nothing is done twice."""
from rig import *  # noqa: F403

RESTARTS = 5


def steady(d, key):
    """Half of it on kept connections, half on new ones; half writes, half reads."""
    load = Load()
    load.start(8, 32, lambda: Client(key), write_and_read)
    load.start(8, 32, lambda: Client(key), write_and_read, keep=False)
    begun = time.monotonic()
    time.sleep(0.5)
    ms = []
    for _ in range(RESTARTS):
        ms.append(must_restart(d)['ms'])
        time.sleep(0.5)
    load.stop()
    took = time.monotonic() - begun
    load.none_failed(d)
    rows_are(d, key, load, lambda n: n % 2)
    want(status(d)['number'] == RESTARTS, status(d))
    return f'{len(load.done) / took:.0f} req/s, restarts in {ms} ms, longest request {max(load.took) * 1000:.0f} ms'


def transactions(d, key):
    """So many transactions over several requests that one is always open somewhere."""
    d.sql(key, 'CREATE TABLE a(id INTEGER PRIMARY KEY, n INTEGER)')
    keys = [key] + [d.build(f'app{i}') for i in range(3)]
    for k in keys[1:]:
        d.sql(k, 'CREATE TABLE t(n INTEGER)')

    def transfer(client, n):
        baton = client.pipeline(execute('BEGIN'), execute(f'INSERT INTO t VALUES ({n})'))['baton']
        time.sleep(0.01)
        baton = client.pipeline(execute(f'INSERT INTO t VALUES ({-n})'), baton=baton)['baton']
        time.sleep(0.01)
        client.pipeline(execute('COMMIT'), CLOSE, baton=baton)
    loads = [Load() for _ in keys]
    for load, k in zip(loads, keys):
        load.start(4, 60, lambda k=k: Client(k), transfer)
    ms = []
    for _ in range(3):
        time.sleep(0.4)
        ms.append(must_restart(d)['ms'])
    for load, k in zip(loads, keys):
        load.stop().none_failed(d)
        rows = sorted(int(r[0]['value']) for r in d.sql(k, 'SELECT n FROM t')['rows'])
        want(rows == sorted([n for n in load.done] + [-n for n in load.done]), f'{len(rows)} rows, {len(load.done)} transactions')
    longest = max(max(l.took) for l in loads)
    return f'{sum(len(l.done) for l in loads)} transactions, restarts in {ms} ms, longest {longest * 1000:.0f} ms'


def under_tls():
    flags, context = certificate()

    def go(d, key):
        load = Load()
        load.start(6, 25, lambda: Client(key, tls=context), write_and_read)
        load.start(4, 15, lambda: Client(key, tls=context), write_and_read, keep=False)
        idle = Client(key, tls=context)
        idle.sql('SELECT 1')
        silent = Client(key, tls=context)
        silent.c.connect()
        for _ in range(3):
            time.sleep(0.4)
            must_restart(d)
        load.stop().none_failed(d)
        rows_are(d, key, load, lambda n: n % 2)
        before = silent.c.sock
        silent.sql('SELECT 1')
        want(silent.last.getheader('Connection') == 'close', 'a connection of before serves more than one request')
        want(before.fileno() == -1, 'it was not that connection which was used')
        idle.sql('SELECT 1')
    return with_daemon(go, *flags, tls=context)


def kept_open(d, key):
    """A plain connection never sees a restart: not a byte, not a close."""
    c = Client(key)
    c.sql('SELECT 1')
    sock = c.c.sock
    for _ in range(3):
        must_restart(d)
        c.sql('SELECT 1')
        want(c.c.sock is sock, 'the connection was closed')
        want(c.last.getheader('Connection') is None, f'Connection: {c.last.getheader("Connection")}')
    silent = socket.create_connection(('127.0.0.1', PORT), timeout=20)
    must_restart(d)
    silent.sendall(b'GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    want(silent.recv(4096).startswith(b'HTTP/1.1 200'), 'a connection that had said nothing was lost')


def in_pieces(d, key):
    """Half a head at the restart; then half a body; then two requests in one piece."""
    s = socket.create_connection(('127.0.0.1', PORT), timeout=20)
    data = body(execute('SELECT 42'), CLOSE).encode()
    head = (f'POST /v2/pipeline HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n'
            f'Content-Length: {len(data)}\r\n\r\n').encode()
    s.sendall(head[:40])
    time.sleep(0.05)
    must_restart(d)
    s.sendall(head[40:] + data)
    want(b'"42"' in s.recv(65536), 'half a head was lost')
    s.sendall(head + data[:10])
    time.sleep(0.05)
    wait = in_background(must_restart, d)
    until('the restart waits', lambda: status(d)['state'] == 'running')
    time.sleep(0.3)
    want(d.sql(key, 'SELECT 7')['rows'][0][0]['value'] == '7', 'others are not served')
    s.sendall(data[10:])
    want(b'"42"' in s.recv(65536), 'half a body was lost')
    wait()
    s.sendall((head + data) * 2)
    got = b''
    while got.count(b'"42"') < 2:
        more = s.recv(65536)
        want(more, f'closed after {got!r}')
        got += more


def many_idle(d, key):
    """More than fit into a socket's buffer at once."""
    socks = []
    for _ in range(900):
        s = socket.create_connection(('127.0.0.1', PORT), timeout=20)
        socks.append(s)
    must_restart(d)
    for s in socks:
        s.sendall(b'GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
    for i, s in enumerate(socks):
        want(s.recv(4096).startswith(b'HTTP/1.1 200'), f'connection {i} was lost')
        s.close()


def nothing_stays(d, key):
    def look():
        return len(os.listdir(f'/proc/{d.p.pid}/fd')), sorted((r, len(p)) for r, p in roles(d).items())
    must_restart(d)
    until('the old roles have gone', lambda: len(children(d.p.pid)) == 3)
    before, pid = look(), d.p.pid
    for _ in range(8):
        must_restart(d)
    until('the old roles have gone', lambda: len(children(d.p.pid)) == 3)
    want(look() == before, f'{before} before, {look()} after 8 restarts')
    want(d.p.poll() is None and d.p.pid == pid, 'the process id has changed')
    with open(f'{d.data}/lock') as f:
        want(int(f.read()) == pid, 'the lock names another process')


def run():
    check('five restarts under 500 requests a second: none fails, no write is lost or made twice', with_daemon, steady)
    check('restarts under nothing but transactions over several requests: none fails', with_daemon, transactions)
    check('the same under TLS; connections of before are served once more, and told to close', under_tls)
    check('a plain connection that waits lives through any number of restarts', with_daemon, kept_open)
    check('heads and bodies that come in pieces around a restart, and pipelined requests', with_daemon, in_pieces)
    check('900 connections that wait are handed over', with_daemon, many_idle)
    check('eight restarts leave no process, no descriptor, and the same process id', with_daemon, nothing_stays)
