import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { confirm } from "@/ui";
import { UNDO_MS } from "../deletions";

export function askForDeletion(title: string): Promise<boolean> {
  return confirm({
    title: "Delete this chat?",
    body: (
      <>
        <strong className="text-ink">{title}</strong> is deleted with its files, answers and traces.
      </>
    ),
    confirmLabel: "Delete chat",
    isDangerous: true,
  });
}

/** Says that a chat is gone, and offers it back for a few seconds. */
export function tellDeleted(title: string, onUndo: () => void): void {
  const id = notifications.show({
    withBorder: true,
    autoClose: UNDO_MS,
    message: (
      <span className="flex items-center justify-between gap-3">
        <span className="truncate">Deleted “{title}”</span>
        <Button
          size="compact-sm"
          variant="light"
          onClick={() => {
            onUndo();
            notifications.hide(id);
          }}
        >
          Undo
        </Button>
      </span>
    ),
  });
}
