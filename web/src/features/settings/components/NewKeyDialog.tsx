import { Button, Group, Modal, Select, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { FormFoot } from "@/ui/FormFoot";
import { LIMIT_FIELDS, LIMIT_RULES } from "@/ui/Limits";
import { MoreFields } from "@/ui/MoreFields";
import { SecretOnce } from "@/ui/SecretOnce";
import { useSending } from "@/ui/useSending";
import { useCreateKey } from "../api/useCreateKey";
import { expiryOf, LIFETIMES } from "../model/expiry";
import { type KeyTerms, keyTermsBodyOf, keyTermsOf } from "../model/keyTerms";
import { Examples } from "./Examples";
import { KeyTermsFields } from "./KeyTermsFields";

type NewKeyDialogProps = { opened: boolean; model: string; onClose: () => void };

/** Makes a key, then shows its secret, this once. */
export function NewKeyDialog({ opened, model, onClose }: NewKeyDialogProps) {
  const [secret, setSecret] = useState<string | null>(null);
  const isDone = secret !== null;
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={isDone ? "Your new key" : "New key"}
      size="lg"
      // Once the secret is shown, a slip of the mouse must not lose it.
      closeOnClickOutside={!isDone}
      closeOnEscape={!isDone}
      onExitTransitionEnd={() => setSecret(null)}
    >
      {isDone ? (
        <Stack gap="md">
          <p className="text-sm leading-relaxed text-ink-soft">
            Copy it now. Alcove keeps only a fingerprint of it, so it cannot be shown again.
          </p>
          <SecretOnce label="Secret key" secret={secret} />
          <Examples origin={window.location.origin} secret={secret} model={model} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              I have copied it
            </Button>
          </Group>
        </Stack>
      ) : (
        <NewKeyForm onClose={onClose} onMade={setSecret} />
      )}
    </Modal>
  );
}

function NewKeyForm({ onClose, onMade }: { onClose: () => void; onMade: (secret: string) => void }) {
  const create = useCreateKey();
  const form = useForm<KeyTerms & { name: string; days: string }>({
    initialValues: { ...keyTermsOf(), name: "", days: "90" },
    validate: { ...LIMIT_RULES, name: (name) => (name.trim() ? null : "Say what the key is for.") },
  });
  const hasHiddenError = Object.keys(form.errors).some((field) => field !== "name");
  const { submit, failure } = useSending(form, {
    fields: ["name", "scopes", "allowed_ips", "group_id", ...LIMIT_FIELDS],
    send: async ({ name, days, ...terms }) => {
      const { secret } = await create.mutateAsync({ name: name.trim(), expires_at: expiryOf(days), ...keyTermsBodyOf(terms) });
      onMade(secret);
    },
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput
          label="Name"
          description="The program or machine that will use it."
          placeholder="Notebook on my laptop"
          data-autofocus
          maxLength={120}
          {...form.getInputProps("name")}
        />
        <Select label="Lasts" data={LIFETIMES.map((lifetime) => ({ ...lifetime }))} allowDeselect={false} {...form.getInputProps("days")} />
        <MoreFields label="Limits" hint="models, budget, addresses, group" mustShow={hasHiddenError}>
          <KeyTermsFields inputProps={form.getInputProps} isChoosy={form.values.is_choosy} />
        </MoreFields>
        <FormFoot failure={failure} submit="Make key" isBusy={form.submitting} onCancel={onClose} />
      </Stack>
    </form>
  );
}
