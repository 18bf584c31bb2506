import { useDisclosure } from "@mantine/hooks";
import { useUser } from "@/lib/api";
import { ErrorNotice, Page, PageHeader } from "@/ui";
import { useLocalModels } from "../api/useLocalModels";
import { useRunning } from "../hooks/useRunning";
import { InstalledPanel } from "./InstalledPanel";
import { KnownPanel } from "./KnownPanel";
import { MachineFigures } from "./MachineFigures";
import { PullPanel } from "./PullPanel";
import { RunningPanel } from "./RunningPanel";
import { VariantDialog } from "./VariantDialog";

/** The models on this machine: what is here, what runs, what could be. */
export function ModelsPage() {
  const isAdmin = useUser().role === "admin";
  const { running, error } = useRunning();
  const installed = useLocalModels(running.isLive);
  const [isMaking, making] = useDisclosure(false);
  const models = installed.data?.items ?? [];
  return (
    <Page>
      <PageHeader
        title="Models"
        description="Language models that run on this machine. What is asked of them never leaves it."
      />
      <div className="space-y-5">
        {error ? <ErrorNotice error={error} title="What the models do cannot be followed" /> : null}
        {installed.data ? <MachineFigures machine={installed.data.machine} count={models.length} memory={running.memory} /> : null}
        <RunningPanel running={running} isAdmin={isAdmin} />
        <InstalledPanel query={installed} running={running} isAdmin={isAdmin} onMakeVariant={making.open} />
        <PullPanel isAdmin={isAdmin} />
        {isAdmin ? <KnownPanel machine={installed.data?.machine ?? null} /> : null}
      </div>
      {isAdmin ? <VariantDialog opened={isMaking} models={models} onClose={making.close} /> : null}
    </Page>
  );
}
