import { Badge, Button, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { CircleOff, Layers, Pencil, Plus } from "lucide-react";
import type { CacheRule } from "@/lib/api";
import { confirm, EmptyState, ErrorNotice, Loading, notifyDone, notifyError } from "@/ui";
import { ActionsMenu } from "@/ui/ActionsMenu";
import { focusContent } from "@/ui/focusContent";
import { Panel } from "@/ui/Panel";
import { useDeployments } from "../api/useDeployments";
import { useModelGroups } from "../api/useModelGroups";
import { useSetCachePolicy } from "../api/useSetCachePolicy";
import { type CachePlace, cachePlacesOf, policyText } from "../model/cachePolicy";
import { SOURCES } from "../model/deployment";
import { CachePolicyDialog } from "./CachePolicyDialog";

/** Whose answers are kept, and how long. */
export function CachePoliciesPanel({ rules }: { rules: readonly CacheRule[] | undefined }) {
  const [isAdding, adding] = useDisclosure(false);
  const groups = useModelGroups();
  const deployments = useDeployments();
  const error = groups.error ?? deployments.error;
  const isThere = groups.data && deployments.data && rules;
  const places = isThere ? cachePlacesOf(groups.data, deployments.data.pages.flatMap((page) => page.items), rules) : [];
  const kept = places.filter(({ policy }) => policy !== null);
  const free = places.filter(({ policy, isOurs }) => isOurs && policy === null);
  const addButton = (
    <Button leftSection={<Plus size={16} aria-hidden />} disabled={free.length === 0} onClick={adding.open}>
      Cache a model
    </Button>
  );
  return (
    <>
      <Panel
        title="Whose answers are kept"
        description="What a model group or a server says itself counts before the rules of the settings; of those, the first that fits."
        actions={kept.length > 0 && free.length > 0 ? addButton : null}
        flush
      >
        {error && !isThere ? (
          <div className="p-4">
            <ErrorNotice error={error} title="The model groups and servers could not be loaded" />
          </div>
        ) : !isThere ? (
          <Loading label="Loading what is kept" />
        ) : kept.length === 0 ? (
          <EmptyState icon={<Layers size={22} />} title="Nothing is kept" action={free.length > 0 ? addButton : null}>
            <p>
              {free.length === 0
                ? "Add a model group or a model server first, or write rules into the settings ([[cache.rules]])."
                : "Choose a model group or a model server whose answers may be given again."}
            </p>
          </EmptyState>
        ) : (
          <ul aria-label="Whose answers are kept">
            {kept.map((place) => (
              <PlaceRow key={place.key} place={place} />
            ))}
          </ul>
        )}
      </Panel>
      <CachePolicyDialog opened={isAdding} places={free} onClose={adding.close} />
    </>
  );
}

function PlaceRow({ place }: { place: CachePlace }) {
  const [isEditing, editing] = useDisclosure(false);
  const setPolicy = useSetCachePolicy();
  const { name, note, isOurs, policy } = place;
  if (policy === null) return null;
  const askToStop = async () => {
    const isSure = await confirm({
      title: `Keep no more answers of ${name}?`,
      body: "Every request is asked of the model again. Answers that are kept stay until their time is over, but are not given.",
      confirmLabel: "Keep no more",
      isDangerous: true,
    });
    if (!isSure) return;
    try {
      await setPolicy(place, null);
      notifyDone(`Answers of ${name} are kept no more.`);
      focusContent();
    } catch (error) {
      notifyError(`${name} was not changed`, error);
    }
  };
  return (
    <li className="flex items-start gap-4 border-t border-line px-4 py-3.5 first:border-t-0 sm:px-5">
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm font-medium">
          <span className="[overflow-wrap:anywhere]">{name}</span>
          <Badge component="span" size="sm" color="gray">
            {note}
          </Badge>
          {isOurs ? null : (
            <Tooltip label={SOURCES.settings.explanation}>
              <Badge component="span" size="sm">
                {SOURCES.settings.label}
              </Badge>
            </Tooltip>
          )}
        </p>
        <p className="mt-1 text-sm text-ink-soft">{policyText(policy)}</p>
      </div>
      {isOurs ? (
        <>
          <ActionsMenu
            label={`Actions for ${name}`}
            actions={[
              { label: "Edit", Icon: Pencil, run: editing.open },
              { label: "Keep no more", Icon: CircleOff, isDangerous: true, run: () => void askToStop() },
            ]}
          />
          <CachePolicyDialog opened={isEditing} places={[place]} isNew={false} onClose={editing.close} />
        </>
      ) : null}
    </li>
  );
}
