// What the settings page shows of the rules: names, hints and steps. The ladder stays on the server.
import rules from "./key-rules.json";
import type { ServiceId } from "./key-types";

export type PublicField = { env: string; label: string; hint: string; secret: boolean; optional: boolean };
export type ServiceForm = { id: ServiceId; name: string; vendor: string; purpose: string; dashboard: string; steps: string[]; stays: string[]; fields: PublicField[] };

type Rule = Omit<ServiceForm, "id" | "fields"> & { fields: (Omit<PublicField, "secret" | "optional"> & { secret?: boolean; optional?: boolean })[] };

export function serviceForms(): ServiceForm[] {
  const services = rules.services as Record<ServiceId, Rule>;
  return (Object.keys(services) as ServiceId[]).map((id) => {
    const { name, vendor, purpose, dashboard, steps, stays, fields } = services[id];
    return {
      ...{ id, name, vendor, purpose, dashboard, steps, stays },
      fields: fields.map(({ env, label, hint, secret = false, optional = false }) => ({ env, label, hint, secret, optional })),
    };
  });
}
