import { Select, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import type { UserCreate } from "@/lib/api";
import { useSending } from "@/ui/useSending";
import { useCreateUser } from "../api/useCreateUser";
import { passwordProblem, ROLES } from "../model/rules";
import { type HandedOver, HandOverDialog } from "./HandOverDialog";
import { PasswordPart } from "./PasswordPart";

/** Adds a user, then shows the password to hand over. */
export function NewUserDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <HandOverDialog opened={opened} onClose={onClose} title="Add user" doneTitle="The user can sign in">
      {(onDone) => <NewUserForm onClose={onClose} onDone={onDone} />}
    </HandOverDialog>
  );
}

function NewUserForm({ onClose, onDone }: { onClose: () => void; onDone: (made: HandedOver) => void }) {
  const create = useCreateUser();
  const form = useForm<UserCreate>({
    initialValues: { email: "", name: "", password: "", role: "user" },
    validate: {
      email: (email) => (/^\S+@\S+$/.test(email.trim()) ? null : "Enter an email address."),
      name: (name) => (name.trim() ? null : "Enter a name."),
      password: passwordProblem,
    },
  });
  const { submit, failure } = useSending(form, {
    fields: ["email", "name", "password", "role"],
    send: async (values) => {
      const { email } = await create.mutateAsync({ ...values, email: values.email.trim(), name: values.name.trim() });
      onDone({ email, password: values.password });
    },
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput label="Email" type="email" autoComplete="off" data-autofocus {...form.getInputProps("email")} />
        <TextInput label="Name" autoComplete="off" maxLength={120} {...form.getInputProps("name")} />
        <Select label="Role" data={ROLES.map((role) => ({ ...role }))} allowDeselect={false} {...form.getInputProps("role")} />
        <PasswordPart
          label="Password"
          input={form.getInputProps("password")}
          onGenerate={(password) => form.setFieldValue("password", password)}
          failure={failure}
          submit="Add user"
          isBusy={form.submitting}
          onCancel={onClose}
        />
      </Stack>
    </form>
  );
}
