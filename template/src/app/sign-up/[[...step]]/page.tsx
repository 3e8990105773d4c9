import type { Metadata } from "next";
import { connection } from "next/server";
import { AuthFrame, AuthNotSet, SignUpForm } from "@/components/auth-frame";
import { clerkState } from "@/lib/clerk-keys";

export const metadata: Metadata = { title: "Sign up" };

export default async function SignUpPage() {
  await connection();
  const { problem } = clerkState();
  if (problem) return <AuthNotSet problem={problem} />;
  return (
    <AuthFrame title="Sign up">
      <SignUpForm />
    </AuthFrame>
  );
}
