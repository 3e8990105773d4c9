import type { Metadata } from "next";
import { connection } from "next/server";
import { AuthFrame, AuthNotSet, SignInForm } from "@/components/auth-frame";
import { clerkState } from "@/lib/clerk-keys";

export const metadata: Metadata = { title: "Sign in" };

export default async function SignInPage() {
  await connection();
  const { problem } = clerkState();
  if (problem) return <AuthNotSet problem={problem} />;
  return (
    <AuthFrame title="Sign in">
      <SignInForm />
    </AuthFrame>
  );
}
