#!/usr/bin/env python3
"""What a service manager does for socket activation (sd_listen_fds(3)): launch.py [--names A:B] [--pid N] [KIND@]HOST:PORT … -- COMMAND…
KIND: udp, connected, reuseport; none: a listening TCP socket."""
import os
import socket
import sys

args = sys.argv[1:]
cut = args.index('--')
places, command = args[:cut], args[cut + 1:]
names = pid = None
while places and places[0].startswith('--'):
    option, value = places[0], places[1]
    places = places[2:]
    if option == '--names':
        names = value
    else:
        pid = value
socks = []
for place in places:
    kind, _, at = place.rpartition('@')
    host, _, port = at.rpartition(':')
    family = socket.AF_INET6 if host.startswith('[') else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if kind == 'reuseport':
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind((host.strip('[]'), int(port)))
    if kind not in ('udp', 'connected'):
        s.listen(128)
    socks.append(s)
high = [os.dup(s.fileno()) for s in socks]
high = [os.dup2(fd, 100 + i) for i, fd in enumerate(high)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i, inheritable=True)
os.environ.update(LISTEN_FDS=str(len(socks)), LISTEN_PID=pid or str(os.getpid()))
if names is not None:
    os.environ['LISTEN_FDNAMES'] = names
os.closerange(3 + len(socks), 200)
os.execvp(command[0], command)
