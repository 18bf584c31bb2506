import { Button } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";
import { HeartPulse, Layers, ScrollText, Server, ShieldHalf, ShieldX, Split, UserRound, Users } from "lucide-react";
import { useUser } from "@/lib/api";
import { EmptyState, Page, PageHeader } from "@/ui";
import { type Section, SectionNav } from "@/ui/SectionNav";
import { AuditSection } from "./AuditSection";
import { CacheSection } from "./CacheSection";
import { DeploymentsSection } from "./DeploymentsSection";
import { GroupsSection } from "./GroupsSection";
import { GuardrailsSection } from "./GuardrailsSection";
import { ModelGroupsSection } from "./ModelGroupsSection";
import { StatusSection } from "./StatusSection";
import { UsersSection } from "./UsersSection";

const SECTIONS: readonly Section[] = [
  { to: "/admin/users", label: "Users", Icon: UserRound },
  { to: "/admin/groups", label: "Groups", Icon: Users },
  { to: "/admin/models", label: "Models", Icon: Server },
  { to: "/admin/model-groups", label: "Model groups", Icon: Split },
  { to: "/admin/guardrails", label: "Guardrails", Icon: ShieldHalf },
  { to: "/admin/cache", label: "Cache", Icon: Layers },
  { to: "/admin/status", label: "Status", Icon: HeartPulse },
  { to: "/admin/audit", label: "Audit log", Icon: ScrollText },
];

/** What administrators decide for everyone. */
export function AdminPage() {
  const { _splat: section } = useParams({ strict: false });
  const user = useUser();
  if (user.role !== "admin") return <Refusal />;
  return (
    <Page>
      <PageHeader title="Administration" />
      <div className="md:flex md:gap-8">
        <SectionNav label="Administration" sections={SECTIONS} />
        <div className="min-w-0 flex-1 space-y-5">{bodyOf(section)}</div>
      </div>
    </Page>
  );
}

function bodyOf(section: string | undefined) {
  switch (section) {
    case "models":
      return <DeploymentsSection />;
    case "model-groups":
      return <ModelGroupsSection />;
    case "cache":
      return <CacheSection />;
    case "guardrails":
      return <GuardrailsSection />;
    case "groups":
      return <GroupsSection />;
    case "status":
      return <StatusSection />;
    case "audit":
      return <AuditSection />;
    default:
      return <UsersSection />;
  }
}

function Refusal() {
  return (
    <Page>
      <PageHeader title="Administration" />
      <EmptyState
        icon={<ShieldX size={24} />}
        title="This page is for administrators"
        action={
          <Button variant="default" renderRoot={(props) => <Link to="/" {...props} />}>
            Back to the chat
          </Button>
        }
      >
        <p>Your account is not one. If you need something changed here, ask whoever runs this Alcove.</p>
      </EmptyState>
    </Page>
  );
}
