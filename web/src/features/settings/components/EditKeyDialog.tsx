import { Modal, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import type { Key } from "@/lib/api";
import { notifyDone } from "@/ui";
import { FormFoot } from "@/ui/FormFoot";
import { LIMIT_FIELDS, LIMIT_RULES } from "@/ui/Limits";
import { useSending } from "@/ui/useSending";
import { useUpdateKey } from "../api/useUpdateKey";
import { dayOf, endOfDay } from "../model/expiry";
import { type KeyTerms, keyTermsBodyOf, keyTermsOf } from "../model/keyTerms";
import { KeyTermsFields } from "./KeyTermsFields";

type EditKeyDialogProps = { apiKey: Key; opened: boolean; onClose: () => void };

/** Name, end and limits of a key; its secret stays. */
export function EditKeyDialog({ apiKey, opened, onClose }: EditKeyDialogProps) {
  return (
    <Modal opened={opened} onClose={onClose} title={`Edit ${apiKey.name}`} size="lg">
      <EditKeyForm apiKey={apiKey} onClose={onClose} />
    </Modal>
  );
}

function EditKeyForm({ apiKey, onClose }: Omit<EditKeyDialogProps, "opened">) {
  const update = useUpdateKey();
  const form = useForm<KeyTerms & { name: string; expires_at: string }>({
    initialValues: { ...keyTermsOf(apiKey), name: apiKey.name, expires_at: dayOf(apiKey.expires_at) },
    validate: { ...LIMIT_RULES, name: (name) => (name.trim() ? null : "Say what the key is for.") },
  });
  const { submit, failure } = useSending(form, {
    fields: ["name", "expires_at", "scopes", "allowed_ips", "group_id", ...LIMIT_FIELDS],
    send: async ({ name, expires_at: lastDay, ...terms }) => {
      await update.mutateAsync({
        id: apiKey.id,
        change: {
          name: name.trim(),
          // An untouched end is left as it is, to the second.
          ...(lastDay === dayOf(apiKey.expires_at) ? {} : { expires_at: endOfDay(lastDay) }),
          ...keyTermsBodyOf(terms),
        },
      });
      notifyDone(`Saved “${name.trim()}”.`);
      onClose();
    },
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput label="Name" data-autofocus maxLength={120} {...form.getInputProps("name")} />
        <TextInput type="date" label="Last day" description="Empty: it does not expire." maw={220} {...form.getInputProps("expires_at")} />
        <KeyTermsFields inputProps={form.getInputProps} isChoosy={form.values.is_choosy} />
        <FormFoot failure={failure} submit="Save" isBusy={form.submitting} onCancel={onClose} />
      </Stack>
    </form>
  );
}
