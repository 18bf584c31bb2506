import { Checkbox, Stack } from "@mantine/core";
import type { UseFormReturnType } from "@mantine/form";
import { FINDS, type GuardrailValues } from "../model/guardrail";

/** What a guardrail hides. */
export function RedactFields({ form }: { form: UseFormReturnType<GuardrailValues> }) {
  return (
    <Stack gap="md">
      <Checkbox.Group label="Hide" description="Shapes are found, not meaning: names of people and street addresses are not." {...form.getInputProps("finds")}>
        <div className="my-2 grid gap-2 sm:grid-cols-2 sm:[&>:last-child]:col-span-2">
          {FINDS.map(({ value, label }) => (
            <Checkbox key={value} size="sm" value={value} label={label} />
          ))}
        </div>
      </Checkbox.Group>
      <Checkbox
        label="Take them out of answers too"
        description="Unless the person sent them. Answers come a little later, because their end is held back."
        {...form.getInputProps("masks_output", { type: "checkbox" })}
      />
    </Stack>
  );
}
