import { Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { useUser } from "@/lib/api";
import { notifyDone } from "@/ui";
import { FormFailure } from "@/ui/FormFailure";
import { showProblem } from "@/ui/formProblem";
import { Panel } from "@/ui/Panel";
import { useChangePassword } from "../api/useChangePassword";
import { useUpdateProfile } from "../api/useUpdateProfile";

const LEAST_PASSWORD = 8;

/** Name, email and password. */
export function ProfileSection() {
  return (
    <>
      <ProfileForm />
      <PasswordForm />
    </>
  );
}

function ProfileForm() {
  const user = useUser();
  const update = useUpdateProfile();
  const [failure, setFailure] = useState<string | null>(null);
  const form = useForm({
    initialValues: { name: user.name },
    validate: { name: (name) => (name.trim() ? null : "Enter a name.") },
  });
  const submit = form.onSubmit(async ({ name }) => {
    setFailure(null);
    try {
      const saved = await update.mutateAsync({ name: name.trim() });
      form.setValues({ name: saved.name });
      form.resetDirty({ name: saved.name });
      notifyDone("Your name is saved.");
    } catch (error) {
      setFailure(showProblem(form, error, ["name"]));
    }
  });
  return (
    <Panel title="Profile" description="How you are named in Alcove.">
      <form onSubmit={submit} noValidate>
        <Stack gap="md" maw={420}>
          <TextInput label="Name" autoComplete="name" maxLength={120} {...form.getInputProps("name")} />
          <TextInput
            label="Email"
            description="You sign in with it. An administrator can make you a new account with another one."
            value={user.email}
            readOnly
            variant="filled"
          />
          <FormFailure message={failure} />
          <div>
            <Button type="submit" loading={update.isPending} disabled={!form.isDirty()}>
              Save
            </Button>
          </div>
        </Stack>
      </form>
    </Panel>
  );
}

function PasswordForm() {
  const change = useChangePassword();
  const user = useUser();
  const [failure, setFailure] = useState<string | null>(null);
  const form = useForm({
    initialValues: { current_password: "", new_password: "", repeated: "" },
    validate: {
      current_password: (value) => (value ? null : "Enter the password you have now."),
      new_password: (value, values) => {
        if (value.length < LEAST_PASSWORD) return `Use at least ${LEAST_PASSWORD} characters.`;
        return value === values.current_password ? "This is the password you have now." : null;
      },
      repeated: (value, values) => (value === values.new_password ? null : "This differs from the new password."),
    },
  });
  const submit = form.onSubmit(async ({ current_password, new_password }) => {
    setFailure(null);
    try {
      await change.mutateAsync({ current_password, new_password });
      form.reset();
      notifyDone("Your password is changed. Your other sessions have ended.");
    } catch (error) {
      setFailure(showProblem(form, error, ["current_password", "new_password"]));
    }
  });
  return (
    <Panel title="Password" description="Changing it signs you out everywhere else.">
      <form onSubmit={submit} noValidate>
        <input type="text" name="username" autoComplete="username" value={user.email} readOnly hidden />
        <Stack gap="md" maw={420}>
          <PasswordInput label="Current password" autoComplete="current-password" {...form.getInputProps("current_password")} />
          <PasswordInput
            label="New password"
            description="A few words in a row are easy to remember and hard to guess."
            autoComplete="new-password"
            {...form.getInputProps("new_password")}
          />
          <PasswordInput label="New password, again" autoComplete="new-password" {...form.getInputProps("repeated")} />
          <FormFailure message={failure} />
          <div>
            <Button type="submit" loading={change.isPending}>
              Change password
            </Button>
          </div>
        </Stack>
      </form>
    </Panel>
  );
}
