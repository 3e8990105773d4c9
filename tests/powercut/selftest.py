"""The judge is judged first: the recorder and the model against SQLite itself, where it is known what each `synchronous` promises.
FULL must keep every acknowledged row in every image; NORMAL must lose some but stay sound; OFF must lose some; and a file that is renamed
into place without its syncs must be found out."""
import os
import random
import sqlite3
import subprocess
import sys

import model
import oplog

SQLITE = r"""
import os, sqlite3, sys, time
d, sync = sys.argv[1:]
c = sqlite3.connect(d + "/x.db", isolation_level=None)
c.execute("PRAGMA journal_mode=WAL"); c.execute("PRAGMA synchronous=" + sync); c.execute("PRAGMA wal_autocheckpoint=40")
c.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB)")
for i in range(1, 61):
    c.execute("INSERT INTO t VALUES (?, ?)", (i, bytes([i]) * 3000))
    print(i, time.monotonic_ns(), flush=True)
"""

REPLACE = r"""
import os, sys, time
d, how = sys.argv[1:]
fd = os.open(d, os.O_RDONLY | os.O_DIRECTORY)
for i in range(1, 6):
    f = os.open(d + "/k.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(f, b"%d" % i * 5000)
    if "file" in how: os.fsync(f)
    os.close(f)
    os.rename(d + "/k.new", d + "/k")
    if "folder" in how: os.fsync(fd)
    print(i, time.monotonic_ns(), flush=True)
"""


def record(recorder, work, name, program, arg):
    root, log = os.path.join(work, name), os.path.join(work, name + ".log")
    os.mkdir(root)
    env = dict(os.environ, LD_PRELOAD=recorder, VK_RECORD_ROOT=root, VK_RECORD_LOG=log)
    out = subprocess.run([sys.executable, "-c", program, root, arg], env=env, check=True, capture_output=True, text=True,
                         timeout=60).stdout
    acks = [tuple(int(x) for x in line.split()) for line in out.splitlines()]
    history = oplog.History(oplog.read(log))
    want = model.Images(history).build(history.end + 1, mode="all")
    assert want == model.tree(root, oplog.skipped), "the history does not end in what the disk holds"
    return history, acks


def sqlite_image(image, acked, where):
    """'' or what is wrong."""
    os.mkdir(where)
    try:
        model.write_image(image, where)
        c = sqlite3.connect(os.path.join(where, "x.db"))
        try:
            if c.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                return "corrupt"
            rows = dict(c.execute("SELECT id, v FROM t")) if "t" in {r[0] for r in c.execute("SELECT name FROM sqlite_schema")} else {}
        finally:
            c.close()
        return "" if all(rows.get(i) == bytes([i]) * 3000 for i in acked) else "lost"
    except sqlite3.DatabaseError as e:
        return "corrupt: %s" % e
    finally:
        subprocess.run(["rm", "-rf", where], check=True)


def replace_image(image, acked, _where):
    want = max(acked, default=0)
    got = image.get("k")
    if got is None:
        return "lost" if want else ""
    if len(got) != 5000 or len(set(got)) != 1:
        return "torn"
    return "" if int(got[:1]) >= want else "lost"


def found(work, history, acks, judge, seed, rounds):
    images, seen, rng = model.Images(history), {}, random.Random(seed)
    cuts = sorted([a for _, a in acks] + [s[3] + 1 for s in history.syncs] + [s[2] + 1 for s in history.syncs])
    n = 0
    for cut in cuts:
        for k in range(rounds):
            mode = model.MODES[k % len(model.MODES)]
            image = images.build(cut, mode=mode, seed=rng.randrange(1 << 30))
            n += 1
            bad = judge(image, [i for i, at in acks if at <= cut], os.path.join(work, "image"))
            if bad:
                seen.setdefault(bad.split(":")[0], (mode, cut))
    return n, seen


def run(tap, recorder, work, seed):
    for sync in ("FULL", "NORMAL", "OFF"):
        history, acks = record(recorder, work, "sqlite-" + sync, SQLITE, sync)
        n, seen = found(work, history, acks, sqlite_image, seed, 3 if sync == "FULL" else 8)
        if sync == "FULL":
            tap.ok(not seen and len(acks) == 60, "SQLite with synchronous=FULL keeps every acknowledged row in %d images" % n, seen)
        elif sync == "NORMAL":
            tap.ok(set(seen) == {"lost"}, "synchronous=NORMAL is found out: rows lost, files sound, in %d images" % n, seen)
        else:
            tap.ok("lost" in seen and "corrupt" in seen, "synchronous=OFF is found out: rows lost and files broken, in %d images" % n, seen)
    for how, want in (("file,folder", set()), ("folder", {"torn"}), ("file", {"lost"})):
        history, acks = record(recorder, work, "replace-" + how, REPLACE, how)
        n, seen = found(work, history, acks, replace_image, seed, 8)
        tap.ok(set(seen) == want or (want and want <= set(seen)),
               "a file renamed into place with sync of %s: %s" % (how, "sound" if not want else "found out"), seen)
