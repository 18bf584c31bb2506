import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Plus, Server } from "lucide-react";
import { useState } from "react";
import { EmptyState, ErrorNotice, Loading } from "@/ui";
import { Panel } from "@/ui/Panel";
import { useCreateDeployment } from "../api/useCreateDeployment";
import { useDeployments } from "../api/useDeployments";
import { DeploymentDialog } from "./DeploymentDialog";
import { DeploymentRow } from "./DeploymentRow";

/** The model servers Alcove may ask. */
export function DeploymentsSection() {
  const [isCreating, creating] = useDisclosure(false);
  const [addedId, setAddedId] = useState<string | null>(null);
  const query = useDeployments();
  const create = useCreateDeployment();
  const deployments = query.data?.pages.flatMap((page) => page.items) ?? [];
  const addButton = (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={creating.open}>
      Add server
    </Button>
  );
  return (
    <>
      <Panel
        title="Model servers"
        description="Their models join the list of everyone. What is asked of a model goes to its server, and nowhere else."
        actions={deployments.length > 0 ? addButton : null}
        flush
      >
        {query.isPending ? (
          <Loading label="Loading model servers" />
        ) : query.isError && deployments.length === 0 ? (
          <div className="p-4">
            <ErrorNotice error={query.error} title="The model servers could not be loaded" onRetry={() => void query.refetch()} />
          </div>
        ) : deployments.length === 0 ? (
          <EmptyState icon={<Server size={22} />} title="No model server yet" action={addButton}>
            <p>
              Alcove answers from documents by itself. For free conversation, add an Ollama, or any server that speaks the OpenAI
              interface. An Ollama on this computer is found without being added.
            </p>
          </EmptyState>
        ) : (
          <ul aria-label="Model servers">
            {deployments.map((deployment) => (
              <DeploymentRow key={deployment.id} deployment={deployment} isJustAdded={deployment.id === addedId} />
            ))}
          </ul>
        )}
      </Panel>
      <DeploymentDialog
        opened={isCreating}
        onClose={creating.close}
        onSubmit={async (values) => {
          const { id } = await create.mutateAsync(values);
          setAddedId(id);
        }}
      />
    </>
  );
}
