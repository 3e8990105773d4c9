"""Life and death: killed children, a killed supervisor, a graceful end, what other processes can see."""
import json
import os
import signal
import sqlite3
import time

from harness import BASE, FULL, ROLES, Daemon, Meanwhile, alive, answer, check, connect, content, folder, http, once, ports_free, serves, token, until, want


def kill_child(role):
    d = Daemon(folder() + '/data').ready()
    worst = 0.0
    for n in range(5):
        old = d.children()
        meanwhile = Meanwhile()
        os.kill(old[role], signal.SIGKILL)
        _, a = until(f'{role} is another process', lambda: d.children().get(role) not in (None, old[role]))
        _, b = until('console and database answer', lambda: serves(BASE))
        want(meanwhile.allows(a + b, 500), f'{role} was ready again after {a + b:.0f} ms')
        worst = max(worst, a + b)
        want({r: p for r, p in d.children().items() if r != role} == {r: p for r, p in old.items() if r != role}, 'the others live on')
        until('the log says that it is ready again', lambda: d.log().count(f'a role is ready again which={role}') == n + 1)
    d.stop()
    return f'at most {worst:.0f} ms'


def all_children_at_once():
    d = Daemon(folder() + '/data').ready()
    old = d.children()
    for p in old.values():
        os.kill(p, signal.SIGKILL)
    until('all are new', lambda: len(d.children()) == 3 and not set(d.children().values()) & set(old.values()))
    until('console and database answer', lambda: serves(BASE))
    until('all are ready again', lambda: all(f'a role is ready again which={r}' in d.log() for r in ROLES))
    # The new ones know each other: killing keeper and front once more still ends in service.
    for role in ('keeper', 'front'):
        os.kill(d.children()[role], signal.SIGKILL)
    until('console and database answer', lambda: serves(BASE))
    d.stop()


def connections_wait():
    """While front is away its listeners stay open: a connection waits instead of being refused."""
    d = Daemon(folder() + '/data').ready()
    for _ in range(10):
        front = d.children()['front']
        os.kill(front, signal.SIGKILL)
        until('the old front has gone', lambda: not alive(front), step=0.0002)
        want(http(BASE)[0] == 200, 'answered without a second try')
        until('front is ready again', lambda: 'front' in d.children())
        time.sleep(0.05)
    d.stop()


def keeper_cannot_come_back():
    """A role that dies at once each time is given up on, with what it said."""
    data = folder() + '/data'
    d = Daemon(data).ready()
    os.rename(f'{data}/vault/master', f'{data}/vault/away')
    os.kill(d.children()['keeper'], signal.SIGKILL)
    d.ended(1, 'keeper ended 5 times', 'vault/master is missing')
    want(ports_free() and not d.children(), 'nothing is left')
    os.rename(f'{data}/vault/away', f'{data}/vault/master')
    once(data)


def supervisor_killed():
    data = folder() + '/data'
    worst = 0.0
    for _ in range(5):
        d = Daemon(data).ready()
        pids = list(d.children().values())
        want(len(pids) == 3, f'{pids}')
        d.kill()
        meanwhile = Meanwhile()
        again = Daemon(data).ready()
        worst = max(worst, again.ready_ms)
        want(meanwhile.allows(again.ready_ms, 500), f'the next one was ready after {again.ready_ms:.0f} ms')
        want(not any(alive(p) for p in pids), 'no process of the first one is left')
        want(serves(BASE), 'it serves')
        again.kill()
        _, ms = until('ports are free', ports_free, 5)
        want(meanwhile.allows(ms, 500), f'the ports were free after {ms:.0f} ms')
    return f'ready at most {worst:.0f} ms later, ports free after {ms:.0f} ms'


def graceful(sig):
    d = Daemon(folder() + '/data').ready()
    pids = list(d.children().values())
    idle = connect(BASE)
    meanwhile, begun = Meanwhile(), time.monotonic()
    d.stop(sig)
    want(meanwhile.allows(time.monotonic() - begun, 2), 'an idle connection does not hold up the end')
    want(idle.recv(10) == b'', 'it was closed')
    want(not any(alive(p) for p in pids) and ports_free(), 'nothing is left')


def half_a_request(data, base=BASE, unix=None):
    s = connect(base, unix)
    body = b'{"id":"half"}'
    s.sendall(f'POST /api/v1/builds HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token(data)}\r\nContent-Type: application/json\r\n'
              f'Content-Length: {len(body)}\r\n\r\n'.encode() + body[:5])
    time.sleep(0.1)
    return s, body[5:]


def under_way():
    """A request that has begun is finished, and its connection closed; new ones are not taken."""
    data = folder() + '/data'
    d = Daemon(data, '--loops', '3').ready()
    begun = [half_a_request(data) for _ in range(3)] + [half_a_request(data, unix=f'{data}/admin.sock')]
    d.p.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    want(d.p.poll() is None, 'it waits')
    for s, rest in begun:
        s.sendall(rest)
        status, head, _ = answer(s)
        want(status in (200, 201) and 'connection: close' in head.lower(), head)
        s.close()
    d.ended(0, seconds=3)


def second_signal():
    data = folder() + '/data'
    d = Daemon(data).ready()
    s, _ = half_a_request(data)
    pids = list(d.children().values())
    d.p.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    want(d.p.poll() is None, 'it waits for the request')
    d.p.send_signal(signal.SIGTERM)
    d.ended(1, seconds=2)
    want(not any(alive(p) for p in pids) and ports_free(), 'nothing is left')
    s.close()


def bounded_end():
    data = folder() + '/data'
    d = Daemon(data).ready()
    s, _ = half_a_request(data)
    meanwhile, begun = Meanwhile(), time.monotonic()
    d.stop()
    took = time.monotonic() - begun
    want(took > 9 and meanwhile.allows(took - 10, 2), f'a request that never ends is left after 10 s, not {took:.1f}')
    s.close()


ENDLESS = b'{"requests":[{"type":"execute","stmt":{"sql":"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"}}]}'


def endless_query(data, key):
    s = connect(BASE + 2)
    s.sendall(f'POST /v2/pipeline HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(ENDLESS)}\r\n\r\n'.encode() + ENDLESS)
    time.sleep(0.3)
    return s


def build_key(data):
    _, _, made = http(BASE, '/api/v1/builds', 'POST', [f'Authorization: Bearer {token(data)}', 'Content-Type: application/json'], b'{"id":"long"}')
    return json.loads(made)['env']['TURSO_AUTH_TOKEN']


def clients_gone():
    """Nobody waits for statements whose clients have gone."""
    data = folder() + '/data'
    d = Daemon(data).ready()
    key = build_key(data)
    for s in [endless_query(data, key) for _ in range(2)]:
        s.close()
    begun = time.monotonic()
    d.stop()
    took = time.monotonic() - begun
    want(took < 3, f'it ended after {took:.1f} s')


def told_before_the_end():
    """A client that waits for a long statement gets an answer before the daemon ends, and that ends cleanly."""
    data = folder() + '/data'
    d = Daemon(data).ready()
    s = endless_query(data, build_key(data))
    s.settimeout(12)
    begun = time.monotonic()
    d.p.send_signal(signal.SIGTERM)
    status, _, body = answer(s)
    took = time.monotonic() - begun
    want(status == 200 and b'SQLITE_INTERRUPT' in body and b'being stopped' in body, f'{status} {body[:300]}')
    want(8 < took < 10.5, f'told after {took:.1f} s')
    d.ended(0, seconds=2)
    want('did not finish within' not in d.log(), 'it ended without cutting anything off')


def hung(role):
    """A child that lives but does not answer is replaced."""
    d = Daemon(folder() + '/data').ready()
    old = d.children()[role]
    os.kill(old, signal.SIGSTOP)
    until(f'{role} is another process', lambda: d.children().get(role) not in (None, old), 20, 0.05)
    until('console and database answer', lambda: serves(BASE))
    until('ready again', lambda: f'a role is ready again which={role}' in d.log())
    d.stop()


def sockets(pid):
    found = set()
    for fd in os.listdir(f'/proc/{pid}/fd'):
        try:
            to = os.readlink(f'/proc/{pid}/fd/{fd}')
        except OSError:
            continue
        if to.startswith('socket:['):
            found.add(to[8:-1])
    return found


def listening():
    """Inodes of all listening sockets, TCP and unix."""
    found = set()
    for name in ('tcp', 'tcp6'):
        with open(f'/proc/net/{name}') as f:
            found |= {l.split()[9] for l in f.readlines()[1:] if l.split()[3] == '0A'}
    with open('/proc/net/unix') as f:
        found |= {l.split()[6] for l in f.readlines()[1:] if int(l.split()[3], 16) & 0x10000}
    return found


def no_listener():
    """Only front takes connections (the supervisor keeps the sockets open); keeper and courier cannot even reach them."""
    d = Daemon(folder() + '/data').ready()
    for again in range(2):
        pids, all = d.children(), listening()
        want(len(sockets(pids['front']) & all) == 6, 'front has its six listeners')
        for role in ('keeper', 'courier'):
            want(not sockets(pids[role]) & all, f'{role} has a listener')
            fds = [os.readlink(f'/proc/{pids[role]}/fd/{x}') for x in os.listdir(f'/proc/{pids[role]}/fd')]
            n = sum(x.startswith('socket:') for x in fds)
            want(n == 2, f'{role} has {n} sockets, not the notes and front: {fds}')
            files = [x for x in fds if d.data in x]
            want(role == 'keeper' or all_lock(files), f'courier has files of the data folder: {files}')
        for role in ROLES if again == 0 else ():
            os.kill(pids[role], signal.SIGKILL)
            until('another process', lambda: d.children().get(role) not in (None, pids[role]))
            until(f'{role} is ready again', lambda: f'a role is ready again which={role}' in d.log())
        time.sleep(0.05)
    d.stop()


def all_lock(files):
    return all(f.endswith('/lock') for f in files)


def secrets_unseen():
    f = folder()
    data = f + '/data'
    d = Daemon(data, '--log-level', 'debug').ready()
    key = [l for l in content(f + '/data.key').decode().splitlines() if not l.startswith('#')][0]
    until('healthy', lambda: serves(BASE))
    os.kill(d.children()['front'], signal.SIGKILL)
    until('console and database answer', lambda: serves(BASE))
    secrets = [token(data).encode(), key.encode()]
    for pid in [d.pid, *d.children().values()]:
        for what in ('cmdline', 'environ', 'comm'):
            text = content(f'/proc/{pid}/{what}')
            want(not any(s in text for s in secrets), f'a secret stands in /proc/{pid}/{what}')
        with open(f'/proc/{pid}/status') as s:
            status = s.read()
        want(pid == d.pid or 'NoNewPrivs:\t1' in status, 'no new privileges in a child')
    d.stop()
    seen = (d.log() + ''.join(d.out)).encode()
    want(not any(s in seen for s in secrets), 'a secret stands in the log')


def add_builds(data, n, state=0):
    db = sqlite3.connect(f'{data}/valetkey.db')
    now = int(time.time() * 1000)
    for i in range(n):
        id = f'{"gone" if state else "b"}-{i:04}'
        db.execute('INSERT INTO builds VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)', (id, 'next', state, i + 1, 86400000, now, now + 86400000, now))
        db.execute("INSERT INTO bindings (build, service, driver) VALUES (?, 'database', 'embedded')", (id,))
        db.execute("INSERT INTO valets VALUES (?, ?, 'database', 'b', 1, ?, ?)", (os.urandom(32), id, i + 1, now if state else 0))
        os.makedirs(f'{data}/builds/{id}', 0o700)
        x = sqlite3.connect(f'{data}/builds/{id}/database.db')
        x.execute('PRAGMA journal_mode = WAL')
        x.execute('CREATE TABLE t (a)')
        x.commit()
        x.close()
    db.commit()
    db.close()


def hundred_builds():
    data = folder() + '/data'
    once(data)
    add_builds(data, 100)
    times = []
    for _ in range(7):
        d = Daemon(data).ready()
        times.append(d.ready_ms)
        d.stop()
    want(min(times) < 50, f'ready after {[round(t) for t in times]} ms')
    return f'{sorted(round(t) for t in times)[len(times) // 2]} ms, the middle of {len(times)}'


def half_deleted():
    data = folder() + '/data'
    once(data)
    add_builds(data, 3)
    add_builds(data, 70, state=2)  # more than one page of builds
    d = Daemon(data).ready()
    until('half-deleted builds have gone', lambda: sorted(os.listdir(f'{data}/builds')) == ['b-0000', 'b-0001', 'b-0002'])
    d.stop()
    db = sqlite3.connect(f'{data}/valetkey.db')
    want(sorted(r[0] for r in db.execute('SELECT id FROM builds')) == ['b-0000', 'b-0001', 'b-0002'], 'and their rows')
    want(db.execute('SELECT count(*) FROM valets').fetchone()[0] == 3, 'and their valet rows')
    db.close()


def many_loops():
    """Connections are spread over the loops, stay where they are, and each loop answers."""
    d = Daemon(folder() + '/data', '--loops', '4').ready()
    open = [connect(BASE) for _ in range(40)]
    for turn in range(3):
        for s in open:
            s.sendall(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
        for s in open:
            want(s.recv(4096).startswith(b'HTTP/1.1 200'), f'turn {turn}')
    front = d.children()['front']
    names = sorted(content(f'/proc/{front}/task/{t}/comm').decode().strip() for t in os.listdir(f'/proc/{front}/task'))
    want({'vk-loop-1', 'vk-loop-2', 'vk-loop-3'} <= set(names), f'{names}')
    for s in open:
        s.close()
    d.stop()


def run():
    for role in ROLES:
        check(f'kill -9 {role}, five times: ready again within 500 ms', kill_child, role)
    check('kill -9 all children at once, then keeper and front', all_children_at_once)
    check('connections wait while front is away', connections_wait)
    check('a child that cannot come back is given up on', keeper_cannot_come_back)
    check('kill -9 the supervisor: nothing is left, the next one is ready within 500 ms', supervisor_killed)
    check('SIGTERM ends it with 0', graceful, signal.SIGTERM)
    check('SIGINT ends it with 0', graceful, signal.SIGINT)
    check('a request under way is finished before the end', under_way)
    check('a second signal ends it at once', second_signal)
    check('statements whose clients have gone do not hold up the end', clients_gone)
    check('keeper and courier have no listener, courier no data', no_listener)
    check('no secret in arguments, environments and the log', secrets_unseen)
    check('ready within 50 ms with 100 builds', hundred_builds)
    check('half-done deletions are finished', half_deleted)
    check('four loops', many_loops)
    if FULL:
        check('the end is bounded by 10 s', bounded_end)
        check('a statement that runs on is interrupted before the end, and its client told', told_before_the_end)
        check('a keeper that hangs is replaced', hung, 'keeper')
        check('a courier that hangs is replaced', hung, 'courier')
