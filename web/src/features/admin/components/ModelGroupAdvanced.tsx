import { NumberInput, Stack, TagsInput } from "@mantine/core";
import type { UseFormReturnType } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { modelsQuery } from "@/lib/api";
import { GuardsField } from "@/ui/GuardsField";
import type { ModelGroupValues } from "../model/modelGroup";
import { CachePolicyFields } from "./CachePolicyFields";

/** What a model group does beside choosing a member. */
export function ModelGroupAdvanced({ form }: { form: UseFormReturnType<ModelGroupValues> }) {
  const known = useQuery(modelsQuery).data?.items.map(({ id }) => id) ?? [];
  const models = { data: known, maxTags: 20, acceptValueOnBlur: true, placeholder: "none" };
  const names = { maxTags: 100, acceptValueOnBlur: true, placeholder: "none" };
  return (
    <Stack gap="md">
      <div className="grid items-start gap-3 sm:grid-cols-2">
        <NumberInput
          label="Retries"
          description="When a member fails before its answer has begun."
          min={0}
          max={10}
          allowDecimal={false}
          hideControls
          {...form.getInputProps("retries")}
        />
        <NumberInput
          label="Ask a second after"
          description="Without a beginning by then. Costs money twice."
          placeholder="never"
          suffix=" ms"
          min={1}
          allowDecimal={false}
          hideControls
          {...form.getInputProps("hedge_after_ms")}
        />
      </div>
      <TagsInput label="When every member fails, ask" description="Models or groups, in this order." {...models} {...form.getInputProps("on_error")} />
      <TagsInput label="When the conversation is too long, ask" {...models} {...form.getInputProps("on_context_overflow")} />
      <TagsInput label="When the vendor refuses the content, ask" {...models} {...form.getInputProps("on_content_policy")} />
      <div className="grid items-start gap-3 sm:grid-cols-2">
        <TagsInput label="Other names" description="Ids that mean this group too." {...names} {...form.getInputProps("aliases")} />
        <TagsInput label="Access groups" description="Limits allow them as @name." {...names} {...form.getInputProps("access_groups")} />
      </div>
      <GuardsField description="Those that are on for it, by name." maxTags={100} {...form.getInputProps("guards")} />
      <CachePolicyFields inputProps={form.getInputProps} mode={form.values.cache_mode} />
    </Stack>
  );
}
