import { useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { type AuthState, authStateQuery, setCsrfToken, type SignedIn } from "@/lib/api";

/** Takes a fresh session in and goes on to the page that was wanted. */
export function useEnter() {
  const queryClient = useQueryClient();
  const router = useRouter();
  return async ({ user, csrf_token }: SignedIn, next: string): Promise<void> => {
    setCsrfToken(csrf_token);
    queryClient.setQueryData(authStateQuery.queryKey, (state: AuthState | undefined) => ({
      version: state?.version ?? "",
      setup_required: false,
      user,
      csrf_token,
    }));
    await router.navigate({ href: next, replace: true });
  };
}
