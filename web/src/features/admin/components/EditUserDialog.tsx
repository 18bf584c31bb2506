import { Button, Group, Modal, Select, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import type { User } from "@/lib/api";
import { notifyDone } from "@/ui";
import { FormFailure } from "@/ui/FormFailure";
import { showProblem } from "@/ui/formProblem";
import { useUpdateUser } from "../api/useUpdateUser";
import { ROLES } from "../model/rules";

type EditUserDialogProps = { user: User; isMe: boolean; opened: boolean; onClose: () => void };

/** Name and role of an account. */
export function EditUserDialog({ user, isMe, opened, onClose }: EditUserDialogProps) {
  return (
    <Modal opened={opened} onClose={onClose} title={`Edit ${user.name}`}>
      <EditUserForm user={user} isMe={isMe} onClose={onClose} />
    </Modal>
  );
}

function EditUserForm({ user, isMe, onClose }: Omit<EditUserDialogProps, "opened">) {
  const update = useUpdateUser();
  const [failure, setFailure] = useState<string | null>(null);
  const form = useForm<Pick<User, "name" | "role">>({
    initialValues: { name: user.name, role: user.role },
    validate: { name: (name) => (name.trim() ? null : "Enter a name.") },
  });
  const submit = form.onSubmit(async ({ name, role }) => {
    setFailure(null);
    try {
      const saved = await update.mutateAsync({ id: user.id, change: { name: name.trim(), ...(role === user.role ? {} : { role }) } });
      notifyDone(`Saved ${saved.name}.`);
      onClose();
    } catch (error) {
      setFailure(showProblem(form, error, ["name", "role"]));
    }
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput label="Name" data-autofocus maxLength={120} {...form.getInputProps("name")} />
        <Select
          label="Role"
          data={ROLES.map((role) => ({ ...role }))}
          allowDeselect={false}
          disabled={isMe}
          description={isMe ? "Another administrator can change your role." : "Administrators see this page and every trace."}
          {...form.getInputProps("role")}
        />
        <FormFailure message={failure} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={update.isPending}>
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
