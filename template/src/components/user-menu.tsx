"use client";

import { ClerkFailed, UserButton } from "@clerk/nextjs";
import { PROFILE } from "@/lib/auth-pages";

const SIZE = "2.25rem";

export function UserMenu() {
  return (
    <>
      <UserButton
        userProfileMode="navigation"
        userProfileUrl={PROFILE}
        fallback={<span className="size-9 rounded-full bg-tint" />}
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
    </>
  );
}

function Sheet() {
  return (
    <svg viewBox="0 0 16 16" aria-hidden="true" className="size-4 fill-none stroke-current" strokeWidth="1.5">
      <path d="M3.5 1.75h5.75l3.25 3.25v9.25h-9zM9 2v3.25h3.25" />
    </svg>
  );
}
