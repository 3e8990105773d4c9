import "server-only";

export { cfg, cfgSource, overlayProblem, type KeySource } from "./config-core";
