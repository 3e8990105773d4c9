import { SignIn, SignUp, UserProfile } from "@clerk/nextjs";
import type { ReactNode } from "react";
import { PROFILE, SIGN_IN, SIGN_UP } from "@/lib/auth-pages";
import type { ClerkProblem } from "@/lib/clerk-keys";
import { AfterHydration } from "./after-hydration";
import { FormComes } from "./form-comes";

/** A page with a form of the sign-in service: in the middle, with a sentence when the service is away. */
export function AuthFrame({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="mx-auto flex max-w-6xl flex-col items-center gap-6 px-3 py-10 sm:px-6 sm:py-16">
      <h1 className="sr-only">{title}</h1>
      {children}
    </main>
  );
}

const coming = <FormComes />;

export function SignInForm() {
  return (
    <Form>
      <SignIn routing="path" path={SIGN_IN} signUpUrl={SIGN_UP} fallbackRedirectUrl="/" fallback={coming} />
    </Form>
  );
}

export function SignUpForm() {
  return (
    <Form>
      <SignUp routing="path" path={SIGN_UP} signInUrl={SIGN_IN} fallbackRedirectUrl="/" fallback={coming} />
    </Form>
  );
}

export function ProfileForm() {
  return (
    <Form>
      <UserProfile routing="path" path={PROFILE} fallback={coming} />
    </Form>
  );
}

function Form({ children }: { children: ReactNode }) {
  return <AfterHydration fallback={coming}>{children}</AfterHydration>;
}

export function AuthNotSet({ problem, title = "Sign-in is not set up" }: { problem: ClerkProblem; title?: string }) {
  return (
    <main className="mx-auto max-w-xl px-5 py-16 sm:px-8">
      <h1 className="text-3xl font-semibold tracking-tight text-balance">{title}</h1>
      <div role="alert" data-testid="auth-problem" data-code={problem.code} className="mt-6 rounded-lg bg-alarm-tint px-6 py-6">
        <p className="break-words">{problem.message}</p>
      </div>
      <p className="mt-6 text-soft">
        The rest of the app works without it: the notes and the catalogue. Files, purchases and profiles belong to somebody who is signed in.
      </p>
      <p className="mt-3 text-soft">
        With a build&rsquo;s keys: <code className="font-mono text-[0.95rem] text-ink">valetkey run BUILD -- npm start</code>. With your own:
        copy them from the dashboard of your sign-in service into <code className="font-mono text-[0.95rem] text-ink">.env.keys</code> or
        the process environment; <code className="font-mono text-[0.95rem] text-ink">.env.example</code> has the names.
      </p>
    </main>
  );
}
