"""Turns the console's files into one C file: embed.py OUT PAGE=FILE…  (PAGE is the path it is served at)."""
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def array(name: str, data: bytes) -> str:
    lines = [", ".join(str(b) for b in data[i : i + 24]) for i in range(0, len(data), 24)]
    return f"static const unsigned char {name}[] = {{\n" + ",\n".join(lines) + "\n};\n"


def main() -> None:
    out, pages = sys.argv[1], [a.split("=", 1) for a in sys.argv[2:]]
    text, rows = '/* Made by src/console/embed.py. */\n#include "admin/page.h"\n\n', ""
    for i, (path, file) in enumerate(pages):
        with open(file, "rb") as f:
            data = f.read()
        text += array(f"page_{i}", data)
        kind = TYPES[os.path.splitext(file)[1]]
        rows += f'    {{"{path}", "{kind}", {{(const char *)page_{i}, sizeof page_{i}}}}},\n'
    text += "\nconst vk_page vk_console_pages[] = {\n" + rows + "    {0},\n};\n"
    with open(out, "w", encoding="ascii") as f:
        f.write(text)


main()
