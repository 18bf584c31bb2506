import type { UseFormReturnType } from "@mantine/form";
import { ApiProblem, messageOf } from "@/lib/api";

type Form = { setErrors: UseFormReturnType<Record<string, unknown>>["setErrors"] };

/** Gives the form's own name of a field in a row, for what the server calls "members.1.model"; null where it is in none. */
export type RowOf = (path: string) => string | null;

const noRow: RowOf = () => null;

/**
 * Puts the server's field errors beside their fields.
 *
 * Returns what has no field on this form, as one sentence for the form itself, or null when every error found its place.
 */
export function showProblem(form: Form, error: unknown, fields: readonly string[], rowOf: RowOf = noRow): string | null {
  if (!(error instanceof ApiProblem)) return messageOf(error);
  const placed: Record<string, string> = {};
  const left: string[] = [];
  for (const [path, message] of Object.entries(error.fields)) {
    // "limits.models.0" is about the field "models".
    const field = rowOf(path) ?? path.split(".").findLast((part) => fields.includes(part));
    if (field) placed[field] = sentence(message);
    else left.push(message);
  }
  form.setErrors(placed);
  if (left.length > 0) return left.join(" ");
  return Object.keys(placed).length > 0 ? null : messageOf(error);
}

/** The server speaks of a field ("is wrong"); beside the field that needs a subject. */
function sentence(message: string): string {
  const whole = /^[a-z]/.test(message) ? `This ${message}` : message;
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
