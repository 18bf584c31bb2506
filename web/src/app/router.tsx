import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { authStateQuery } from "@/lib/api";
import { Loading } from "@/ui";
import { FailurePage, NotFoundPage } from "./FailurePage";

type RouterContext = { queryClient: QueryClient };

const root = createRootRouteWithContext<RouterContext>()({ component: Outlet });

/** Every page behind the sign-in. A fresh installation is led to the setup page first. */
const signedIn = createRoute({
  getParentRoute: () => root,
  id: "signed-in",
  component: lazyRouteComponent(() => import("./Layout"), "Layout"),
  beforeLoad: async ({ context, location }) => {
    const state = await context.queryClient.ensureQueryData(authStateQuery);
    if (state.setup_required) throw redirect({ to: "/setup", replace: true });
    if (state.user === null) {
      const next = location.href === "/" ? {} : { next: location.href };
      throw redirect({ to: "/login", search: next, replace: true });
    }
    return { user: state.user };
  },
});

const newChat = createRoute({
  getParentRoute: () => signedIn,
  path: "/",
  validateSearch: (search: Record<string, unknown>): { collection?: string } =>
    typeof search["collection"] === "string" ? { collection: search["collection"] } : {},
  component: lazyRouteComponent(() => import("@/features/chat"), "NewChatPage"),
});
const chat = createRoute({
  getParentRoute: () => signedIn,
  path: "/c/$chatId",
  component: lazyRouteComponent(() => import("@/features/chat"), "ChatPage"),
});
const knowledge = createRoute({
  getParentRoute: () => signedIn,
  path: "/knowledge",
  component: lazyRouteComponent(() => import("@/features/knowledge"), "KnowledgePage"),
});
const collection = createRoute({
  getParentRoute: () => signedIn,
  path: "/knowledge/$collectionId",
  component: lazyRouteComponent(() => import("@/features/knowledge"), "CollectionPage"),
});
const traces = createRoute({
  getParentRoute: () => signedIn,
  path: "/traces",
  component: lazyRouteComponent(() => import("@/features/traces"), "TracesPage"),
});
const trace = createRoute({
  getParentRoute: () => signedIn,
  path: "/traces/$traceId",
  component: lazyRouteComponent(() => import("@/features/traces"), "TracePage"),
});

const models = createRoute({
  getParentRoute: () => signedIn,
  path: "/models",
  component: lazyRouteComponent(() => import("@/features/models"), "ModelsPage"),
});
const usage = createRoute({
  getParentRoute: () => signedIn,
  path: "/usage",
  component: lazyRouteComponent(() => import("@/features/usage"), "UsagePage"),
});

/** Settings and admin choose their own sections from the rest of the path (`useParams({ strict: false })._splat`). */
const settings = createRoute({
  getParentRoute: () => signedIn,
  path: "/settings",
  component: lazyRouteComponent(() => import("@/features/settings"), "SettingsPage"),
});
const settingsSection = createRoute({ getParentRoute: () => settings, path: "$" });
const admin = createRoute({
  getParentRoute: () => signedIn,
  path: "/admin",
  component: lazyRouteComponent(() => import("@/features/admin"), "AdminPage"),
  beforeLoad: async ({ context }) => {
    const state = await context.queryClient.ensureQueryData(authStateQuery);
    if (state.user?.role !== "admin") throw redirect({ to: "/", replace: true });
  },
});
const adminSection = createRoute({ getParentRoute: () => admin, path: "$" });

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  validateSearch: (search: Record<string, unknown>): { next?: string } =>
    // Only our own paths: an address of another host must not be reached through the sign-in.
    typeof search["next"] === "string" && /^\/(?![/\\])/.test(search["next"]) ? { next: search["next"] } : {},
  beforeLoad: async ({ context, search }) => {
    const state = await context.queryClient.ensureQueryData(authStateQuery);
    if (state.setup_required) throw redirect({ to: "/setup", replace: true });
    if (state.user !== null) throw redirect({ href: search.next ?? "/", replace: true });
  },
  component: lazyRouteComponent(() => import("@/features/auth"), "LoginPage"),
});
const setup = createRoute({
  getParentRoute: () => root,
  path: "/setup",
  beforeLoad: async ({ context }) => {
    const state = await context.queryClient.ensureQueryData(authStateQuery);
    if (!state.setup_required) throw redirect({ to: "/", replace: true });
  },
  component: lazyRouteComponent(() => import("@/features/auth"), "SetupPage"),
});

const routeTree = root.addChildren([
  signedIn.addChildren([
    newChat,
    chat,
    knowledge,
    collection,
    traces,
    trace,
    models,
    usage,
    settings.addChildren([settingsSection]),
    admin.addChildren([adminSection]),
  ]),
  login,
  setup,
]);

export function createAppRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree,
    context: { queryClient },
    defaultPreload: "intent",
    defaultPendingMs: 300,
    defaultPendingComponent: () => <Loading />,
    defaultErrorComponent: FailurePage,
    defaultNotFoundComponent: NotFoundPage,
    scrollRestoration: true,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
