import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Plus, ShieldHalf } from "lucide-react";
import { guardrailsQuery } from "@/lib/api";
import { EmptyState, ErrorNotice, Loading, notifyDone } from "@/ui";
import { Panel } from "@/ui/Panel";
import { useCreateGuardrail } from "../api/useCreateGuardrail";
import { useGuardUses } from "../api/useGuardUses";
import { missingGuards } from "../model/guardUses";
import { listOf } from "../model/words";
import { GuardrailDialog } from "./GuardrailDialog";
import { GuardrailRow } from "./GuardrailRow";

const EVERY_MS = 10_000;

/** What may not go into a model, and what may not come out. */
export function GuardrailsSection() {
  const [isCreating, creating] = useDisclosure(false);
  const query = useQuery({ ...guardrailsQuery, refetchInterval: EVERY_MS });
  const { uses, error: usesError } = useGuardUses();
  const create = useCreateGuardrail();
  const guardrails = query.data ?? [];
  const missing = query.data && uses ? missingGuards(query.data, uses) : [];
  const addButton = (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={creating.open}>
      Add guardrail
    </Button>
  );
  return (
    <>
      {missing.length > 0 ? (
        <div role="alert" className="rounded-xl border border-warn-line bg-warn-soft px-4 py-3 text-sm leading-relaxed">
          <p className="font-semibold">Requests are refused, because a guardrail is not there</p>
          <ul className="mt-1 text-ink-soft">
            {missing.map(({ name, where }) => (
              <li key={name} className="[overflow-wrap:anywhere]">
                “{name}” must be on for {listOf(where)}. Add it, or take its name out there.
              </li>
            ))}
          </ul>
        </div>
      ) : null}
      <Panel
        title="Guardrails"
        description="What may not go into a model, and what may not come out. Changes take effect at once, for chats and for every key."
        actions={guardrails.length > 0 ? addButton : null}
        flush
      >
        {query.isPending ? (
          <Loading label="Loading guardrails" />
        ) : query.isError && guardrails.length === 0 ? (
          <div className="p-4">
            <ErrorNotice error={query.error} title="The guardrails could not be loaded" onRetry={() => void query.refetch()} />
          </div>
        ) : guardrails.length === 0 ? (
          <EmptyState icon={<ShieldHalf size={22} />} title="No guardrail yet" action={addButton}>
            <p>
              A guardrail can hide email addresses and passwords from models, refuse words that must not leave the house, or keep requests
              small. It is on for everybody, or only where a key, a group or a model names it.
            </p>
          </EmptyState>
        ) : (
          <ul aria-label="Guardrails">
            {guardrails.map((guardrail) => (
              <GuardrailRow key={guardrail.id} guardrail={guardrail} uses={uses} />
            ))}
          </ul>
        )}
      </Panel>
      {usesError ? <ErrorNotice error={usesError} title="Where guardrails are on could not be loaded" /> : null}
      <GuardrailDialog
        opened={isCreating}
        onClose={creating.close}
        onSubmit={async (body) => {
          await create.mutateAsync(body);
          notifyDone(`Added ${body.name}.`);
        }}
      />
    </>
  );
}
