import { currentUser } from "@clerk/nextjs/server";
import type { Metadata } from "next";
import Link from "next/link";
import { connection } from "next/server";
import { AuthNotSet, ProfileForm } from "@/components/auth-frame";
import { LocalTime } from "@/components/local-time";
import { listFiles } from "@/lib/files";
import { listPurchases } from "@/lib/shop";
import { pageUser } from "@/lib/user";

export const metadata: Metadata = { title: "Profile" };

export default async function Profile() {
  await connection();
  const who = await pageUser();
  if (who.problem) return <AuthNotSet problem={who.problem} title="Profiles need sign-in" />;
  const [account, files, bought] = await Promise.all([accountOf(), countFiles(who.id), countPurchases(who.id)]);
  return (
    <main className="mx-auto max-w-6xl px-3 py-10 sm:px-8 lg:py-16">
      <h1 className="px-2 text-[clamp(2.2rem,5vw,3.4rem)] leading-none font-semibold tracking-[-0.04em] break-words sm:px-0">
        {account?.name ?? "Your profile"}
      </h1>
      <dl className="mt-6 flex flex-wrap gap-x-10 gap-y-3 px-2 text-lg sm:px-0">
        <Fact name="E-mail" testid="profile-email">
          {account?.email ?? "not known now: the sign-in service does not answer"}
        </Fact>
        {account && (
          <Fact name="Here since">
            <LocalTime iso={account.since} edited={false} />
          </Fact>
        )}
        <Fact name="Files" testid="profile-files">
          <Link href="/files" className="text-accent underline underline-offset-4 hover:no-underline">
            {files ?? "not known now"}
          </Link>
        </Fact>
        <Fact name="Purchases" testid="profile-purchases">
          <Link href="/#catalogue-title" className="text-accent underline underline-offset-4 hover:no-underline">
            {bought ?? "not known now"}
          </Link>
        </Fact>
      </dl>
      <div className="mt-10 flex min-w-0 justify-center sm:justify-start">
        <ProfileForm />
      </div>
    </main>
  );
}

function Fact({ name, testid, children }: { name: string; testid?: string; children: React.ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="text-[0.95rem] text-soft">{name}</dt>
      <dd data-testid={testid} className="break-words">
        {children}
      </dd>
    </div>
  );
}

/** As the sign-in service knows them; null when it does not answer. */
async function accountOf(): Promise<{ name: string | null; email: string | null; since: string } | null> {
  try {
    const user = await currentUser();
    return user && { name: user.fullName, email: user.primaryEmailAddress?.emailAddress ?? null, since: new Date(user.createdAt).toISOString() };
  } catch (error) {
    console.error("auth: profile:", error instanceof Error ? error.name : "unknown error");
    return null;
  }
}

async function countFiles(who: string): Promise<number | null> {
  return listFiles(who).then(
    ({ mine }) => mine.length,
    () => null,
  );
}

async function countPurchases(who: string): Promise<number | null> {
  return listPurchases(who).then(
    ({ total }) => total,
    () => null,
  );
}
