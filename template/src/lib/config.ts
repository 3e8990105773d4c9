import "server-only";

export { cfg, cfgSource, type KeySource } from "./config-core";
