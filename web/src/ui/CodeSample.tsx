import { CopyButton } from "./CopyButton";

/** A short piece of code to take away. */
export function CodeSample({ code, label }: { code: string; label: string }) {
  return (
    <div className="relative rounded-lg border border-line bg-sunken">
      {/* a scrolling box must be reachable by keyboard */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} role="group" aria-label={label} className="overflow-x-auto rounded-lg p-3 pr-12 font-mono text-[0.8rem] leading-relaxed">
        {code}
      </pre>
      <div className="absolute top-1.5 right-1.5 rounded-md bg-sunken">
        <CopyButton value={code} label={`Copy: ${label}`} />
      </div>
    </div>
  );
}
