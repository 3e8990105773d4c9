"""A vendor that cannot be relied on, on loopback: answers as its `mode` says, and remembers what it was asked. One of these for each
thing that an upstream can do wrong, and for each form in which it could give back the secret that it was shown."""
import base64
import gzip
import json
import socket
import threading
import time
import urllib.parse

HONEST = 'honest'


def encodings(secret):
    """name → how that secret can be written, so that it can be read again."""
    s = secret.encode()
    forms = {
        'raw': secret,
        'url': ''.join(f'%{b:02X}' for b in s),
        'url-lower': ''.join(f'%{b:02x}' for b in s),
        'url-usual': urllib.parse.quote(secret, safe=''),
        'json': ''.join(f'\\u{b:04x}' for b in s),
        'hex': s.hex(),
        'hex-upper': s.hex().upper(),
    }
    for at in range(3):
        padded = b'x' * at + s
        forms[f'base64-{at}'] = base64.b64encode(padded).decode()
        forms[f'base64url-{at}'] = base64.urlsafe_b64encode(padded).decode()
    return forms


def cores(secret):
    """What of these forms is the secret's alone, whatever stands around it: for who searches."""
    s = secret.encode()
    found = {secret.encode(), s.hex().encode(), s.hex().upper().encode(), ''.join(f'%{b:02X}' for b in s).encode(),
             ''.join(f'%{b:02x}' for b in s).encode(), ''.join(f'\\u{b:04x}' for b in s).encode()}
    for code in (base64.b64encode, base64.urlsafe_b64encode):
        for at in range(3):
            text = code(b'\0' * at + s).rstrip(b'=')
            cut = text[(at * 8 + 5) // 6:]  # without the characters that have bits of what is in front
            found.add(cut[:len(cut) - 1])
    return found


class Liar:
    def __init__(self):
        self.mode, self.asked, self.lock, self.ended = HONEST, [], threading.Lock(), False
        self.s = socket.create_server(('127.0.0.1', 0), backlog=256)
        self.port = self.s.getsockname()[1]
        self.base = f'http://127.0.0.1:{self.port}'
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.ended:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def close(self):
        self.ended = True
        self.s.close()

    def take(self):
        """What was asked since the last time: (request line, headers by lower-case name, body)."""
        with self.lock:
            got, self.asked = self.asked, []
        return got

    # ---- one connection

    def serve(self, c):
        c.settimeout(30)
        try:
            f = c.makefile('rb')
            while self.one(c, f):
                pass
        except (OSError, ValueError):
            pass
        finally:
            c.close()

    def one(self, c, f):
        line = f.readline(65536).decode('latin-1').rstrip('\r\n')
        if not line:
            return False
        headers = {}
        while True:
            h = f.readline(65536).decode('latin-1').rstrip('\r\n')
            if not h:
                break
            name, _, value = h.partition(':')
            headers[name.lower()] = value.strip()
        mode = self.mode
        if mode == 'early':
            self.answer(c, 400, b'{"error":{"message":"early","type":"invalid_request_error"}}')
            return False
        body = self.body(f, headers)
        with self.lock:
            self.asked.append((line, headers, body))
        secret = headers.get('authorization', '').partition(' ')[2]
        return self.lie(c, mode, secret, line)

    def body(self, f, headers):
        if headers.get('transfer-encoding') == 'chunked':
            got = b''
            while True:
                n = int(f.readline().split(b';')[0], 16)
                if n == 0:
                    while f.readline().strip():
                        pass
                    return got
                got += f.read(n)
                f.readline()
        return f.read(int(headers.get('content-length', 0)))

    def answer(self, c, status, body, more='', send=None):
        head = f'HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nRequest-Id: req_honest\r\n{more}\r\n'
        (send or c.sendall)(head.encode() + body)

    def lie(self, c, mode, secret, line):
        kind, _, rest = mode.partition(':')
        if kind == HONEST:
            self.answer(c, 200, json.dumps({'id': 'cus_honest', 'object': 'customer', 'seen': line.split(' ')[1]}).encode())
            return True
        if kind == 'echo':  # echo:<form>:<bytes a packet, 0: all at once>:<status>
            form, step, status = rest.split(':')
            text = encodings(secret)[form]
            body = f'{{"error":{{"message":"bad key {text}","type":"x"}},"pad":"{"p" * 40}"}}'.encode()
            self.slice(c, int(status), body, int(step))
            return True
        if kind == 'echo-head':
            text = encodings(secret)[rest]
            self.answer(c, 400, b'{}', f'Request-Id: {text}\r\nX-Echo: {text}\r\nLocation: /x?{text}\r\nStripe-Version: {text}\r\n')
            return True
        if kind == 'echo-chunks':  # one byte a chunk
            body = f'{{"message":"{secret}"}}'
            c.sendall(b'HTTP/1.1 401 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n')
            c.sendall(b''.join(b'1\r\n%c\r\n' % b for b in body.encode()) + b'0\r\n\r\n')
            return True
        return getattr(self, kind.replace('-', '_'))(c, secret, rest)

    def slice(self, c, status, body, step):
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f'HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n'.encode()
        c.sendall(head)
        for i in range(0, len(body), step or len(body)):
            c.sendall(body[i:i + (step or len(body))])
            if step:
                time.sleep(0.001)

    # ---- what else can go wrong; False: the connection ends

    def gzip(self, c, secret, rest):
        self.answer(c, 200, gzip.compress(json.dumps({'k': secret}).encode()), 'Content-Encoding: gzip\r\n')
        return True

    def redirect(self, c, secret, rest):
        self.answer(c, 302, b'', f'Location: http://127.0.0.1:{rest or 1}/?k={secret}\r\n')
        return True

    def hang(self, c, secret, rest):
        time.sleep(float(rest or 20))
        return False

    def close_at_once(self, c, secret, rest):
        return False

    def cut(self, c, secret, rest):
        c.sendall(b'HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"half":')
        return False

    def cut_head(self, c, secret, rest):
        c.sendall(b'HTTP/1.1 200 X\r\nContent-Ty')
        return False

    def cut_chunks(self, c, secret, rest):
        c.sendall(b'HTTP/1.1 200 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n')
        return False

    def not_http(self, c, secret, rest):
        c.sendall(b'SSH-2.0-OpenSSH_9.2\r\n' + secret.encode() + b'\r\n')
        return False

    def two_lengths(self, c, secret, rest):
        c.sendall(b'HTTP/1.1 200 X\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\n{}{}')
        return False

    def both_framings(self, c, secret, rest):
        c.sendall(b'HTTP/1.1 200 X\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n')
        return False

    def bad_chunk(self, c, secret, rest):
        c.sendall(b'HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{"a":\r\n0\r\n\r\n')
        return False

    def huge_head(self, c, secret, rest):
        c.sendall(b'HTTP/1.1 200 X\r\n' + b'A: ' + b'a' * 100000 + b'\r\n\r\n')
        return False

    def many_1xx(self, c, secret, rest):
        for _ in range(100000):
            c.sendall(b'HTTP/1.1 103 Early\r\nLink: <x>\r\n\r\n')
        return False

    def unasked_101(self, c, secret, rest):
        c.sendall(b'HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n')
        return False

    def two_answers(self, c, secret, rest):
        one = b'HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"id":"one"}'[:-1]
        other = b'HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"id":"foreign"}'
        c.sendall(one + other)
        return True

    def body_with_204(self, c, secret, rest):
        c.sendall(b'HTTP/1.1 204 X\r\n\r\nHTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}')
        return True

    def endless(self, c, secret, rest):
        c.sendall(b'HTTP/1.1 200 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n')
        piece = b'10000\r\n' + b' ' * 0x10000 + b'\r\n'
        for _ in range(int(rest or 4096)):  # 256 MiB
            c.sendall(piece)
        return False
