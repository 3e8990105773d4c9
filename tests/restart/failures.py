"""Restarts that cannot be, and processes that die in the middle of one: the daemon goes on, or starts again."""
import ctypes
import shutil
import struct
import tempfile

from rig import *  # noqa: F403


def program_folder():
    dir = tempfile.mkdtemp(prefix='valetkey-test-')
    folders.append(dir)
    shutil.copy(BIN, f'{dir}/valetkey')
    return f'{dir}/valetkey'


def put(program, write):
    """As a package manager does: another file, renamed over the old one."""
    new = program + '.new'
    write(new)
    os.chmod(new, 0o755)
    os.rename(new, program)


def upgrade():
    program = program_folder()

    def go(d, key):
        def copy_of(to):
            shutil.copy(BIN, to)
            with open(to, 'ab') as f:
                f.write(b'\0' * 64)  # an ELF file does not mind
        put(program, copy_of)
        ino = os.stat(program).st_ino
        must_restart(d)
        for pid in [d.p.pid, *[p[-1] for p in roles(d).values()]]:
            want(os.stat(f'/proc/{pid}/exe').st_ino == ino, f'{role(pid)} is still the old program')
        want(role(d.p.pid) == 'valetkey', f'the supervisor is called {role(d.p.pid)}')
        d.sql(key, 'INSERT INTO t VALUES (1)')
        must_restart(d)
        want(one_value(d, key, 'SELECT count(*) FROM t') == 1, 'lost')
    return with_daemon(go, program=program)


def bad_programs():
    program = program_folder()

    def go(d, key):
        front, load = d.front(), Load()
        load.start(4, 50, lambda: Client(key), write_and_read)
        load.start(2, 25, lambda: Client(key), write_and_read, keep=False)

        time.sleep(0.3)

        def garbage(to):
            with open(to, 'wb') as f:
                f.write(b'not a program')
        put(program, garbage)
        refused(d, 'goes on as it was', 'cannot be executed')
        put(program, lambda to: shutil.copy('/bin/false', to))
        refused(d, 'goes on as it was', 'exited with code 1')
        put(program, lambda to: shutil.copy('/bin/true', to))
        refused(d, 'goes on as it was', 'exited with code 0')
        os.unlink(program)
        refused(d, 'goes on as it was', 'cannot be opened')
        time.sleep(0.3)
        load.stop().none_failed(d)
        rows_are(d, key, load, lambda n: n % 2)
        want(d.front() == front and len(children(d.p.pid)) == 3, 'the roles are not those of before')
        put(program, lambda to: shutil.copy(BIN, to))
        must_restart(d)
    return with_daemon(go, program=program)


def settings():
    dir = tempfile.mkdtemp(prefix='valetkey-test-')
    folders.append(dir)

    def write(text_):
        with open(f'{dir}/valetkey.conf', 'w') as f:
            f.write(text_)

    def health():
        c = http.client.HTTPConnection('127.0.0.1', PORT, timeout=10)
        c.request('GET', '/health', headers={'Host': 'db.example.org'})
        return c.getresponse().status
    write('')

    def go(d, key):
        want(health() == 421, 'the name is known already')
        write('hosts = db.example.org\n')
        must_restart(d)
        want(health() == 200, 'the new setting does not count')
        write('nonsense = 1\n')
        refused(d, 'goes on as it was', 'there is no setting nonsense')
        write('hosts = db.example.org\nlisten.database = 127.0.0.2\n')
        refused(d, 'cannot move a listener', 'Stop the daemon and start it again')
        want(health() == 200, 'the daemon does not go on')
        write('hosts = db.example.org\n')
        must_restart(d)
    return with_daemon(go, '--config', f'{dir}/valetkey.conf')


def twice(d, key):
    c = Client(key)
    baton = c.pipeline(execute('BEGIN'))['baton']
    wait = in_background(restart, d)
    until('the restart waits', lambda: status(d)['state'] == 'running')
    code, said = restart(d)
    want(code == 1 and 'restarting already' in said['error']['message'], said)
    d.p.send_signal(signal.SIGUSR2)  # the signal alone is ignored likewise
    time.sleep(0.1)
    c.pipeline(execute('COMMIT'), CLOSE, baton=baton)
    code, said = wait()
    want(code == 0 and said['number'] == 1, said)
    want('told to restart, but it is restarting' in d.log(), 'the signal is not spoken of in the log')


def held(d, key):
    """A restart that waits for a transaction: (what commits, what waits for the restart, the new processes by role)."""
    before = set(children(d.p.pid))
    c = Client(key)
    baton = c.pipeline(execute('BEGIN'), execute('INSERT INTO t VALUES (1)'))['baton']
    wait = in_background(restart, d)

    def new():
        got = {role(p): p for p in children(d.p.pid) if p not in before}
        return got if {'vk-front', 'vk-keeper', 'vk-courier'} <= set(got) else None
    got = until('the new processes are there', new)
    time.sleep(0.2)
    return lambda: c.pipeline(execute('COMMIT'), CLOSE, baton=baton), wait, got


def new_one_dies(which, d, key):
    keep = Client(key)
    keep.sql('SELECT 1')
    sock = keep.c.sock
    commit, wait, new = held(d, key)
    os.kill(new[which], signal.SIGKILL)
    time.sleep(0.1)
    commit()
    code, said = wait()
    want(code == 1 and 'signal 9' in said['error']['message'], said)
    keep.sql('SELECT 1')
    want(keep.c.sock is sock, 'a connection was closed')
    want(one_value(d, key, 'SELECT count(*) FROM t') == 1, 'the transaction was lost')
    until('three roles', lambda: len(children(d.p.pid)) == 3)
    must_restart(d)
    keep.sql('SELECT 1')


def settings_break_meanwhile(end=False):
    """What the new processes have read is gone when the program that watches over them reads it: they serve on."""
    dir = tempfile.mkdtemp(prefix='valetkey-test-')
    folders.append(dir)

    def write(text_):
        with open(f'{dir}/new', 'w') as f:
            f.write(text_)
        os.rename(f'{dir}/new', f'{dir}/valetkey.conf')

    def go(d, key):
        commit, wait, new = held(d, key)
        write('nonsense = 1\n')
        commit()
        until('it is said', lambda: 'cannot watch over its processes yet' in d.log())
        want(d.p.poll() is None, 'the daemon has ended')
        want(one_value(d, key, 'SELECT count(*) FROM t') == 1, 'lost')
        if end:
            pids = children(d.p.pid)
            d.p.send_signal(signal.SIGTERM)
            d.p.wait(10)
            until('no process is left', lambda: not any(alive(p) for p in pids))
            return
        write('')
        code, said = wait()
        want(code == 0, said)
        must_restart(d)
        want(one_value(d, key, 'SELECT count(*) FROM t') == 1, 'lost')
    write('')
    return with_daemon(go, '--config', f'{dir}/valetkey.conf')


def certificate_gone_meanwhile():
    flags, context = certificate()
    at = flags[3]

    def go(d, key):
        before = set(children(d.p.pid))
        c = Client(key, tls=context)
        baton = c.pipeline(execute('BEGIN'), execute('INSERT INTO t VALUES (1)'))['baton']
        wait = in_background(restart, d)
        until('the new processes are there', lambda: sum(role(p).startswith('vk-') for p in children(d.p.pid) if p not in before) == 3)
        time.sleep(0.3)
        os.rename(at, f'{at}.gone')
        c.pipeline(execute('COMMIT'), CLOSE, baton=baton)
        until('it is said', lambda: 'cannot watch over its processes yet' in d.log())
        want(one_value(d, key, 'SELECT count(*) FROM t') == 1, 'it does not serve')
        os.rename(f'{at}.gone', at)
        code, said = wait()
        want(code == 0, said)
        os.kill(d.front(), signal.SIGKILL)  # the certificate is there for the next front, too
        until('it serves', lambda: attempt(d, key))
    return with_daemon(go, *flags, tls=context)


def replaced_again_meanwhile():
    """A second upgrade while the first one waits: the restart after it takes that one."""
    program = program_folder()

    def go(d, key):
        commit, wait, new = held(d, key)
        put(program, lambda to: shutil.copy(BIN, to))
        ino = os.stat(program).st_ino
        commit()
        code, said = wait()
        want(code == 0, said)
        must_restart(d)
        want(os.stat(f'/proc/{d.p.pid}/exe').st_ino == ino, 'it is not the newest program')
    return with_daemon(go, program=program)


def control_of(pid):
    """The socket on which that role speaks to the supervisor."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = libc.syscall(434, pid, 0)  # pidfd_open
    for name in os.listdir(f'/proc/{pid}/fd'):
        fd = libc.syscall(438, process, int(name), 0)  # pidfd_getfd
        if fd < 0:
            continue
        try:
            s = socket.socket(fileno=fd)
        except OSError:
            os.close(fd)
            continue
        if s.family == socket.AF_UNIX and s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_SEQPACKET:
            os.close(process)
            return s
        s.close()
    raise Failure('no such socket')


def front_that_was_taken_over(d, key):
    """It sends the supervisor what it likes: that has no more descriptors than before, hears signals, and ends."""
    s = control_of(d.front())
    s.setblocking(True)
    count = lambda: len(os.listdir(f'/proc/{d.p.pid}/fd'))
    before = count()
    for note in (b'X\0', b'R\0', b'R', b'L\0', b'C\xff'):
        for _ in range(60):
            s.sendmsg([note], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack('2i', 2, 2))])
    until('they are read', lambda: attempt(d, key))
    time.sleep(0.2)
    want(count() == before, f'{count() - before} descriptors more')
    over = time.monotonic() + 8

    def flood():
        while time.monotonic() < over:
            try:
                s.send(b'R\0')
            except OSError:
                return
    threads = [threading.Thread(target=flood, daemon=True) for _ in range(3)]
    for t in threads:
        t.start()
    time.sleep(0.3)
    begun = time.monotonic()
    want(d.stop() == 0, 'it did not end well')
    took = time.monotonic() - begun
    want(took < 6, f'the end took {took:.1f} s')
    s.close()
    return f'ended in {took * 1000:.0f} ms'


def first_descriptors_closed():
    def go(d, key):
        d.sql(key, 'INSERT INTO t VALUES (1)')
        must_restart(d)
        want(one_value(d, key, 'SELECT count(*) FROM t') == 1, 'lost')
        for fd in (0, 2):
            want(os.readlink(f'/proc/{d.p.pid}/fd/{fd}') == '/dev/null', f'{fd} is something else')
        with open(f'{d.data}/lock') as f:
            want(int(f.read()) == d.p.pid, 'something was written into the lock')
    return with_daemon(go, wrap=('sh', '-c', 'exec "$@" <&- 2>&-', 'sh'))


def old_front_dies(d, key):
    old = d.front()
    commit, wait, new = held(d, key)
    os.kill(old, signal.SIGKILL)
    code, said = wait()
    want(code == 0, said)
    want(one_value(d, key, 'SELECT count(*) FROM t') == 0, 'a transaction without COMMIT is there')
    until('three roles', lambda: len(children(d.p.pid)) == 3)


def supervisor_dies(d, key):
    commit, wait, new = held(d, key)
    pids = children(d.p.pid)
    want(len(pids) >= 6, f'{len(pids)} processes')
    d.p.kill()
    d.p.wait()
    code, said = wait()
    want(code == 1 and 'ended' in said['error']['message'], said)
    until('no process is left', lambda: not any(alive(p) for p in pids))
    again = vk.Daemon(BASE, data=d.data)
    try:
        want(one_value(again, key, 'SELECT count(*) FROM t') == 0, 'a transaction without COMMIT is there')
        must_restart(again)
    finally:
        again.stop()


def told_to_stop(d, key):
    commit, wait, new = held(d, key)
    pids = children(d.p.pid)
    stop = in_background(d.stop)
    code, said = wait()
    want(code == 1, said)
    want(stop() == 0, f'exit code:\n{d.log()[-2000:]}')
    until('no process is left', lambda: not any(alive(p) for p in pids))


def killed_at_any_time(d, key):
    """Any process, at any time of a restart: the daemon serves afterwards, with all that was answered."""
    load = Load()
    load.start(4, 40, lambda: Client(key, seconds=10), insert, keep=False)
    for i in range(12):
        wait = in_background(restart, d)
        time.sleep(0.002 + 0.0025 * i)
        victims = children(d.p.pid)
        if victims:
            try:
                os.kill(victims[i % len(victims)], signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait()
        until('the roles are there', lambda: {r: len(p) for r, p in roles(d).items()} == {'vk-front': 1, 'vk-keeper': 1, 'vk-courier': 1})
        until('it serves', lambda: attempt(d, key))
    load.stop()
    want(d.p.poll() is None, 'the daemon has ended')
    rows = {int(r[0]['value']) for r in d.sql(key, 'SELECT n FROM t')['rows']}
    want(set(load.done) <= rows, f'lost: {sorted(set(load.done) - rows)[:5]}')
    return f'{len(load.done)} writes answered, {len(load.failures)} not'


def attempt(d, key):
    try:
        return d.sql(key, 'SELECT 1')
    except Exception:
        return None


def nobody_there():
    empty = tempfile.mkdtemp(prefix='valetkey-test-')
    folders.append(empty)
    for dir, words in ((empty, 'No daemon runs'), (empty + '/none', 'cannot be opened')):
        r = subprocess.run([BIN, 'restart', '--data', dir], capture_output=True, text=True, timeout=20)
        want(r.returncode == 1 and words in r.stderr, f'{r.returncode} {r.stderr}')

    def go(d, key):
        d.p.kill()
        d.p.wait()
        time.sleep(0.3)
        r = subprocess.run([BIN, 'restart', '--data', d.data], capture_output=True, text=True, timeout=20)
        want(r.returncode == 1 and 'No daemon runs' in r.stderr, f'{r.returncode} {r.stderr}')
    return with_daemon(go)


def run():
    check('another program under the same name takes over in every process', upgrade)
    check('a program that is none, ends, or is gone: a sentence, and not one request fails', bad_programs)
    check('changed settings count; wrong ones, and another place of a listener, are refused', settings)
    check('a restart during a restart is refused', with_daemon, twice)
    for which in ('vk-front', 'vk-keeper'):
        check(f'the new {which} is killed: the old program goes on, with its connections', with_daemon, lambda d, k, w=which: new_one_dies(w, d, k))
    check('settings that break during a restart do not end the daemon', settings_break_meanwhile)
    check('SIGTERM ends it then, too', settings_break_meanwhile, True)
    check('nor does a certificate that is away for a moment', certificate_gone_meanwhile)
    check('a program that is replaced once more during a restart', replaced_again_meanwhile)
    check('a front that was taken over neither fills the supervisor nor keeps it busy', with_daemon, front_that_was_taken_over)
    check('started with standard input and error closed', first_descriptors_closed)
    check('the old front is killed while it yields: the new one serves', with_daemon, old_front_dies)
    check('the supervisor is killed in the middle: no process is left, and it starts again', with_daemon, supervisor_dies)
    check('SIGTERM in the middle of a restart ends all of it', with_daemon, told_to_stop)
    check('any process is killed at any time of a restart: nothing that was answered is lost', with_daemon, killed_at_any_time)
    check('no daemon, no folder: a sentence', nobody_there)
