import { auth, clerkClient } from "@clerk/nextjs/server";

export async function GET() {
  const { userId, sessionId, sessionClaims } = await auth();
  if (!userId) return Response.json({ error: "nobody is signed in" }, { status: 401 });
  const user = await (await clerkClient()).users.getUser(userId);
  const email = user.emailAddresses.map((e) => e.emailAddress);
  return Response.json({ userId, sessionId, azp: sessionClaims.azp, email, metadata: user.publicMetadata });
}
