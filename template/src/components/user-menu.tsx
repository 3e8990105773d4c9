"use client";

import { ClerkFailed, UserButton } from "@clerk/nextjs";
import { PROFILE } from "@/lib/auth-pages";
import { AfterHydration } from "./after-hydration";

const SIZE = "2.25rem";
const placeholder = <span className="size-9 rounded-full bg-tint" />;

export function UserMenu() {
  return (
    <AfterHydration fallback={placeholder}>
      <UserButton
        userProfileMode="navigation"
        userProfileUrl={PROFILE}
        fallback={placeholder}
        appearance={{ elements: { userButtonAvatarBox: { width: SIZE, height: SIZE } } }}
      >
        <UserButton.MenuItems>
          <UserButton.Link label="Your files" labelIcon={<Sheet />} href="/files" />
          <UserButton.Action label="manageAccount" />
        </UserButton.MenuItems>
      </UserButton>
      <ClerkFailed>
        <span className="text-sm text-alarm">The sign-in service does not answer</span>
      </ClerkFailed>
    </AfterHydration>
  );
}

function Sheet() {
  return (
    <svg viewBox="0 0 16 16" aria-hidden="true" className="size-4 fill-none stroke-current" strokeWidth="1.5">
      <path d="M3.5 1.75h5.75l3.25 3.25v9.25h-9zM9 2v3.25h3.25" />
    </svg>
  );
}
