import type { Metadata } from "next";
import { connection } from "next/server";
import { ApiKeySettings } from "@/components/settings/api-keys";
import { Unlock } from "@/components/settings/unlock";
import { serviceForms } from "@/lib/key-form";
import { settingsView } from "@/lib/settings";

export const metadata: Metadata = { title: "Keys" };

export default async function Settings() {
  await connection();
  const view = await settingsView();
  return "by" in view ? <Unlock view={view} /> : <ApiKeySettings view={view} forms={serviceForms()} />;
}
