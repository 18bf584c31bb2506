import { Modal, Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import type { ReactNode } from "react";
import type { Limits, LimitsBody } from "@/lib/api";
import { FormFoot } from "../FormFoot";
import { useSending } from "../useSending";
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
  const form = useForm<LimitsValues>({ initialValues: limitsValuesOf(limits), validate: LIMIT_RULES });
  const { submit, failure } = useSending(form, {
    fields: LIMIT_FIELDS,
    send: async (values) => {
      await onSubmit(limitsBodyOf(values));
      onClose();
    },
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {above}
        <LimitsFields inputProps={form.getInputProps} isChoosy={form.values.is_choosy} />
        <FormFoot failure={failure} submit="Save" isBusy={form.submitting} onCancel={onClose} />
      </Stack>
    </form>
  );
}
