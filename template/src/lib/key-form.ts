// What the settings page shows of the rules: names, hints and steps. The ladder stays on the server.
import { KEY_RULES } from "./key-rules";
import type { ServiceId } from "./key-types";

export type PublicField = { env: string; label: string; hint: string; secret: boolean; optional: boolean };
export type ServiceForm = { id: ServiceId; name: string; vendor: string; purpose: string; dashboard: string; steps: string[]; stays: string[]; fields: PublicField[] };

export function serviceForms(): ServiceForm[] {
  return (Object.keys(KEY_RULES.services) as ServiceId[]).map((id) => {
    const { name, vendor, purpose, dashboard, steps, stays, fields } = KEY_RULES.services[id];
    return {
      ...{ id, name, vendor, purpose, dashboard, steps, stays },
      fields: fields.map(({ env, label, hint, secret, optional = false }) => ({ env, label, hint, secret, optional })),
    };
  });
}
