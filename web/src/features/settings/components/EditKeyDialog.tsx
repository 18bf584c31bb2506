import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import type { Key } from "@/lib/api";
import { notifyDone } from "@/ui";
import { FormFailure } from "@/ui/FormFailure";
import { showProblem } from "@/ui/formProblem";
import { LIMIT_FIELDS, LIMIT_RULES } from "@/ui/Limits";
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
  const [failure, setFailure] = useState<string | null>(null);
  const form = useForm<KeyTerms & { name: string; expires_at: string }>({
    initialValues: { ...keyTermsOf(apiKey), name: apiKey.name, expires_at: dayOf(apiKey.expires_at) },
    validate: { ...LIMIT_RULES, name: (name) => (name.trim() ? null : "Say what the key is for.") },
  });
  const submit = form.onSubmit(async ({ name, expires_at: lastDay, ...terms }) => {
    setFailure(null);
    try {
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
    } catch (error) {
      setFailure(showProblem(form, error, ["name", "expires_at", "scopes", "allowed_ips", "group_id", ...LIMIT_FIELDS]));
    }
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput label="Name" data-autofocus maxLength={120} {...form.getInputProps("name")} />
        <TextInput type="date" label="Last day" description="Empty: it does not expire." maw={220} {...form.getInputProps("expires_at")} />
        <KeyTermsFields inputProps={form.getInputProps} isChoosy={form.values.is_choosy} />
        <FormFailure message={failure} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={update.isPending}>
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
