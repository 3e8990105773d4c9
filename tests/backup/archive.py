"""A backup's archive, read and written by another program than the one under test, with Python's tarfile: so a file that valetkey takes for
one, or refuses, is not judged by valetkey alone."""
import hashlib
import io
import json
import tarfile

FORMAT = 1


def members(path):
    """{name: bytes} as the distribution's reader sees them, in order."""
    with tarfile.open(path, 'r:') as t:
        return {m.name: t.extractfile(m).read() for m in t.getmembers()}


def manifest(path):
    """{name: (bytes, sha256)} of manifest.json."""
    m = json.loads(members(path)['manifest.json'])
    return {f['file']: (f['bytes'], f['sha256']) for f in m['files']}


def data_files(path):
    """What two backups of the same data have in common."""
    return {k: v for k, v in manifest(path).items() if k != 'backup.json'}


def head(name, size, mtime, kind=b'0', link=b''):
    """512 bytes of ustar, as valetkey writes them."""
    raw = name if isinstance(name, bytes) else name.encode()
    prefix = b''
    if len(raw) > 100:
        cut = raw.index(b'/', len(raw) - 101)
        prefix, raw = raw[:cut], raw[cut + 1:]
    b = bytearray(512)
    for at, text in ((0, raw), (100, b'0000600'), (108, b'0000000'), (116, b'0000000'), (124, b'%011o' % size), (136, b'%011o' % mtime), (156, kind),
                     (157, link), (257, b'ustar\x0000'), (329, b'0000000'), (337, b'0000000'), (345, prefix)):
        b[at:at + len(text)] = text
    b[148:156] = b' ' * 8
    b[148:156] = b'%06o\0 ' % sum(b)
    return bytes(b)


def member(name, content, mtime, kind=b'0', link=b''):
    return head(name, len(content), mtime, kind, link) + content + bytes(-len(content) % 512)


def make(path, files, version, created='2026-11-25T03:12:03.123Z', mtime=1795576323, program='0.1.0', fmt=FORMAT, secrets=False, extra=b''):
    """A good archive of these data files (dict, in order), or one with `extra` bytes in front of its manifest."""
    about = f'{{"valetkey_backup":{fmt},"data_version":{version},"program":"{program}","created":"{created}","secrets":{str(secrets).lower()}}}'
    out = io.BytesIO()
    lines = []
    for name, content in {'backup.json': (about + '\n').encode(), **files}.items():
        out.write(member(name, content, mtime))
        lines.append(f'{{"file":"{name}","bytes":{len(content)},"sha256":"{hashlib.sha256(content).hexdigest()}"}}')
    out.write(extra)
    m = (f'{{"backup":{about},\n"files":[\n' + ',\n'.join(lines) + '\n]}\n').encode()
    out.write(member('manifest.json', m, mtime))
    out.write(member('manifest.sha256', f'{hashlib.sha256(m).hexdigest()}  manifest.json\n'.encode(), mtime))
    out.write(bytes(1024))
    with open(path, 'wb') as f:
        f.write(out.getvalue())
