import { Modal, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import type { Group, GroupCreate } from "@/lib/api";
import { FormFoot } from "@/ui/FormFoot";
import { LIMIT_FIELDS, LIMIT_RULES, limitsBodyOf, LimitsFields, type LimitsValues, limitsValuesOf } from "@/ui/Limits";
import { useSending } from "@/ui/useSending";
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
  const form = useForm<LimitsValues & { name: string }>({
    initialValues: { ...limitsValuesOf(group?.limits ?? null), name: group?.name ?? "" },
    validate: { ...LIMIT_RULES, name: (name) => (name.trim() ? null : "Give the group a name.") },
  });
  const { submit, failure } = useSending(form, {
    fields: ["name", ...LIMIT_FIELDS],
    send: async ({ name, ...limits }) => {
      await onSubmit({ name: name.trim(), limits: limitsBodyOf(limits) });
      onClose();
    },
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput label="Name" placeholder="Research" data-autofocus maxLength={120} {...form.getInputProps("name")} />
        {group && group.limits !== null ? <SubjectStanding subject={`group:${group.id}`} /> : null}
        <LimitsFields inputProps={form.getInputProps} isChoosy={form.values.is_choosy} />
        <FormFoot failure={failure} submit={group ? "Save" : "Add group"} isBusy={form.submitting} onCancel={onClose} />
      </Stack>
    </form>
  );
}
