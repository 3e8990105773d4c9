"""Limits on time, on machines that others use as well; tests/lib/meanwhile.mjs does the same. A limit is meant for a machine of our own. When it
is passed, it counts as often as others' use of the processors meanwhile, or of the disk right now, explains, ten times at most. What this
process and its children use explains nothing, so a daemon that is slow by itself is found on any machine."""
import glob
import os
import tempfile
import time

HZ = os.sysconf('SC_CLK_TCK')
CORES = os.cpu_count() or 1
MOST = 10
SYNC_S = 0.005  # a write and its sync, on a disk that nobody else uses


def busy():
    """Seconds of all processors that anybody has used, since the start of the machine."""
    with open('/proc/stat') as f:
        t = [int(x) for x in f.readline().split()[1:9]]
    return (sum(t) - t[3] - t[4]) / HZ


def own():
    """Those of this process, its children, and theirs."""
    of, children = {}, {}
    for path in glob.glob('/proc/[0-9]*/stat'):
        try:
            with open(path) as f:
                text = f.read()
        except OSError:
            continue
        fields = text[text.rindex(')') + 2:].split()
        pid = int(text[:text.index(' ')])
        of[pid] = sum(int(x) for x in fields[11:15]) / HZ
        children.setdefault(int(fields[1]), []).append(pid)
    todo, total = [os.getpid()], 0.0
    while todo:
        pid = todo.pop()
        total += of.get(pid, 0)
        todo += children.get(pid, [])
    return total


def sync_slack():
    took = []
    with tempfile.TemporaryFile() as f:
        for _ in range(5):
            begun = time.monotonic()
            f.write(b'x' * 4096)
            f.flush()
            os.fsync(f.fileno())
            took.append(time.monotonic() - begun)
    return sorted(took)[2] / SYNC_S


class Meanwhile:
    """From now on."""

    def __init__(self):
        self.began, self.busy, self.own = time.monotonic(), busy(), own()

    def slack(self):
        """How many times as long as on a machine of our own something may have taken since then."""
        used = max(0.0, busy() - self.busy - (own() - self.own))
        left = 1 - used / (CORES * max(time.monotonic() - self.began, 0.001))
        return min(MOST, max(1.0, 1 / max(left, 1 / MOST), sync_slack()))

    def allows(self, took, limit):
        """`took` is within `limit`, or as far beyond it as others explain. Same unit, any."""
        return took <= limit or took <= limit * self.slack()
