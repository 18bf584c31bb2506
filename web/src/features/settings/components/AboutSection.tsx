import { useSuspenseQuery } from "@tanstack/react-query";
import { authStateQuery } from "@/lib/api";
import { Logo } from "@/ui";
import { Panel } from "@/ui/Panel";

/** What this is, and what it does with what it is given. */
export function AboutSection() {
  const { version } = useSuspenseQuery(authStateQuery).data;
  return (
    <>
      <Panel title="About Alcove">
        <div className="flex items-center gap-4">
          <Logo size={44} />
          <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1 text-sm">
            <dt className="text-ink-faint">Version</dt>
            <dd className="tabular-nums">{version}</dd>
            <dt className="text-ink-faint">Licence</dt>
            <dd>Apache-2.0</dd>
            <dt className="text-ink-faint">Address</dt>
            <dd className="[overflow-wrap:anywhere]">{window.location.origin}</dd>
          </dl>
        </div>
      </Panel>
      <Panel title="Nothing leaves the machine">
        <div className="max-w-[65ch] space-y-3 text-sm leading-relaxed text-ink-soft">
          <p>
            Chats, documents, traces and keys are kept in one folder on the computer that runs Alcove. There is no telemetry, no
            update check and no font, script or picture from another host: with the network unplugged, everything local works as
            before.
          </p>
          <p>
            Only one thing goes out: when an administrator has set up a model server elsewhere and you choose one of its models, your
            question and the passages it needs are sent there. The model list says which models those are.
          </p>
        </div>
      </Panel>
    </>
  );
}
