"""What one library keeps on the disk through the same mill: a program around it (objects.c: the objects of a build; payments.c: its
payments; audit.c: the log of what is done with the organisation's keys) is recorded, images are built, and the same program says of each what it holds. Every key must be as acknowledged last, or as
something that had begun after that made it."""
import os
import subprocess

import product

NEVER = "-"


class Ack:
    """`state` of the key, or NEVER when it is gone; times in ns of CLOCK_MONOTONIC. What only began has no end."""

    def __init__(self, line):
        self.key, self.state, began, at = line.split()
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
                states = {a.state}
            elif a.began <= cut:
                states.add(a.state)
        return states


class Library:
    def __init__(self, name):
        self.name, self.program = name, os.path.join(os.path.dirname(product.RECORDER), name)

    def record(self, work, env):
        root = os.path.join(work, self.name)
        os.mkdir(root)
        lines = []
        for what in ("run", "again"):
            r = subprocess.run([self.program, what, root], env=dict(os.environ, **env(root)), capture_output=True, text=True, timeout=120)
            # The process ends in the middle of its work, perhaps of a line.
            lines += r.stdout.split("\n")[:-1]
            if r.returncode != 0:
                return root, None, lines[-1:] + r.stderr.splitlines()[-3:]
        return root, Journal(lines), ""

    def holds(self, where, journal, cut):
        """'' or what is wrong with the image that lies there."""
        r = subprocess.run([self.program, "check", where], capture_output=True, text=True, timeout=60)
        lines = r.stdout.splitlines()
        if r.returncode != 0:
            return lines[-1] if r.returncode == 1 and lines else "it ended with %d" % r.returncode
        got = dict(line.split() for line in lines if len(line.split()) == 2)
        for key in set(got) | set(journal.by_key):
            if got.get(key, NEVER) not in journal.allowed(key, cut):
                state = "lost" if key not in got else "not what was acknowledged last"
                return "%s is %s" % (key.split("/")[0], state)
        return ""
