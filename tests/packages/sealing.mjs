// The packages' sealed boxes against vectors of another implementation (tests/data/sealing).
import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../lib/daemon.mjs";
import { assert, assertSame, check } from "../lib/tap.mjs";

const { seal, OVERHEAD } = await import(path.join(root, "packages", "org-keys", "dist", "shared", "sealed-box.js"));
const vectors = JSON.parse(readFileSync(path.join(root, "tests", "data", "sealing", "boxes.json"), "utf8"));
const key = Buffer.from(vectors.public, "hex");

await check("sealed boxes are those of another implementation", () => {
  for (const v of vectors.boxes) {
    const plain = Buffer.from(v.plain, "base64");
    assertSame(Buffer.from(seal(key, plain, Buffer.from(v.ephemeral, "hex"))).toString("base64"), v.box, v.name);
  }
});

await check("each box is another one, and keys that are none are refused", () => {
  const [a, b] = [seal(key, Buffer.from("x")), seal(key, Buffer.from("x"))];
  assert(a.length === 1 + OVERHEAD && Buffer.compare(a, b) !== 0, "two boxes are one");
  for (const bad of [new Uint8Array(31), new Uint8Array(33), new Uint8Array(32)]) {
    let refused = false;
    try {
      seal(bad, Buffer.from("x"));
    } catch {
      refused = true;
    }
    assert(refused, "a key of no use was used");
  }
});
