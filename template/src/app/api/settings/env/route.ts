import { z } from "zod";
import { ENV_FORMATS } from "@/lib/env-dialects";
import { envFile } from "@/lib/settings-export";
import { readBody, withSession } from "@/lib/settings-http";

const ask = z.strictObject({ format: z.enum(ENV_FORMATS) });

/** The file as an attachment: it holds secrets, so no cache and no page gets it. */
export async function POST(request: Request): Promise<Response> {
  return withSession(request, {}, async () => {
    const { format } = await readBody(request, ask);
    const text = envFile(format);
    const [name, type] = format === "json" ? ["env.production.json", "application/json"] : [".env.production", "text/plain"];
    return new Response(text, {
      headers: { "content-type": `${type}; charset=utf-8`, "content-disposition": `attachment; filename="${name}"`, "cache-control": "no-store" },
    });
  });
}
