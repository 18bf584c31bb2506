import { Modal, Select, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import type { User } from "@/lib/api";
import { notifyDone } from "@/ui";
import { FormFoot } from "@/ui/FormFoot";
import { useSending } from "@/ui/useSending";
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
  const form = useForm<Pick<User, "name" | "role">>({
    initialValues: { name: user.name, role: user.role },
    validate: { name: (name) => (name.trim() ? null : "Enter a name.") },
  });
  const { submit, failure } = useSending(form, {
    fields: ["name", "role"],
    send: async ({ name, role }) => {
      const saved = await update.mutateAsync({ id: user.id, change: { name: name.trim(), ...(role === user.role ? {} : { role }) } });
      notifyDone(`Saved ${saved.name}.`);
      onClose();
    },
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
        <FormFoot failure={failure} submit="Save" isBusy={form.submitting} onCancel={onClose} />
      </Stack>
    </form>
  );
}
