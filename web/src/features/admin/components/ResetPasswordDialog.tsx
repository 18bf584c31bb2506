import { Button, Group, Modal, Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import type { User } from "@/lib/api";
import { FormFailure } from "@/ui/FormFailure";
import { showProblem } from "@/ui/formProblem";
import { useUpdateUser } from "../api/useUpdateUser";
import { generatePassword } from "../model/password";
import { passwordProblem } from "../model/rules";
import { HandOver } from "./NewUserDialog";
import { PasswordField } from "./PasswordField";

type ResetPasswordDialogProps = { user: User; opened: boolean; onClose: () => void };

/** Gives somebody a new password, and shows it once. */
export function ResetPasswordDialog({ user, opened, onClose }: ResetPasswordDialogProps) {
  const [password, setPassword] = useState<string | null>(null);
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={password ? "The password is changed" : `Reset the password of ${user.name}`}
      closeOnClickOutside={password === null}
      onExitTransitionEnd={() => setPassword(null)}
    >
      {password ? (
        <HandOver made={{ email: user.email, password }} onClose={onClose} />
      ) : (
        <ResetForm user={user} onClose={onClose} onDone={setPassword} />
      )}
    </Modal>
  );
}

function ResetForm({ user, onClose, onDone }: { user: User; onClose: () => void; onDone: (password: string) => void }) {
  const update = useUpdateUser();
  const [failure, setFailure] = useState<string | null>(null);
  const form = useForm({ initialValues: { password: generatePassword() }, validate: { password: passwordProblem } });
  const submit = form.onSubmit(async ({ password }) => {
    setFailure(null);
    try {
      await update.mutateAsync({ id: user.id, change: { password } });
      onDone(password);
    } catch (error) {
      setFailure(showProblem(form, error, ["password"]));
    }
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <p className="text-sm leading-relaxed text-ink-soft">They are signed out everywhere. Their keys go on working.</p>
        <PasswordField
          label="New password"
          input={form.getInputProps("password")}
          onGenerate={(password) => form.setFieldValue("password", password)}
        />
        <FormFailure message={failure} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={update.isPending}>
            Set password
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
