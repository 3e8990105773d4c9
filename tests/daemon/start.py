"""Start: what is made, what is refused, with which sentence and exit code, and that a refusal changes nothing."""
import os
import socket
import sqlite3
import subprocess
import time

from harness import BASE, BIN, READY, Daemon, check, content, environ, folder, http, mode, once, serves, token, until, want


def ready_line():
    data = folder() + '/data'
    d = Daemon(data, '--loops', '3').ready()
    time.sleep(0.05)
    want(len(d.out) == 1, f'one line on standard output, not {d.out}')
    m = READY.match(d.out[0])
    want(m, f'unexpected ready line {d.out[0]!r}')
    want(m.groups() == (str(BASE), str(BASE + 2), str(BASE + 3), data, str(d.pid), '3'), f'{m.groups()}')
    want(serves(BASE), 'console and database answer')
    want(http(unix=f'{data}/admin.sock')[0] == 200, 'admin.sock answers')
    want(set(d.children()) == {'front', 'keeper', 'courier'}, f'{d.children()}')
    d.stop()
    want(len(d.out) == 1, f'one line on standard output, not {d.out}')


def modes():
    data = folder() + '/data'
    d = Daemon(data).ready()
    for path, m in (('', 0o700), ('/vault', 0o700), ('/vault/master', 0o600), ('/admin.token', 0o600), ('/admin.sock', 0o600), ('/lock', 0o600),
                    ('/valetkey.db', 0o600), ('.key', 0o600)):
        want(mode(data + path) == m, f'{path or "the folder"} has mode {mode(data + path):o}, not {m:o}')
    t = token(data)
    want(len(t) == 41 and t.startswith('vk_a_') and t.isascii(), 'the admin token has its shape')
    d.stop()
    want(not os.path.exists(f'{data}/admin.sock'), 'admin.sock goes with the daemon')
    want(os.path.getsize(f'{data}/valetkey.db-wal') == 0, 'a clean end leaves no log to replay')
    once(data)
    want(token(data) == t, 'the token stays')


def second_daemon():
    data = folder() + '/data'
    d = Daemon(data).ready()
    Daemon(data, base=BASE + 10).ended(1, str(d.pid), 'already running', '--data')
    want(serves(BASE) and http(unix=f'{data}/admin.sock')[0] == 200, 'the first one is not disturbed')
    d.stop()


def many_at_once():
    data = folder() + '/data'
    all = [Daemon(data, base=BASE + 10 * i) for i in range(4)]
    until('all but one have ended', lambda: sum(d.p.poll() is None for d in all) == 1 and any(d.out for d in all), 8)
    for d in all:
        if d.p.poll() is not None:
            d.ended(1, 'already running')
    survivor = [d for d in all if d.p.poll() is None][0]
    want(serves(survivor.base), 'the one that is left serves')
    survivor.stop()


def port_taken(offset, name):
    data = folder() + '/data'
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('127.0.0.1', BASE + offset))
    s.listen()
    d = Daemon(data).ended(1, str(BASE + offset), name, 'taken', '--port-base')
    want(not d.children(), 'no process is left')
    s.close()
    once(data)


def newer_data():
    data = folder() + '/data'
    once(data)
    db = sqlite3.connect(f'{data}/valetkey.db')
    db.execute('PRAGMA journal_mode = DELETE')
    version = db.execute('PRAGMA user_version').fetchone()[0]
    db.execute('PRAGMA user_version = 99')
    db.commit()
    db.close()
    before = content(f'{data}/valetkey.db')
    Daemon(data).ended(1, 'newer valetkey')
    want(content(f'{data}/valetkey.db') == before, 'the newer data is as it was')
    db = sqlite3.connect(f'{data}/valetkey.db')
    db.execute(f'PRAGMA user_version = {version}')
    db.execute('PRAGMA journal_mode = WAL')
    db.commit()
    db.close()
    once(data)


def damaged_metadata():
    data = folder() + '/data'
    once(data)
    with open(f'{data}/valetkey.db', 'wb') as f:
        f.write(b'This is no database. ' * 500)
    before = content(f'{data}/valetkey.db')
    Daemon(data).ended(1, 'metadata', 'damaged')
    want(content(f'{data}/valetkey.db') == before, 'the file is as it was')


def foreign_folder():
    data = folder()
    os.chmod(data, 0o755)
    with open(f'{data}/thesis.txt', 'w') as f:
        f.write('years of work')
    Daemon(data).ended(1, 'not of valetkey', '--data')
    want(os.listdir(data) == ['thesis.txt'] and mode(data) == 0o755, 'nothing was added, the mode stays')


def other_owner():
    data = folder()
    if os.geteuid() == 0:
        os.chown(data, 12345, 12345)
    else:
        data = '/'
    Daemon(data).ended(1, 'belongs to the user')


def no_folder():
    data = folder()
    with open(f'{data}/file', 'w') as f:
        f.write('x')
    Daemon(f'{data}/file').ended(1, 'cannot be')
    Daemon(f'{data}/missing/data').ended(1, 'folder above it does not exist')
    want(sorted(os.listdir(data)) == ['file'], 'nothing was made')


def open_folder():
    data = folder() + '/data'
    once(data)
    os.chmod(data, 0o755)
    os.chmod(f'{data}/admin.token', 0o644)
    d = Daemon(data).ready()
    want(mode(data) == 0o700 and mode(f'{data}/admin.token') == 0o600, 'both are closed')
    until('the log says so', lambda: d.log().count('open to others') >= 2)
    d.stop()


def damaged_token():
    data = folder() + '/data'
    once(data)
    t = token(data)
    with open(f'{data}/admin.token', 'w') as f:
        f.write(t[:-1] + ('0' if t[-1] != '0' else '1') + '\n')
    Daemon(data).ended(1, 'admin.token', 'delete the file')
    os.unlink(f'{data}/admin.token')
    once(data)
    want(token(data) != t, 'a new one was made')


def long_path():
    data = folder()
    for _ in range(3):
        data += '/' + 'd' * 100
        os.mkdir(data, 0o700)
    d = Daemon(data + '/data').ready()
    here = os.getcwd()
    os.chdir(data + '/data')  # the path itself is longer than a socket's may be
    status = http(unix='admin.sock')[0]
    os.chdir(here)
    want(status == 200, 'admin.sock answers below a path of 300 characters')
    d.stop()
    os.mkdir(data + '/' + 'e' * 100, 0o700)
    Daemon(data + '/' + 'e' * 100 + '/data').ended(1, 'longer than')


# ------------------------------------------------------------------------------------------------------------ the key

def key_trouble():
    """Wrong, missing, open and named key files: refused, nothing changed, and with the right one back all is well."""
    f = folder()
    data, key = f + '/data', f + '/data.key'
    d = Daemon(data).ready()
    until('the first start says aloud where the key is', lambda: key in d.log() and 'keep a copy' in d.log())
    d.stop()
    good, master = content(key), content(f'{data}/vault/master')

    def refused(*words, flags=()):
        Daemon(data, *flags).ended(1, *words)
        want(content(f'{data}/vault/master') == master, 'the master is as it was')

    os.rename(key, key + '.away')
    refused(key, 'missing', '--key-file')
    want(not os.path.exists(key), 'no new key was made')
    once(f + '/other')
    os.rename(f + '/other.key', key)
    refused('does not open', 'another key')
    with open(key, 'w') as x:
        x.write('hello\n')
    refused('not a key file')
    with open(key, 'wb') as x:
        x.write(good)
    os.chmod(key, 0o644)
    refused('chmod 600')
    os.unlink(key)
    refused(f + '/nowhere.key', 'does not exist', flags=('--key-file', f + '/nowhere.key'))
    Daemon(data, '--key-file', key + '.away').ready().stop()
    Daemon(data, env={'VALETKEY_KEY_FILE': key + '.away'}).ready().stop()
    os.mkdir(f + '/creds')
    os.rename(key + '.away', f + '/creds/valetkey-kek')
    Daemon(data, env={'CREDENTIALS_DIRECTORY': f + '/creds'}).ready().stop()
    want(content(f'{data}/vault/master') == master and not os.path.exists(key), 'all of them opened the same vault')


def lost_master():
    f = folder()
    once(f + '/data')
    os.rename(f + '/data/vault/master', f + '/master')
    Daemon(f + '/data').ended(1, 'vault/master is missing', 'Restore')
    want(not os.path.exists(f + '/data/vault/master'), 'no new master was made')
    os.rename(f + '/master', f + '/data/vault/master')
    once(f + '/data')


# ------------------------------------------------------------------------------------------------------------ settings

BAD = [
    (['--nonsense'], ['does not know', '--nonsense']),
    (['here'], ['does not know', 'here']),
    (['--sandbox=tight'], ['does not know']),
    (['--require-sandbox=perhaps'], ['off, best or required']),
    (['--user', 'a b'], ['--user', 'name of a user']),
    (['--port-base'], ['wants a value']),
    (['--port-base', 'x'], ['--port-base', 'number']),
    (['--port-base', '0'], ['--port-base', 'number']),
    (['--port-base', '65532'], ['--port-base', '65531']),
    (['--port-base=-1'], ['--port-base', 'number']),
    (['--loops', '65'], ['--loops', '64']),
    (['--loops', '0'], ['--loops']),
    (['--ttl', '3 weeks'], ['--ttl', '30d']),
    (['--ttl', '0s'], ['--ttl']),
    (['--log-level', 'loud'], ['--log-level', 'debug']),
    (['--data', ''], ['--data', 'empty']),
    (['--data', 'x' * 5000], ['--data', 'too long']),
    (['--url-sandbox', 'database'], ['SERVICE=URL']),
    (['--url-sandbox', 'mail=https://x.example'], ['mail', 'database']),
    (['--url-sandbox', 'database=ftp://x.example'], ['https://']),
    (['--url-browser', 'database=https://'], ['https://']),
    (['--url-browser', 'database=https://user:pw@x.example'], ['without user']),
    (['--url-browser', 'database=https://x.example/?a=b'], ['query']),
    (['--url-browser', 'database=https://x.example:99999'], ['address']),
    (['--url-browser', 'database=https://x.example/a b'], ['address']),
    (['--url-browser', 'database=https://x.example/' + 'a' * 300], ['longer']),
    (['--config', '/nonexistent/valetkey.conf'], ['/nonexistent/valetkey.conf', 'cannot be read']),
]


def serve(args, env=None, cwd=None):
    return subprocess.run([BIN, 'serve', *args], capture_output=True, text=True, env=environ(env), cwd=cwd, timeout=20)


def bad_flags():
    cwd = folder()
    for args, words in BAD:
        r = serve(args, cwd=cwd)
        want(r.returncode == 2 and r.stdout == '', f'{args}: exit {r.returncode}: {r.stderr}')
        want(r.stderr.startswith('valetkey: ') and r.stderr.count('\n') == 1, f'{args}: one sentence, not {r.stderr!r}')
        for w in words:
            want(w in r.stderr, f'{args}: no {w!r} in {r.stderr!r}')
    want(os.listdir(cwd) == [], 'nothing was made')
    return f'{len(BAD)} of them'


BAD_FILES = [
    ('nonsense\n', ['line 1', 'name = value']),
    ('# fine\n\ncolour = blue\n', ['line 3', 'colour']),
    ('ttl = 3d\nttl = 4d\n', ['line 2', 'twice']),
    ('port_base = 70000\n', ['line 1', 'port_base']),
    ('[url_sandbox\n', ['line 1', 'section']),
    ('[url_sandbox]\nmail = https://x.example\n', ['line 2', 'mail']),
    ('[url_sandbox]\nport_base = 22000\n', ['line 2']),
    ('data =\n', ['line 1', 'empty']),
    ('data = x\0y\n', ['not a text file']),
    ('#' * 70000, ['larger']),
]


def bad_files():
    f = folder()
    for text, words in BAD_FILES:
        with open(f'{f}/c.conf', 'w') as x:
            x.write(text)
        r = serve(['--config', f'{f}/c.conf'], cwd=f)
        want(r.returncode == 2 and r.stdout == '', f'{text[:40]!r}: exit {r.returncode}: {r.stderr}')
        for w in words + ['c.conf']:
            want(w in r.stderr, f'{text[:40]!r}: no {w!r} in {r.stderr!r}')
    want(os.listdir(f) == ['c.conf'], 'nothing was made')


def precedence():
    f = folder()
    with open(f'{f}/c.conf', 'w') as x:
        x.write(f'; settings\ndata = {f}/file\nport_base={BASE + 30}\nloops = 2\n\n[url_sandbox]\ndatabase = https://db.sandbox.example/\r\n')

    def start(flags, env=None):
        p = subprocess.Popen([BIN, 'serve', '--config', f'{f}/c.conf', *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ(env))
        try:
            line = p.stdout.readline()
            m = READY.match(line)
            want(m, f'{line!r} {p.stderr.read() if not line else ""}')
            known = http(int(m[2]), '/v2/pipeline', 'POST', ['Host: db.sandbox.example'], b'{}')[0]
            foreign = http(int(m[1]), headers=['Host: db.sandbox.example'])[0]
            return m[1], m[4].replace(f, ''), m[6], known, foreign
        finally:
            p.terminate()
            want(p.wait(10) == 0, 'ends with 0')

    file = (str(BASE + 30), '/file', '2', 401, 421)
    want(start([]) == file, 'the file counts')
    want(start([], {'VALETKEY_DATA': f'{f}/env'}) == (file[0], '/env', *file[2:]), 'the environment wins over the file')
    got = start([f'--data={f}/flag', '--port-base', str(BASE + 40), '--loops=1'], {'VALETKEY_DATA': f'{f}/env'})
    want(got == (str(BASE + 40), '/flag', '1', 401, 421), f'flags win over both: {got}')


def help_text():
    for flag in ('--help', '-h'):
        r = serve([flag])
        want(r.returncode == 0 and 'Examples' in r.stdout and r.stderr == '', f'{r}')


def host_names():
    d = Daemon(folder() + '/data', '--url-browser', 'database=https://db.browser.example:8443/x').ready()
    for host, console, database in (('localhost', 200, 401), ('127.0.0.1:9', 200, 401), ('[::1]:22000', 200, 401), ('db.browser.example', 421, 401),
                                    ('DB.Browser.Example:8443', 421, 401), ('evil.example', 421, 421), ('localhost.evil.example', 421, 421)):
        got = http(BASE, headers=[f'Host: {host}'])[0], http(BASE + 2, '/v2/pipeline', 'POST', [f'Host: {host}'], b'{}')[0]
        want(got == (console, database), f'{host}: {got}')
    d.stop()


def service_manager():
    f = folder()
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(f'{f}/notify')
    s.settimeout(5)
    d = Daemon(f + '/data', env={'NOTIFY_SOCKET': f'{f}/notify'}).ready()
    want(s.recv(4096).startswith(b'READY=1\n'), 'READY=1')
    d.stop()
    want(s.recv(4096).startswith(b'STOPPING=1'), 'STOPPING=1')
    s.close()


def run():
    check('serve prints one line when it is ready, and everything answers', ready_line)
    check('files and folders are closed to others; the token stays', modes)
    check('a second daemon on the same data is refused with the pid of the first', second_daemon)
    check('of four daemons started at once on new data one serves', many_at_once)
    check('a taken console port is named', port_taken, 0, 'console')
    check('a taken database port is named', port_taken, 2, 'database')
    check('data of a newer valetkey is refused and kept', newer_data)
    check('damaged metadata is refused and kept', damaged_metadata)
    check('a folder with other files is refused and not touched', foreign_folder)
    check("another user's folder is refused", other_owner)
    check('a file in the place of the folder, and a missing parent, are refused', no_folder)
    check('a folder that is open to others is closed, aloud', open_folder)
    check('a damaged admin token is refused', damaged_token)
    check('a data folder with a long path works, one with a longer path is refused', long_path)
    check('wrong, missing, open and named key files', key_trouble)
    check('a lost master is not replaced', lost_master)
    check('wrong flags: exit code 2, one sentence, nothing made', bad_flags)
    check('wrong configuration files: exit code 2, the line, nothing made', bad_files)
    check('flags win over the environment, the environment over the file', precedence)
    check('--help', help_text)
    check('each listener answers to its own names only', host_names)
    check('the service manager is told', service_manager)
