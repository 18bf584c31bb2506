import { Menu } from "@mantine/core";
import { Ellipsis, type LucideIcon } from "lucide-react";
import { IconButton } from "./IconButton";

export type MenuAction = {
  label: string;
  Icon: LucideIcon;
  isDangerous?: boolean;
  isDisabled?: boolean;
} & ({ run: () => void } | { href: string; download: string });

type ActionsMenuProps = { label: string; actions: readonly MenuAction[]; isBusy?: boolean; size?: "md" | "lg" };

/** The "more" button of a thing, and what can be done with it. */
export function ActionsMenu({ label, actions, isBusy = false, size = "md" }: ActionsMenuProps) {
  return (
    <Menu position="bottom-end" returnFocus withInitialFocusPlaceholder={false}>
      <Menu.Target>
        <IconButton label={label} size={size} tooltip={false} loading={isBusy}>
          <Ellipsis size={18} aria-hidden />
        </IconButton>
      </Menu.Target>
      <Menu.Dropdown>
        {actions.map((action) => (
          <ActionItem key={action.label} action={action} />
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

const FOCUS_RETURNS_MS = 40;

function ActionItem({ action }: { action: MenuAction }) {
  const { label, Icon, isDangerous = false, isDisabled = false } = action;
  const look = {
    leftSection: <Icon size={15} aria-hidden />,
    disabled: isDisabled,
    className: isDangerous ? "text-danger" : "",
  };
  if ("href" in action) {
    return (
      <Menu.Item component="a" href={action.href} download={action.download} {...look}>
        {label}
      </Menu.Item>
    );
  }
  return (
    // A dialog remembers who had the focus when it opened, to give it back. That must be the button of the menu, not the item
    // that is about to go, so the action waits until the closing menu has returned the focus.
    <Menu.Item onClick={() => window.setTimeout(action.run, FOCUS_RETURNS_MS)} {...look}>
      {label}
    </Menu.Item>
  );
}
