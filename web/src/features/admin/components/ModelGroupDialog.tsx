import { Modal, Select, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import type { ModelGroup, ModelGroupCreate } from "@/lib/api";
import { FormFoot } from "@/ui/FormFoot";
import { MoreFields } from "@/ui/MoreFields";
import { useSending } from "@/ui/useSending";
import {
  memberPath,
  MODEL_GROUP_FIELDS,
  modelGroupBodyOf,
  type ModelGroupValues,
  modelGroupValuesOf,
  STRATEGIES,
  strategyWords,
} from "../model/modelGroup";
import { ModelGroupAdvanced } from "./ModelGroupAdvanced";
import { ModelGroupMembers } from "./ModelGroupMembers";

type ModelGroupFormProps = { group?: ModelGroup; onSubmit: (body: ModelGroupCreate) => Promise<void>; onClose: () => void };

/** A model group, new or not. */
export function ModelGroupDialog({ opened, ...form }: ModelGroupFormProps & { opened: boolean }) {
  return (
    <Modal opened={opened} onClose={form.onClose} title={form.group ? `Edit ${form.group.model}` : "Add model group"} size="xl">
      <ModelGroupForm {...form} />
    </Modal>
  );
}

function ModelGroupForm({ group, onSubmit, onClose }: ModelGroupFormProps) {
  const form = useForm<ModelGroupValues>({
    initialValues: modelGroupValuesOf(group),
    validate: {
      model: (model) => (/^[!-~]+$/.test(model.trim()) ? null : "Give it an id without spaces, such as fast."),
      members: {
        deployment: (name) => (name.trim() ? null : "Choose a server."),
        model: (model) => (model.trim() ? null : "Which of its models?"),
      },
    },
  });
  const hasHiddenError = MODEL_GROUP_FIELDS.some((field) => field !== "description" && field !== "strategy" && field in form.errors);
  const { submit, failure } = useSending(form, {
    fields: ["model", ...MODEL_GROUP_FIELDS],
    rowOf: memberPath,
    send: async (values) => {
      await onSubmit(modelGroupBodyOf(values));
      onClose();
    },
  });
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack gap="md">
        <div className="grid items-start gap-3 sm:grid-cols-2">
          <TextInput
            label="Model id"
            description="What clients ask for."
            placeholder="fast"
            data-autofocus
            spellCheck={false}
            maxLength={200}
            {...form.getInputProps("model")}
          />
          <TextInput
            label="Description (optional)"
            description="One sentence for the model picker."
            maxLength={500}
            {...form.getInputProps("description")}
          />
        </div>
        <ModelGroupMembers form={form} />
        <Select
          label="Which member is asked"
          description={strategyWords(form.values.strategy).explanation}
          data={STRATEGIES}
          allowDeselect={false}
          {...form.getInputProps("strategy")}
        />
        <MoreFields label="Advanced" hint="retries, fallbacks, other names, cache, guardrails" mustShow={hasHiddenError}>
          <ModelGroupAdvanced form={form} />
        </MoreFields>
        <FormFoot failure={failure} submit={group ? "Save" : "Add model group"} isBusy={form.submitting} onCancel={onClose} />
      </Stack>
    </form>
  );
}
