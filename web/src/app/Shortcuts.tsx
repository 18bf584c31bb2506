import { Kbd } from "@mantine/core";
import { useHotkeys, useWindowEvent } from "@mantine/hooks";
import { modals } from "@mantine/modals";
import { useNavigate } from "@tanstack/react-router";
import { useShell } from "@/ui";

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
const MOD = isMac ? "⌘" : "Ctrl";

const SHORTCUTS: readonly { keys: readonly string[]; what: string }[] = [
  { keys: ["Enter"], what: "Send the message" },
  { keys: ["Shift", "Enter"], what: "New line" },
  { keys: ["#"], what: "Add a collection while writing" },
  { keys: ["Esc"], what: "Stop answering, close the source" },
  { keys: [MOD, "K"], what: "Search chats and go anywhere" },
  { keys: [MOD, "Shift", "O"], what: "New chat" },
  { keys: [MOD, "B"], what: "Show or hide the sidebar" },
  { keys: ["?"], what: "This list" },
];

/** Opens the list of keyboard shortcuts. */
export function openShortcuts(): void {
  modals.open({
    title: "Keyboard shortcuts",
    children: (
      <dl className="flex flex-col gap-2.5 text-sm">
        {SHORTCUTS.map(({ keys, what }) => (
          <div key={what} className="flex items-center justify-between gap-4">
            <dt className="text-ink-soft">{what}</dt>
            <dd className="flex shrink-0 gap-1">
              {keys.map((key) => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    ),
  });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** The shortcuts that work on every page. */
export function Shortcuts() {
  const navigate = useNavigate();
  const { toggleSidebar } = useShell();
  useHotkeys([["mod+shift+O", () => void navigate({ to: "/" })], ["mod+B", toggleSidebar]], []);
  useWindowEvent("keydown", (event) => {
    // The character, not the key: where "?" sits differs between keyboards.
    if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    event.preventDefault();
    openShortcuts();
  });
  return null;
}
