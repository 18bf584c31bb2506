import { Button, Group, Modal, Stack } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { SecretOnce } from "@/ui/SecretOnce";

export type HandedOver = { email: string; password: string };

type HandOverDialogProps = {
  opened: boolean;
  onClose: () => void;
  title: string;
  doneTitle: string;
  /** The form; it calls `onDone` when the password is set. */
  children: (onDone: (made: HandedOver) => void) => ReactNode;
};

/** A form that sets somebody's password, then the one moment in which that password can be copied. */
export function HandOverDialog({ opened, onClose, title, doneTitle, children }: HandOverDialogProps) {
  const [made, setMade] = useState<HandedOver | null>(null);
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={made ? doneTitle : title}
      closeOnClickOutside={made === null}
      onExitTransitionEnd={() => setMade(null)}
    >
      {made ? <HandOver made={made} onClose={onClose} /> : children(setMade)}
    </Modal>
  );
}

function HandOver({ made, onClose }: { made: HandedOver; onClose: () => void }) {
  return (
    <Stack gap="md">
      <p className="text-sm leading-relaxed text-ink-soft">
        Give this password to <span className="font-medium text-ink">{made.email}</span> over a safe way. It is not shown again.
      </p>
      <SecretOnce label="Password" secret={made.password} />
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Done
        </Button>
      </Group>
    </Stack>
  );
}
