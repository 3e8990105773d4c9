import { ClerkProvider } from "@clerk/nextjs";

export const metadata = { title: "Notebook" };

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body style={{ fontFamily: "sans-serif", margin: 32 }}>
        <ClerkProvider>{children}</ClerkProvider>
      </body>
    </html>
  );
}
