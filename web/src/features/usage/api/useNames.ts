import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, dataOf, everyoneQuery, groupsQuery, myGroupsQuery, useUser } from "@/lib/api";
import { namesFrom } from "../model/breakdown";

/** Names of people, groups and the person's own keys. */
export function useNames(everyone: boolean) {
  const me = useUser();
  const { data: users } = useQuery({ ...everyoneQuery, enabled: everyone });
  const { data: allGroups } = useQuery({ ...groupsQuery, enabled: everyone });
  const { data: myGroups } = useQuery({ ...myGroupsQuery, enabled: !everyone });
  const { data: keys } = useQuery({
    queryKey: ["keys", "names"],
    queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/keys", { params: { query: { limit: 200 } }, signal })).items,
  });
  const groups = everyone ? allGroups : myGroups;
  return useMemo(() => namesFrom(users ?? [me], groups ?? [], keys ?? []), [users, me, groups, keys]);
}
