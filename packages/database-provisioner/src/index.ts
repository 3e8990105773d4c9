export { ValetkeyError } from "../../shared/errors.js";
export { provisionDatabase, type ProvisionedDatabase } from "./turso.js";
