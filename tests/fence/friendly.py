"""An ordinary app under `valetkey run`: what it must be able to do. Prints what it could not as JSON."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request

above = sys.argv[1]  # a folder above the data; "": it is not promised
wrong = []


def must(what, fn):
    try:
        if not fn():
            wrong.append(what)
    except Exception as e:
        wrong.append(f'{what}: {e}')


def file_in(folder):
    fd, path = tempfile.mkstemp(dir=folder)
    os.write(fd, b'x')
    os.close(fd)
    os.mkdir(path + '.d')
    os.rename(path, path + '.d/moved')
    os.unlink(path + '.d/moved')
    os.rmdir(path + '.d')
    return True


def child():
    p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
    p.send_signal(signal.SIGTERM)
    return p.wait(20) == -signal.SIGTERM


def serves():
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    s.listen()
    c = socket.create_connection(s.getsockname())
    s.accept()[0].sendall(b'hello')
    return c.recv(5) == b'hello'


def database():
    url = os.environ['TURSO_DATABASE_URL'].replace('libsql:', 'http:')
    q = urllib.request.Request(url + '/v2/pipeline', b'{"requests":[{"type":"execute","stmt":{"sql":"SELECT 42"}}]}',
                               {'Authorization': 'Bearer ' + os.environ['TURSO_AUTH_TOKEN'], 'Content-Type': 'application/json'})
    return '"42"' in urllib.request.urlopen(q, timeout=20).read().decode()


must('files in the working folder', lambda: file_in('.'))
must('files in the home folder', lambda: file_in(os.environ['HOME']))
must('files in /dev/shm', lambda: file_in('/dev/shm'))
if above:
    must('new files beside the data', lambda: file_in(above))
    must('listing the folder of the data', lambda: os.listdir(above))
must('/dev/null', lambda: open('/dev/null', 'w').write('x'))
must('a terminal', lambda: os.openpty())
must('children and their signals', child)
must('a port of its own', serves)
must('its database', database)
must('its own environment', lambda: open('/proc/self/environ').read())
must('its own user', lambda: os.getuid() == int(os.environ['EXPECTED_UID']) and os.stat('.').st_uid == os.getuid())
must('no variable of valetkey', lambda: not any(k.startswith('VALETKEY_') for k in os.environ))
json.dump(wrong, sys.stdout)
