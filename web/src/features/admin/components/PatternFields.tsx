import { Button, TextInput } from "@mantine/core";
import type { UseFormReturnType } from "@mantine/form";
import { Plus, X } from "lucide-react";
import { IconButton } from "@/ui";
import { usePatternProblem } from "../api/usePatternProblem";
import { type GuardrailValues, LONGEST_PATTERN, MOST_PATTERNS, newPattern } from "../model/guardrail";

type PatternForm = { form: UseFormReturnType<GuardrailValues> };

/** Patterns, a row each; what is none is said while it is written. */
export function PatternFields({ form }: PatternForm) {
  const { patterns } = form.values;
  return (
    <fieldset>
      <legend className="text-sm font-semibold">Patterns</legend>
      <p className="mt-0.5 text-xs leading-relaxed text-ink-faint">
        Regular expressions as RE2 knows them: without look-around and back-references, so that none can hang the server.
      </p>
      {patterns.length > 0 ? (
        <ul aria-label="Patterns" className="mt-2 space-y-2">
          {patterns.map(({ key, text }, index) => (
            <PatternRow key={key} form={form} text={text} index={index} />
          ))}
        </ul>
      ) : null}
      <Button
        mt="xs"
        size="xs"
        variant="default"
        leftSection={<Plus size={14} aria-hidden />}
        disabled={patterns.length >= MOST_PATTERNS}
        onClick={() => {
          form.insertListItem("patterns", newPattern());
          form.clearFieldError("words");
        }}
      >
        Add pattern
      </Button>
    </fieldset>
  );
}

function PatternRow({ form, text, index }: PatternForm & { text: string; index: number }) {
  const problem = usePatternProblem(text);
  const { error, ...input } = form.getInputProps(`patterns.${index}.text`);
  const shown: unknown = error ?? problem;
  return (
    <li className="flex items-start gap-2">
      <TextInput
        aria-label={`Pattern ${index + 1}`}
        placeholder="FAL-[0-9]{4}"
        className="min-w-0 flex-1"
        classNames={{ input: "font-mono", error: "[overflow-wrap:anywhere]" }}
        spellCheck={false}
        autoCapitalize="off"
        maxLength={LONGEST_PATTERN}
        error={typeof shown === "string" ? shown : null}
        {...input}
      />
      <IconButton label={`Remove pattern ${index + 1}`} size={36} onClick={() => form.removeListItem("patterns", index)}>
        <X size={16} aria-hidden />
      </IconButton>
    </li>
  );
}
