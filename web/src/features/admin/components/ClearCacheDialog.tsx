import { Autocomplete, Button, Group, Modal, Select, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { everyoneQuery, messageOf, modelsQuery } from "@/lib/api";
import { plural } from "@/lib/format";
import { notifyDone } from "@/ui";
import { FormFailure } from "@/ui/FormFailure";
import { useClearCache } from "../api/useClearCache";

type ClearCacheProps = { onClose: () => void };

/** Asks what is to be dropped, and says how much it was. */
export function ClearCacheDialog({ opened, onClose }: ClearCacheProps & { opened: boolean }) {
  return (
    <Modal opened={opened} onClose={onClose} title="Empty the cache">
      <ClearCacheForm onClose={onClose} />
    </Modal>
  );
}

function ClearCacheForm({ onClose }: ClearCacheProps) {
  const [model, setModel] = useState("");
  const [ownerId, setOwnerId] = useState<string | null>(null);
  const models = useQuery(modelsQuery).data?.items ?? [];
  const people = useQuery(everyoneQuery).data ?? [];
  const clear = useClearCache();
  const id = model.trim();
  const isAll = id === "" && ownerId === null;
  const run = () =>
    clear.mutate(
      { ...(id ? { model: id } : {}), ...(ownerId ? { owner_id: ownerId } : {}) },
      {
        onSuccess: ({ entries }) => {
          notifyDone(entries === 0 ? "There was nothing to drop." : `Dropped ${plural(entries, "cached answer")}.`);
          onClose();
        },
      },
    );
  return (
    <Stack gap="md">
      <p className="text-sm leading-relaxed text-ink-soft">
        Nothing else is lost: the next request of each kind is asked of its model again. Empty a model’s answers after putting another
        model behind its id.
      </p>
      <Autocomplete
        label="Model"
        placeholder="every model"
        data={models.map((each) => each.id)}
        limit={50}
        clearable
        maxLength={200}
        spellCheck={false}
        value={model}
        onChange={setModel}
      />
      <Select
        label="Who asked"
        placeholder="everybody"
        data={people.map((person) => ({ value: person.id, label: `${person.name} (${person.email})` }))}
        searchable
        clearable
        nothingFoundMessage="Nobody of that name"
        value={ownerId}
        onChange={setOwnerId}
      />
      <FormFailure message={clear.isError ? messageOf(clear.error) : null} />
      <Group justify="flex-end" gap="sm">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button color="red" loading={clear.isPending} onClick={run}>
          {isAll ? "Drop all answers" : "Drop these answers"}
        </Button>
      </Group>
    </Stack>
  );
}
