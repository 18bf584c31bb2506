import { useQuery } from "@tanstack/react-query";
import { myLimitsQuery, type SubjectLimits } from "@/lib/api";
import { ErrorNotice } from "../ErrorNotice";
import { Loading } from "../Loading";
import { Panel } from "../Panel";
import { LimitStandings } from "./LimitStandings";

const EVERY_MS = 15_000;
const KINDS: Record<string, string> = { key: "This key", user: "Your account", group: "Group" };

/** What binds the person who looks, and how much of it is left. */
export function MyLimits() {
  const query = useQuery({ ...myLimitsQuery, refetchInterval: EVERY_MS });
  return (
    <Panel title="My limits" description="What you may use of the models. Everything listed here holds at once, for chats and for your keys.">
      {query.isPending ? <Loading label="Loading your limits" /> : null}
      {query.isError ? <ErrorNotice error={query.error} title="Your limits could not be loaded" onRetry={() => void query.refetch()} /> : null}
      {query.data?.items.length === 0 ? <p className="text-sm text-ink-soft">Nothing limits you.</p> : null}
      <div className="space-y-5">
        {query.data?.items.map((subject) => (
          <section key={subject.subject} aria-label={titleOf(subject)}>
            <h3 className="mb-2.5 text-sm font-semibold text-ink-soft">{titleOf(subject)}</h3>
            <LimitStandings subject={subject} />
          </section>
        ))}
      </div>
    </Panel>
  );
}

function titleOf({ subject, name }: SubjectLimits): string {
  const kind = subject.split(":")[0] ?? "";
  const said = KINDS[kind] ?? kind;
  return kind === "group" && name ? `${said} ${name}` : said;
}
