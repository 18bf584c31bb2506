import { queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import { api, dataOf } from "./client";
import { setCsrfToken } from "./session";
import type { User } from "./types";

/** Who is signed in, and whether the first administrator must still be made. */
export const authStateQuery = queryOptions({
  queryKey: ["auth", "state"],
  queryFn: async () => {
    const state = dataOf(await api.GET("/api/v1/auth/state"));
    setCsrfToken(state.csrf_token);
    return state;
  },
  staleTime: 5 * 60_000,
});

/** The person who is signed in. Only for pages behind the sign-in. */
export function useUser(): User {
  const { user } = useSuspenseQuery(authStateQuery).data;
  if (user === null) throw new Error("useUser needs a signed-in page");
  return user;
}
