"""Turns the table of key checks into one C file: embed_rules.py OUT FILE

White space between the values stays out."""
import json
import sys


def main() -> None:
    out, source = sys.argv[1], sys.argv[2]
    with open(source, encoding="utf-8") as f:
        data = json.dumps(json.load(f), ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    lines = ",\n".join(", ".join(str(b) for b in data[i : i + 24]) for i in range(0, len(data), 24))
    with open(out, "w", encoding="ascii") as f:
        f.write('/* Made by src/courier/embed_rules.py. */\n#include "courier/rules.h"\n\n')
        f.write(f"static const unsigned char text[] = {{\n{lines}\n}};\n\n")
        f.write("const vk_str vk_rules_text = {(const char *)text, sizeof text};\n")


main()
