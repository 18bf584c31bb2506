import { Button } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { Cpu, Plus } from "lucide-react";
import { useState } from "react";
import type { LocalModel, LocalModelList } from "@/lib/api";
import { EmptyState, ErrorNotice, Loading } from "@/ui";
import { Panel } from "@/ui/Panel";
import type { Running } from "../model/running";
import { InstalledRow } from "./InstalledRow";
import { focusPullField } from "./PullForm";
import { TestDialog } from "./TestDialog";

type InstalledPanelProps = {
  query: UseQueryResult<LocalModelList>;
  running: Running;
  isAdmin: boolean;
  onMakeVariant: () => void;
};

/** What is on the disk, and what can be done with it. */
export function InstalledPanel({ query, running, isAdmin, onMakeVariant }: InstalledPanelProps) {
  const [tested, setTested] = useState<LocalModel | null>(null);
  const [isTesting, setTesting] = useState(false);
  const models = query.data?.items ?? [];
  return (
    <Panel
      title="Installed"
      actions={
        isAdmin && models.length > 0 ? (
          <Button variant="default" leftSection={<Plus size={16} aria-hidden />} onClick={onMakeVariant}>
            Create a variant
          </Button>
        ) : null
      }
      flush
    >
      {query.isPending ? <Loading label="Loading the installed models" /> : null}
      {query.isError ? (
        <div className="p-4">
          <ErrorNotice error={query.error} title="The installed models could not be loaded" onRetry={() => void query.refetch()} />
        </div>
      ) : null}
      {query.data && models.length === 0 ? <NoModel isAdmin={isAdmin} /> : null}
      {models.length > 0 ? (
        <ul aria-label="Installed models">
          {models.map((model) => (
            <InstalledRow
              key={model.name}
              model={model}
              running={running.models.get(model.name)}
              isAdmin={isAdmin}
              onTest={() => {
                setTested(model);
                setTesting(true);
              }}
            />
          ))}
        </ul>
      ) : null}
      <TestDialog name={tested?.name ?? null} opened={isTesting} onClose={() => setTesting(false)} />
    </Panel>
  );
}

function NoModel({ isAdmin }: { isAdmin: boolean }) {
  return (
    <EmptyState
      icon={<Cpu size={22} />}
      title="No model on this machine yet"
      action={isAdmin ? <Button onClick={focusPullField}>Pull a first model</Button> : null}
    >
      <p>
        {isAdmin
          ? "Pull one below: qwen2.5:0.5b is small and runs anywhere. Nothing is asked of another machine until you do, and once a model is here, nothing leaves this one."
          : "Ask an administrator to pull one. Nothing is asked of another machine until they do, and once a model is here, nothing leaves this one."}
      </p>
    </EmptyState>
  );
}
