import { Kbd } from "@mantine/core";
import { Fragment } from "react";
import { Panel } from "@/ui/Panel";

type Shortcut = { keys: readonly string[]; does: string };

const MOD = /mac|iphone|ipad/i.test(navigator.platform) ? "⌘" : "Ctrl";

const GROUPS: readonly { title: string; shortcuts: readonly Shortcut[] }[] = [
  {
    title: "Everywhere",
    shortcuts: [
      { keys: [MOD, "K"], does: "Search chats and go anywhere" },
      { keys: [MOD, "Shift", "O"], does: "New chat" },
      { keys: [MOD, "B"], does: "Show or hide the sidebar" },
      { keys: ["?"], does: "The shortcuts, over any page" },
      { keys: ["Esc"], does: "Close what is open" },
    ],
  },
  {
    title: "In a chat",
    shortcuts: [
      { keys: ["Enter"], does: "Send the message" },
      { keys: ["Shift", "Enter"], does: "New line" },
      { keys: ["#"], does: "Add a collection while writing" },
      { keys: ["Esc"], does: "Stop answering" },
    ],
  },
  {
    title: "On the timeline of a trace",
    shortcuts: [
      { keys: ["↑", "↓"], does: "Previous, next observation" },
      { keys: ["←", "→"], does: "Close, open what is inside" },
      { keys: ["Home", "End"], does: "First, last observation" },
    ],
  },
];

/** Every key that does something. */
export function ShortcutsSection() {
  return (
    <Panel title="Keyboard shortcuts" description="Everything on this page can also be reached with Tab and Enter.">
      <div className="space-y-5">
        {GROUPS.map(({ title, shortcuts }) => (
          <div key={title}>
            <h3 className="mb-1 text-sm font-semibold text-ink-soft">{title}</h3>
            <dl className="divide-y divide-line">
              {shortcuts.map(({ keys, does }) => (
                <div key={does} className="flex items-center justify-between gap-4 py-2 text-sm">
                  <dt>{does}</dt>
                  <dd className="flex shrink-0 items-center gap-1">
                    {keys.map((key) => (
                      <Fragment key={key}>
                        <Kbd>{key}</Kbd>
                      </Fragment>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </div>
        ))}
      </div>
    </Panel>
  );
}
