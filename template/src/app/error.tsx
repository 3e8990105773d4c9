"use client";

export default function PageError({ reset }: { error: Error; reset: () => void }) {
  return (
    <main className="mx-auto flex min-h-dvh max-w-xl flex-col justify-center gap-4 px-6">
      <h1 className="text-3xl font-semibold tracking-tight">This page broke</h1>
      <p className="text-soft">The app is up, but this page could not be made. The app&rsquo;s log has the details.</p>
      <button type="button" onClick={reset} className="self-start rounded-md bg-accent px-4 py-2 font-medium text-on-accent">
        Try again
      </button>
    </main>
  );
}
