import type { UseFormReturnType } from "@mantine/form";
import { type SyntheticEvent, useState } from "react";
import { type RowOf, showProblem } from "./formProblem";

type Sending<Values> = {
  /** Sends what is valid; throws what the server says. */
  send: (values: Values) => Promise<void>;
  /** Fields of the form that the server may speak of. */
  fields: readonly string[];
  rowOf?: RowOf;
};

type Sent = { submit: (event?: SyntheticEvent<HTMLFormElement>) => void; failure: string | null };

/** Sends a form: refusals go beside their fields, and what belongs to none is `failure`, for the form's foot. */
export function useSending<Values extends Record<string, unknown>>(
  form: UseFormReturnType<Values>,
  { send, fields, rowOf }: Sending<Values>,
): Sent {
  const [failure, setFailure] = useState<string | null>(null);
  const submit = form.onSubmit(async (values) => {
    setFailure(null);
    form.setSubmitting(true);
    try {
      await send(values);
    } catch (error) {
      setFailure(showProblem(form, error, fields, rowOf));
    } finally {
      form.setSubmitting(false);
    }
  });
  return { submit, failure };
}
