import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { KeyRound, Plus } from "lucide-react";
import { EmptyState, ErrorNotice, Loading } from "@/ui";
import { Panel } from "@/ui/Panel";
import { useExampleModel } from "../api/useExampleModel";
import { useKeys } from "../api/useKeys";
import { Examples } from "./Examples";
import { KeyRow } from "./KeyRow";
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
