"""What the recorded daemon is asked to do, and when it acknowledged what. Times are time.monotonic_ns(): an acknowledgement is stamped
after its answer was read whole; `began` is stamped before the request went out."""
import threading
import time

from product import Payments, Refused, Users, integer, text

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL)"


class Ack:
    __slots__ = ("kind", "build", "what", "began", "at")

    def __init__(self, kind, build, what, began, at):
        self.kind, self.build, self.what, self.began, self.at = kind, build, what, began, at


class Journal:
    """All acknowledgements, by kind: ready, build, table, row, revoke, delete, snapshot, restore, group,
    key (of a build's session tokens), user, payment, everybody."""

    def __init__(self):
        self.acks, self.mu = [], threading.Lock()

    def do(self, kind, build, what, act):
        began = time.monotonic_ns()
        answer = act()
        ack = Ack(kind, build, answer if what is None else what, began, time.monotonic_ns())
        with self.mu:
            self.acks.append(ack)
        return answer


def value_of(build, i, size):
    return ("%s/%d/" % (build, i) + "abcdefghij" * (size // 10 + 1))[:size]


def rows(daemon, journal, build, token, ids, size, failures):
    """Inserts one by one; every third in a transaction of two statements that also updates."""
    c = daemon.connect()
    try:
        for i in ids:
            v = value_of(build, i, size)
            if i % 3:
                journal.do("row", build, (i, size), lambda: c.execute(token, "INSERT INTO t VALUES (?, ?)", [integer(i), text(v)]))
            else:
                journal.do("row", build, (i, size), lambda: transaction(c, token, i, v))
    except (Refused, OSError) as e:
        failures.append("%s: %s" % (build, e))
    finally:
        c.close()


def transaction(c, token, i, v):
    ok = lambda n: {"type": "ok", "step": n}
    status, body = c.pipeline(token, [{"type": "batch", "batch": {"steps": [
        {"stmt": {"sql": "BEGIN IMMEDIATE"}},
        {"condition": ok(0), "stmt": {"sql": "INSERT INTO t VALUES (?, ?)", "args": [integer(i), text("draft")]}},
        {"condition": ok(1), "stmt": {"sql": "UPDATE t SET v = ? WHERE id = ?", "args": [text(v), integer(i)]}},
        {"condition": ok(2), "stmt": {"sql": "COMMIT"}},
        {"condition": {"type": "not", "cond": ok(3)}, "stmt": {"sql": "ROLLBACK"}}]}}, {"type": "close"}])
    import json
    result = json.loads(body)["results"][0] if status == 200 else None
    if not result or result["type"] != "ok" or result["response"]["result"]["step_results"][3] is None:
        raise Refused("transaction not committed: HTTP %d %s" % (status, body[:300].decode(errors="replace")))


# One transaction changes every row of a table, and with it the -wal passes what makes SQLite write it back: at that moment the pages are
# in the -wal only, and nobody but SQLite itself has synced them. Half of them in the file and none in the -wal would be half a transaction.
GROUP = 350
FILL_GROUP = ("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT %d) "
              "INSERT INTO u SELECT i, 1, hex(zeroblob(1500)) FROM c" % GROUP)
FILL_LOG = ("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 170) "
            "INSERT INTO f SELECT hex(zeroblob(8000)) FROM c")


def group(d, journal, token, sql):
    c = d.connect()
    for what, statement in sql:
        journal.do("group", "heavy", what, lambda: c.execute(token, statement))
    c.close()


# Users of the build "people": each has the text of its last change; a change of one is acknowledged by its number.
def person(i, version, size):
    return value_of("person", i * 1000 + version, size)


def key_of_tokens(d, journal, env):
    u = Users(d, "people", env)
    journal.do("key", "people", None, lambda: u.ask("GET", "/jwks")["keys"][0]["n"])
    u.close()


def people(d, journal, env, ids, failures, size=300):
    """Each is made, and changed once."""
    u = Users(d, "people", env)
    try:
        for i in ids:
            made = journal.do("user", "people", (i, 0, size), lambda: u.ask("POST", "/users", {
                "external_id": str(i), "email_address": ["p%d@people.example" % i], "skip_password_requirement": True,
                "private_metadata": {"v": person(i, 0, size)}}))
            journal.do("user", "people", (i, 1, size), lambda: u.ask("PATCH", "/users/" + made["id"], {"private_metadata": {"v": person(i, 1, size)}}))
    except (Refused, OSError) as e:
        failures.append("people: %s" % e)
    finally:
        u.close()


def payments(d, journal, env, ids, failures):
    """Payments of the build "shop": each is one call, of which an intent, a charge, events and the answer come, all or nothing."""
    p = Payments(d, env)
    try:
        for i in ids:
            journal.do("payment", "shop", i, lambda: p.pay(i))
    except (Refused, OSError) as e:
        failures.append("shop: %s" % e)
    finally:
        p.close()


def parallel(*calls):
    threads = [threading.Thread(target=f, args=a) for f, *a in calls]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def run(make_daemon, heavy):
    """`make_daemon()` gives a recorded daemon that is not started. (journal, failures, settings of the builds)."""
    journal, failures, env = Journal(), [], {}

    def start():
        d = make_daemon()
        d.start()
        return d

    def create(d, build):
        env[build] = journal.do("build", build, None, lambda: d.create(build))
        token = env[build]["TURSO_AUTH_TOKEN"]
        c = d.connect()
        journal.do("table", build, TABLE, lambda: c.execute(token, TABLE))
        c.close()
        return token

    d = start()
    # What a person may have copied once the daemon said that it is ready.
    journal.do("ready", None, None, d.token)
    one = create(d, "one")
    rows(d, journal, "one", one, range(1, 6), 100, failures)
    two, heavy_token = create(d, "two"), create(d, "heavy")
    create(d, "short"), create(d, "doomed"), create(d, "people"), create(d, "shop")
    key_of_tokens(d, journal, env["people"])
    group(d, journal, heavy_token, [(0, "CREATE TABLE u (id INTEGER PRIMARY KEY, n INTEGER, v TEXT)"), (0, "CREATE TABLE f (v TEXT)"),
                                    (1, FILL_GROUP)])
    parallel((rows, d, journal, "one", one, range(6, 30), 300, failures),
             (rows, d, journal, "two", two, range(1, 30), 300, failures),
             (rows, d, journal, "heavy", heavy_token, range(1, heavy, 2), 9000, failures),
             (rows, d, journal, "heavy", heavy_token, range(2, heavy, 2), 9000, failures),
             (people, d, journal, env["people"], range(0, 20), failures),
             (people, d, journal, env["people"], range(20, 70), failures, 40000),
             (payments, d, journal, env["shop"], range(0, 10), failures),
             (payments, d, journal, env["shop"], range(10, 20), failures))
    journal.do("revoke", "short", "short", lambda: d.cli("build", "revoke", "short"))
    journal.do("delete", "doomed", "doomed", lambda: d.cli("build", "delete", "doomed", *YES))
    d.stop()

    # A clean stop writes back and removes the logs; then life goes on, and ends by kill -9.
    d = start()
    group(d, journal, heavy_token, [(1, FILL_LOG), (2, "UPDATE u SET n = 2")])
    parallel((rows, d, journal, "one", one, range(30, 40), 300, failures),
             (rows, d, journal, "two", two, range(30, 40), 300, failures),
             (people, d, journal, env["people"], range(70, 80), failures),
             (people, d, journal, env["people"], range(80, 110), failures, 40000),
             (payments, d, journal, env["shop"], range(20, 30), failures))
    create(d, "late")
    restore(d, journal, create(d, "snap"), failures)
    d.kill()
    d = start()
    rows(d, journal, "two", two, range(40, 46), 300, failures)
    people(d, journal, env["people"], range(110, 116), failures)
    payments(d, journal, env["shop"], range(30, 34), failures)
    journal.do("revoke", "late", "late", lambda: d.cli("build", "revoke", "late"))
    d.kill()
    return journal, failures, env


# Rows of the build "snap" that its snapshot has, that are there when it is restored, and that come afterwards.
SNAP = {"kept": range(1, 10), "undone": range(10, 20), "after": range(20, 24)}


def restore(d, journal, token, failures):
    """One after the other, so that each state is known: rows, a snapshot, more rows, back to the snapshot, more rows."""
    rows(d, journal, "snap", token, SNAP["kept"], 300, failures)
    journal.do("snapshot", "snap", "kept", lambda: d.cli("db", "snapshot", "snap", "--name", "kept"))
    rows(d, journal, "snap", token, SNAP["undone"], 300, failures)
    journal.do("restore", "snap", "kept", lambda: d.cli("db", "restore", "snap", "kept"))
    rows(d, journal, "snap", token, SNAP["after"], 300, failures)


# What `build delete` wants to be sure.
YES = []
