import { Badge, Loader } from "@mantine/core";
import type { RunningModel } from "@/lib/api";
import { STATES } from "../model/words";

/** What a model is doing, in one word. */
export function StateBadge({ state }: { state: RunningModel["state"] }) {
  const { label, color } = STATES[state];
  return (
    <Badge component="span" size="sm" color={color} leftSection={state === "loading" ? <Loader size={9} color={color} aria-hidden /> : null}>
      {label}
    </Badge>
  );
}
