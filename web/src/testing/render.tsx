import { MantineProvider } from "@mantine/core";
import { ModalsProvider } from "@mantine/modals";
import { Notifications } from "@mantine/notifications";
import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import {
  createMemoryHistory,
  createRootRoute,
  createRoute,
  createRouter,
  Outlet,
  RouterProvider,
} from "@tanstack/react-router";
import { render, type RenderResult } from "@testing-library/react";
import type { ReactNode } from "react";
import { createQueryClient } from "@/lib/api";
import { theme } from "@/ui";

type Options = {
  /** Address the page opens at. */
  path?: string;
  /** Pattern of the route that shows the element, e.g. "/c/$chatId". */
  route?: string;
  client?: QueryClient;
};

/** Shows an element inside everything the page puts around it; any other address shows its own path. */
export function renderPage(element: ReactNode, { path = "/", route = path, client = createQueryClient() }: Options = {}): RenderResult & {
  client: QueryClient;
} {
  client.setDefaultOptions({ queries: { ...client.getDefaultOptions().queries, retry: false } });
  const root = createRootRoute({ component: Outlet, notFoundComponent: () => <p>another page</p> });
  const page = createRoute({ getParentRoute: () => root, path: route, component: () => element });
  const router = createRouter({
    routeTree: root.addChildren([page]),
    history: createMemoryHistory({ initialEntries: [path] }),
  });
  const result = render(
    <MantineProvider theme={theme} env="test">
      <QueryClientProvider client={client}>
        <ModalsProvider>
          <Notifications />
          {/* the test router is not the registered one */}
          <RouterProvider router={router as never} />
        </ModalsProvider>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return { ...result, client };
}
