import "server-only";

export { cfg, cfgSource, isClosed, overlayProblem, type KeySource } from "./config-core";
