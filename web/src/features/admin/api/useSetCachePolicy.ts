import type { CachePolicy } from "@/lib/api";
import type { CachePlace } from "../model/cachePolicy";
import { useUpdateDeployment } from "./useUpdateDeployment";
import { useUpdateModelGroup } from "./useUpdateModelGroup";

/** Gives a model group or a model server another cache policy; null for none. */
export function useSetCachePolicy(): (place: CachePlace, policy: CachePolicy | null) => Promise<void> {
  const updateGroup = useUpdateModelGroup();
  const updateServer = useUpdateDeployment();
  return async (place, policy) => {
    if (place.kind === "group") await updateGroup.mutateAsync({ id: place.group.id, change: { cache: policy } });
    // A server's options are replaced as a whole.
    if (place.kind === "server") {
      await updateServer.mutateAsync({ id: place.deployment.id, change: { options: { ...place.deployment.options, cache: policy } } });
    }
  };
}
