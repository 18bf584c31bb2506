import { Button, Group, Modal, Select, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { ApiProblem, type ModelGroup, type ModelGroupCreate } from "@/lib/api";
import { FormFailure } from "@/ui/FormFailure";
import { showProblem } from "@/ui/formProblem";
import { MoreFields } from "@/ui/MoreFields";
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
  const [failure, setFailure] = useState<string | null>(null);
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
  const submit = form.onSubmit(async (values) => {
    setFailure(null);
    form.setSubmitting(true);
    try {
      await onSubmit(modelGroupBodyOf(values));
      onClose();
    } catch (error) {
      setFailure(showGroupProblem(error));
    } finally {
      form.setSubmitting(false);
    }
  });
  /** A member's own fault goes to its row; "model" alone is the group's id. */
  function showGroupProblem(error: unknown): string | null {
    const fields = error instanceof ApiProblem ? Object.entries(error.fields) : [];
    const inRows = fields.flatMap(([field, message]) => {
      const path = memberPath(field);
      return path ? [[path, message] as const] : [];
    });
    const rest = showProblem(form, error, ["model", ...MODEL_GROUP_FIELDS]);
    if (inRows.length === 0) return rest;
    form.setErrors(Object.fromEntries(inRows));
    return null;
  }
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
        <FormFailure message={failure} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={form.submitting}>
            {group ? "Save" : "Add model group"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
