"""Clients that mean no good, and one that does: each is a process of its own, so that none of them waits for another's
Python. All of them are bounded and end when they are told to."""
import collections
import json
import multiprocessing
import random
import resource
import select
import socket
import struct
import time
import zlib

BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
fork = multiprocessing.get_context('fork')


def raise_open_files():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def pipeline(port, key, sql='SELECT 1', more=''):
    body = json.dumps({'requests': [{'type': 'execute', 'stmt': {'sql': sql}}, {'type': 'close'}]})
    return (f'POST /v2/pipeline HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n{more}'
            f'Content-Length: {len(body)}\r\n\r\n{body}').encode()


def bad_key():
    """Its checksum is right, so it costs the server a look into its store."""
    text = 'vk_b_' + ''.join(random.choices(BASE62, k=30))
    crc, end = zlib.crc32(text.encode()), ''
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        end = BASE62[digit] + end
    return text + end


def connect(port, source=None):
    s = socket.socket()
    if source:
        s.setsockopt(socket.SOL_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        s.bind((source, 0))
    s.settimeout(10)
    s.connect(('127.0.0.1', port))
    return s


class Gone(Exception):
    pass


def answer(s, rest=b''):
    """(status, what came behind it); the body is read too."""
    while b'\r\n\r\n' not in rest:
        more = s.recv(65536)
        if not more:
            raise Gone()
        rest += more
    head, rest = rest.split(b'\r\n\r\n', 1)
    length = 0
    for line in head.split(b'\r\n')[1:]:
        name, _, value = line.partition(b':')
        if name.lower() == b'content-length':
            length = int(value)
    while len(rest) < length:
        more = s.recv(65536)
        if not more:
            raise Gone()
        rest += more
    return int(head.split(b' ', 2)[1]), head, rest[:length]


# ---- the normal client

def probe(port, key, seconds):
    """Milliseconds of each request of a client that asks every few ms, now and then on a fresh connection."""
    message, took, s, n = pipeline(port, key), [], None, 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        begun = time.monotonic()
        if s is None or n % 20 == 0:
            if s:
                s.close()
            s = connect(port)
        s.sendall(message)
        status, _, body = answer(s)
        took.append((time.monotonic() - begun) * 1000)
        if status != 200:
            raise RuntimeError(f'the normal client got {status} {body[:200]!r}')
        n += 1
        time.sleep(0.004)
    s.close()
    return took


def p99(took):
    return sorted(took)[int(len(took) * 0.99)]


# ---- the others: each takes (port, n, told_to_stop, key), opens what it needs, yields once, and then acts until it is told
#      to stop; it returns what became of its connections.

SOURCES = [f'127.0.0.{i}' for i in range(2, 8)]


def many(port, n, first, sources=None):
    """n connections from several addresses, each of which has sent `first`."""
    sources, out = sources or SOURCES, []
    for i in range(n):
        s = connect(port, sources[i % len(sources)])
        if first:
            s.sendall(first)
        s.setblocking(False)
        out.append(s)
    return out


def outcome(s):
    """What a connection has come to by now."""
    try:
        data = s.recv(4096)
    except BlockingIOError:
        return 'still open'
    except OSError:
        return 'reset'
    if not data:
        return 'closed'
    return data.split(b'\r\n', 1)[0].split(b' ', 2)[1].decode() if data.startswith(b'HTTP') else 'data'


def count(sockets):
    out = collections.Counter(outcome(s) for s in sockets)
    for s in sockets:
        s.close()
    return out


def idle(port, n, stop, key, first=None):
    sockets = many(port, n, first or b'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
    for s in sockets:
        s.setblocking(True)
        answer(s)
        s.setblocking(False)
    yield
    stop.wait()
    return count(sockets)


def silent(port, n, stop, key):
    """Half-open: half a head, and then nothing ever."""
    sockets = many(port, n, b'GET /health HTTP/1.1\r\nHost: loc')
    yield
    stop.wait()
    return count(sockets)


def drip(sockets, stop, piece, every):
    """A piece to each of them every so many seconds, until told to stop."""
    at, gone = 0, collections.Counter()
    while not stop.is_set() and sockets:
        begun = time.monotonic()
        for _ in range(max(1, int(len(sockets) * 0.1 / every))):
            at = (at + 1) % len(sockets)
            try:
                sockets[at].send(piece)
            except BlockingIOError:
                pass
            except OSError:
                gone[outcome(sockets[at])] += 1
                sockets[at].close()
                sockets.pop(at)
                if not sockets:
                    break
                at %= len(sockets)
        stop.wait(max(0, 0.1 - (time.monotonic() - begun)))
    return gone + count(sockets)


def slow_head(port, n, stop, key):
    sockets = many(port, n, b'GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ')
    yield
    return drip(sockets, stop, b'x', 2)


def slow_body(port, n, stop, key):
    """Half of them with a key of their own, half without any."""
    head = 'POST /v2/pipeline HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 30000\r\n\r\n{'
    sockets = many(port, n // 2, (head % f'Authorization: Bearer {key}\r\n').encode()) + many(port, n - n // 2, (head % '').encode())
    yield
    return drip(sockets, stop, b' ', 2)


BIG = "SELECT hex(zeroblob(600000))"


def begun_to_answer(sockets):
    """What the answers cost is not what this is about."""
    poll, left = select.epoll(), len(sockets)
    for s in sockets:
        poll.register(s, select.EPOLLIN | select.EPOLLONESHOT)
    until = time.monotonic() + 60
    while left and time.monotonic() < until:
        left -= len(poll.poll(1))
    time.sleep(0.3)


def slow_reader(port, n, stop, key):
    sockets = []
    for i in range(n):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.bind((SOURCES[i % len(SOURCES)], 0))
        s.connect(('127.0.0.1', port))
        s.sendall(pipeline(port, key, BIG))
        s.setblocking(False)
        sockets.append(s)
    begun_to_answer(sockets)
    yield
    got = collections.Counter()
    while not stop.wait(0.5):
        for s in sockets[::50]:
            try:
                s.recv(100)
            except OSError:
                pass
    for s in sockets:
        got[outcome(s)] += 1
        s.close()
    return got


def resets(port, n, stop, key):
    """n connections a second that are reset: some at once, some in a head, some in front of their answer."""
    message, got = pipeline(port, key), collections.Counter()
    yield
    while not stop.is_set():
        begun = time.monotonic()
        for i in range(n // 20):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            try:
                s.bind((SOURCES[i % len(SOURCES)], 0))
                s.settimeout(5)
                s.connect(('127.0.0.1', port))
                s.send((b'', message[:60], message)[i % 3] or b'G')
                got['reset by them'] += 1
            except OSError:
                got['refused'] += 1
            s.close()
        stop.wait(max(0, 0.05 - (time.monotonic() - begun)))
    return got


def bad_keys(port, n, stop, key):
    """n connections that ask again and again, as fast as they are answered, each time with another key."""
    sockets = many(port, n, None, ['127.0.0.2'])
    poll, got = select.epoll(), collections.Counter()
    by_fd = {s.fileno(): s for s in sockets}
    yield
    for s in sockets:
        poll.register(s, select.EPOLLIN)
        s.send(pipeline(port, bad_key()))
    least = time.monotonic() + 2.5  # long enough for answers that are kept back
    while not stop.is_set() or time.monotonic() < least:
        for fd, _ in poll.poll(0.1):
            s = by_fd[fd]
            kind = outcome(s)
            got[kind] += 1
            if kind in ('closed', 'reset'):
                poll.unregister(fd)
                s.close()
                by_fd.pop(fd)
                s = connect(port, '127.0.0.2')
                s.setblocking(False)
                by_fd[s.fileno()] = s
                poll.register(s, select.EPOLLIN)
            s.send(pipeline(port, bad_key()))
    for s in by_fd.values():
        s.close()
    return got


# ---- WebSockets

HANDSHAKE = (b'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
             b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: hrana2\r\n\r\n')


def frame(message):
    text = json.dumps(message).encode()
    n = bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0x80 | 126]) + struct.pack('>H', len(text))
    return b'\x81' + n + b'\0\0\0\0' + text  # masked with zeros, which is a mask


def upgraded(port, n, hello):
    sockets = many(port, n, HANDSHAKE)
    for s in sockets:
        s.setblocking(True)
        got = b''
        while b'\r\n\r\n' not in got:
            got += s.recv(1024) or b'\r\n\r\n'
        if hello:
            s.sendall(frame({'type': 'hello', 'jwt': hello}))
            s.recv(1024)
        s.setblocking(False)
    return sockets


def ws_idle(port, n, stop, key):
    """Most never say who they are; as many as one build may have do, and then ask nothing."""
    sockets = upgraded(port, 100, key) + upgraded(port, n - 100, None)
    yield
    stop.wait()
    return count(sockets)


def ws_slow_reader(port, n, stop, key):
    sockets = upgraded(port, n, key)
    for s in sockets:
        s.setblocking(True)
        s.sendall(frame({'type': 'request', 'request_id': 0, 'request': {'type': 'open_stream', 'stream_id': 0}}))
        for i in range(1, 8):
            s.sendall(frame({'type': 'request', 'request_id': i, 'request': {'type': 'execute', 'stream_id': 0, 'stmt': {'sql': BIG, 'want_rows': True}}}))
        s.setblocking(False)
    begun_to_answer(sockets)
    time.sleep(2)
    yield
    stop.wait()
    return count(sockets)


def ws_drip(port, n, stop, key):
    """A message that never ends."""
    sockets = upgraded(port, n, key)
    for s in sockets:
        s.send(b'\x81' + bytes([0x80 | 126]) + struct.pack('>H', 60000) + b'\0\0\0\0' + b'{')
    yield
    return drip(sockets, stop, b' ', 2)


# ---- processes

def _attack(kind, args, stop, pipe):
    raise_open_files()
    try:
        it = kind(*args[:2], stop, args[2])
        next(it)
        pipe.send('ready')
        try:
            next(it)
        except StopIteration as e:
            pipe.send(e.value)
    except Exception as e:  # told to whoever waits for it
        pipe.send(e)


class Attack:
    """An attack under way in the `with`; what came of it is in `got` afterwards."""

    def __init__(self, kind, port, n, key):
        self.stop, (self.pipe, there) = fork.Event(), fork.Pipe()
        self.process = fork.Process(target=_attack, args=(kind, (port, n, key), self.stop, there), daemon=True)

    def _hear(self):
        if not self.pipe.poll(120):
            raise RuntimeError('an attacker has hung')
        got = self.pipe.recv()
        if isinstance(got, Exception):
            raise got
        return got

    def __enter__(self):
        self.process.start()
        self._hear()
        return self

    def __exit__(self, *exc):
        self.stop.set()
        if exc[0] is None:
            self.got = self._hear()
        self.process.join(20)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _probe(args, pipe):
    try:
        pipe.send(probe(*args))
    except Exception as e:
        pipe.send(e)


def probe_in_process(port, key, seconds):
    here, there = fork.Pipe()
    p = fork.Process(target=_probe, args=((port, key, seconds), there), daemon=True)
    p.start()
    if not here.poll(seconds + 60):
        p.kill()
        raise RuntimeError('the normal client is not answered')
    got = here.recv()
    p.join()
    if isinstance(got, Exception):
        raise got
    return got
