import type { GetInputPropsReturnType } from "@mantine/form";
import { FormFoot } from "@/ui/FormFoot";
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
      <FormFoot failure={failure} submit={submit} isBusy={isBusy} onCancel={onCancel} />
    </>
  );
}
