import { ErrorNotice, Loading } from "@/ui";
import { LimitStandings } from "@/ui/Limits";
import { useSubjectLimits } from "../api/useSubjectLimits";

/** How the limits of someone else, or of a group, stand now. */
export function SubjectStanding({ subject }: { subject: string }) {
  const query = useSubjectLimits(subject);
  if (query.isPending) return <Loading label="Loading how the limits stand" />;
  if (query.isError) {
    return <ErrorNotice error={query.error} title="How the limits stand could not be loaded" onRetry={() => void query.refetch()} />;
  }
  if (query.data.limits.length === 0) return null;
  return (
    <div className="rounded-lg border border-line bg-sunken px-3 py-3">
      <LimitStandings subject={{ ...query.data, models: null, guards: [] }} />
    </div>
  );
}
