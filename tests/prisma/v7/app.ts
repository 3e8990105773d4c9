// What an app does with Prisma 7: `jiti app.ts <part>`, on the schema of schema.prisma. Its environment is that of a build and nothing
// else.
import { strict as assert } from "node:assert";
import { PrismaLibSql } from "@prisma/adapter-libsql";
import { PrismaClient } from "./generated/client";

const [part, arg] = process.argv.slice(2);
const { TURSO_DATABASE_URL, TURSO_AUTH_TOKEN: authToken } = process.env;
const connect = (intMode: "bigint" | "number" = "bigint", url = TURSO_DATABASE_URL!) =>
  new PrismaClient({ adapter: new PrismaLibSql({ url, authToken, intMode }) });
let db = connect();

let n = 0;
async function check(name: string, fn: () => Promise<unknown>) {
  try {
    await fn();
    console.log(`ok ${++n} - ${name}`);
  } catch (e: any) {
    console.log(`not ok ${++n} - ${name}\n${String(e?.stack ?? e).replace(/^/gm, "# ")}`);
  }
}

// The error of a call that must fail.
async function failure(call: PromiseLike<unknown>): Promise<any> {
  const r = await call.then((value) => ({ value }), (error: any) => ({ error }));
  assert("error" in r, "it was accepted");
  return r.error;
}
async function refused(call: PromiseLike<unknown>, code: string, words: RegExp) {
  const e = await failure(call);
  assert.deepEqual([e.code, words.test(e.message)], [code, true], `${e.code}: ${e.message}`);
}

const kinds = {
  text: "ä–😀 'quoted' \"and\" \\ \n\0end",
  yes: true,
  int: -2147483648,
  big: 9223372036854775807n,
  float: 0.1 + 0.2,
  decimal: "1234.5678",
  at: new Date("1969-12-31T23:59:59.999Z"),
  bytes: Uint8Array.from({ length: 256 }, (_, i) => i),
  json: { a: [1, 2.5, null, "x", { b: true }] },
};

async function everything() {
  await check("create, with what belongs to it", async () => {
    const a = await db.account.create({
      data: {
        email: "ada@example.com",
        name: "Ada",
        profile: { create: { bio: "first" } },
        posts: { create: [{ title: "one", tags: { create: [{ label: "red" }, { label: "blue" }] } }, { title: "two", tags: { connect: { label: "red" } } }] },
      },
      include: { profile: true, posts: { include: { tags: { orderBy: { label: "asc" } } }, orderBy: { title: "asc" } } },
    });
    assert.deepEqual([a.profile?.bio, a.posts.map((p) => [p.title, p.tags.map((t) => t.label)])], ["first", [["one", ["blue", "red"]], ["two", ["red"]]]]);
    assert(a.createdAt instanceof Date && Math.abs(Date.now() - +a.createdAt) < 60000, `${a.createdAt}`);
  });
  await check("createMany, findMany: filters, order, pages, distinct, select", async () => {
    const made = await db.account.createMany({ data: Array.from({ length: 300 }, (_, i) => ({ email: `m${i}@example.com`, name: `name ${i % 7}` })) });
    assert.equal(made.count, 300);
    const page = await db.account.findMany({ where: { name: { in: ["name 1", "name 2"] }, email: { contains: "M1" } }, orderBy: [{ name: "desc" }, { id: "asc" }], skip: 1, take: 3, select: { email: true } });
    assert.deepEqual(page, [{ email: "m100@example.com" }, { email: "m107@example.com" }, { email: "m114@example.com" }]);
    assert.equal((await db.account.findMany({ where: { email: { startsWith: "m" } }, distinct: ["name"] })).length, 7);
    const after = await db.account.findMany({ cursor: { email: "m5@example.com" }, take: 2, skip: 1, orderBy: { id: "asc" } });
    assert.deepEqual(after.map((a) => a.email), ["m6@example.com", "m7@example.com"]);
    assert.equal((await db.account.findMany({ where: { id: { in: Array.from({ length: 5000 }, (_, i) => i) } } })).length, 301);
  });
  await check("createManyAndReturn, updateManyAndReturn", async () => {
    const made = await db.tag.createManyAndReturn({ data: [{ label: "x1" }, { label: "x2" }] });
    assert.deepEqual(made.map((t) => t.label), ["x1", "x2"]);
    const changed = await db.account.updateManyAndReturn({ where: { email: { in: ["m1@example.com", "m2@example.com"] } }, data: { name: "changed" }, select: { name: true } });
    assert.deepEqual(changed, [{ name: "changed" }, { name: "changed" }]);
  });
  await check("update: increment, upsert, updatedAt moves", async () => {
    const [post] = await db.post.findMany({ where: { title: "one" } });
    assert.equal((await db.post.update({ where: { id: post.id }, data: { views: { increment: 3 } } })).views, 3);
    const before = await db.account.findUniqueOrThrow({ where: { email: "ada@example.com" } });
    await new Promise((r) => setTimeout(r, 5));
    const after = await db.account.upsert({ where: { email: "ada@example.com" }, update: { name: "Countess" }, create: { email: "never" } });
    assert(after.name === "Countess" && after.updatedAt > before.updatedAt && +after.createdAt === +before.createdAt);
    assert.equal((await db.account.upsert({ where: { email: "new@example.com" }, update: { name: "never" }, create: { email: "new@example.com" } })).name, null);
    const up = () => db.cell.upsert({ where: { row_col: { row: 1, col: 1 } }, update: { value: { increment: 1 } }, create: { row: 1, col: 1 } });
    await Promise.all(Array.from({ length: 10 }, up));
    assert.equal((await db.cell.findUniqueOrThrow({ where: { row_col: { row: 1, col: 1 } } })).value, 9);
  });
  await check("relations: through them, counted, moved", async () => {
    assert.equal(await db.account.count({ where: { posts: { some: { tags: { some: { label: "blue" } } } } } }), 1);
    assert.equal(await db.account.count({ where: { posts: { none: {} } } }), 301);
    const [tag] = await db.tag.findMany({ where: { label: "red" }, include: { _count: { select: { posts: true } }, posts: { include: { author: { include: { profile: true } } } } } });
    assert.deepEqual([tag._count.posts, tag.posts[0].author.profile?.bio], [2, "first"]);
    const ada = await db.account.update({ where: { email: "ada@example.com" }, data: { invited: { connect: [{ email: "m1@example.com" }, { email: "m2@example.com" }] } }, include: { invited: { include: { invitedBy: true } } } });
    assert.deepEqual(ada.invited.map((i) => i.invitedBy?.email), ["ada@example.com", "ada@example.com"]);
    const two = await db.post.findFirstOrThrow({ where: { title: "two" } });
    await db.post.update({ where: { id: two.id }, data: { tags: { set: [] }, author: { connect: { email: "m3@example.com" } } } });
    assert.equal((await db.post.findFirstOrThrow({ where: { title: "two" }, include: { tags: true, author: true } })).author.email, "m3@example.com");
  });
  await check("cascade, set null, restrict", async () => {
    await refused(db.account.delete({ where: { email: "ada@example.com" } }), "P2039", /FOREIGN KEY constraint failed/);
    const gone = await db.account.create({ data: { email: "gone@example.com", profile: { create: { bio: "x" } }, invited: { create: { email: "guest@example.com" } } } });
    await db.account.delete({ where: { id: gone.id } });
    assert.equal(await db.profile.findUnique({ where: { accountId: gone.id } }), null);
    assert.equal((await db.account.findUniqueOrThrow({ where: { email: "guest@example.com" } })).inviter, null);
  });
  await check("aggregate, groupBy, having", async () => {
    await db.cell.createMany({ data: Array.from({ length: 20 }, (_, i) => ({ row: 2, col: i, value: i })) });
    const a = await db.cell.aggregate({ where: { row: 2 }, _sum: { value: true }, _avg: { value: true }, _min: { value: true }, _max: { value: true }, _count: true });
    assert.deepEqual([a._sum.value, a._avg.value, a._min.value, a._max.value, a._count], [190, 9.5, 0, 19, 20]);
    const g = await db.account.groupBy({ by: ["name"], where: { email: { startsWith: "m" } }, _count: { _all: true }, having: { name: { not: "name 0" } }, orderBy: { name: "asc" } });
    assert.deepEqual(g.map((x) => [x.name, x._count._all]), [["changed", 2], ["name 1", 42], ["name 2", 42], ["name 3", 43], ["name 4", 43], ["name 5", 43], ["name 6", 42]]);
  });
  await check("every kind of column comes back as it went", async () => {
    const made = await db.kinds.create({ data: kinds });
    for (const got of [made, await db.kinds.findUniqueOrThrow({ where: { id: made.id } })])
      assert.deepEqual({ ...got, decimal: got.decimal.toString() }, { id: made.id, ...kinds });
    for (const where of [{ big: kinds.big }, { at: kinds.at }, { bytes: kinds.bytes }, { text: kinds.text }, { float: kinds.float }, { decimal: kinds.decimal }, { big: { gt: 2n ** 62n } }, { at: { lt: new Date(0) } }])
      assert.equal(await db.kinds.count({ where: { id: made.id, ...where } }), 1, Object.keys(where).join());
    await db.kinds.update({ where: { id: made.id }, data: { big: -9223372036854775808n, yes: false, bytes: new Uint8Array(0), text: "", json: [] } });
    const edge = await db.kinds.findUniqueOrThrow({ where: { id: made.id } });
    assert.deepEqual([edge.big, edge.yes, edge.bytes, edge.text, edge.json], [-9223372036854775808n, false, new Uint8Array(0), "", []]);
  });
  await check("a megabyte in one value, and in one answer of many rows", async () => {
    const bytes = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 7) % 251);
    const made = await db.kinds.create({ data: { ...kinds, bytes } });
    assert(Buffer.from((await db.kinds.findUniqueOrThrow({ where: { id: made.id } })).bytes).equals(Buffer.from(bytes)));
    await db.tag.createMany({ data: Array.from({ length: 1000 }, (_, i) => ({ label: `${i}:`.padEnd(1000, "x") })) });
    assert.equal((await db.tag.findMany({ where: { label: { endsWith: "xx" } } })).length, 1000);
    await db.tag.deleteMany({ where: { label: { endsWith: "xx" } } });
    await db.kinds.delete({ where: { id: made.id } });
  });
  await check("in the client's default mode whole numbers above 2^53 are an error that says so", async () => {
    const plain = connect("number");
    assert.equal((await plain.cell.findMany({ where: { row: 2, col: 3 } }))[0].value, 3);
    await plain.kinds.create({ data: { ...kinds, big: 9007199254740991n } });
    assert.equal((await plain.kinds.findMany({ where: { big: 9007199254740991n } })).length, 1);
    await plain.kinds.create({ data: kinds }).then(
      () => assert.fail("it was read"),
      (e) => assert.match(String(e), /too large to be safely represented/),
    );
    await plain.$disconnect();
  });

  await check("$transaction of an array: all or nothing", async () => {
    const [a, b] = await db.$transaction([db.tag.create({ data: { label: "t1" } }), db.tag.count({ where: { label: "t1" } })]);
    assert.deepEqual([a.label, b], ["t1", 1]);
    await refused(db.$transaction([db.tag.create({ data: { label: "t2" } }), db.tag.create({ data: { label: "t1" } })]), "P2039", /UNIQUE constraint failed: Tag.label/);
    assert.equal(await db.tag.count({ where: { label: "t2" } }), 0);
  });
  await check("$transaction with a function: seen inside only, kept at its end, gone when it throws", async () => {
    await db.$transaction(async (tx) => {
      await tx.tag.create({ data: { label: "i1" } });
      assert.equal(await tx.tag.count({ where: { label: "i1" } }), 1);
      const other = connect();
      assert.equal(await other.tag.count({ where: { label: "i1" } }), 0);
      await other.$disconnect();
    });
    assert.equal(await db.tag.count({ where: { label: "i1" } }), 1);
    await db.$transaction(async (tx) => {
      await tx.tag.create({ data: { label: "i2" } });
      throw new Error("on purpose");
    }).then(() => assert.fail(), (e) => assert.equal(e.message, "on purpose"));
    assert.equal(await db.tag.count({ where: { label: "i2" } }), 0);
  });
  await check("a refused statement inside ends the transaction, and the client goes on", async () => {
    await refused(db.$transaction(async (tx) => {
      await tx.tag.create({ data: { label: "i3" } });
      await tx.tag.create({ data: { label: "i1" } });
    }), "P2039", /UNIQUE constraint failed/);
    assert.equal(await db.tag.count({ where: { label: "i3" } }), 0);
    await db.tag.create({ data: { label: "i4" } });
  });
  await check("a transaction over its time is rolled back", async () => {
    await refused(db.$transaction(async (tx) => {
      await tx.tag.create({ data: { label: "late" } });
      await new Promise((r) => setTimeout(r, 400));
      await tx.tag.create({ data: { label: "later" } });
    }, { timeout: 150 }), "P2028", /expired|closed/i);
    assert.equal(await db.tag.count({ where: { label: { startsWith: "late" } } }), 0);
  });
  await check("isolation: Serializable is what there is, others are refused", async () => {
    assert.equal((await db.$transaction([db.tag.count()], { isolationLevel: "Serializable" })).length, 1);
    await failure(db.$transaction(async (tx) => tx.tag.count(), { isolationLevel: "ReadCommitted" as any }));
  });

  await check("errors: constraints come with the database's words", async () => {
    await refused(db.account.create({ data: { email: "ada@example.com" } }), "P2039", /SQLITE_CONSTRAINT: .*UNIQUE constraint failed: Account.email/);
    await refused(db.cell.create({ data: { row: 1, col: 1 } }), "P2039", /UNIQUE constraint failed: cells.row, cells.col/);
    await refused(db.post.create({ data: { title: "x", authorId: 99999 } }), "P2039", /FOREIGN KEY constraint failed/);
    await refused(db.$executeRaw`INSERT INTO Account (email) VALUES ('z')`, "P2010", /NOT NULL constraint failed: Account.updatedAt/);
  });
  await check("errors: what Prisma finds by itself has its own codes", async () => {
    await refused(db.account.update({ where: { id: 99999 }, data: { name: "x" } }), "P2025", /No record was found/);
    await refused(db.account.delete({ where: { id: 99999 } }), "P2025", /No record was found/);
    await refused(db.account.findUniqueOrThrow({ where: { id: 99999 } }), "P2025", /No record was found/);
    assert.equal((await failure(db.account.create({ data: { name: "no email" } as any }))).name, "PrismaClientValidationError");
  });
  await check("errors: what a build may not do is refused, and said", async () => {
    await refused(db.$executeRawUnsafe("ATTACH 'x' AS y"), "P2010", /ATTACH is not allowed/);
    await refused(db.$queryRaw`PRAGMA database_list`, "P2010", /PRAGMA is not allowed/);
    await refused(db.$executeRaw`INSERT INTO nowhere VALUES (1)`, "P2010", /no such table: nowhere/);
  });
  await check("raw: parameters, types, number of rows", async () => {
    const rows: any[] = await db.$queryRaw`SELECT ${"it's"} AS s, ${7} AS i, ${2n ** 60n} AS b, ${1.5} AS f, ${null} AS z, ${true} AS t, ${Buffer.from([1, 2])} AS x`;
    assert.deepEqual([rows[0].s, Number(rows[0].i), BigInt(rows[0].b), rows[0].f, rows[0].z, Number(rows[0].t), [...rows[0].x]], ["it's", 7, 2n ** 60n, 1.5, null, 1, [1, 2]]);
    assert.equal(await db.$executeRaw`UPDATE Tag SET label = label || ${"!"} WHERE label LIKE ${"x_"}`, 2);
    assert.equal(await db.$executeRawUnsafe("DELETE FROM Tag WHERE label = ?", "x1!"), 1);
    const typed: any[] = await db.$queryRaw`SELECT createdAt, id FROM Account WHERE email = 'ada@example.com'`;
    assert(typed[0].createdAt instanceof Date, JSON.stringify(typed, (_, v) => (typeof v === "bigint" ? `${v}` : v)));
    const plan: any[] = await db.$queryRaw`EXPLAIN QUERY PLAN SELECT id FROM Account WHERE email = 'x'`;
    assert.match(plan.map((p) => p.detail).join(), /Account_email_key/);
  });

  await check("many at once from one client: all of them, each once", async () => {
    await db.cell.create({ data: { row: 9, col: 0 } });
    const bump = () => db.cell.update({ where: { row_col: { row: 9, col: 0 } }, data: { value: { increment: 1 } } });
    const add = (i: number) => db.cell.create({ data: { row: 10, col: i } });
    const read = () => db.cell.findMany({ where: { row: 2 } });
    const r = await Promise.all(Array.from({ length: 300 }, (_, i) => [bump, () => add(i), read][i % 3]()));
    assert.equal(r.length, 300);
    assert.deepEqual([(await db.cell.findUniqueOrThrow({ where: { row_col: { row: 9, col: 0 } } })).value, await db.cell.count({ where: { row: 10 } })], [100, 100]);
  });
  await check("many interactive transactions from one client: none lost", async () => {
    await db.cell.create({ data: { row: 9, col: 1 } });
    await Promise.all(Array.from({ length: 20 }, () => db.$transaction(async (tx) => {
      const { value } = await tx.cell.findUniqueOrThrow({ where: { row_col: { row: 9, col: 1 } } });
      await tx.cell.update({ where: { row_col: { row: 9, col: 1 } }, data: { value: value + 1 } });
    }, { maxWait: 20000 })));
    assert.equal((await db.cell.findUniqueOrThrow({ where: { row_col: { row: 9, col: 1 } } })).value, 20);
  });
}

// Reads and then writes in one transaction, 20 times, while others do so too: `arg` names this one.
async function counter() {
  await check(`counter ${arg}: 20 transactions that read and then write, beside others`, async () => {
    for (let done = 0, tries = 0; done < 20; tries++) {
      assert(tries < 2000, "no progress");
      try {
        await db.$transaction(async (tx) => {
          const { value } = await tx.cell.findUniqueOrThrow({ where: { row_col: { row: 50, col: 0 } } });
          await tx.cell.update({ where: { row_col: { row: 50, col: 0 } }, data: { value: value + 1 } });
        });
        done++;
      } catch (e: any) {
        // Another one has written since this one read.
        if (!/SQLITE_BUSY/.test(e.message)) throw e;
        await new Promise((r) => setTimeout(r, Math.random() * 20));
      }
    }
  });
}

// After a second migration has made tables anew.
async function migrated() {
  const any = db as any;
  await check("the rows are still there, and those that refer to them", async () => {
    assert.deepEqual([await db.account.count({ where: { email: "ada@example.com", name: "Countess" } }), await db.account.count({ where: { name: "nobody" } }), await db.account.count({ where: { inviter: { not: null } } })], [1, 2, 2]);
    assert.equal((await db.post.findFirstOrThrow({ where: { title: "one" }, include: { author: { include: { profile: true } }, tags: true } })).author.profile?.bio, "first");
  });
  await check("the new columns and the new table work", async () => {
    const p = await any.post.findFirstOrThrow({ where: { title: "one" } });
    assert.deepEqual([p.views, p.state], [3, "draft"]);
    const s = await any.sale.create({ data: { cents: 1250n, account: { connect: { email: "ada@example.com" } } }, include: { account: true } });
    assert.deepEqual([s.cents, s.account.name], [1250n, "Countess"]);
    await refused(db.$executeRaw`UPDATE Account SET name = NULL WHERE email = 'ada@example.com'`, "P2010", /NOT NULL constraint failed: Account.name/);
  });
}

await { everything, counter, migrated }[part as "everything"]();
await db.$disconnect();
