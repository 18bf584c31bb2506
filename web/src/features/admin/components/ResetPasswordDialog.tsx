import { Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import type { User } from "@/lib/api";
import { showProblem } from "@/ui/formProblem";
import { useUpdateUser } from "../api/useUpdateUser";
import { generatePassword } from "../model/password";
import { passwordProblem } from "../model/rules";
import { type HandedOver, HandOverDialog } from "./HandOverDialog";
import { PasswordPart } from "./PasswordPart";

type ResetPasswordDialogProps = { user: User; opened: boolean; onClose: () => void };

/** Gives somebody a new password, and shows it once. */
export function ResetPasswordDialog({ user, opened, onClose }: ResetPasswordDialogProps) {
  return (
    <HandOverDialog opened={opened} onClose={onClose} title={`Reset the password of ${user.name}`} doneTitle="The password is changed">
      {(onDone) => <ResetForm user={user} onClose={onClose} onDone={onDone} />}
    </HandOverDialog>
  );
}

function ResetForm({ user, onClose, onDone }: { user: User; onClose: () => void; onDone: (made: HandedOver) => void }) {
  const update = useUpdateUser();
  const [failure, setFailure] = useState<string | null>(null);
  const form = useForm({ initialValues: { password: generatePassword() }, validate: { password: passwordProblem } });
  const submit = form.onSubmit(async ({ password }) => {
    setFailure(null);
    try {
      await update.mutateAsync({ id: user.id, change: { password } });
      onDone({ email: user.email, password });
    } catch (error) {
      setFailure(showProblem(form, error, ["password"]));
    }
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <p className="text-sm leading-relaxed text-ink-soft">They are signed out everywhere. Their keys go on working.</p>
        <PasswordPart
          label="New password"
          input={form.getInputProps("password")}
          onGenerate={(password) => form.setFieldValue("password", password)}
          failure={failure}
          submit="Set password"
          isBusy={update.isPending}
          onCancel={onClose}
        />
      </Stack>
    </form>
  );
}
