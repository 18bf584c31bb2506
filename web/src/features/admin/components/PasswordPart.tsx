import { Button, Group } from "@mantine/core";
import type { GetInputPropsReturnType } from "@mantine/form";
import { FormFailure } from "@/ui/FormFailure";
import { PasswordField } from "./PasswordField";

type PasswordPartProps = {
  label: string;
  input: GetInputPropsReturnType;
  onGenerate: (password: string) => void;
  failure: string | null;
  submit: string;
  isBusy: boolean;
  onCancel: () => void;
};

/** The end of each form that sets somebody's password: the password, what went wrong, and the buttons. */
export function PasswordPart({ label, input, onGenerate, failure, submit, isBusy, onCancel }: PasswordPartProps) {
  return (
    <>
      <PasswordField label={label} input={input} onGenerate={onGenerate} />
      <FormFailure message={failure} />
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={onCancel}>
          Cancel
        </Button>
        <Button type="submit" loading={isBusy}>
          {submit}
        </Button>
      </Group>
    </>
  );
}
