"""A range of ports for one run of one suite; tests/lib/ports.mjs does the same. Whoever listens on a range's last port owns the range
until its process ends, however it ends, so runs side by side never meet."""
import errno
import os
import socket
import sys

RANGE, FIRST, LAST = 100, 20000, 32699  # below the ports that the kernel gives to clients
owned = []


def listen(port):
    """None when somebody has it."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind(('127.0.0.1', port))
        s.listen(1)
        return s
    except OSError as e:
        s.close()
        if e.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        return None


def ranges():
    """Where to look: from VALETKEY_TEST_PORT_BASE on, then everywhere, from a place that differs between processes."""
    given = os.environ.get('VALETKEY_TEST_PORT_BASE')
    n = (LAST + 1 - FIRST) // RANGE
    return ([int(given) + RANGE * i for i in range(20)] if given else []) + [FIRST + RANGE * ((os.getpid() + i) % n) for i in range(n)]


def port_base():
    """The first port of a range that is this process's alone and of which nobody has any port."""
    for base in ranges():
        guard = listen(base + RANGE - 1)
        if not guard:
            continue
        looked = [listen(base + i) for i in range(RANGE - 1)]
        for s in filter(None, looked):
            s.close()
        if all(looked):
            owned.append(guard)
            return base
        guard.close()
    sys.exit('no free range of ports; VALETKEY_TEST_PORT_BASE says where to look for one')
