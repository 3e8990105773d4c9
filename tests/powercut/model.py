"""What a disk may hold after the power went at a moment of a History.

Rules: what of a file's bytes was followed by an fsync or fdatasync of that file that ended before the cut is there; of the rest any
part may be, whole, torn at sectors, in any order. A name (created, renamed, removed) is there for sure after an fsync of its folder;
without one it may or may not be, but the changes of one name keep their order, and a rename is one step. A change whose call
had not ended at the cut may have begun. Stricter than a journalling file system, which is the point."""
import os
import random

from oplog import File, Folder

MODES = ["strict", "all", "names only", "data only", "prefix", "random", "random", "torn", "latest"]


def _durable_from(node, cut, ignored):
    """Everything of the node that ended at or before this time is safe; -1: nothing is."""
    best = -1
    for start, end, cls in node.syncs:
        if end <= cut and start > best and cls not in ignored:
            best = start
    return best


def _put(buf, at, data):
    if len(buf) < at:
        buf.extend(bytes(at - len(buf)))
    buf[at:at + len(data)] = data


def _apply_change(buf, change, rng=None):
    """With rng: torn at sectors."""
    _, _, kind, at, data = change
    if kind == "truncate":
        if len(buf) > at:
            del buf[at:]
        else:
            buf.extend(bytes(at - len(buf)))
    elif kind == "grow":
        if len(buf) < at:
            buf.extend(bytes(at - len(buf)))
    elif rng is None:
        _put(buf, at, data)
    else:
        size = rng.choice((512, 4096))
        p = at - at % size
        while p < at + len(data):
            lo, hi = max(p, at), min(p + size, at + len(data))
            if rng.random() < 0.5:
                _put(buf, lo, data[lo - at:hi - at])
            p += size


class Images:
    """Images of one history. Content of durable parts is kept per file, since cuts are mostly visited in order."""

    def __init__(self, history):
        self.h = history
        self._base = {}

    def _file_base(self, f, safe):
        """(bytes, index of the first change that is not part of it)."""
        had = self._base.get(id(f))
        if had and had[0] <= safe:
            _, i, buf = had
        else:
            i, buf = 0, bytearray()
        while i < len(f.changes) and f.changes[i][1] <= safe:
            _apply_change(buf, f.changes[i])
            i += 1
        self._base[id(f)] = (safe, i, buf)
        return buf, i

    def _content(self, f, cut, ignored, mode, rng):
        safe = _durable_from(f, cut, ignored)
        buf, i = self._file_base(f, safe)
        # A change before `i` in order may still not be safe when two overlapped in time; such ones are few.
        rest = [c for c in f.changes[i:] if c[0] <= cut and c[1] > safe]
        late = [c for c in f.changes[i:] if c[1] <= safe]
        buf = bytearray(buf)
        for c in late:
            _apply_change(buf, c)
        if mode == "alone": # only what the missing sync was for is lost
            mode = "strict" if any(cls in ignored for _, _, cls in f.syncs) else "all"
        if mode in ("strict", "names only") or not rest:
            return buf
        if mode in ("all", "data only"):
            for c in rest:
                _apply_change(buf, c)
        elif mode == "prefix":
            n = rng.randrange(len(rest) + 1)
            for c in rest[:n]:
                _apply_change(buf, c)
            if n < len(rest):
                _apply_change(buf, rest[n], rng)
        elif mode == "torn":
            for c in rest:
                _apply_change(buf, c, rng)
        elif mode == "latest":
            for c in rest[-rng.choice((1, 2, 4, 8)):]:
                _apply_change(buf, c)
        else:
            p = rng.choice((0.1, 0.3, 0.5, 0.7, 0.9))
            for c in rest:
                if rng.random() < p:
                    _apply_change(buf, c, rng if rng.random() < 0.3 else None)
        return buf

    def _kept_names(self, cut, ignored, mode, rng):
        """The name changes that survive, in order."""
        safe = {}
        kept, pending = [], []
        for n in self.h.name_ops:
            if n.start > cut:
                break
            for f, _ in n.keys:
                if f not in safe:
                    safe[f] = _durable_from(f, cut, ignored)
            if all(n.end <= safe[f] for f, _ in n.keys):
                kept.append(n)
            else:
                pending.append(n)
        if mode in ("all", "names only", "alone") or not pending:
            chosen = pending
        elif mode in ("strict", "data only"):
            chosen = []
        elif mode == "prefix":
            chosen = pending[:rng.randrange(len(pending) + 1)]
        else:
            stopped, chosen = set(), []
            for n in pending:
                if any(k in stopped for k in n.keys) or rng.random() < 0.5:
                    stopped.update(n.keys)
                else:
                    chosen.append(n)
        return sorted(kept + chosen, key=lambda n: n.start)

    def build(self, cut, ignored=frozenset(), mode="strict", seed=0):
        """{path: bytes, or None for a folder}."""
        rng = random.Random(seed)
        names = {self.h.root: {}}
        for n in self._kept_names(cut, ignored, mode, rng):
            for f, name in n.removes:
                names.get(f, {}).pop(name, None)
            for f, name, node in n.adds:
                names.setdefault(f, {})[name] = node
                if isinstance(node, Folder):
                    names.setdefault(node, {})
        out = {}
        self._walk(self.h.root, "", names, out, cut, ignored, mode, rng)
        return out

    def _walk(self, folder, prefix, names, out, cut, ignored, mode, rng):
        for name in sorted(names.get(folder, {})):
            node, path = names[folder][name], prefix + name
            if isinstance(node, File):
                out[path] = bytes(self._content(node, cut, ignored, mode, rng))
            else:
                out[path] = None
                self._walk(node, path + "/", names, out, cut, ignored, mode, rng)


def write_image(image, where, mode_of=lambda path: 0o600):
    """Lays an image down in an empty folder."""
    for path, content in image.items():
        full = os.path.join(where, path)
        if content is None:
            os.mkdir(full, 0o700)
        else:
            fd = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode_of(path))
            with os.fdopen(fd, "wb") as f:
                f.write(content)


def tree(where, skip):
    """What really lies below a folder, in the form of an image; sockets and what `skip` says left out."""
    out = {}
    for base, dirs, files in os.walk(where):
        rel = os.path.relpath(base, where)
        rel = "" if rel == "." else rel + "/"
        for d in dirs:
            if not skip(rel + d):
                out[rel + d] = None
        for f in files:
            full = os.path.join(base, f)
            if os.path.isfile(full) and not os.path.islink(full) and not skip(rel + f):
                out[rel + f] = open(full, "rb").read()
    return out
