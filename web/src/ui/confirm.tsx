import { modals } from "@mantine/modals";
import type { ReactNode } from "react";

type Question = { title: string; body?: ReactNode; confirmLabel: string; isDangerous?: boolean };

/** Asks before something that cannot be taken back. Resolves to true when the person goes on. */
export function confirm({ title, body, confirmLabel, isDangerous = false }: Question): Promise<boolean> {
  return new Promise((resolve) => {
    modals.openConfirmModal({
      title,
      children: body ? <div className="text-sm leading-relaxed text-ink-soft">{body}</div> : null,
      labels: { confirm: confirmLabel, cancel: "Cancel" },
      confirmProps: { ...(isDangerous ? { color: "red" } : {}), "data-autofocus": true },
      onConfirm: () => resolve(true),
      onCancel: () => resolve(false),
      onClose: () => resolve(false),
    });
  });
}
