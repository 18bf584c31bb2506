import { Badge, Menu } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Ban, Ellipsis, KeyRound, Pencil, Trash2, UserCheck } from "lucide-react";
import type { User, UserUpdate } from "@/lib/api";
import { confirm, IconButton, notifyDone, notifyError, RelativeTime } from "@/ui";
import { useDeleteUser } from "../api/useDeleteUser";
import { useUpdateUser } from "../api/useUpdateUser";
import { EditUserDialog } from "./EditUserDialog";
import { ResetPasswordDialog } from "./ResetPasswordDialog";

/** One account, and what can be done with it. Nobody can shut themselves out from here. */
export function UserRow({ user, isMe }: { user: User; isMe: boolean }) {
  const [isEditing, editing] = useDisclosure(false);
  const [isResetting, resetting] = useDisclosure(false);
  const update = useUpdateUser();
  const remove = useDeleteUser();

  const change = (part: UserUpdate, done: string) =>
    update.mutate(
      { id: user.id, change: part },
      { onSuccess: () => notifyDone(done), onError: (error) => notifyError(`${user.name} was not changed`, error) },
    );
  const askToDisable = async () => {
    const isSure = await confirm({
      title: `Disable ${user.name}?`,
      body: "They are signed out everywhere and their keys stop working. Everything they made is kept, and you can enable them again.",
      confirmLabel: "Disable",
      isDangerous: true,
    });
    if (isSure) change({ disabled: true }, `${user.name} is disabled.`);
  };
  const askToDelete = async () => {
    const isSure = await confirm({
      title: `Delete ${user.name}?`,
      body: "Their account, chats, collections with all documents, and keys are deleted. This cannot be undone. To only shut them out, disable them.",
      confirmLabel: "Delete user",
      isDangerous: true,
    });
    if (!isSure) return;
    remove.mutate(user.id, {
      onSuccess: () => notifyDone(`Deleted ${user.name}.`),
      onError: (error) => notifyError(`${user.name} was not deleted`, error),
    });
  };

  return (
    <li className="flex items-center gap-3 border-t border-line px-4 py-3 first:border-t-0 sm:px-5">
      <span
        className="grid size-9 shrink-0 place-items-center rounded-full bg-accent-soft text-sm font-semibold text-accent-ink uppercase"
        aria-hidden
      >
        {user.name.slice(0, 1) || "?"}
      </span>
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm font-medium">
          <span className={`[overflow-wrap:anywhere] ${user.disabled ? "text-ink-faint" : ""}`}>
            {user.name}
            {isMe ? <span className="font-normal text-ink-faint"> (you)</span> : null}
          </span>
          {user.role === "admin" ? <Badge size="sm">Administrator</Badge> : null}
          {user.disabled ? (
            <Badge size="sm" color="gray">
              Disabled
            </Badge>
          ) : null}
        </p>
        <p className="mt-0.5 text-xs text-ink-faint [overflow-wrap:anywhere]">
          {user.email} ·{" "}
          {user.last_seen_at ? (
            <>
              last seen <RelativeTime at={user.last_seen_at} />
            </>
          ) : (
            "never signed in"
          )}
        </p>
      </div>
      <Menu position="bottom-end" returnFocus>
        <Menu.Target>
          <IconButton label={`Actions for ${user.name}`} tooltip={false} loading={update.isPending || remove.isPending}>
            <Ellipsis size={18} aria-hidden />
          </IconButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<Pencil size={15} aria-hidden />} onClick={editing.open}>
            Name and role
          </Menu.Item>
          <Menu.Item leftSection={<KeyRound size={15} aria-hidden />} disabled={isMe} onClick={resetting.open}>
            Reset password
          </Menu.Item>
          {user.disabled ? (
            <Menu.Item leftSection={<UserCheck size={15} aria-hidden />} onClick={() => change({ disabled: false }, `${user.name} can sign in again.`)}>
              Enable
            </Menu.Item>
          ) : (
            <Menu.Item leftSection={<Ban size={15} aria-hidden />} disabled={isMe} onClick={() => void askToDisable()}>
              Disable
            </Menu.Item>
          )}
          <Menu.Item color="red" leftSection={<Trash2 size={15} aria-hidden />} disabled={isMe} onClick={() => void askToDelete()}>
            Delete
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <EditUserDialog user={user} isMe={isMe} opened={isEditing} onClose={editing.close} />
      <ResetPasswordDialog user={user} opened={isResetting} onClose={resetting.close} />
    </li>
  );
}
