import { Drawer } from "@mantine/core";
import { useDisclosure, useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { PanelLeft } from "lucide-react";
import { createContext, type ReactNode, use, useMemo } from "react";
import { IconButton } from "./IconButton";

type ShellState = { isNarrow: boolean; isSidebarOpen: boolean; toggleSidebar: () => void; closeDrawer: () => void };

const ShellContext = createContext<ShellState>({
  isNarrow: false,
  isSidebarOpen: true,
  toggleSidebar: () => undefined,
  closeDrawer: () => undefined,
});

/** The frame's state, for what must open or close the sidebar. */
export function useShell(): ShellState {
  return use(ShellContext);
}

/** The frame of every signed-in page: sidebar beside the content, or in a drawer on a phone. */
export function Shell({ sidebar, children }: { sidebar: ReactNode; children: ReactNode }) {
  const isNarrow = useMediaQuery("(max-width: 767px)", false, { getInitialValueInEffect: false });
  const [isWide, setWide] = useLocalStorage({ key: "alcove.sidebar", defaultValue: true, getInitialValueInEffect: false });
  const [isDrawerOpen, drawer] = useDisclosure(false);
  const state = useMemo<ShellState>(
    () => ({
      isNarrow,
      isSidebarOpen: isNarrow ? isDrawerOpen : isWide,
      toggleSidebar: () => (isNarrow ? drawer.toggle() : setWide((open) => !open)),
      closeDrawer: drawer.close,
    }),
    [isNarrow, isDrawerOpen, isWide, drawer, setWide],
  );
  return (
    <ShellContext value={state}>
      <a
        href="#content"
        className="visually-hidden rounded-lg bg-raised text-sm shadow-float focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:m-0 focus:h-auto focus:w-auto focus:px-3 focus:py-2 focus:[clip-path:none]"
      >
        Skip to content
      </a>
      <div className="flex h-dvh w-full overflow-hidden">
        {isNarrow ? (
          <Drawer
            opened={isDrawerOpen}
            onClose={drawer.close}
            size={300}
            padding={0}
            withCloseButton={false}
            title={<span className="visually-hidden">Navigation</span>}
            styles={{ content: { background: "var(--side)" }, body: { height: "100%" }, header: { display: "none" } }}
          >
            {sidebar}
          </Drawer>
        ) : isWide ? (
          <aside className="w-[276px] shrink-0 border-r border-line bg-side" aria-label="Sidebar">
            {sidebar}
          </aside>
        ) : null}
        <main id="content" tabIndex={-1} className="relative flex min-w-0 flex-1 flex-col outline-none">
          {children}
        </main>
      </div>
    </ShellContext>
  );
}

/** Opens the sidebar where it is hidden; part of each page's header. */
export function SidebarButton() {
  const { isNarrow, isSidebarOpen, toggleSidebar } = useShell();
  if (!isNarrow && isSidebarOpen) return null;
  return (
    <IconButton label="Open sidebar" size="lg" onClick={toggleSidebar}>
      <PanelLeft size={19} aria-hidden />
    </IconButton>
  );
}
