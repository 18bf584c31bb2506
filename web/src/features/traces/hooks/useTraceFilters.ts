import { useUser } from "@/lib/api";
import { useSearchParams } from "@/ui/useSearchParams";
import type { TraceFilters } from "../model/filters";

const PARAMS = ["query", "model", "level", "session", "everyone", "live"] as const;

/** The filters of the list, kept in the address so that a view can be bookmarked and sent on. */
export function useTraceFilters() {
  const user = useUser();
  const [search, setSearch] = useSearchParams(PARAMS);
  const filters: TraceFilters = {
    query: search.query,
    model: search.model,
    level: search.level,
    session: search.session,
    everyone: search.everyone === "yes" && user.role === "admin",
  };
  const isFiltered = Boolean(filters.query || filters.model || filters.level || filters.session);
  return { filters, isFiltered, isLive: search.live === "yes", isAdmin: user.role === "admin", setSearch };
}
