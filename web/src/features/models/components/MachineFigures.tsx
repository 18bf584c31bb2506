import type { LocalMachine } from "@/lib/api";
import { formatBytes, plural } from "@/lib/format";
import { type Figure, Figures, shareText } from "@/ui/Figures";
import type { Running } from "../model/running";

type MachineFiguresProps = { machine: LocalMachine; count: number; memory: Running["memory"] };

/** What this machine has for models. */
export function MachineFigures({ machine, count, memory }: MachineFiguresProps) {
  const { memory_budget_bytes: budget, disk_free_bytes: free, disk_total_bytes: disk, models_bytes: size } = machine;
  const taken = memory?.taken_bytes ?? null;
  const figures: Figure[] = [
    { name: "Installed", value: plural(count, "model"), note: count === 0 ? "none yet" : `${formatBytes(size)} on disk` },
    {
      name: "Memory for models",
      value: formatBytes(budget),
      note: taken === null || budget === 0 ? "" : taken === 0 ? "none of it taken" : `${shareText(taken, budget)} taken`,
    },
    {
      name: "Free on disk",
      value: formatBytes(free),
      note: `of ${formatBytes(disk)}`,
      isBad: disk > 0 && free / disk < 0.03,
    },
  ];
  return <Figures label="This machine" figures={figures} className="sm:grid-cols-3 [&>*:last-child]:col-span-2 sm:[&>*:last-child]:col-span-1" />;
}
