// What an app does with Prisma 6 after each change of its schema: `jiti app.ts <step>`. Its environment is that of a build and nothing
// else.
import { strict as assert } from "node:assert";
import { PrismaLibSQL } from "@prisma/adapter-libsql";
import { PrismaClient } from "./generated/client";

const [step] = process.argv.slice(2);
// The steps are of different schemas: what a step asks is in its own, which no one type says.
const db: any = new PrismaClient({ adapter: new PrismaLibSQL({ url: process.env.TURSO_DATABASE_URL!, authToken: process.env.TURSO_AUTH_TOKEN }) });

let n = 0;
async function check(name: string, fn: () => Promise<unknown>) {
  try {
    await fn();
    console.log(`ok ${++n} - ${name}`);
  } catch (e: any) {
    console.log(`not ok ${++n} - ${name}\n${String(e?.stack ?? e).replace(/^/gm, "# ")}`);
  }
}
async function refused(call: PromiseLike<unknown>, words: RegExp) {
  await call.then(() => assert.fail("it was accepted"), (e) => assert.match(e.message, words));
}
const column = async (table: string, name: string) => (await db.$queryRaw`SELECT type, "notnull" AS nn, dflt_value AS d FROM pragma_table_info(${table}) WHERE name = ${name}`)[0];

const at = new Date("2026-01-02T03:04:05.678Z");
// The rows that were written under the first schema, and what refers to what.
const first = async (name: string | null, rating: (x: number) => unknown) => {
  assert.deepEqual(await db.user.findMany({ where: { id: { lte: 3 } }, orderBy: { id: "asc" }, select: { id: true, email: true, name: true } }), [
    { id: 1, email: "ada@example.com", name: "Ada" }, { id: 2, email: "grace@example.com", name }, { id: 3, email: "edsger@example.com", name: "Edsger" }]);
  assert.deepEqual(await db.post.findMany({ where: { id: { lte: 3 } }, orderBy: { id: "asc" }, select: { id: true, title: true, rating: true, authorId: true, at: true } }), [
    { id: 1, title: "one", rating: rating(1.5), authorId: 1, at }, { id: 2, title: "two", rating: rating(4), authorId: 1, at }, { id: 3, title: "three", rating: null, authorId: null, at }]);
};
const text = (x: number) => (x === 4 ? "4.0" : `${x}`);

const steps: Record<string, () => Promise<void>> = {
  async 1() {
    await check("rows go in", async () => {
      await db.user.createMany({ data: [{ email: "ada@example.com", name: "Ada", score: 7 }, { email: "grace@example.com" }, { email: "edsger@example.com", name: "Edsger", score: 2147483647 }] });
      await db.post.create({ data: { title: "one", rating: 1.5, at, author: { connect: { id: 1 } } } });
      await db.post.createMany({ data: [{ title: "two", rating: 4, authorId: 1, at }, { title: "three", at }] });
      await first(null, (x) => x);
    });
  },
  async 2() {
    await check("other types: the rows are still there", async () => {
      await first(null, text);
      assert.deepEqual((await db.user.findMany({ orderBy: { id: "asc" } })).map((u: any) => u.score), [7n, 0n, 2147483647n]);
    });
    await check("other types: they count", async () => {
      assert.deepEqual([(await column("User", "score")).type, (await column("Post", "rating")).type], ["BIGINT", "TEXT"]);
      await db.user.update({ where: { id: 3 }, data: { score: 9007199254740991n } });
      assert.equal((await db.user.findUniqueOrThrow({ where: { id: 3 } })).score, 9007199254740991n);
    });
    await check("the foreign key and the unique index are still there", async () => {
      await refused(db.$executeRaw`INSERT INTO Post (title, authorId) VALUES ('x', 99)`, /FOREIGN KEY constraint failed/);
      await refused(db.user.create({ data: { email: "ada@example.com" } }), /UNIQUE constraint failed: User.email/);
    });
  },
  async 3() {
    await check("not NULL: rows that were NULL have the default, the others what they had", () => first("nobody", text));
    await check("new columns: the old rows have their defaults", async () => {
      assert.deepEqual([await db.user.count({ where: { active: true } }), await db.post.count({ where: { state: "draft" } })], [3, 3]);
      await refused(db.$executeRaw`UPDATE User SET name = NULL WHERE id = 1`, /NOT NULL constraint failed: User.name/);
    });
    await check("the new index is used", async () => {
      const plan = await db.$queryRaw`EXPLAIN QUERY PLAN SELECT id FROM Post WHERE authorId = 1 AND state = 'draft'`;
      assert.match(plan.map((p: any) => p.detail).join(), /Post_authorId_state_idx/);
    });
  },
  async 4() {
    await check("a column less: the other ones are as they were", async () => {
      await first("nobody", text);
      assert.equal(await column("User", "score"), undefined);
    });
    await check("the new unique index and default count", async () => {
      await refused(db.post.create({ data: { title: "one" } }), /UNIQUE constraint failed: Post.title/);
      assert.equal((await db.user.create({ data: { id: 4, email: "alan@example.com" } })).name, "anybody");
    });
  },
  async 5() {
    await check("new tables and keys: the rows are still there", () => first("nobody", text));
    await check("the new rule of the foreign key counts", async () => {
      await refused(db.user.delete({ where: { id: 1 } }), /FOREIGN KEY constraint failed/);
    });
    await check("the new relations work", async () => {
      await db.post.update({ where: { id: 1 }, data: { tags: { create: [{ label: "red" }, { label: "blue" }] } } });
      await db.user.update({ where: { id: 2 }, data: { invitedBy: { connect: { id: 1 } }, member: { create: [{ team: "a", photo: Buffer.from([0, 255]) }, { team: "b" }] } } });
      const ada = await db.user.findUniqueOrThrow({ where: { id: 1 }, include: { invited: { include: { member: { orderBy: { team: "asc" } } } }, posts: { orderBy: { id: "asc" }, include: { tags: { orderBy: { label: "asc" } } } } } });
      assert.deepEqual([ada.invited[0].member.map((m: any) => [m.team, m.photo && [...m.photo]]), ada.posts.map((p: any) => p.tags.map((t: any) => t.label))], [[["a", [0, 255]], ["b", null]], [["blue", "red"], []]]);
      await db.user.create({ data: { id: 5, email: "short@example.com", member: { create: { team: "c" } }, invited: { connect: { id: 3 } } } });
      await db.user.delete({ where: { id: 5 } });
      assert.deepEqual([await db.member.count(), (await db.user.findUniqueOrThrow({ where: { id: 3 } })).inviter], [2, null]);
    });
    await check("transactions: of an array, and with a function that throws", async () => {
      await refused(db.$transaction([db.tag.create({ data: { label: "t" } }), db.tag.create({ data: { label: "red" } })]), /UNIQUE constraint failed/);
      await refused(db.$transaction(async (tx: any) => { await tx.tag.create({ data: { label: "t" } }); throw new Error("on purpose"); }), /on purpose/);
      const [, count] = await db.$transaction([db.tag.create({ data: { label: "green" } }), db.tag.count()]);
      assert.equal(count, 3);
    });
  },
  async 6() {
    await check("a migration: the rows are still there, and what refers to them", async () => {
      await first("nobody", text);
      const ada = await db.user.findUniqueOrThrow({ where: { id: 1 }, include: { posts: { include: { tags: true } }, invited: { include: { member: true } } } });
      assert.deepEqual([ada.posts.length, ada.posts.flatMap((p: any) => p.tags).length, ada.invited[0].member.length], [2, 2, 2]);
    });
    await check("a migration: what it made works", async () => {
      const s = await db.sale.create({ data: { cents: 1250, price: "12.5", buyer: { create: { email: "buyer@example.com" } } }, include: { buyer: true } });
      assert.deepEqual([s.buyer.name, s.price.toString()], ["somebody", "12.5"]);
    });
  },
  async revoked() {
    await check("a revoked key opens nothing, and the app is told so", () => refused(db.user.count(), /401|AUTH|revoked/));
  },
};

await steps[step]();
await db.$disconnect();
