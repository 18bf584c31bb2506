import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Plus, Split } from "lucide-react";
import { EmptyState, ErrorNotice, Loading, notifyDone } from "@/ui";
import { Panel } from "@/ui/Panel";
import { useCreateModelGroup } from "../api/useCreateModelGroup";
import { useModelGroups } from "../api/useModelGroups";
import { ModelGroupDialog } from "./ModelGroupDialog";
import { ModelGroupRow } from "./ModelGroupRow";

/** Model ids that several servers answer for. */
export function ModelGroupsSection() {
  const [isCreating, creating] = useDisclosure(false);
  const query = useModelGroups();
  const create = useCreateModelGroup();
  const groups = query.data ?? [];
  const addButton = (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={creating.open}>
      Add model group
    </Button>
  );
  return (
    <>
      <Panel
        title="Model groups"
        description="One model id that several servers answer for: calls are shared among them, and go on elsewhere when one fails."
        actions={groups.length > 0 ? addButton : null}
        flush
      >
        {query.isPending ? (
          <Loading label="Loading model groups" />
        ) : query.isError && groups.length === 0 ? (
          <div className="p-4">
            <ErrorNotice error={query.error} title="The model groups could not be loaded" onRetry={() => void query.refetch()} />
          </div>
        ) : groups.length === 0 ? (
          <EmptyState icon={<Split size={22} />} title="No model group yet" action={addButton}>
            <p>
              Every model can be asked by its server’s name, as in lab/llama. A group gives one name to several, such as “fast”, with retries
              and fallbacks.
            </p>
          </EmptyState>
        ) : (
          <ul aria-label="Model groups">
            {groups.map((group) => (
              <ModelGroupRow key={group.id} group={group} />
            ))}
          </ul>
        )}
      </Panel>
      <ModelGroupDialog
        opened={isCreating}
        onClose={creating.close}
        onSubmit={async (body) => {
          await create.mutateAsync(body);
          notifyDone(`Added ${body.model}.`);
        }}
      />
    </>
  );
}
