import { useQuery } from "@tanstack/react-query";
import { everyoneQuery, groupsQuery } from "@/lib/api";
import { type GuardUses, guardUsesOf } from "../model/guardUses";
import { useDeployments } from "./useDeployments";
import { useModelGroups } from "./useModelGroups";

/** Where guardrails are on; undefined while any of the lists is not there. */
export function useGuardUses(): { uses: GuardUses | undefined; error: unknown } {
  const deployments = useDeployments();
  const modelGroups = useModelGroups();
  const groups = useQuery(groupsQuery);
  const people = useQuery(everyoneQuery);
  const isThere = deployments.data && modelGroups.data && groups.data && people.data;
  return {
    uses: isThere
      ? guardUsesOf({
          deployments: deployments.data.pages.flatMap((page) => page.items),
          modelGroups: modelGroups.data,
          groups: groups.data,
          people: people.data,
        })
      : undefined,
    error: deployments.error ?? modelGroups.error ?? groups.error ?? people.error,
  };
}
