import { MantineProvider } from "@mantine/core";
import { ModalsProvider } from "@mantine/modals";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useState } from "react";
import { authStateQuery, createQueryClient, setSignedOutHandler } from "@/lib/api";
import { cssVariablesResolver, theme } from "@/ui";
import { createAppRouter } from "./router";

/** Everything the page is made of, put together once. */
export function App() {
  const [{ queryClient, router }] = useState(compose);
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" cssVariablesResolver={cssVariablesResolver}>
      <QueryClientProvider client={queryClient}>
        <ModalsProvider>
          <Notifications position="bottom-right" limit={4} />
          <RouterProvider router={router} />
        </ModalsProvider>
      </QueryClientProvider>
    </MantineProvider>
  );
}

function compose() {
  const queryClient = createQueryClient();
  const router = createAppRouter(queryClient);
  setSignedOutHandler(() => {
    const state = queryClient.getQueryData(authStateQuery.queryKey);
    if (!state?.user) return;
    queryClient.setQueryData(authStateQuery.queryKey, { ...state, user: null });
    void router.invalidate();
  });
  return { queryClient, router };
}
