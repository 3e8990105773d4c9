"""The limits of SQL, as docs/SUPPORTED-CALLS.md lists them: each is tried at its value and one past it."""
import http.client
import json
import os
import re
import time

from vk import CLOSE, ROOT, check, execute, want

DOC = os.path.join(ROOT, 'docs', 'SUPPORTED-CALLS.md')
MIB = 1 << 20


def select(text):
    """A statement that says how large it is, and what of it the limit counts."""
    return lambda d, key, n: d.one(key, execute(text(n)))


def refused(status, body):
    try:
        return 'error', json.loads(body)
    except ValueError:
        return 'error', {'code': f'HTTP {status}', 'message': str(body)}


def spaces(n):
    return 'SELECT 1' + ' ' * (n - len('SELECT 1'))


def answer(d, key, n):
    around = len(d.pipeline(key, [execute("SELECT 'a'"), CLOSE])[1]) + 200
    return d.one(key, execute(f"SELECT printf('%.*c', {n if n > 10 * MIB else n - around}, 'a')"))


def batch(d, key, n):
    return d.one(key, {'type': 'batch', 'batch': {'steps': [{'stmt': {'sql': 'SELECT 1', 'want_rows': False}}] * n}})


def requests(d, key, n):
    status, body = d.pipeline(key, [execute('SELECT 1')] * (n - 1) + [CLOSE])
    return ('ok', {}) if status == 200 else refused(status, body)


def body(d, key, n):
    c = http.client.HTTPConnection('127.0.0.1', d.base + 2, timeout=60)
    text = json.dumps({'requests': [CLOSE]})
    try:
        c.putrequest('POST', '/v2/pipeline')
        c.putheader('Authorization', f'Bearer {key}')
        c.putheader('Content-Length', str(n))
        c.endheaders()
        try:
            c.send((text + ' ' * (n - len(text))).encode())
        except OSError:
            pass  # it has answered, and takes no more
        r = c.getresponse()
        return ('ok', {}) if r.status == 200 else refused(r.status, r.read())
    finally:
        c.close()


def stored(d, key, n):
    return last(d, key, [{'type': 'store_sql', 'sql_id': i, 'sql': 'SELECT 1'} for i in range(n)])


def stored_text(d, key, n):
    return last(d, key, [{'type': 'store_sql', 'sql_id': 1, 'sql': spaces(n)}])


def last(d, key, all_of_them):
    status, text = d.pipeline(key, all_of_them + [CLOSE])
    if status != 200:
        return refused(status, text)
    results = json.loads(text)['results'][:-1]
    want(all(r['type'] == 'ok' for r in results[:-1]), 'one before the last was refused')
    return results[-1]['type'], results[-1].get('error') or {}


def triggers(d, key, n):
    d.one(key, {'type': 'sequence', 'sql': ''.join(f'DROP TABLE IF EXISTS g{i};' for i in range(n + 2))})
    text = 'CREATE TABLE g0(a);' + ''.join(
        f'CREATE TABLE g{i + 1}(a); CREATE TRIGGER r{i} AFTER INSERT ON g{i} BEGIN INSERT INTO g{i + 1} VALUES (new.a); END;' for i in range(n))
    kind, got = d.one(key, {'type': 'sequence', 'sql': text})
    want(kind == 'ok', got)
    return d.one(key, execute('INSERT INTO g0 VALUES (1)'))


def streams(d, key, n):
    batons, kind, got = [], 'ok', {}
    for _ in range(n):
        status, text = d.pipeline(key, [execute('BEGIN'), execute('SELECT count(*) FROM sqlite_schema')])
        if status != 200:
            kind, got = 'error', json.loads(text)
            break
        batons.append(json.loads(text)['baton'])
    for b in batons:
        d.pipeline(key, [execute('ROLLBACK'), CLOSE], b)
    return kind, got


# what the table of the document calls it; the number; how it is tried; what the error one past it says
TABLE = [
    ('bytes of a request', 32 * MIB, body, r'large'),
    ('requests of a pipeline', 4096, requests, r'more than 4096'),
    ('steps of a batch', 16384, batch, r'more than 16384'),
    ('bytes of an answer', 10 * MIB, answer, r'RESPONSE_TOO_LARGE'),
    ('bytes of a statement', 4 * MIB, select(spaces), r'too (long|big|large)'),
    ('bytes of a value', 16 * MIB, select(lambda n: f'SELECT length(zeroblob({n}))'), r'too big'),
    ('columns of a table or a result', 2000, select(lambda n: 'SELECT ' + ','.join(['1'] * n)), r'too many columns'),
    ('parts of a compound SELECT', 500, select(lambda n: ' UNION ALL '.join(['SELECT 1'] * n)), r'too many terms'),
    ('depth of an expression', 200, select(lambda n: 'SELECT ' + '+'.join(['1'] * n)), r'too large|depth'),
    ('arguments of a function', 127, select(lambda n: 'SELECT max(' + ','.join(['1'] * n) + ')'), r'too many arguments'),
    ('number of a parameter', 32766, select(lambda n: f'SELECT ?{n} IS NULL'), r'variable number'),
    ('bytes of a pattern of LIKE or GLOB', 250, select(lambda n: f"SELECT 'a' LIKE '{'a' * n}'"), r'too complex'),
    ('triggers that set each other off', 100, triggers, r'trigger'),
    ('SQL texts that a stream stores', 50, stored, r'50 SQL texts'),
    ('bytes of such a text', 5000, stored_text, r'too large'),
    ('streams of a build that have something open', 32, streams, r'TRANSACTION_BUSY'),
]


def tried(daemon, key, limit, how, past):
    kind, got = how(daemon, key, limit)
    want(kind == 'ok', f'at {limit}: {str(got)[:300]}')
    kind, got = how(daemon, key, limit + 1)
    want(kind == 'error', f'{limit + 1} is accepted')
    said = f"{got.get('code')} {got.get('message')}"
    want(re.search(past, said) and len(got.get('message') or '') > 10, f'one past it is answered with: {said[:300]}')
    want(daemon.one(key, execute('SELECT 1'))[0] == 'ok', 'afterwards the build is not served')
    return said[:70]


def as_documented():
    with open(DOC, encoding='utf-8') as f:
        rows = dict(re.findall(r'^\| ([^|]+?) \| ([\d,]+(?: [KMG]iB)?) \|', f.read(), re.M))
    units = {'KiB': 1 << 10, 'MiB': MIB, 'GiB': 1 << 30}
    for what, limit, *_ in TABLE:
        number, _, unit = rows.get(what, '').partition(' ')
        want(number and int(number.replace(',', '')) * units.get(unit, 1) == limit, f'{what}: {limit}, and the document says "{rows.get(what)}"')


def full_database(daemon, key):
    """1 GiB: SQLITE_FULL, and reading and deleting go on."""
    daemon.sql(key, 'CREATE TABLE f(a)')
    begun = time.monotonic()
    for n in range(80):
        kind, got = daemon.one(key, execute('INSERT INTO f VALUES (zeroblob(16000000))'), 60)
        if kind != 'ok':
            break
    want(kind == 'error' and got['code'] == 'SQLITE_FULL', f'{n} × 16 MB: {got}')
    pages = int(daemon.sql(key, 'PRAGMA page_count')['rows'][0][0]['value'])
    want(262144 - 4000 < pages <= 262144, f'{pages} pages')
    want(int(daemon.sql(key, 'SELECT count(*) FROM f')['rows'][0][0]['value']) == n, 'reading')
    daemon.sql(key, 'DELETE FROM f')
    daemon.sql(key, 'INSERT INTO f VALUES (1)')
    return f'{time.monotonic() - begun:.0f} s'


def checks(daemon, full):
    key = daemon.build('table')
    check('the table of limits in docs/SUPPORTED-CALLS.md says the same', as_documented)
    for what, limit, how, past in TABLE:
        check(f'at most {limit:,} {what}', tried, daemon, key, limit, how, past)
    if full:
        check('at most 1 GiB of a database', full_database, daemon, daemon.build('large'))
