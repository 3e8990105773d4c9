import { SignUp } from "@clerk/nextjs";
import type { Metadata } from "next";
import { connection } from "next/server";
import { AuthFrame, AuthNotSet, FormComes } from "@/components/auth-frame";
import { SIGN_IN, SIGN_UP } from "@/lib/auth-pages";
import { clerkState } from "@/lib/clerk-keys";

export const metadata: Metadata = { title: "Sign up" };

export default async function SignUpPage() {
  await connection();
  const { problem } = clerkState();
  if (problem) return <AuthNotSet problem={problem} />;
  return (
    <AuthFrame title="Sign up">
      <SignUp routing="path" path={SIGN_UP} signInUrl={SIGN_IN} fallbackRedirectUrl="/" fallback={<FormComes />} />
    </AuthFrame>
  );
}
