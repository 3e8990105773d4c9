"""Turns preload.mjs into the value of NODE_OPTIONS that loads it: embed_preload.py OUT FILE

Comments of whole lines and indentation stay out, since every command of the app carries it in its environment."""
import base64
import sys

AT_MOST = 8 * 1024


def main() -> None:
    out, source = sys.argv[1], sys.argv[2]
    with open(source, encoding="ascii") as f:
        lines = [line.strip() for line in f]
    code = "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"
    option = "--import=data:text/javascript;base64," + base64.b64encode(code.encode("ascii")).decode("ascii")
    if len(option) > AT_MOST:
        sys.exit(f"{source} is too large for an environment variable")
    parts = "\n".join(f'    "{option[i : i + 96]}"' for i in range(0, len(option), 96))
    with open(out, "w", encoding="ascii") as f:
        f.write(f'/* Made by src/handoff/embed_preload.py. */\n#include "handoff/preload.h"\n\nconst char vk_preload_option[] =\n{parts};\n')


main()
