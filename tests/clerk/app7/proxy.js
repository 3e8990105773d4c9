import { clerkMiddleware } from "@clerk/nextjs/server";

export default clerkMiddleware(async (auth, request) => {
  if (/^\/(dashboard|profile|token)(\/|$)/.test(request.nextUrl.pathname)) await auth.protect();
});

export const config = {
  matcher: ["/((?!_next|[^?]*\\.(?:css|js|png|svg|ico|woff2?)).*)", "/(api|trpc)(.*)"],
};
