"""Reads what record.c wrote, and turns it into a history of files, names and syncs.

Every recorded call has a start and an end (CLOCK_MONOTONIC, nanoseconds; time.monotonic_ns() in Python is the same clock).
Whatever ended before something else started was before it; nothing else is assumed about order."""
import collections
import re
import struct

OPEN, WRITE, TRUNCATE, FSYNC, FDATASYNC, DIRSYNC, RENAME, UNLINK, MKDIR, RMDIR, LINK, ALLOCATE, UNMODELLED = range(1, 14)
NAMES = ["", "open", "write", "truncate", "fsync", "fdatasync", "fsync of the folder", "rename", "unlink", "mkdir", "rmdir",
         "link", "allocate", "unmodelled"]
ASKERS = ["valetkey", "SQLite", "valetkey, through SQLite's file"]
HEAD = struct.Struct("<IIIIQQQqqIIII")
MAGIC = 0x564B5243
O_CREAT, O_TRUNC = 0o100, 0o1000

Op = collections.namedtuple("Op", "op pid start end ino a b path path2 data tid")


class LogError(Exception):
    """The recording cannot be trusted: a record is broken, or a call is not modelled."""


def read(path):
    raw = open(path, "rb").read()
    ops, at = [], 0
    while at < len(raw):
        magic, total, op, pid, start, end, ino, a, b, n1, n2, n3, tid = HEAD.unpack_from(raw, at)
        if magic != MAGIC or at + total > len(raw) or total != HEAD.size + n1 + n2 + n3:
            raise LogError("broken record at byte %d" % at)
        p = at + HEAD.size
        ops.append(Op(op, pid, start, end, ino, a, b, raw[p:p + n1].decode(), raw[p + n1:p + n1 + n2].decode(),
                      raw[p + n1 + n2:p + n1 + n2 + n3], tid))
        at += total
    ops.sort(key=lambda o: (o.start, o.end))
    return ops


class File:
    """One inode. `changes`: (start, end, kind, offset, data or length) in order. `syncs`: (start, end, class)."""

    def __init__(self, path):
        self.path, self.changes, self.syncs = path, [], []


class Folder:
    def __init__(self, path):
        self.path, self.syncs = path, []
        self.live = {}


class NameOp:
    """A change of names. removes: [(folder, name)], adds: [(folder, name, node)]."""

    def __init__(self, op, removes, adds):
        self.start, self.end, self.removes, self.adds, self.text = op.start, op.end, removes, adds, \
            "%s %s%s" % (NAMES[op.op], op.path, " → " + op.path2 if op.path2 else "")
        self.keys = [(f, n) for f, n in removes] + [(f, n) for f, n, _ in adds]


def skipped(path):
    """What a power cut does not leave behind or nobody relies on: SQLite's shared memory index is rebuilt. The audit log of the daemon
    has few records then; audit.c has one of its own (in another folder)."""
    return path.removesuffix(" (deleted)").endswith("-shm") or re.search(r"^/?data/audit(/|$)", path) is not None


def role(path):
    path = re.sub(r"(^|/)builds/[^/]+", r"\1builds/<id>", path)
    path = re.sub(r"(/tmp/\w+)-[0-9a-f]{16}", r"\1", path)
    path = re.sub(r"/blobs/[0-9a-f](/[0-9a-f]{32})?$", lambda m: "/blobs/<folder>" + ("/<file>" if m.group(1) else ""), path)
    path = re.sub(r"/audit/\d{10}\.log$", "/audit/<file>", path)
    path = re.sub(r"/snapshot\.[0-9-]+\.[am]\.", "/snapshot.", path)
    return path or "(above the data folder)"


class History:
    """ops: as read(). After construction: `files`, `name_ops`, `root`, `syncs` [(class, node, start, end, what it covers)]."""

    def __init__(self, ops, skip=skipped, role_of=role):
        self.skip, self.role_of = skip, role_of
        self.root = Folder("")
        self.files, self.name_ops, self.syncs, self.by_ino = [], [], [], {}
        self.start = ops[0].start if ops else 0
        self.end = max((o.end for o in ops), default=0)
        for o in ops:
            self._apply(o)

    def _folder(self, path):
        f = self.root
        for part in [p for p in path.split("/") if p]:
            f = f.live.get(part)
            if not isinstance(f, Folder):
                raise LogError("folder %s was not seen being made" % path)
        return f

    def _split(self, path):
        head, _, name = path.rpartition("/")
        return self._folder(head), name

    def _apply(self, o):
        if self.skip(o.path) or (o.op == RENAME and self.skip(o.path2)):
            return
        if o.op == UNMODELLED:
            raise LogError("%s on %s: the model does not know this call" % (o.path2 or "a call", o.path))
        getattr(self, "_" + {OPEN: "open", WRITE: "write", TRUNCATE: "truncate", FSYNC: "sync", FDATASYNC: "sync",
                             DIRSYNC: "sync", RENAME: "rename", UNLINK: "unlink", MKDIR: "mkdir", RMDIR: "unlink",
                             LINK: "link", ALLOCATE: "allocate"}[o.op])(o)

    def _names(self, o, removes, adds):
        n = NameOp(o, removes, adds)
        for f, name in removes:
            f.live.pop(name, None)
        for f, name, node in adds:
            f.live[name] = node
        self.name_ops.append(n)

    def _open(self, o):
        folder, name = self._split(o.path)
        node = folder.live.get(name)
        if node is None:
            if not o.a & O_CREAT:
                raise LogError("%s was opened but never seen being made" % o.path)
            node = File(o.path)
            self.files.append(node)
            self.by_ino[o.ino] = node
            self._names(o, [], [(folder, name, node)])
        elif self.by_ino.get(o.ino) is not node:
            raise LogError("%s is another file than the model thinks" % o.path)
        elif o.a & O_TRUNC and node.changes:
            node.changes.append((o.start, o.end, "truncate", 0, None))

    def _file(self, o):
        node = self.by_ino.get(o.ino)
        if node is None:
            raise LogError("a change of %s, which was never seen being made" % o.path)
        return node

    def _write(self, o):
        self._file(o).changes.append((o.start, o.end, "write", o.a, o.data))

    def _truncate(self, o):
        self._file(o).changes.append((o.start, o.end, "truncate", o.a, None))

    def _allocate(self, o):
        self._file(o).changes.append((o.start, o.end, "grow", o.a + o.b, None))

    def _sync(self, o):
        where = o.path.replace(" (deleted)", "")
        node = self._folder(where) if o.op == DIRSYNC else self._file(o)
        cls = "%s %s by %s" % (NAMES[o.op], self.role_of(where), ASKERS[o.a])
        if o.op == DIRSYNC:
            done = max((s[0] for s in node.syncs), default=-1)
            covers = sum(1 for n in self.name_ops if done < n.end <= o.start and any(f is node for f, _ in n.keys))
        else:
            done = max((s[0] for s in node.syncs), default=-1)
            covers = sum(1 for c in node.changes if done < c[1] <= o.start)
        node.syncs.append((o.start, o.end, cls))
        self.syncs.append((cls, node, o.start, o.end, covers))

    def _rename(self, o):
        f1, n1 = self._split(o.path)
        f2, n2 = self._split(o.path2)
        node = f1.live.get(n1)
        if node is None:
            raise LogError("rename of %s, which is not there" % o.path)
        self._names(o, [(f1, n1)], [(f2, n2, node)])

    def _link(self, o):
        f1, n1 = self._split(o.path)
        f2, n2 = self._split(o.path2)
        self._names(o, [], [(f2, n2, f1.live[n1])])

    def _unlink(self, o):
        try:
            folder, name = self._split(o.path)
        except LogError:
            return
        if name in folder.live:  # else a socket, which is not modelled
            self._names(o, [(folder, name)], [])

    def _mkdir(self, o):
        folder, name = self._split(o.path)
        self._names(o, [], [(folder, name, Folder(o.path))])
