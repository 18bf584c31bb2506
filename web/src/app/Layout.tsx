import { Outlet } from "@tanstack/react-router";
import { ChatSessionProvider } from "@/features/chat";
import { Shell } from "@/ui";
import { CommandPalette } from "./CommandPalette";
import { Shortcuts } from "./Shortcuts";
import { Sidebar } from "./Sidebar";

/** The frame of every signed-in page. */
export function Layout() {
  return (
    <ChatSessionProvider>
      <Shell sidebar={<Sidebar />}>
        <Outlet />
      </Shell>
      <CommandPalette />
      <Shortcuts />
    </ChatSessionProvider>
  );
}
