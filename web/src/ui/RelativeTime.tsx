import { useInterval } from "@mantine/hooks";
import { useState } from "react";
import { absoluteTime, relativeTime } from "@/lib/time";

/** "5 minutes ago", kept current, with the exact time on hover. */
export function RelativeTime({ at }: { at: string }) {
  const [now, setNow] = useState(() => Date.now());
  useInterval(() => setNow(Date.now()), 30_000, { autoInvoke: true });
  return (
    <time dateTime={at} title={absoluteTime(at)}>
      {relativeTime(at, now)}
    </time>
  );
}
