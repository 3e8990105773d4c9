"""The objects of a build through the same mill: a program around the storage library (objects.c) is recorded, images are built, and the
same program says of each what it holds. Every key must be as acknowledged last, or as something that had begun after that made it."""
import os
import subprocess

import product

PROGRAM = os.path.join(os.path.dirname(product.RECORDER), "objects")
NEVER = "-"


class Ack:
    """`md5` of the bytes, or NEVER for a delete; times in ns of CLOCK_MONOTONIC. What only began has no end."""

    def __init__(self, line):
        self.key, self.md5, began, at = line.split()
        self.began, self.at = int(began), float("inf") if at == "never" else int(at)


class Journal:
    """As workload.Journal, of one kind."""

    def __init__(self, lines):
        self.acks = [Ack(line) for line in lines]
        self.by_key = {}
        for a in self.acks:
            self.by_key.setdefault(a.key, []).append(a)

    def allowed(self, key, cut):
        """What a key may hold. Changes of one key come one after the other."""
        states = {NEVER}
        for a in self.by_key.get(key, []):
            if a.at <= cut:
                states = {a.md5}
            elif a.began <= cut:
                states.add(a.md5)
        return states


def record(work, env):
    root = os.path.join(work, "objects")
    os.mkdir(root)
    lines = []
    for what in ("run", "again"):
        r = subprocess.run([PROGRAM, what, root], env=dict(os.environ, **env(root)), capture_output=True, text=True, timeout=120)
        # The process ends in the middle of its work, perhaps of a line.
        lines += r.stdout.split("\n")[:-1]
        if r.returncode != 0:
            return root, None, lines[-1:] + r.stderr.splitlines()[-3:]
    return root, Journal(lines), ""


def holds(where, journal, cut):
    """'' or what is wrong with the image that lies there."""
    r = subprocess.run([PROGRAM, "check", where], capture_output=True, text=True, timeout=60)
    lines = r.stdout.splitlines()
    if r.returncode != 0:
        return lines[-1] if r.returncode == 1 and lines else "it ended with %d" % r.returncode
    got = dict(line.split() for line in lines if len(line.split()) == 2)
    for key in set(got) | set(journal.by_key):
        if got.get(key, NEVER) not in journal.allowed(key, cut):
            state = "lost" if key not in got else "not what was acknowledged last"
            return "%s is %s" % (key.split("/")[0], state)
    return ""
