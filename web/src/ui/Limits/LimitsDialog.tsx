import { Button, Group, Modal, Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import { type ReactNode, useState } from "react";
import type { Limits, LimitsBody } from "@/lib/api";
import { FormFailure } from "../FormFailure";
import { showProblem } from "../formProblem";
import { LimitsFields } from "./LimitsFields";
import { LIMIT_FIELDS, LIMIT_RULES, limitsBodyOf, type LimitsValues, limitsValuesOf } from "./values";

type LimitsFormProps = {
  limits: Limits | null;
  onSubmit: (limits: LimitsBody | null) => Promise<void>;
  onClose: () => void;
  /** Shown above the fields: how the limits stand. */
  above?: ReactNode;
};

/** Sets the limits of one key, person or group. */
export function LimitsDialog({ opened, title, ...form }: LimitsFormProps & { opened: boolean; title: string }) {
  return (
    <Modal opened={opened} onClose={form.onClose} title={title} size="lg">
      <LimitsForm {...form} />
    </Modal>
  );
}

function LimitsForm({ limits, onSubmit, onClose, above }: LimitsFormProps) {
  const [failure, setFailure] = useState<string | null>(null);
  const form = useForm<LimitsValues>({ initialValues: limitsValuesOf(limits), validate: LIMIT_RULES });
  const submit = form.onSubmit(async (values) => {
    setFailure(null);
    form.setSubmitting(true);
    try {
      await onSubmit(limitsBodyOf(values));
      onClose();
    } catch (error) {
      setFailure(showProblem(form, error, LIMIT_FIELDS));
    } finally {
      form.setSubmitting(false);
    }
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {above}
        <LimitsFields inputProps={form.getInputProps} isChoosy={form.values.is_choosy} />
        <FormFailure message={failure} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={form.submitting}>
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
