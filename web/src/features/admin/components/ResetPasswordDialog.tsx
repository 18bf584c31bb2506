import { Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import type { User } from "@/lib/api";
import { useSending } from "@/ui/useSending";
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
  const form = useForm({ initialValues: { password: generatePassword() }, validate: { password: passwordProblem } });
  const { submit, failure } = useSending(form, {
    fields: ["password"],
    send: async ({ password }) => {
      await update.mutateAsync({ id: user.id, change: { password } });
      onDone({ email: user.email, password });
    },
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
          isBusy={form.submitting}
          onCancel={onClose}
        />
      </Stack>
    </form>
  );
}
