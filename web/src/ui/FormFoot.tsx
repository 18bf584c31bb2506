import { Button, Group } from "@mantine/core";
import { FormFailure } from "./FormFailure";

type FormFootProps = { failure: string | null; submit: string; isBusy: boolean; onCancel: () => void };

/** The end of a form in a dialog: what went wrong, and the buttons. */
export function FormFoot({ failure, submit, isBusy, onCancel }: FormFootProps) {
  return (
    <>
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
