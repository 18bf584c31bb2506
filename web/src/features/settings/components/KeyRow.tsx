import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Ban, Pencil, RefreshCw } from "lucide-react";
import { useState } from "react";
import { type Key, myGroupsQuery } from "@/lib/api";
import { shortDate, untilText } from "@/lib/time";
import { confirm, notifyDone, notifyError, RelativeTime } from "@/ui";
import { ActionsMenu } from "@/ui/ActionsMenu";
import { focusContent } from "@/ui/focusContent";
import { useRevokeKey } from "../api/useRevokeKey";
import { hasExpired } from "../model/expiry";
import { termWords } from "../model/keyTerms";
import { EditKeyDialog } from "./EditKeyDialog";
import { RotateKeyDialog } from "./RotateKeyDialog";

/** One key: what it is held to, and what can be done with it. */
export function KeyRow({ apiKey }: { apiKey: Key }) {
  const [isEditing, editing] = useDisclosure(false);
  const [isRotating, rotating] = useDisclosure(false);
  const revoke = useRevokeKey();
  const groups = useQuery({ ...myGroupsQuery, enabled: apiKey.group_id !== null }).data ?? [];
  const [now] = useState(() => Date.now());
  const terms = termWords(apiKey, groups.find(({ id }) => id === apiKey.group_id)?.name);
  const isOver = apiKey.revoked_at !== null || hasExpired(apiKey.expires_at, now);

  const askToRevoke = async () => {
    const isSure = await confirm({
      title: `Revoke “${apiKey.name}”?`,
      body: "Every program that uses this key is refused from now on. A revoked key cannot be brought back.",
      confirmLabel: "Revoke key",
      isDangerous: true,
    });
    if (!isSure) return;
    revoke.mutate(apiKey.id, {
      onSuccess: () => {
        notifyDone(`Revoked “${apiKey.name}”.`);
        focusContent();
      },
      onError: (error) => notifyError("The key was not revoked", error),
    });
  };

  return (
    <li className="flex items-center gap-x-4 border-t border-line px-4 py-3 first:border-t-0 sm:px-5">
      <div className="min-w-0 flex-1">
        <p className={`text-sm font-medium [overflow-wrap:anywhere] ${isOver ? "text-ink-faint" : ""}`}>
          {apiKey.name} <code className="ml-1 font-mono text-xs font-normal text-ink-faint">{apiKey.prefix}…</code>
        </p>
        <p className="mt-0.5 text-xs text-ink-faint">
          made <RelativeTime at={apiKey.created_at} /> ·{" "}
          {apiKey.last_used_at ? (
            <>
              last used <RelativeTime at={apiKey.last_used_at} />
            </>
          ) : (
            "never used"
          )}{" "}
          · <Ending apiKey={apiKey} now={now} />
        </p>
        {terms.length > 0 ? <p className="mt-0.5 text-xs text-ink-soft [overflow-wrap:anywhere]">{terms.join(" · ")}</p> : null}
        {apiKey.old_secret_until !== null && !hasExpired(apiKey.old_secret_until, now) ? (
          <p className="mt-0.5 text-xs text-ink-faint">The secret before still counts; it ends {untilText(apiKey.old_secret_until)}.</p>
        ) : null}
      </div>
      {isOver ? null : (
        <ActionsMenu
          label={`Actions for ${apiKey.name}`}
          isBusy={revoke.isPending}
          actions={[
            { label: "Edit", Icon: Pencil, run: editing.open },
            { label: "Rotate", Icon: RefreshCw, run: rotating.open },
            { label: "Revoke", Icon: Ban, isDangerous: true, run: () => void askToRevoke() },
          ]}
        />
      )}
      <EditKeyDialog apiKey={apiKey} opened={isEditing} onClose={editing.close} />
      <RotateKeyDialog apiKey={apiKey} opened={isRotating} onClose={rotating.close} />
    </li>
  );
}

function Ending({ apiKey, now }: { apiKey: Key; now: number }) {
  if (apiKey.revoked_at) return <span className="font-medium text-danger">revoked</span>;
  if (apiKey.expires_at === null) return "does not expire";
  if (hasExpired(apiKey.expires_at, now)) return <span className="font-medium text-danger">expired {shortDate(apiKey.expires_at)}</span>;
  return `expires ${shortDate(apiKey.expires_at)}`;
}
