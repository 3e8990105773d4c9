// What callers say about a build, and are told while it is made. Names nothing of Node, so that it needs no types of it.

/** How far one service of a build is. */
export interface ProvisionProgress {
  service: string;
  vendor: string;
  state: "making" | "ready" | "suspended" | "ending" | "failed";
  /** What is done now, for people; empty when nothing is. */
  step: string;
  stepNumber: number;
  steps: number;
  /** Why it is tried again, or could not be made; empty. */
  why: string;
}

export interface BuildOptions {
  /** By whom services are provided, when the build is made: `{ database: "turso" }`. A vendor where valetkey makes what a build needs wants no more. */
  drivers?: Record<string, string | { driver: string; delivery?: "gateway" | "direct"; resource?: Record<string, string> }>;
  /** Called when something of what is made at vendors has changed. */
  onProgress?: (progress: ProvisionProgress[]) => void;
  /** Ends the waiting; what was begun goes on in the daemon. */
  signal?: AbortSignal;
}
