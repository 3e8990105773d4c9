"""SIGTERM under load: whoever was connected when it came has an answer; who comes later is refused, not left waiting."""
from rig import *  # noqa: F403


def under_load(d, key):
    load = Load()

    def act(client, n):
        """Before it is sent: refused is refused. Once it is sent: an answer."""
        if client.c.sock is None:
            try:
                client.c.connect()
            except ConnectionRefusedError:
                load.stopping = True
                return
        insert(client, n)
    load.start(6, 60, lambda: Client(key), act)
    load.start(6, 25, lambda: Client(key), act, keep=False)
    time.sleep(0.6)
    begun = time.monotonic()
    code = d.stop()
    took = time.monotonic() - begun
    load.stop()
    want(code == 0, f'exit code {code}')
    load.none_failed(d)
    want(took < 5, f'the end took {took:.1f} s')
    again = vk.Daemon(BASE, data=d.data)
    try:
        rows = sorted(int(r[0]['value']) for r in again.sql(key, 'SELECT n FROM t')['rows'])
        want(len(rows) == len(set(rows)), 'a write was made twice')
        want(set(rows) <= set(load.done), 'a write is there that was not answered')
    finally:
        again.stop()
    return f'{len(load.done)} requests, ended in {took * 1000:.0f} ms'


def run():
    for i in range(3):
        check(f'SIGTERM under load: every request that was sent is answered ({i + 1} of 3)', with_daemon, under_load)
