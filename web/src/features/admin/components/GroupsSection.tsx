import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Plus, Users } from "lucide-react";
import { groupsQuery } from "@/lib/api";
import { EmptyState, ErrorNotice, Loading } from "@/ui";
import { Panel } from "@/ui/Panel";
import { useCreateGroup } from "../api/useCreateGroup";
import { GroupDialog } from "./GroupDialog";
import { GroupRow } from "./GroupRow";

/** People who share an account of models and money. */
export function GroupsSection() {
  const [isCreating, creating] = useDisclosure(false);
  const query = useQuery(groupsQuery);
  const create = useCreateGroup();
  const groups = query.data ?? [];
  const addButton = (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={creating.open}>
      Add group
    </Button>
  );
  return (
    <>
      <Panel
        title="Groups"
        description="People who share models and a budget. A key charged to a group uses the group’s limits, together with its own."
        actions={groups.length > 0 ? addButton : null}
        flush
      >
        {query.isPending ? (
          <Loading label="Loading groups" />
        ) : query.isError && groups.length === 0 ? (
          <div className="p-4">
            <ErrorNotice error={query.error} title="The groups could not be loaded" onRetry={() => void query.refetch()} />
          </div>
        ) : groups.length === 0 ? (
          <EmptyState icon={<Users size={22} />} title="No group yet" action={addButton}>
            <p>Make one for a team or a project, give it a budget, and put people into it.</p>
          </EmptyState>
        ) : (
          <ul aria-label="Groups">
            {groups.map((group) => (
              <GroupRow key={group.id} group={group} />
            ))}
          </ul>
        )}
      </Panel>
      <GroupDialog opened={isCreating} onClose={creating.close} onSubmit={async (body) => void (await create.mutateAsync(body))} />
    </>
  );
}
