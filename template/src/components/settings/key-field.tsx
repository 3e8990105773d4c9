import { useId } from "react";
import type { PublicField } from "@/lib/key-form";
import type { ShownValue } from "@/lib/settings-types";

type Props = { field: PublicField; shown: ShownValue | undefined; own: boolean; value: string; problem: string | undefined; change: (value: string) => void };

/** One key. A secret can be written and never read: what is set shows its last four characters, outside of the input. */
export function KeyField({ field, shown, own, value, problem, change }: Props) {
  const id = useId();
  const described = [`${id}-now`, problem && `${id}-problem`].filter(Boolean).join(" ");
  return (
    <div className="min-w-0">
      <label htmlFor={id} className="flex flex-wrap items-baseline gap-x-2 font-medium">
        {field.label}
        {field.optional && <span className="text-sm font-normal text-soft">optional</span>}
      </label>
      <input
        id={id}
        name={field.env}
        type={field.secret ? "password" : "text"}
        value={value}
        onChange={(event) => change(event.target.value)}
        placeholder={field.hint}
        autoComplete={field.secret ? "new-password" : "off"}
        autoCapitalize="none"
        autoCorrect="off"
        spellCheck={false}
        data-1p-ignore=""
        data-lpignore="true"
        maxLength={4096}
        aria-invalid={problem !== undefined}
        aria-describedby={described}
        className="mt-1 w-full rounded-md border border-line bg-page px-3 py-2 font-mono text-[0.95rem] placeholder:text-soft aria-invalid:border-alarm"
      />
      <p id={`${id}-now`} className="mt-1 font-mono text-xs break-all text-soft">
        {field.env}
        <span className="block">{shown?.set ? `${own ? "yours" : "the build’s"}${shown.shown ? `: ${shown.shown}` : ""}` : "not set"}</span>
      </p>
      {problem && (
        <p id={`${id}-problem`} data-testid="field-problem" className="mt-1 text-[0.95rem] text-alarm">
          {problem}
        </p>
      )}
    </div>
  );
}
