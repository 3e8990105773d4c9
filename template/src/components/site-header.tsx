import Link from "next/link";
import { SIGN_IN, SIGN_UP } from "@/lib/auth-pages";
import { UserMenu } from "./user-menu";

/** "not set": the app has no sign-in; the sign-in page says what to do. */
export type Account = "in" | "out" | "not set";

const link = "rounded-md px-1.5 py-1.5 sm:px-2 font-medium text-soft hover:text-accent";

export function SiteHeader({ account }: { account: Account }) {
  return (
    <header className="border-b border-line">
      <div className="mx-auto flex min-h-16 max-w-6xl flex-wrap items-center justify-between gap-x-4 gap-y-1 px-3.5 py-2 sm:px-6">
        <nav aria-label="Pages" className="flex">
          <Link href="/" className={link}>
            Home
          </Link>
          <Link href="/files" className={link}>
            Files
          </Link>
          <Link href="/settings" className={link}>
            Keys
          </Link>
        </nav>
        <div data-testid="account" data-account={account} className="flex min-h-11 items-center gap-1">
          {account === "in" && <UserMenu />}
          {account === "out" && (
            <>
              <Link href={SIGN_IN} className={link}>
                Sign in
              </Link>
              <Link href={SIGN_UP} className="rounded-md bg-accent px-3 py-1.5 sm:px-3.5 font-semibold text-on-accent hover:brightness-110">
                Sign up
              </Link>
            </>
          )}
          {account === "not set" && (
            <Link href={SIGN_IN} className={link}>
              Sign-in is not set
            </Link>
          )}
        </div>
      </div>
    </header>
  );
}
