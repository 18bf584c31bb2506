import { Checkbox, NumberInput, Select } from "@mantine/core";
import type { GetInputPropsReturnType, GetInputPropsType } from "@mantine/form";
import { CACHE_MODES, type CacheValues } from "../model/cachePolicy";

type CachePolicyFieldsProps = {
  /** `form.getInputProps` of a form that holds `CacheValues`. */
  inputProps: (field: keyof CacheValues, options?: { type: GetInputPropsType }) => GetInputPropsReturnType;
  mode: CacheValues["cache_mode"];
};

/** Whether and how answers are kept. */
export function CachePolicyFields({ inputProps, mode }: CachePolicyFieldsProps) {
  return (
    <>
      <div className="grid items-start gap-3 sm:grid-cols-4">
        <Select
          label="Answer from the cache"
          className="sm:col-span-2"
          data={CACHE_MODES.map((each) => ({ ...each }))}
          allowDeselect={false}
          {...inputProps("cache_mode")}
        />
        {mode === "off" ? null : (
          <NumberInput label="Kept for" suffix=" s" min={1} thousandSeparator="," allowDecimal={false} hideControls {...inputProps("ttl_s")} />
        )}
        {mode === "semantic" ? (
          <NumberInput label="Alike, 0.5 to 1" min={0.5} max={1} step={0.01} decimalScale={3} {...inputProps("threshold")} />
        ) : null}
      </div>
      {mode === "off" ? null : (
        <Checkbox label="People may get answers that were given to others" {...inputProps("is_shared", { type: "checkbox" })} />
      )}
    </>
  );
}
