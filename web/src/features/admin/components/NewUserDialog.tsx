import { Button, Group, Modal, Select, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import type { UserCreate } from "@/lib/api";
import { FormFailure } from "@/ui/FormFailure";
import { showProblem } from "@/ui/formProblem";
import { SecretOnce } from "@/ui/SecretOnce";
import { useCreateUser } from "../api/useCreateUser";
import { passwordProblem, ROLES } from "../model/rules";
import { PasswordField } from "./PasswordField";

type Made = { email: string; password: string };

/** Adds a user, then shows the password to hand over. */
export function NewUserDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [made, setMade] = useState<Made | null>(null);
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={made ? "The user can sign in" : "Add user"}
      closeOnClickOutside={made === null}
      onExitTransitionEnd={() => setMade(null)}
    >
      {made ? <HandOver made={made} onClose={onClose} /> : <NewUserForm onClose={onClose} onMade={setMade} />}
    </Modal>
  );
}

/** The one moment in which the password can be copied. */
export function HandOver({ made, onClose }: { made: Made; onClose: () => void }) {
  return (
    <Stack gap="md">
      <p className="text-sm leading-relaxed text-ink-soft">
        Give this password to <span className="font-medium text-ink">{made.email}</span> over a safe way. It is not shown again.
      </p>
      <SecretOnce label="Password" secret={made.password} />
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Done
        </Button>
      </Group>
    </Stack>
  );
}

function NewUserForm({ onClose, onMade }: { onClose: () => void; onMade: (made: Made) => void }) {
  const create = useCreateUser();
  const [failure, setFailure] = useState<string | null>(null);
  const form = useForm<UserCreate>({
    initialValues: { email: "", name: "", password: "", role: "user" },
    validate: {
      email: (email) => (/^\S+@\S+$/.test(email.trim()) ? null : "Enter an email address."),
      name: (name) => (name.trim() ? null : "Enter a name."),
      password: passwordProblem,
    },
  });
  const submit = form.onSubmit(async (values) => {
    setFailure(null);
    try {
      const { email } = await create.mutateAsync({ ...values, email: values.email.trim(), name: values.name.trim() });
      onMade({ email, password: values.password });
    } catch (error) {
      setFailure(showProblem(form, error, ["email", "name", "password", "role"]));
    }
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput label="Email" type="email" autoComplete="off" data-autofocus {...form.getInputProps("email")} />
        <TextInput label="Name" autoComplete="off" maxLength={120} {...form.getInputProps("name")} />
        <Select label="Role" data={ROLES.map((role) => ({ ...role }))} allowDeselect={false} {...form.getInputProps("role")} />
        <PasswordField
          label="Password"
          input={form.getInputProps("password")}
          onGenerate={(password) => form.setFieldValue("password", password)}
        />
        <FormFailure message={failure} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending}>
            Add user
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
