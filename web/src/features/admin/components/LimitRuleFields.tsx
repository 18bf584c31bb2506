import { NumberInput } from "@mantine/core";
import type { UseFormReturnType } from "@mantine/form";
import type { GuardrailValues } from "../model/guardrail";

/** How large a request may be; each field may stay empty, but not all. */
export function LimitRuleFields({ form }: { form: UseFormReturnType<GuardrailValues> }) {
  return (
    <fieldset>
      <legend className="text-sm font-semibold">At most, in all messages together</legend>
      <div className="mt-2 grid items-start gap-3 sm:grid-cols-2">
        <NumberInput label="Characters" {...WHOLE} min={1} {...form.getInputProps("max_characters")} />
        <NumberInput label="Tokens, estimated" {...WHOLE} min={1} {...form.getInputProps("max_tokens")} />
        <NumberInput label="Messages" {...WHOLE} min={1} {...form.getInputProps("max_messages")} />
        <NumberInput label="Images" {...WHOLE} min={0} {...form.getInputProps("max_images")} />
      </div>
    </fieldset>
  );
}

const WHOLE = { placeholder: "no limit", allowDecimal: false, allowNegative: false, thousandSeparator: ",", hideControls: true } as const;
