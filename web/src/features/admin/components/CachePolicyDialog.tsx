import { Modal, Select, Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import { notifyDone } from "@/ui";
import { FormFoot } from "@/ui/FormFoot";
import { useSending } from "@/ui/useSending";
import { useSetCachePolicy } from "../api/useSetCachePolicy";
import { CACHE_FIELDS, type CachePlace, cachePolicyOf, type CacheValues, cacheValuesOf } from "../model/cachePolicy";
import { CachePolicyFields } from "./CachePolicyFields";

type CachePolicyFormProps = {
  /** Where the policy may go. */
  places: readonly CachePlace[];
  isNew?: boolean;
  onClose: () => void;
};

/** Says whether and how the answers of a model group or server are kept. */
export function CachePolicyDialog({ opened, ...form }: CachePolicyFormProps & { opened: boolean }) {
  const { places, isNew = true, onClose } = form;
  return (
    <Modal opened={opened} onClose={onClose} title={isNew ? "Cache a model" : `Cache of ${places[0]?.name ?? ""}`} size="lg">
      <CachePolicyForm {...form} />
    </Modal>
  );
}

const KINDS: Record<CachePlace["kind"], string> = { group: "Model groups", server: "Model servers", rule: "Rules" };

function CachePolicyForm({ places, isNew = true, onClose }: CachePolicyFormProps) {
  const setPolicy = useSetCachePolicy();
  const form = useForm<CacheValues & { place: string }>({
    initialValues: {
      ...(isNew ? { ...cacheValuesOf(null), cache_mode: "exact" } : cacheValuesOf(places[0]?.policy)),
      place: isNew ? "" : (places[0]?.key ?? ""),
    },
    validate: { place: (key) => (key ? null : "Choose a model group or a server.") },
  });
  const { submit, failure } = useSending(form, {
    fields: CACHE_FIELDS,
    send: async (values) => {
      const place = places.find(({ key }) => key === values.place);
      if (place === undefined) return;
      await setPolicy(place, cachePolicyOf(values));
      notifyDone(`Saved the cache of ${place.name}.`);
      onClose();
    },
  });
  const options = (["group", "server"] as const).map((kind) => ({
    group: KINDS[kind],
    items: places.filter((place) => place.kind === kind).map(({ key, name }) => ({ value: key, label: name })),
  }));
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {isNew ? (
          <Select
            label="Whose answers"
            description="A model group, or every model of a server that is asked by itself."
            placeholder="Choose"
            data={options.filter(({ items }) => items.length > 0)}
            searchable
            data-autofocus
            {...form.getInputProps("place")}
          />
        ) : null}
        <CachePolicyFields inputProps={form.getInputProps} mode={form.values.cache_mode} />
        <p className="text-xs leading-relaxed text-ink-faint">
          Requests with a high temperature, and answers that were cut or failed, are never kept. Let people share answers only where prompts
          hold nothing personal.
        </p>
        <FormFoot failure={failure} submit="Save" isBusy={form.submitting} onCancel={onClose} />
      </Stack>
    </form>
  );
}
