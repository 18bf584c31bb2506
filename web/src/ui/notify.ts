import { notifications } from "@mantine/notifications";
import { messageOf } from "@/lib/api";

/** A short word that something was done. */
export function notifyDone(message: string): void {
  notifications.show({ message, color: "pine", autoClose: 4000, withBorder: true });
}

/** A failure that has no place of its own on the page. */
export function notifyError(title: string, error: unknown): void {
  notifications.show({ title, message: messageOf(error), color: "red", autoClose: 9000, withBorder: true });
}
