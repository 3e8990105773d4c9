/** What the daemon refused, or why it could not be asked. Its texts hold no key of any kind. */
export class ValetkeyError extends Error {
  /** For programs: the daemon's own code, or `unreachable`, `timeout`, `bad_answer`, `invalid`, `no_token`. */
  readonly code: string;
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** What to do next; empty when there is nothing to add. */
  readonly hint: string;

  constructor(code: string, message: string, status = 0, hint = "") {
    super(hint === "" ? message : `${message} ${hint}`);
    this.name = "ValetkeyError";
    this.code = code;
    this.status = status;
    this.hint = hint;
  }
}
