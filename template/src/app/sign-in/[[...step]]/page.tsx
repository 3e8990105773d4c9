import { SignIn } from "@clerk/nextjs";
import type { Metadata } from "next";
import { connection } from "next/server";
import { AuthFrame, AuthNotSet, FormComes } from "@/components/auth-frame";
import { SIGN_IN, SIGN_UP } from "@/lib/auth-pages";
import { clerkState } from "@/lib/clerk-keys";

export const metadata: Metadata = { title: "Sign in" };

export default async function SignInPage() {
  await connection();
  const { problem } = clerkState();
  if (problem) return <AuthNotSet problem={problem} />;
  return (
    <AuthFrame title="Sign in">
      <SignIn routing="path" path={SIGN_IN} signUpUrl={SIGN_UP} fallbackRedirectUrl="/" fallback={<FormComes />} />
    </AuthFrame>
  );
}
