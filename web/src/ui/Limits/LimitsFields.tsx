import { Checkbox, NumberInput, Select, Stack, TagsInput, TextInput } from "@mantine/core";
import type { GetInputPropsReturnType, GetInputPropsType } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { modelsQuery } from "@/lib/api";
import { GuardsField } from "../GuardsField";
import { type LimitField, PERIODS } from "./values";

type LimitsFieldsProps = {
  /** `form.getInputProps` of a form that holds `LimitsValues`. */
  inputProps: (field: LimitField, options?: { type: GetInputPropsType }) => GetInputPropsReturnType;
  isChoosy: boolean;
};

/** The limits of a key, a person or a group; each field may stay empty. */
export function LimitsFields({ inputProps, isChoosy }: LimitsFieldsProps) {
  const { data } = useQuery(modelsQuery);
  const known = data?.items.map((model) => model.id) ?? [];
  return (
    <Stack gap="md">
      <div>
        <Checkbox label="Only some models" {...inputProps("is_choosy", { type: "checkbox" })} />
        {isChoosy ? (
          <TagsInput
            mt="xs"
            aria-label="Models allowed"
            description="Ids, beginnings such as local/*, or access groups such as @fast. With none, no model may be asked."
            placeholder="Add a model"
            data={known}
            maxTags={200}
            acceptValueOnBlur
            {...inputProps("models")}
          />
        ) : null}
      </div>
      <div className="grid items-start gap-3 sm:grid-cols-3">
        <NumberInput label="Requests a minute" {...WHOLE} {...inputProps("requests_per_minute")} />
        <NumberInput label="Tokens a minute" {...WHOLE} {...inputProps("tokens_per_minute")} />
        <NumberInput label="At the same time" {...WHOLE} {...inputProps("max_parallel")} />
      </div>
      <div className="grid items-start gap-3 sm:grid-cols-3">
        <TextInput label="Budget in dollars" placeholder="none" inputMode="decimal" leftSection="$" {...inputProps("budget_usd")} />
        <NumberInput label="Budget in tokens" {...WHOLE} min={0} {...inputProps("budget_tokens")} />
        <Select
          label="Budget begins anew"
          data={PERIODS.map((period) => ({ ...period }))}
          allowDeselect={false}
          {...inputProps("budget_period")}
        />
      </div>
      <GuardsField description="Those that are always on here, by name." maxTags={50} {...inputProps("guards")} />
    </Stack>
  );
}

const WHOLE = { placeholder: "no limit", min: 1, allowDecimal: false, thousandSeparator: ",", hideControls: true } as const;
