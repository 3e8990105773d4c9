import { ClerkProvider } from "@clerk/nextjs";
import { GeistMono } from "geist/font/mono";
import { GeistSans } from "geist/font/sans";
import type { Metadata, Viewport } from "next";
import { connection } from "next/server";
import type { ReactNode } from "react";
import { appearance } from "@/components/appearance";
import { SiteHeader } from "@/components/site-header";
import { SIGN_IN, SIGN_UP } from "@/lib/auth-pages";
import { clerkState, type ClerkKeys } from "@/lib/clerk-keys";
import { userId } from "@/lib/user";
import "./globals.css";

export const metadata: Metadata = {
  title: "Your app is running",
  description: "The start of an app with sign-in, a database, a storage and payments of its own.",
};

export const viewport: Viewport = {
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#eef1ec" },
    { media: "(prefers-color-scheme: dark)", color: "#0c1310" },
  ],
};

export default async function Layout({ children }: { children: ReactNode }) {
  await connection(); // every page is made when it is asked for: keys may be others by then
  const { keys } = clerkState();
  const account = keys ? ((await userId()) ? "in" : "out") : "not set";
  const page = (
    <>
      <SiteHeader account={account} />
      {children}
    </>
  );
  return (
    <html lang="en" className={`${GeistSans.variable} ${GeistMono.variable}`}>
      <body data-clerk-key={keys?.publishableKey} className="min-h-dvh font-sans antialiased">
        {keys ? (
          // Other keys are another provider.
          <ClerkProvider key={keys.publishableKey} {...providerProps(keys)}>
            {page}
          </ClerkProvider>
        ) : (
          page
        )}
      </body>
    </html>
  );
}

/** The browser's side of the keys. */
function providerProps({ publishableKey, proxyUrl, jsUrl, uiUrl }: ClerkKeys) {
  return {
    publishableKey,
    appearance,
    signInUrl: SIGN_IN,
    signUpUrl: SIGN_UP,
    afterSignOutUrl: "/",
    telemetry: { disabled: true },
    ...(proxyUrl && { proxyUrl }),
    ...(jsUrl && { __internal_clerkJSUrl: jsUrl }),
    ...(uiUrl && { __internal_clerkUIUrl: uiUrl }),
  } as const;
}
