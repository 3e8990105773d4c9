export { ValetkeyError } from "../../shared/errors.js";
export { provisionDatabase, type DatabaseOptions, type ProvisionedDatabase } from "./turso.js";
export type { ProvisionProgress } from "../../shared/provision-types.js";
