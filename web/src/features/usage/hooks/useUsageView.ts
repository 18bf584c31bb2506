import { useInterval } from "@mantine/hooks";
import { useMemo, useState } from "react";
import { useUser } from "@/lib/api";
import { useSearchParams } from "@/ui/useSearchParams";
import { breakdownOf } from "../model/breakdown";
import { periodName, periodOf } from "../model/period";
import type { Scope } from "../model/scope";

const PARAMS = ["period", "from", "to", "everyone", "by", "model"] as const;

/** What is looked at, kept in the address so that a view can be bookmarked and sent on. */
export function useUsageView() {
  const user = useUser();
  const [search, setSearch] = useSearchParams(PARAMS);
  const [now, setNow] = useState(() => Date.now());
  // The span moves on when the hour does.
  useInterval(() => setNow(Date.now()), 60_000, { autoInvoke: true });
  const isAdmin = user.role === "admin";
  const everyone = isAdmin && search.everyone === "yes";
  const name = periodName(search.period);
  const { since, until, interval } = periodOf(name, search.from, search.to, now);
  const period = useMemo(() => ({ since, until, interval }), [since, until, interval]);
  const scope: Scope = { since, until, everyone, model: search.model };
  return { isAdmin, everyone, periodName: name, period, scope, by: breakdownOf(search.by), setSearch };
}
