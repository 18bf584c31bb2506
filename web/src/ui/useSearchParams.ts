import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

type Changes<Name extends string> = Partial<Record<Name, string>>;
type Write<Name extends string> = (changes: Changes<Name>, options?: { push?: boolean }) => void;

/**
 * Screen state kept in the address, as plain texts; an absent parameter reads as "".
 * Writing replaces the current address; `push` makes a step that the Back button undoes.
 */
export function useSearchParams<Name extends string>(names: readonly Name[]): [Record<Name, string>, Write<Name>] {
  const search: Record<string, unknown> = useSearch({ strict: false });
  const navigate = useNavigate();
  const values = {} as Record<Name, string>;
  for (const name of names) values[name] = textOf(search[name]);
  const write = useCallback<Write<Name>>(
    (changes, { push = false } = {}) => {
      const next = (previous: Record<string, unknown>) => withChanges(previous, changes);
      // The parameters belong to the page that is shown, whichever it is, so the router cannot know their type here.
      void navigate({ to: ".", search: next, replace: !push, resetScroll: false } as never);
    },
    [navigate],
  );
  return [values, write];
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

function withChanges(previous: Record<string, unknown>, changes: Changes<string>): Record<string, unknown> {
  const next = { ...previous };
  for (const [name, value] of Object.entries(changes)) {
    if (value) next[name] = value;
    else delete next[name];
  }
  return next;
}
