import { UserButton } from "@clerk/nextjs";
import { auth, clerkClient, currentUser } from "@clerk/nextjs/server";

export default async function Dashboard() {
  const { userId } = await auth();
  const user = await currentUser();
  const users = await (await clerkClient()).users.getCount();
  return (
    <main>
      <h1>Dashboard</h1>
      <UserButton />
      <dl>
        <dt>User</dt>
        <dd data-testid="user">{userId}</dd>
        <dt>E-mail</dt>
        <dd data-testid="email">{user?.primaryEmailAddress?.emailAddress}</dd>
        <dt>Name</dt>
        <dd data-testid="name">{user?.fullName}</dd>
        <dt>Users</dt>
        <dd data-testid="users">{users}</dd>
      </dl>
    </main>
  );
}
