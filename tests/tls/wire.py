"""TLS by hand: what a client can do wrong, or slowly, or not at all."""
import os
import random
import re
import socket
import ssl
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import vk  # noqa: E402
from ports import port_base  # noqa: E402
from vk import check, want  # noqa: E402

BASE = port_base()
FULL = os.environ.get('VALETKEY_TEST_FULL') == '1'
SANITIZED = 'asan' in vk.BIN or 'tsan' in vk.BIN
IDLE = 1000 if FULL else 200
MOST_KIB = 24
GET = b'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'

# The console is plain, so that the suite's own calls (vk.Daemon) go as always.
daemon = vk.Daemon(BASE, '--listen', 'database=127.0.0.1 tls', '--tls-self-signed', '--loops', '2')
PORT = BASE + 2
context = ssl.create_default_context(cafile=f'{daemon.data}/tls/cert.pem')


def tcp(seconds=20):
    return socket.create_connection(('127.0.0.1', PORT), seconds)


def connect(seconds=20):
    return context.wrap_socket(tcp(seconds), server_hostname='localhost')


def whole(got):
    """How many answers are there from head to end, and whether nothing is behind them."""
    n = at = 0
    while (end := got.find(b'\r\n\r\n', at)) >= 0:
        size = int(re.search(rb'Content-Length: (\d+)', got[at:end]).group(1))
        if len(got) < end + 4 + size:
            break
        at, n = end + 4 + size, n + 1
    return n, at == len(got)


def answer(s, least=1):
    """(bytes, why they end early) until `least` answers are there."""
    got = b''
    try:
        while whole(got)[0] < least:
            piece = s.recv(65536)
            if not piece:
                return got, 'end'
            got += piece
    except OSError as e:
        return got, type(e).__name__
    return got, ''


def over(s, seconds):
    """Until the server ends the connection; the time it took."""
    s.settimeout(seconds)
    begun = time.monotonic()
    try:
        while s.recv(65536):
            pass
    except TimeoutError:
        raise vk.Failure(f'still open after {seconds} s') from None
    except OSError:
        pass
    return time.monotonic() - begun


def alive():
    with connect() as s:
        s.sendall(GET)
        got, _ = answer(s)
        want(got.startswith(b'HTTP/1.1 200 '), got[:200])


def hello():
    """A real ClientHello."""
    out = ssl.MemoryBIO()
    o = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname='localhost')
    try:
        o.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def piecewise():
    with tcp() as s:
        for b in hello()[:-1]:
            s.sendall(bytes([b]))
        time.sleep(0.2)
    # A whole exchange whose every byte comes alone.
    inn, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    o = context.wrap_bio(inn, out, server_hostname='localhost')
    with tcp() as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        done, sent, got = False, False, b''
        until = time.monotonic() + 20
        while whole(got)[0] < 1 and time.monotonic() < until:
            try:
                if not done:
                    o.do_handshake()
                    done = True
                if not sent:
                    o.write(GET)
                    sent = True
                got += o.read(65536)
            except ssl.SSLWantReadError:
                for b in out.read():
                    s.sendall(bytes([b]))
                inn.write(s.recv(1))
        want(got.startswith(b'HTTP/1.1 200 '), got[:100])


def slow_handshake():
    with tcp() as silent, tcp() as half:
        half.sendall(hello()[:100])
        a = over(silent, 14)
        b = over(half, 14)
        want(9 <= a <= 12.5, f'{a:.1f} s')
        return f'{a:.1f} s, {a + b:.1f} s'


def pipelined():
    with connect() as s:
        s.sendall(GET * 50)
        got, _ = answer(s, 50)
        want(got.count(b'HTTP/1.1 200 ') == 50, f'{got.count(b"HTTP/1.1 200 ")} answers')


def records_to_the_brim():
    """Requests that fill the receive buffer exactly and leave the next one inside of OpenSSL, where no poll sees it."""
    for size in (16383, 16384, 16895, 16896, 16897, 33792, 50000):
        body = b'x' * size
        post = b'POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n' % len(body)
        with connect(5) as s:
            s.sendall(post + body + GET)
            got, why = answer(s, 2)
            want(b'HTTP/1.1 404 ' in got and b'HTTP/1.1 200 ' in got, f'{size}: {why} {got[:200]!r}')


def half_close():
    """RFC 8446 section 6.1: close_notify ends one direction only."""
    inn, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    o = context.wrap_bio(inn, out, server_hostname='localhost')
    with tcp() as s:
        while True:
            try:
                o.do_handshake()
                break
            except ssl.SSLWantReadError:
                s.sendall(out.read())
                inn.write(s.recv(65536))
        o.write(GET)
        try:
            o.unwrap()
        except ssl.SSLWantReadError:
            pass
        s.sendall(out.read())  # request and close_notify in one piece, and the socket stays open
        raw = b''
        begun = time.monotonic()
        while (piece := s.recv(65536)):
            raw += piece
        want(time.monotonic() - begun < 3, 'the end was not noticed')
        want(len(raw) > 100, f'{len(raw)} bytes came after our close_notify')
        want(raw[-24 + 0:-23] == b'\x17' or b'\x17\x03\x03' in raw, 'no record')


def says_goodbye():
    with context.wrap_socket(tcp(), server_hostname='localhost', suppress_ragged_eofs=False) as s:
        s.sendall(b'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
        got, why = answer(s)
        want(not why and s.recv(65536) == b'', why)  # an end without close_notify raises


def cut_request():
    """A connection that breaks off inside of a request does nothing."""
    key = daemon.build('cut')
    body = b'{"requests":[{"type":"execute","stmt":{"sql":"CREATE TABLE t(a)"}},{"type":"close"}]}'
    head = (b'POST /v2/pipeline HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ' + key.encode() +
            b'\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n' % len(body))
    for end in ('fin', 'reset', 'notify'):
        s = connect()
        s.sendall(head + body[:-1])
        if end == 'reset':
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        if end == 'notify':
            try:
                s.settimeout(3)
                s.unwrap()
            except OSError:
                pass
        s.close()
    time.sleep(0.3)
    with connect() as s:
        s.sendall(head.replace(b'%d' % len(body), b'107') + b'{"requests":[{"type":"execute","stmt":{"sql":"SELECT count(*) FROM sqlite_schema"}},{"type":"close"}]}'.ljust(107))
        got, _ = answer(s)
        want(b'"value":"0"' in got, got)


def bad_records():
    """Records of a wrong type, length, version or MAC, in the middle of a connection and in its first flight."""
    ends = 0
    for junk in (b'\x17\x03\x03\x00\x20' + b'\0' * 32, b'\x17\x03\x03\xff\xff' + b'\0' * 300, b'\x99\x03\x03\x00\x01\0', b'\x17\x03\x03\x00\x00',
                 b'\x15\x03\x03\x00\x02\x02\x28', b'\x14\x03\x03\x00\x01\x01', b'\0' * 64, b'\xff' * 64):
        s = connect()
        s.sendall(GET)
        answer(s)
        raw = socket.socket(fileno=s.detach())
        raw.sendall(junk)
        raw.shutdown(socket.SHUT_WR)
        ends += over(raw, 5) < 5
        raw.close()
        with tcp() as t:
            t.sendall(junk)
            t.shutdown(socket.SHUT_WR)
            ends += over(t, 5) < 5
    alive()
    want(ends == 16, f'{ends} of 16 ended')


def plaintext():
    for first, text in ((b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', True), (b'POST /v2/pipeline HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n' + b'x' * 20000, True),
                        (b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', False), (b'SSH-2.0-x\r\n', False), (b'\x80\x2e\x01\x03\x01', False)):
        with tcp() as s:
            s.sendall(first)
            got = b''
            try:
                while (piece := s.recv(65536)):
                    got += piece
            except ConnectionError:
                pass
            want(got.startswith(b'HTTP/1.1 400 ') == text, f'{first[:20]!r}: {got[:100]!r}')
    alive()


def fuzzed():
    """Hostile bytes: changed, cut and mixed flights of a real client. The daemon and its front stay the ones they were."""
    rnd = random.Random(4)
    front = daemon.front()
    flight = hello()
    n = 3000 if FULL else 400
    for i in range(n):
        b = bytearray(flight if i % 3 else hello())
        for _ in range(rnd.randrange(1, 8)):
            kind = rnd.randrange(4)
            at = rnd.randrange(len(b)) if b else 0
            if kind == 0 and b:
                b[at] = rnd.randrange(256)
            elif kind == 1:
                del b[at:at + rnd.randrange(1, 40)]
            elif kind == 2:
                b[at:at] = rnd.randbytes(rnd.randrange(1, 40))
            else:
                b = b[:at] + bytearray(flight) + b[at:]
        try:
            with tcp(5) as s:
                s.sendall(b[:60000])
                if i % 2:
                    s.shutdown(socket.SHUT_WR)
                    s.recv(4096)
        except OSError:
            pass
    alive()
    want(daemon.front() == front and front, 'front has died')
    return f'{n} flights'


def slow_reader():
    """A peer that does not read: the answer waits, encrypted in part, and comes whole when it reads at last."""
    key = daemon.build('slow')
    sql = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 60000) SELECT x, hex(randomblob(16)) FROM c'
    body = ('{"requests":[{"type":"execute","stmt":{"sql":"%s"}},{"type":"close"}]}' % sql).encode()
    request = (b'POST /v2/pipeline HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ' + key.encode() +
               b'\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n' % len(body)) + body
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    raw.settimeout(30)
    raw.connect(('127.0.0.1', PORT))
    with context.wrap_socket(raw, server_hostname='localhost') as s:
        s.sendall(request + GET)
        time.sleep(2)
        got = b''
        for _ in range(200):
            got += s.recv(1000)
            time.sleep(0.002)
        while not got.endswith(b'ok') or whole(got)[0] < 2:
            piece = s.recv(65536)
            want(piece, 'the end came early')
            got += piece
        head, rest = got.split(b'\r\n\r\n', 1)
        size = int(re.search(rb'Content-Length: (\d+)', head).group(1))
        want(size > 3_000_000 and rest[size:].startswith(b'HTTP/1.1 200 '), f'{size} bytes promised, {len(rest)} came')
        want(rest[:size].count(b'"type":"text"') == 60000, 'rows are missing')


def pss():
    with open(f'/proc/{daemon.front()}/smaps_rollup') as f:
        return int(re.search(r'^Pss:\s+(\d+) kB', f.read(), re.M).group(1))


def idle_memory():
    """After a handshake and one request each."""
    def some(n):
        all_ = []
        for _ in range(n):
            s = connect()
            s.sendall(GET)
            answer(s)
            all_.append(s)
        return all_
    for s in some(40):  # what the first ones warm up is not theirs
        s.close()
    time.sleep(0.5)
    before = pss()
    held = some(IDLE)
    time.sleep(0.5)
    each = (pss() - before) / IDLE
    for s in held:
        s.close()
    want(SANITIZED or 0 < each <= MOST_KIB, f'{each:.1f} KiB a connection, at most {MOST_KIB}')
    time.sleep(0.5)
    again = some(IDLE)
    later = (pss() - before) / IDLE
    for s in again:
        s.close()
    want(SANITIZED or later <= MOST_KIB, f'the second time {later:.1f} KiB')
    return f'{each:.1f} KiB for each of {IDLE} idle connections'


def greeting_memory():
    """Connections in the middle of their handshake have OpenSSL's buffers, and none of ours."""
    before = pss()
    flight = hello()
    held = [tcp() for _ in range(IDLE)]
    for s in held:
        s.sendall(flight[:200])
    time.sleep(0.5)
    each = (pss() - before) / IDLE
    for s in held:
        s.close()
    want(SANITIZED or each <= 64, f'{each:.1f} KiB for each')
    return f'{each:.1f} KiB for each'


# First, while the heap has no room of others.
check(f'memory of idle connections: at most {MOST_KIB} KiB', idle_memory)
check('a client whose bytes come one at a time', piecewise)
check('pipelined requests', pipelined)
check('requests that fill the buffer to the brim', records_to_the_brim)
check('half-close: the request is answered after the client said close_notify', half_close)
check('the end of a connection is said with close_notify', says_goodbye)
check('a request that breaks off is not served', cut_request)
check('a slow reader gets everything', slow_reader)
check('records that are none', bad_records)
check('plaintext on a TLS port', plaintext)
check('hostile bytes', fuzzed)
check('memory of connections in their handshake', greeting_memory)
check('a handshake has 10 seconds', slow_handshake)
check('the daemon is still there', alive)
check('and ends cleanly', lambda: want(daemon.stop() == 0, daemon.log()[-2000:]))
sys.exit(vk.finish())
