import { Button, Checkbox, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { Download } from "lucide-react";
import { FormFailure } from "@/ui/FormFailure";
import { MoreFields } from "@/ui/MoreFields";
import { useSending } from "@/ui/useSending";
import { useStartPull } from "../api/useStartPull";

const FIELD_ID = "pull-reference";

/** Leads to the field for the name of a model. */
export function focusPullField(): void {
  const field = document.querySelector<HTMLElement>(`#${FIELD_ID}`);
  field?.scrollIntoView({ block: "center" });
  field?.focus();
}

/** Names a model to pull, from wherever it is. */
export function PullForm() {
  const start = useStartPull();
  const form = useForm({
    initialValues: { model: "", name: "", insecure: false },
    validate: { model: (model, { insecure }) => problemOfReference(model.trim(), insecure) },
  });
  const { submit, failure } = useSending(form, {
    fields: ["model", "name"],
    send: async ({ model, name, insecure }) => {
      await start.mutateAsync({ model: model.trim(), name: name.trim(), insecure });
      form.reset();
    },
  });
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack gap="sm">
        <div className="flex flex-col gap-3 sm:flex-row sm:items-start">
          <TextInput
            id={FIELD_ID}
            className="min-w-0 flex-1"
            label="Model"
            description="qwen2.5:0.5b, hf.co/user/repository:Q4_K_M, registry.example.org/team/model:1, https://example.org/model.gguf"
            inputWrapperOrder={["label", "input", "error", "description"]}
            placeholder="qwen2.5:0.5b"
            spellCheck={false}
            autoCapitalize="none"
            maxLength={2048}
            {...form.getInputProps("model")}
          />
          <Button type="submit" className="sm:mt-6" leftSection={<Download size={16} aria-hidden />} loading={form.submitting}>
            Pull
          </Button>
        </div>
        <MoreFields label="More" hint="another name, http" mustShow={"name" in form.errors || isPlain(form.values.model)}>
          <Stack gap="sm">
            <TextInput
              label="Name here (optional)"
              description="What it is to be called on this machine; its own name otherwise."
              placeholder="team/small:1"
              spellCheck={false}
              autoCapitalize="none"
              maxLength={500}
              {...form.getInputProps("name")}
            />
            <Checkbox
              label="The registry may be asked by http"
              description="For one on your own network without a certificate."
              {...form.getInputProps("insecure", { type: "checkbox" })}
            />
          </Stack>
        </MoreFields>
        <FormFailure message={failure} />
      </Stack>
    </form>
  );
}

function isPlain(model: string): boolean {
  return /^\s*http:/i.test(model);
}

function problemOfReference(model: string, isInsecure: boolean): string | null {
  if (model === "") return "Which model? Such as qwen2.5:0.5b.";
  return isPlain(model) && !isInsecure ? "This is an http address: anybody on the way could change the file. Allow that below." : null;
}
