import { Checkbox, NumberInput, Select, Stack, Textarea, TextInput } from "@mantine/core";
import type { UseFormReturnType } from "@mantine/form";
import { BLOCK_ACTIONS, DIRECTIONS, type GuardrailValues } from "../model/guardrail";
import { PatternFields } from "./PatternFields";

/** Words and patterns that are not wanted, where, and what becomes of them. */
export function BlockFields({ form }: { form: UseFormReturnType<GuardrailValues> }) {
  const { action, looks_at: where, patterns } = form.values;
  const isRefusing = action === "refuse";
  return (
    <Stack gap="md">
      <Textarea
        label="Words and phrases"
        description="One per line. Found as whole words, in any case."
        placeholder={"Project Falcon"}
        autosize
        minRows={2}
        maxRows={8}
        spellCheck={false}
        {...form.getInputProps("words")}
      />
      <PatternFields form={form} />
      {patterns.length > 0 ? (
        <Checkbox label="Patterns tell upper from lower case" {...form.getInputProps("is_case_sensitive", { type: "checkbox" })} />
      ) : null}
      <div className="grid items-start gap-3 sm:grid-cols-2">
        <Select label="Look at" data={DIRECTIONS.map((each) => ({ ...each }))} allowDeselect={false} {...form.getInputProps("looks_at")} />
        <Select
          label="When found"
          data={BLOCK_ACTIONS.map(({ value, label }) => ({ value, label }))}
          allowDeselect={false}
          {...form.getInputProps("action")}
        />
      </div>
      <p className="-mt-2 text-xs leading-relaxed text-ink-faint">{BLOCK_ACTIONS.find(({ value }) => value === action)?.explanation}</p>
      {isRefusing ? (
        <TextInput
          label="What people are told (optional)"
          description="Stands behind the name of the guardrail."
          placeholder="Ask the press office."
          maxLength={500}
          {...form.getInputProps("message")}
        />
      ) : null}
      {where === "input" ? null : (
        <NumberInput
          label="Held back of answers"
          description="A longer match may be found too late. 16 to 4,096."
          suffix=" characters"
          min={16}
          max={4096}
          allowDecimal={false}
          thousandSeparator=","
          hideControls
          maw={280}
          {...form.getInputProps("window")}
        />
      )}
    </Stack>
  );
}
