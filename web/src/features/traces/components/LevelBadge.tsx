import { CircleAlert, TriangleAlert } from "lucide-react";
import type { TraceSummary } from "@/lib/api";

/** Says when something went wrong; says nothing when all is well. */
export function LevelBadge({ level }: { level: TraceSummary["level"] }) {
  if (level === "default") return null;
  const isError = level === "error";
  const Icon = isError ? CircleAlert : TriangleAlert;
  return (
    <span
      className={`inline-flex shrink-0 items-center gap-1 rounded px-1.5 py-0.5 text-xs font-medium ${
        isError ? "bg-danger-soft text-danger" : "bg-warn-soft text-warn"
      }`}
    >
      <Icon size={13} aria-hidden />
      {isError ? "Error" : "Warning"}
    </span>
  );
}
