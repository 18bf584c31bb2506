import { Button, Group as Row, Modal, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import type { Group, GroupCreate } from "@/lib/api";
import { FormFailure } from "@/ui/FormFailure";
import { showProblem } from "@/ui/formProblem";
import { LIMIT_FIELDS, LIMIT_RULES, limitsBodyOf, LimitsFields, type LimitsValues, limitsValuesOf } from "@/ui/Limits";
import { SubjectStanding } from "./SubjectStanding";

type GroupFormProps = { group?: Group; onSubmit: (body: GroupCreate) => Promise<void>; onClose: () => void };

/** Name and limits of a group, new or not. */
export function GroupDialog({ opened, ...form }: GroupFormProps & { opened: boolean }) {
  return (
    <Modal opened={opened} onClose={form.onClose} title={form.group ? `Edit ${form.group.name}` : "Add group"} size="lg">
      <GroupForm {...form} />
    </Modal>
  );
}

function GroupForm({ group, onSubmit, onClose }: GroupFormProps) {
  const [failure, setFailure] = useState<string | null>(null);
  const form = useForm<LimitsValues & { name: string }>({
    initialValues: { ...limitsValuesOf(group?.limits ?? null), name: group?.name ?? "" },
    validate: { ...LIMIT_RULES, name: (name) => (name.trim() ? null : "Give the group a name.") },
  });
  const submit = form.onSubmit(async ({ name, ...limits }) => {
    setFailure(null);
    form.setSubmitting(true);
    try {
      await onSubmit({ name: name.trim(), limits: limitsBodyOf(limits) });
      onClose();
    } catch (error) {
      setFailure(showProblem(form, error, ["name", ...LIMIT_FIELDS]));
    } finally {
      form.setSubmitting(false);
    }
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput label="Name" placeholder="Research" data-autofocus maxLength={120} {...form.getInputProps("name")} />
        {group && group.limits !== null ? <SubjectStanding subject={`group:${group.id}`} /> : null}
        <LimitsFields inputProps={form.getInputProps} isChoosy={form.values.is_choosy} />
        <FormFailure message={failure} />
        <Row justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={form.submitting}>
            {group ? "Save" : "Add group"}
          </Button>
        </Row>
      </Stack>
    </form>
  );
}
