import Link from "next/link";

export default function NotFound() {
  return (
    <main className="mx-auto flex min-h-dvh max-w-xl flex-col justify-center gap-4 px-6">
      <h1 className="text-3xl font-semibold tracking-tight">Nothing lives at this address</h1>
      <Link href="/" className="self-start text-accent underline underline-offset-4">
        Back to the app
      </Link>
    </main>
  );
}
