"""What is open when a restart begins: transactions, long statements, WebSockets, keys that are revoked meanwhile."""
import base64
import struct

from rig import *  # noqa: F403


def long_transaction(d, key):
    """It has its time; everybody else is served meanwhile; then the restart takes place."""
    c = Client(key)
    baton = c.pipeline(execute('BEGIN'), execute('INSERT INTO t VALUES (1)'))['baton']
    wait = in_background(restart, d)
    until('the restart waits', lambda: status(d)['state'] == 'running')
    other = d.build('other')
    d.sql(other, 'CREATE TABLE t(n INTEGER)')
    load = Load()
    load.start(4, 25, lambda: Client(other), insert)
    for i in range(2, 7):
        time.sleep(0.3)
        baton = c.pipeline(execute(f'INSERT INTO t VALUES ({i})'), baton=baton)['baton']
    want(status(d)['state'] == 'running', 'the restart did not wait for the transaction')
    c.pipeline(execute('COMMIT'), CLOSE, baton=baton)
    code, said = wait()
    want(code == 0, said)
    time.sleep(0.2)
    load.stop().none_failed(d)
    want(one_value(d, key, 'SELECT count(*) FROM t') == 6, 'not all of it is there')
    longest = max(load.took)
    want(longest < 3, f'another build waited {longest:.1f} s')
    return f'others waited {longest * 1000:.0f} ms at most'


def endless_transaction(d, key):
    """It is rolled back when its time is over, and its client is told."""
    c = Client(key, port=d.base + 2)
    baton = c.pipeline(execute('BEGIN'), execute('INSERT INTO t VALUES (1)'))['baton']
    begun = time.monotonic()
    wait = in_background(restart, d)
    while status(d)['state'] != 'done' and time.monotonic() - begun < 20:
        time.sleep(0.5)
        if status(d)['state'] == 'running':
            try:
                baton = c.pipeline(execute('SELECT 1'), baton=baton)['baton']
            except Failure:
                break
    code, said = wait()
    took = time.monotonic() - begun
    want(code == 0 and took > 8, f'{code} {said} after {took:.1f} s')
    status_, text_ = d.pipeline(key, [execute('SELECT 1')], baton=baton)
    want(status_ == 400 and 'STREAM_EXPIRED' in text_ or 'baton' in text_.lower() or 'stream' in text_.lower(), f'{status_} {text_}')
    want(one_value(d, key, 'SELECT count(*) FROM t') == 0, 'it was not rolled back')


def begin_endless():
    """It takes 9 s, beside everything else; run_endless looks at it."""
    return in_background(lambda: with_daemon(endless_transaction, base=BASE + 20))


def run_endless(wait):
    check('a transaction that does not end is rolled back after 9 s, and its client is told', wait)


def long_statement(d, key):
    sql = 'WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 6000000) SELECT count(*) FROM c'
    wait_sql = in_background(d.sql, key, sql)
    time.sleep(0.2)
    code, said = restart(d)
    want(code == 0, said)
    want(wait_sql()['rows'][0][0]['value'] == '6000000', 'its answer was lost')


def websocket(port=PORT):
    s = socket.create_connection(('127.0.0.1', port), timeout=20)
    key = base64.b64encode(os.urandom(16)).decode()
    s.sendall((f'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n'
               'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: hrana2\r\n\r\n').encode())
    head = b''
    while b'\r\n\r\n' not in head:
        head += s.recv(1)
    want(head.startswith(b'HTTP/1.1 101'), head)
    return s


def send(s, message):
    data, mask = json.dumps(message).encode(), os.urandom(4)
    head = struct.pack('!BB', 0x81, 0x80 | len(data)) if len(data) < 126 else struct.pack('!BBH', 0x81, 0x80 | 126, len(data))
    s.sendall(head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(data)))


def receive(s):
    """(opcode, payload)"""
    def exactly(n):
        got = b''
        while len(got) < n:
            more = s.recv(n - len(got))
            want(more, 'the socket ended without a close frame')
            got += more
        return got
    a, n = exactly(2)
    if n == 126:
        n = struct.unpack('!H', exactly(2))[0]
    return a & 15, exactly(n)


def sockets(d, key):
    s = websocket()
    send(s, {'type': 'hello', 'jwt': key})
    want(json.loads(receive(s)[1])['type'] == 'hello_ok', 'no hello')
    silent = websocket()  # its client never takes the close frame
    send(s, {'type': 'request', 'request_id': 1, 'request': {'type': 'open_stream', 'stream_id': 1}})
    want(json.loads(receive(s)[1])['type'] == 'response_ok', 'no stream')
    send(s, {'type': 'request', 'request_id': 2, 'request': {'type': 'execute', 'stream_id': 1, 'stmt': {'sql': 'BEGIN'}}})
    receive(s)
    wait = in_background(restart, d)
    until('the restart waits', lambda: status(d)['state'] == 'running')
    time.sleep(0.3)
    for i, sql in enumerate(['INSERT INTO t VALUES (1)', 'COMMIT']):
        send(s, {'type': 'request', 'request_id': 3 + i, 'request': {'type': 'execute', 'stream_id': 1, 'stmt': {'sql': sql}}})
        got = json.loads(receive(s)[1])
        want(got['type'] == 'response_ok', f'the transaction was not left its time: {got}')
    opcode, payload = receive(s)
    want(opcode == 8 and struct.unpack('!H', payload[:2])[0] == 1012, f'{opcode} {payload!r}')
    s.sendall(struct.pack('!BB', 0x88, 0x82) + b'\0\0\0\0' + payload[:2])
    code, said = wait()
    want(code == 0, said)
    silent.close()
    again = websocket()
    send(again, {'type': 'hello', 'jwt': key})
    want(json.loads(receive(again)[1])['type'] == 'hello_ok', 'no hello after the restart')
    want(one_value(d, key, 'SELECT count(*) FROM t') == 1, 'the commit was lost')


def revocation(d, key):
    """From the answer to a revocation on no request passes, whatever process answers it."""
    late, failed = [], []
    for i in range(4):
        name = f'gone{i}'
        k = d.build(name)
        d.sql(k, 'CREATE TABLE t(n INTEGER)')
        revoked = threading.Event()
        stopping = threading.Event()

        def ask(k=k, revoked=revoked, stopping=stopping):
            c = Client(k)
            while not stopping.is_set():
                was = revoked.is_set()
                try:
                    c.sql('SELECT 1')
                    if was:
                        late.append(name)
                except Failure:
                    if not was and not revoked.is_set():
                        time.sleep(0.05)  # the answer to the revocation may be on its way
                        if not revoked.wait(2):
                            failed.append(name)
                except Exception as e:
                    failed.append(repr(e))
        threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
        for t in threads:
            t.start()
        wait = in_background(restart, d)
        time.sleep(0.004 * i)
        code, got = d.admin('POST', f'/builds/{name}/revoke')
        want(code == 200, f'{code} {got}')
        revoked.set()
        want(wait()[0] == 0, 'no restart')
        time.sleep(0.2)
        stopping.set()
        for t in threads:
            t.join(20)
    want(not late, f'{len(late)} requests passed after the revocation was answered')
    want(not failed, failed[:5])


def run():
    check('a transaction has its time; others are served meanwhile', with_daemon, long_transaction)
    check('a statement that runs long is answered', with_daemon, long_statement)
    check('WebSockets end with 1012, after what is open on them; a peer that does not listen holds up nobody', with_daemon, sockets)
    check('a revocation holds through a restart beside it', with_daemon, revocation)
