import { Modal, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { messageOf, type LocalModel } from "@/lib/api";
import { notifyDone } from "@/ui";
import { FormFoot } from "@/ui/FormFoot";
import { MoreFields } from "@/ui/MoreFields";
import { useSending } from "@/ui/useSending";
import { useCreateVariant } from "../api/useCreateVariant";
import { parseParameters } from "../model/parameters";

type VariantDialogProps = { opened: boolean; models: readonly LocalModel[]; onClose: () => void };

/** Makes a model of another one: the same weights, with a system prompt or options of its own. */
export function VariantDialog({ opened, models, onClose }: VariantDialogProps) {
  return (
    <Modal opened={opened} onClose={onClose} title="Create a variant" size="lg">
      <VariantForm models={models} onClose={onClose} />
    </Modal>
  );
}

function VariantForm({ models, onClose }: Omit<VariantDialogProps, "opened">) {
  const create = useCreateVariant();
  const form = useForm({
    initialValues: { name: "", origin: models[0]?.name ?? "", system: "", parameters: "", template: "" },
    validate: {
      name: (name) => (name.trim() ? null : "Give it a name, such as team/brief."),
      origin: (origin) => (origin ? null : "Which model is it made from?"),
      parameters: problemOfParameters,
    },
  });
  const { submit, failure } = useSending(form, {
    fields: ["name", "origin", "system", "parameters", "template"],
    send: async ({ name, origin, system, parameters, template }) => {
      const made = await create.mutateAsync({
        name: name.trim(),
        origin,
        system: system.trim(),
        template,
        parameters: parseParameters(parameters),
      });
      notifyDone(`Made ${made.name}.`);
      onClose();
    },
  });
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack gap="md">
        <div className="grid items-start gap-3 sm:grid-cols-2">
          <TextInput label="Name" placeholder="team/brief" data-autofocus spellCheck={false} autoCapitalize="none" maxLength={500} {...form.getInputProps("name")} />
          <Select
            label="Made from"
            data={models.map((model) => model.name)}
            searchable={models.length > 8}
            allowDeselect={false}
            {...form.getInputProps("origin")}
          />
        </div>
        <Textarea
          label="System prompt (optional)"
          placeholder="You answer in one sentence."
          autosize
          minRows={3}
          maxRows={12}
          maxLength={200_000}
          {...form.getInputProps("system")}
        />
        <Textarea
          label="Parameters (optional)"
          description="One a line, a name and a value."
          placeholder={"temperature 0.2\nnum_ctx 8192\nstop \"###\""}
          classNames={{ input: "font-mono text-xs" }}
          autosize
          minRows={3}
          maxRows={12}
          spellCheck={false}
          {...form.getInputProps("parameters")}
        />
        <MoreFields label="Prompt template" hint="in Ollama’s form; most models bring their own" mustShow={"template" in form.errors}>
          <Textarea
            aria-label="Prompt template"
            placeholder="{{ .System }} {{ .Prompt }}"
            classNames={{ input: "font-mono text-xs" }}
            autosize
            minRows={3}
            maxRows={12}
            maxLength={200_000}
            spellCheck={false}
            {...form.getInputProps("template")}
          />
        </MoreFields>
        <FormFoot failure={failure} submit="Create variant" isBusy={form.submitting} onCancel={onClose} />
      </Stack>
    </form>
  );
}

function problemOfParameters(text: string): string | null {
  try {
    parseParameters(text);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}
