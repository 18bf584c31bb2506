import { Link } from "@tanstack/react-router";
import { Activity, BookOpen, ChartColumn, Cpu, PanelLeftClose, SquarePen } from "lucide-react";
import type { ReactNode } from "react";
import { ChatHistory } from "@/features/chat";
import { IconButton, Logo, useShell } from "@/ui";
import { UserMenu } from "./UserMenu";

/** Pages, chats, and the person. */
export function Sidebar() {
  const { toggleSidebar } = useShell();
  return (
    <div className="flex h-full flex-col">
      <div className="flex h-12 shrink-0 items-center justify-between pr-2 pl-4">
        <Link to="/" className="flex items-center gap-2.5 rounded-md" aria-label="Alcove: new chat">
          <Logo size={24} />
          <span className="text-[1.05rem] font-semibold tracking-tight">Alcove</span>
        </Link>
        <IconButton label="Close sidebar" size="lg" onClick={toggleSidebar}>
          <PanelLeftClose size={18} aria-hidden />
        </IconButton>
      </div>
      <nav aria-label="Pages" className="flex flex-col gap-0.5 px-2 pt-1 pb-3">
        <PageLink to="/" icon={<SquarePen size={17} aria-hidden />} label="New chat" />
        <PageLink to="/knowledge" icon={<BookOpen size={17} aria-hidden />} label="Knowledge" />
        <PageLink to="/models" icon={<Cpu size={17} aria-hidden />} label="Models" />
        <PageLink to="/traces" icon={<Activity size={17} aria-hidden />} label="Traces" />
        <PageLink to="/usage" icon={<ChartColumn size={17} aria-hidden />} label="Usage" />
      </nav>
      <ChatHistory />
      <div className="shrink-0 border-t border-line p-2">
        <UserMenu />
      </div>
    </div>
  );
}

type PageLinkProps = { to: "/" | "/knowledge" | "/models" | "/traces" | "/usage"; icon: ReactNode; label: string };

function PageLink({ to, icon, label }: PageLinkProps) {
  const { closeDrawer } = useShell();
  return (
    <Link
      to={to}
      onClick={closeDrawer}
      activeOptions={{ exact: to === "/", includeSearch: false }}
      activeProps={{ className: "bg-hover font-medium text-ink", "aria-current": "page" }}
      inactiveProps={{ className: "text-ink-soft hover:bg-hover/60 hover:text-ink" }}
      className="flex h-9 items-center gap-2.5 rounded-lg px-2 text-sm"
    >
      {icon}
      {label}
    </Link>
  );
}
