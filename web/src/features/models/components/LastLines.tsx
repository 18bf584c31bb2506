import { MoreFields } from "@/ui/MoreFields";

/** The last lines a model's process wrote before it failed. */
export function LastLines({ lines }: { lines: readonly string[] }) {
  if (lines.length === 0) return null;
  return (
    <div className="mt-2">
      <MoreFields label="Last lines of its process" hint={`${lines.length}`}>
        {/* a scrolling box must be reachable by keyboard */}
        {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
        <pre className="max-h-60 overflow-auto font-mono text-xs leading-relaxed whitespace-pre-wrap [overflow-wrap:anywhere]" tabIndex={0}>
          {lines.join("\n")}
        </pre>
      </MoreFields>
    </div>
  );
}
