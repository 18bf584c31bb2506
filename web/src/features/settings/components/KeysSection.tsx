import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";
import type { Key } from "@/lib/api";
import { shortDate } from "@/lib/time";
import { confirm, EmptyState, ErrorNotice, Loading, notifyDone, notifyError, RelativeTime } from "@/ui";
import { focusContent } from "@/ui/focusContent";
import { Panel } from "@/ui/Panel";
import { useExampleModel } from "../api/useExampleModel";
import { useKeys } from "../api/useKeys";
import { useRevokeKey } from "../api/useRevokeKey";
import { hasExpired } from "../model/expiry";
import { Examples } from "./Examples";
import { NewKeyDialog } from "./NewKeyDialog";

/** The person's API keys. */
export function KeysSection() {
  const [isCreating, creating] = useDisclosure(false);
  const query = useKeys();
  const model = useExampleModel();
  const newButton = (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={creating.open}>
      New key
    </Button>
  );
  const keys = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <Panel
        title="API keys"
        description="A key lets a program use Alcove as you, through the OpenAI interface or this page’s own."
        actions={keys.length > 0 ? newButton : null}
        flush
      >
        {query.isPending ? (
          <Loading label="Loading keys" />
        ) : query.isError && keys.length === 0 ? (
          <div className="p-4">
            <ErrorNotice error={query.error} title="Your keys could not be loaded" onRetry={() => void query.refetch()} />
          </div>
        ) : keys.length === 0 ? (
          <EmptyState icon={<KeyRound size={22} />} title="No keys yet" action={newButton}>
            <p>Make one for each program, so that each can be taken away alone.</p>
          </EmptyState>
        ) : (
          <ul aria-label="API keys">
            {keys.map((key) => (
              <KeyRow key={key.id} apiKey={key} />
            ))}
          </ul>
        )}
        {query.hasNextPage ? (
          <div className="border-t border-line p-3 text-center">
            <Button variant="default" size="xs" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
              Show more
            </Button>
          </div>
        ) : null}
      </Panel>
      <Panel title="Use it" description="Any client of the OpenAI interface works with this address.">
        <Examples origin={window.location.origin} secret="$ALCOVE_API_KEY" model={model} />
      </Panel>
      <NewKeyDialog opened={isCreating} model={model} onClose={creating.close} />
    </>
  );
}

function KeyRow({ apiKey }: { apiKey: Key }) {
  const revoke = useRevokeKey();
  const [now] = useState(() => Date.now());
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
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 border-t border-line px-4 py-3 first:border-t-0 sm:px-5">
      <div className="min-w-0 flex-1 basis-56">
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
      </div>
      {isOver ? null : (
        <Button variant="default" size="xs" loading={revoke.isPending} aria-label={`Revoke ${apiKey.name}`} onClick={() => void askToRevoke()}>
          Revoke
        </Button>
      )}
    </li>
  );
}

function Ending({ apiKey, now }: { apiKey: Key; now: number }) {
  if (apiKey.revoked_at) return <span className="font-medium text-danger">revoked</span>;
  if (apiKey.expires_at === null) return "does not expire";
  if (hasExpired(apiKey.expires_at, now)) return <span className="font-medium text-danger">expired {shortDate(apiKey.expires_at)}</span>;
  return `expires ${shortDate(apiKey.expires_at)}`;
}
