import { Outlet } from "@tanstack/react-router";
import { Shell } from "@/ui";
import { Sidebar } from "./Sidebar";

/** The frame of every signed-in page. */
export function Layout() {
  return (
    <Shell sidebar={<Sidebar />}>
      <Outlet />
    </Shell>
  );
}
