import path from "node:path";
import type { NextConfig } from "next";
import { checkBundle } from "./src/lib/bundle-check";

// What @clerk/nextjs finds in the process environment by itself would be written into the code by the build, and would win over
// keys that are replaced while the app runs. So it is set aside, and src/lib/config-core.ts reads it from there.
for (const [name, value] of Object.entries(process.env)) {
  if (!/^(NEXT_PUBLIC_CLERK_|CLERK_API_URL$)/.test(name)) continue;
  process.env[name.replace(/^(NEXT_PUBLIC_)?CLERK_/, "VALETKEY_CLERK_")] ??= value;
  delete process.env[name];
}
// The SDK tells its vendor nothing, and asks it for no keys.
process.env.NEXT_PUBLIC_CLERK_TELEMETRY_DISABLED = "1";
process.env.NEXT_PUBLIC_CLERK_KEYLESS_DISABLED = "1";

const config: NextConfig = {
  poweredByHeader: false,
  devIndicators: false,
  // `next dev` answers on both names of this machine.
  allowedDevOrigins: ["127.0.0.1", "localhost"],
  // The migration runner reads these when the app runs, wherever it is deployed.
  outputFileTracingIncludes: { "/*": ["./prisma/migrations/**/*", "./prisma/seeds/**/*"] },
  compiler: {
    runAfterProductionCompile: async ({ projectDir, distDir }) => checkBundle(path.resolve(projectDir, distDir, "static"), process.env),
  },
  // Browsers ask for it when a page is still on its way.
  async rewrites() {
    return [{ source: "/favicon.ico", destination: "/icon.svg" }];
  },
  async headers() {
    return [
      {
        source: "/:path*",
        headers: [
          { key: "X-Content-Type-Options", value: "nosniff" },
          { key: "Referrer-Policy", value: "strict-origin-when-cross-origin" },
        ],
      },
    ];
  },
};

export default config;
