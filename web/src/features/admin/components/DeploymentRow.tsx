import { Badge, Button, Switch, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { CircleAlert, CircleCheck, Pencil, Trash2 } from "lucide-react";
import { useEffect } from "react";
import type { Deployment, DeploymentTest } from "@/lib/api";
import { plural } from "@/lib/format";
import { formatDuration } from "@/lib/time";
import { confirm, notifyDone, notifyError } from "@/ui";
import { ActionsMenu } from "@/ui/ActionsMenu";
import { focusContent } from "@/ui/focusContent";
import { useDeleteDeployment } from "../api/useDeleteDeployment";
import { useTestDeployment } from "../api/useTestDeployment";
import { useUpdateDeployment } from "../api/useUpdateDeployment";
import { hasAddress, keyText, providerLabel, SOURCES } from "../model/deployment";
import { DeploymentDialog } from "./DeploymentDialog";
import { HealthLine } from "./HealthLine";

/** One model server: where it is, whether it answers, and what it offers. */
export function DeploymentRow({ deployment, isJustAdded }: { deployment: Deployment; isJustAdded: boolean }) {
  const [isEditing, editing] = useDisclosure(false);
  const update = useUpdateDeployment();
  const remove = useDeleteDeployment();
  const test = useTestDeployment();
  const { mutate: runTest } = test;
  useEffect(() => {
    if (isJustAdded) runTest(deployment.id, { onError: (error) => notifyError("The test could not be run", error) });
  }, [isJustAdded, runTest, deployment.id]);
  const source = SOURCES[deployment.source];
  const isOurs = deployment.source === "admin";
  const wanted = update.isPending ? update.variables.change.enabled : null;
  const isEnabled = wanted ?? deployment.enabled;

  const askToDelete = async () => {
    const isSure = await confirm({
      title: `Delete ${deployment.name}?`,
      body: "Its models leave everyone’s list and its key is forgotten. Chats that used them are kept.",
      confirmLabel: "Delete server",
      isDangerous: true,
    });
    if (!isSure) return;
    remove.mutate(deployment.id, {
      onSuccess: () => {
        notifyDone(`Deleted ${deployment.name}.`);
        focusContent();
      },
      onError: (error) => notifyError(`${deployment.name} was not deleted`, error),
    });
  };

  return (
    <li className="border-t border-line px-4 py-4 first:border-t-0 sm:px-5">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
        <div className="min-w-0 flex-1 basis-60">
          <p className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm font-medium">
            <span className={`[overflow-wrap:anywhere] ${isEnabled ? "" : "text-ink-faint"}`}>{deployment.name}</span>
            <Badge component="span" size="sm" color="gray">
              {providerLabel(deployment.provider)}
            </Badge>
            <Tooltip label={source.explanation}>
              <Badge component="span" size="sm" {...(isOurs ? { color: "gray" } : {})}>
                {source.label}
              </Badge>
            </Tooltip>
          </p>
          {hasAddress(deployment.provider) ? (
            <p className="mt-1 font-mono text-xs text-ink-soft [overflow-wrap:anywhere]">{deployment.base_url}</p>
          ) : null}
          <p className="mt-1 text-xs text-ink-faint [overflow-wrap:anywhere]">
            {keyText(deployment.api_key_hint)} ·{" "}
            {deployment.models.length > 0 ? deployment.models.slice(0, 6).join(", ") : "every model it lists"}
            {deployment.models.length > 6 ? ` and ${deployment.models.length - 6} more` : ""}
          </p>
          {isEnabled ? <HealthLine health={deployment.health} /> : null}
        </div>
        <div className="flex items-center gap-3">
          {isOurs ? (
            <Switch
              aria-label={`Use ${deployment.name}`}
              checked={isEnabled}
              disabled={update.isPending}
              onChange={(event) =>
                update.mutate(
                  { id: deployment.id, change: { enabled: event.currentTarget.checked } },
                  { onError: (error) => notifyError(`${deployment.name} was not changed`, error) },
                )
              }
            />
          ) : null}
          <Button
            variant="default"
            size="xs"
            loading={test.isPending}
            aria-label={`Test ${deployment.name}`}
            onClick={() => test.mutate(deployment.id, { onError: (error) => notifyError("The test could not be run", error) })}
          >
            Test
          </Button>
          {isOurs ? (
            <ActionsMenu
              label={`Actions for ${deployment.name}`}
              actions={[
                { label: "Edit", Icon: Pencil, run: editing.open },
                { label: "Delete", Icon: Trash2, isDangerous: true, run: () => void askToDelete() },
              ]}
            />
          ) : null}
        </div>
      </div>
      <div role="status">{test.data ? <TestResult result={test.data} /> : null}</div>
      <DeploymentDialog
        opened={isEditing}
        deployment={deployment}
        onClose={editing.close}
        onSubmit={async (body) => {
          await update.mutateAsync({ id: deployment.id, change: body });
          notifyDone(`Saved ${body.name}.`);
        }}
      />
    </li>
  );
}

function TestResult({ result }: { result: DeploymentTest }) {
  const Icon = result.ok ? CircleCheck : CircleAlert;
  return (
    <div
      className={`mt-3 flex gap-2.5 rounded-lg border px-3 py-2 text-sm ${
        result.ok ? "border-accent-line bg-accent-soft" : "border-danger-line bg-danger-soft"
      }`}
    >
      <Icon size={17} className={`mt-0.5 shrink-0 ${result.ok ? "text-accent-ink" : "text-danger"}`} aria-hidden />
      <div className="min-w-0 flex-1">
        <p>
          {result.ok ? `It answers, in ${formatDuration(result.latency_ms)}, with ${plural(result.models.length, "model")}.` : result.detail}
        </p>
        {result.models.length > 0 ? (
          <p className="mt-1 font-mono text-xs leading-relaxed text-ink-soft [overflow-wrap:anywhere]">{result.models.join(", ")}</p>
        ) : null}
      </div>
    </div>
  );
}
