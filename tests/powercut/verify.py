"""What must be true of a disk image, given what was acknowledged at the cut."""
import glob
import json
import os
import sqlite3

import workload
from product import Daemon, Payments, Refused, Users


class Promises:
    """What holds at a moment: acknowledged things must be there; what was under way may be."""

    def __init__(self, journal, cut):
        self.cut = cut
        self.builds, self.rows, self.tables, self.revoked, self.deleted, self.maybe_gone, self.maybe_revoked = {}, {}, set(), set(), set(), set(), set()
        self.started_rows, self.token = {}, None
        self.snapshot = self.restored = self.maybe_restored = False
        self.group = 0
        self.key_of_tokens, self.people, self.maybe_people = None, {}, {}
        self.paid, self.maybe_paid = set(), set()
        for a in journal.acks:
            done, begun = a.at <= cut, a.began <= cut
            if a.kind == "row" and begun:
                self.started_rows.setdefault(a.build, {})[a.what[0]] = a.what[1]
            if a.kind == "revoke" and begun:
                (self.revoked if done else self.maybe_revoked).add(a.build)
            if a.kind == "delete" and begun:
                (self.deleted if done else self.maybe_gone).add(a.build)
            if a.kind == "restore" and begun:
                self.restored, self.maybe_restored = done, True
            if a.kind == "user" and begun:
                self.maybe_people.setdefault(a.what[0], set()).add(a.what[1:])
            if a.kind == "payment" and begun:
                (self.paid if done else self.maybe_paid).add(a.what)
            if a.kind == "snapshot":
                self.snapshot |= done
            if not done:
                continue
            if a.kind == "group":
                self.group = max(self.group, a.what)
            if a.kind == "key":
                self.key_of_tokens = a.what
            elif a.kind == "user":
                self.people[a.what[0]] = a.what[1]
            if a.kind == "ready":
                self.token = a.what
            elif a.kind == "build":
                self.builds[a.build] = a.what
            elif a.kind == "table":
                self.tables.add(a.build)
            elif a.kind == "row":
                self.rows.setdefault(a.build, {})[a.what[0]] = a.what[1]

    def kept(self):
        return [b for b in self.builds if b not in self.deleted and b not in self.maybe_gone]

    def key(self):
        return (tuple(sorted(self.builds)), tuple((b, len(r)) for b, r in sorted(self.rows.items())), tuple(sorted(self.revoked)),
                tuple(sorted(self.deleted)), bool(self.token), tuple(sorted(self.tables)), self.snapshot, self.restored, self.maybe_restored, self.group,
                self.key_of_tokens, tuple(sorted(self.people.items())), sum(len(v) for v in self.maybe_people.values()),
                tuple(sorted(self.paid)), tuple(sorted(self.maybe_paid)))


def _rows_wrong(build, got, promises):
    if build == "snap" and promises.maybe_restored:
        return _restored_wrong(got, promises)
    return _plain_rows_wrong(build, got, promises)


def _restored_wrong(got, promises):
    """In the middle of a restore: what was before, or what the snapshot has. Afterwards the latter, and what came since."""
    kept, undone = set(workload.SNAP["kept"]), set(workload.SNAP["undone"])
    ids = set(got)
    for i, v in got.items():
        if v != workload.value_of("snap", i, 300):
            return "snap: row %d holds something else" % i
    if ids == kept | undone and not promises.restored:
        return ""
    lost = (kept | {i for i in promises.rows["snap"] if i in workload.SNAP["after"]}) - ids
    if lost:
        return "snap: after the restore the rows %s are lost" % sorted(lost)
    if ids & undone:
        return "snap: the rows %s are there again" % sorted(ids & undone)
    return ""


def _snapshots_wrong(folder, database, promises):
    """Every snapshot there is whole and of its moment; one that was promised, or that a restore has made, is there."""
    want = {"kept": set(workload.SNAP["kept"]), "before-restore": set(workload.SNAP["kept"]) | set(workload.SNAP["undone"])}
    found = set()
    for path in glob.glob(os.path.join(folder, "snapshot.*")):
        name = path.rpartition(".")[2]
        if name.endswith("-wal") or name.endswith("-shm"):
            continue
        c = sqlite3.connect(path)
        try:
            if c.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                return "snap: the snapshot %s is damaged" % name
            if {i for i, in c.execute("SELECT id FROM t")} != want[name]:
                return "snap: the snapshot %s has other rows" % name
        finally:
            c.close()
        found.add(name)
    if promises.snapshot and "kept" not in found:
        return "snap: the acknowledged snapshot is lost"
    if promises.maybe_restored and not database & want["before-restore"] - want["kept"] and "before-restore" not in found:
        return "snap: it was restored, and what was before is lost"
    return ""


def _group_wrong(c, promises):
    """All rows have the number of the same transaction, and of none before the last that was acknowledged."""
    if not c.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'u'").fetchone()[0]:
        return "heavy: the acknowledged rows are lost" if promises.group else ""
    got = dict(c.execute("SELECT n, count(*) FROM u GROUP BY n"))
    if got and (list(got.values()) != [workload.GROUP] or list(got)[0] < promises.group) or not got and promises.group:
        return "heavy: of a transaction on all rows there is %s, and %d was acknowledged" % (got, promises.group)
    return ""


def _plain_rows_wrong(build, got, promises):
    for i, size in promises.rows.get(build, {}).items():
        if i not in got:
            return "%s: acknowledged row %d is lost" % (build, i)
    started = promises.started_rows.get(build, {})
    for i, v in got.items():
        if i not in started:
            return "%s: row %d was never written" % (build, i)
        if v != workload.value_of(build, i, started[i]):
            return "%s: row %d holds something else" % (build, i)
    return ""


def _one_file(path, build, promises):
    c = sqlite3.connect(path)
    try:
        if c.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            return "%s: integrity_check fails" % build
        there = c.execute("SELECT count(*) FROM sqlite_schema WHERE name = 't'").fetchone()[0]
        if not there:
            return "%s: the acknowledged table is lost" % build if build in promises.tables else ""
        got = dict(c.execute("SELECT id, v FROM t"))
        return _rows_wrong(build, got, promises) or \
            (_snapshots_wrong(os.path.dirname(path), set(got), promises) if build == "snap" else "") or \
            (_group_wrong(c, promises) if build == "heavy" else "")
    finally:
        c.close()


def _people_wrong(got, promises):
    """`got`: {number: text}."""
    for i, version in promises.people.items():
        if i not in got:
            return "people: acknowledged user %d is lost" % i
        if got[i] not in [workload.person(i, v, size) for v, size in promises.maybe_people[i] if v >= version]:
            return "people: user %d is not what was acknowledged last" % i
    for i, v in got.items():
        if v not in [workload.person(i, n, size) for n, size in promises.maybe_people.get(i, ())]:
            return "people: user %d was never written" % i
    return ""


def _users(path, promises):
    """auth.db as a file."""
    if not os.path.exists(path):
        return "people: auth.db is lost" if promises.key_of_tokens else ""
    c = sqlite3.connect(path)
    try:
        if c.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            return "people: integrity_check fails"
        if not c.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'keys'").fetchone()[0]:
            return "people: the acknowledged users are lost" if promises.key_of_tokens else ""
        if promises.key_of_tokens and c.execute("SELECT count(*) FROM keys").fetchone()[0] != 1:
            return "people: the key of the tokens is lost"
        if c.execute("SELECT count(*) FROM users u WHERE NOT EXISTS (SELECT 1 FROM emails WHERE user = u.id)").fetchone()[0]:
            return "people: a user without the address that it was made with"
        return _people_wrong({int(i): json.loads(m)["v"] for i, m in c.execute("SELECT external_id, private_metadata FROM users")}, promises)
    finally:
        c.close()


# What one payment leaves, by the event's type; the events of the intent say its number, and of the charge its intent.
EVENTS = {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"}


def _payments_wrong(intents, charges, events, answers, promises):
    """`intents`: {number: (id, status)}; `charges`: {intent's id}; `events`: {(type, intent's id)}; `answers`: {number} or None."""
    for i in promises.paid:
        if i not in intents:
            return "shop: acknowledged payment %d is lost" % i
    for i, (id, status) in intents.items():
        if i not in promises.paid and i not in promises.maybe_paid:
            return "shop: payment %d was never made" % i
        if status != "succeeded" or id not in charges or {t for t, x in events if x == id} < EVENTS or (answers is not None and i not in answers):
            return "shop: there is a part of payment %d" % i
    if len(charges) != len(intents) or {x for _, x in events} != charges or (answers is not None and len(answers) != len(intents)):
        return "shop: there is something of a payment that is not there"
    return ""


def _gather(objects):
    """What of these objects _payments_wrong wants."""
    intents = {int(o["metadata"]["n"]): (o["id"], o["status"]) for o in objects if o["object"] == "payment_intent"}
    charges = {o["payment_intent"] for o in objects if o["object"] == "charge"}
    events = {(o["type"], o["data"]["object"]["id" if o["data"]["object"]["object"] == "payment_intent" else "payment_intent"])
              for o in objects if o["object"] == "event" and o["type"] in EVENTS}
    return intents, charges, events


def _payments(path, promises):
    """payments.db as a file."""
    if not os.path.exists(path):
        return "shop: payments.db is lost" if promises.paid else ""
    c = sqlite3.connect(path)
    try:
        if c.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            return "shop: integrity_check fails"
        if not c.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'due'").fetchone()[0]:
            return "shop: the acknowledged payments are lost" if promises.paid else ""
        objects = [json.loads(b) for b, in c.execute("SELECT body FROM documents WHERE kind IN ('payment_intent', 'charge', 'event')")]
        answers = {int(k[len("pay-"):]) for k, in c.execute("SELECT key FROM idempotent")}
        return _payments_wrong(*_gather(objects), answers, promises)
    finally:
        c.close()


def quick(where, promises):
    """The files themselves, with SQLite from Python: '' or what is wrong."""
    data = os.path.join(where, "data")
    for build in promises.kept():
        path = os.path.join(data, "builds", build, "database.db")
        if not os.path.exists(path):
            if build in promises.tables:
                return "%s: the database file is lost" % build
            continue
        try:
            bad = _one_file(path, build, promises)
        except sqlite3.Error as e:
            bad = "%s: %s" % (build, e)
        if bad:
            return bad
    for build, name, look in (("people", "auth.db", _users), ("shop", "payments.db", _payments)):
        if build not in promises.kept():
            continue
        try:
            bad = look(os.path.join(data, "builds", build, name), promises)
        except sqlite3.Error as e:
            bad = "%s: %s" % (build, e)
        if bad:
            return bad
    return ""


def deep(where, promises, port_base):
    """The real daemon on the image: '' or what is wrong."""
    d = Daemon(os.path.join(where, "data"), port_base, log=os.path.join(where, "stderr"))
    try:
        d.start()
    except Refused as e:
        return str(e)
    try:
        return _ask(d, promises)
    except (Refused, OSError, ValueError) as e:
        return "%s: %s" % (type(e).__name__, e)
    finally:
        d.kill()


def _ask(d, promises):
    if promises.token and d.token() != promises.token:
        return "the admin token is another one"
    c = d.connect()
    try:
        for build in promises.kept():
            token = promises.builds[build]["TURSO_AUTH_TOKEN"]
            if build in promises.maybe_revoked:
                continue
            if build in promises.revoked:
                status, _ = c.pipeline(token, [{"type": "close"}])
                if status not in (401, 403):
                    return "%s: its revoked key gets HTTP %d" % (build, status)
                continue
            got = d.environment(build)
            if {k: v for k, v in got.items() if "PORT" not in k} != {k: v for k, v in promises.builds[build].items() if "PORT" not in k}:
                return "%s: its keys are other ones" % build
            bad = _ask_rows(c, build, token, promises) or (_ask_people(d, promises) if build == "people" else "") or \
                (_ask_payments(d, promises) if build == "shop" else "")
            if bad:
                return bad
        for build in promises.deleted:
            token = next((a for a in [promises.builds.get(build)] if a), None)
            if token:
                status, _ = c.pipeline(token["TURSO_AUTH_TOKEN"], [{"type": "close"}])
                if status not in (401, 403):
                    return "%s: the key of a deleted build gets HTTP %d" % (build, status)
    finally:
        c.close()
    # Work goes on.
    fresh = d.create("after-the-cut")["TURSO_AUTH_TOKEN"]
    c = d.connect()
    c.execute(fresh, workload.TABLE)
    c.execute(fresh, "INSERT INTO t VALUES (1, 'x')")
    c.close()
    return ""


def _ask_rows(c, build, token, promises):
    if c.execute(token, "PRAGMA integrity_check") != [["ok"]]:
        return "%s: integrity_check fails" % build
    if build not in promises.tables:
        return ""
    return _rows_wrong(build, {int(i): v for i, v in c.execute(token, "SELECT id, v FROM t")}, promises)


def _ask_people(d, promises):
    u = Users(d, "people", promises.builds["people"])
    try:
        if promises.key_of_tokens and u.ask("GET", "/jwks")["keys"][0]["n"] != promises.key_of_tokens:
            return "people: its tokens have another key"
        if not promises.maybe_people:
            return ""
        got = {}
        while True:
            page = u.ask("GET", "/users?limit=50&offset=%d" % len(got))
            if not page:
                return _people_wrong(got, promises)
            got.update((int(p["external_id"]), p["private_metadata"]["v"]) for p in page)
    finally:
        u.close()


def _ask_payments(d, promises):
    if not promises.paid and not promises.maybe_paid:
        return ""
    p = Payments(d, promises.builds["shop"])
    try:
        objects = []
        for what in ["payment_intents", "charges"] + ["events?type=" + t for t in sorted(EVENTS)]:
            page = p.ask("GET", "/v1/%s%slimit=100" % (what, "&" if "?" in what else "?"))
            if page["has_more"]:
                return "shop: there is more than was made"
            objects += page["data"]
        bad = _payments_wrong(*_gather(objects), None, promises)
        # The same call again is answered by what it made.
        for i in sorted(promises.paid)[-3:]:
            if not bad and p.pay(i)["id"] not in [o["id"] for o in objects]:
                bad = "shop: payment %d was made twice" % i
        return bad
    finally:
        p.close()
