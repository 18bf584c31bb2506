import { useState } from "react";
import { ErrorNotice } from "@/ui";
import { Panel } from "@/ui/Panel";
import { usePulls } from "../api/usePulls";
import { shownPulls } from "../model/pulls";
import { PullForm } from "./PullForm";
import { PullRow } from "./PullRow";

/** Getting a model, and how that goes. Who is no administrator sees only that something is on its way. */
export function PullPanel({ isAdmin }: { isAdmin: boolean }) {
  const query = usePulls();
  const [dismissed, setDismissed] = useState<readonly string[]>([]);
  const pulls = shownPulls(query.data ?? [], dismissed).filter((pull) => isAdmin || pull.state === "running");
  if (!isAdmin && pulls.length === 0) return null;
  return (
    <Panel
      title={isAdmin ? "Pull a model" : "On its way"}
      description={
        isAdmin
          ? "From Ollama’s registry, the Hugging Face hub, a registry of your own, or the address of a GGUF file. This is the only time another machine is asked, and it learns nothing but the model’s name."
          : undefined
      }
    >
      {isAdmin ? <PullForm /> : null}
      {query.isError ? (
        <div className="mt-4">
          <ErrorNotice error={query.error} title="The pulls could not be loaded" onRetry={() => void query.refetch()} />
        </div>
      ) : null}
      {pulls.length > 0 ? (
        <ul aria-label="Pulls" className={`space-y-2 ${isAdmin ? "mt-4" : ""}`}>
          {pulls.map((pull) => (
            <PullRow key={pull.id} pull={pull} isAdmin={isAdmin} onDismiss={() => setDismissed((ids) => [...ids, pull.id])} />
          ))}
        </ul>
      ) : null}
    </Panel>
  );
}
