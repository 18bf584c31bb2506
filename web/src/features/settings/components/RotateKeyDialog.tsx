import { Button, Group, Modal, Select, Stack } from "@mantine/core";
import { useState } from "react";
import { type Key, messageOf } from "@/lib/api";
import { FormFailure } from "@/ui/FormFailure";
import { SecretOnce } from "@/ui/SecretOnce";
import { useRotateKey } from "../api/useRotateKey";
import { GRACES } from "../model/expiry";

type RotateKeyDialogProps = { apiKey: Key; opened: boolean; onClose: () => void };

/** Gives a key a new secret, then shows it, this once. */
export function RotateKeyDialog({ apiKey, opened, onClose }: RotateKeyDialogProps) {
  const [secret, setSecret] = useState<string | null>(null);
  const isDone = secret !== null;
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={isDone ? `The new secret of ${apiKey.name}` : `Rotate ${apiKey.name}?`}
      // Once the secret is shown, a slip of the mouse must not lose it.
      closeOnClickOutside={!isDone}
      closeOnEscape={!isDone}
      onExitTransitionEnd={() => setSecret(null)}
    >
      {isDone ? (
        <Stack gap="md">
          <p className="text-sm leading-relaxed text-ink-soft">Copy it now and give it to the program. It cannot be shown again.</p>
          <SecretOnce label="Secret key" secret={secret} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              I have copied it
            </Button>
          </Group>
        </Stack>
      ) : (
        <RotateForm apiKey={apiKey} onClose={onClose} onDone={setSecret} />
      )}
    </Modal>
  );
}

type RotateFormProps = { apiKey: Key; onClose: () => void; onDone: (secret: string) => void };

function RotateForm({ apiKey, onClose, onDone }: RotateFormProps) {
  const rotate = useRotateKey();
  const [grace, setGrace] = useState<string>("3600");
  const submit = () =>
    rotate.mutate({ id: apiKey.id, graceS: Number(grace) }, { onSuccess: ({ secret }) => onDone(secret) });
  return (
    <Stack gap="md">
      <p className="text-sm leading-relaxed text-ink-soft">
        The key gets a new secret and keeps its name, limits and usage. Programs with the old secret go on for as long as you say here.
      </p>
      <Select
        label="The old secret"
        data={GRACES.map((each) => ({ ...each }))}
        allowDeselect={false}
        value={grace}
        onChange={(value) => setGrace(value ?? "0")}
      />
      <FormFailure message={rotate.isError ? messageOf(rotate.error) : null} />
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button loading={rotate.isPending} onClick={submit}>
          Rotate key
        </Button>
      </Group>
    </Stack>
  );
}
