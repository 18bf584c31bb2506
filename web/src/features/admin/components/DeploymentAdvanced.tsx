import { NumberInput, Select, Stack, TagsInput, TextInput } from "@mantine/core";
import type { GetInputPropsReturnType, GetInputPropsType } from "@mantine/form";
import type { ReactNode } from "react";
import { GuardsField } from "@/ui/GuardsField";
import { HEALTH_CHECKS, type OptionsValues } from "../model/deploymentOptions";
import { CachePolicyFields } from "./CachePolicyFields";

type DeploymentAdvancedProps = {
  /** `form.getInputProps` of a form that holds `OptionsValues`. */
  inputProps: (field: keyof OptionsValues, options?: { type: GetInputPropsType }) => GetInputPropsReturnType;
  values: Pick<OptionsValues, "health_check" | "cache_mode">;
};

/** How a model server is used: how many calls at a time, how long to wait, what it costs, how it is looked after. */
export function DeploymentAdvanced({ inputProps, values }: DeploymentAdvancedProps) {
  return (
    <Stack gap="lg">
      <Fields title="Room" note="More calls than it may have at a time wait in line; past the line they are refused.">
        <NumberInput label="Calls at a time" placeholder="no limit" {...WHOLE} min={1} {...inputProps("max_parallel")} />
        <NumberInput label="May wait" {...WHOLE} min={0} {...inputProps("max_waiting")} />
        <NumberInput label="Wait at most" {...SECONDS} {...inputProps("max_wait_s")} />
      </Fields>
      <Fields title="Patience" note="Empty: as the gateway’s settings say.">
        <NumberInput label="To connect" {...SECONDS} {...inputProps("connect_timeout_s")} />
        <NumberInput label="To the first token" {...SECONDS} {...inputProps("first_token_timeout_s")} />
        <NumberInput label="For a whole answer" {...SECONDS} {...inputProps("total_timeout_s")} />
      </Fields>
      <Fields title="Prices, dollars a million tokens" note="In place of the vendor’s list. Empty: that list, where it knows the model.">
        <TextInput label="Input" inputMode="decimal" leftSection="$" {...inputProps("input_usd")} />
        <TextInput label="Output" inputMode="decimal" leftSection="$" {...inputProps("output_usd")} />
        <TextInput label="Cached input" inputMode="decimal" leftSection="$" {...inputProps("cached_input_usd")} />
      </Fields>
      <Fields title="Health" note="A server that fails is spared for a while by itself. A check also finds out while nobody asks.">
        <Select
          label="Check"
          className="sm:col-span-2"
          data={HEALTH_CHECKS.map((check) => ({ ...check }))}
          allowDeselect={false}
          {...inputProps("health_check")}
        />
        {values.health_check === "call" ? <TextInput label="Model asked" placeholder="the first" {...inputProps("health_model")} /> : null}
      </Fields>
      <fieldset>
        <legend className="mb-2 text-sm font-semibold text-ink-soft">Cache</legend>
        <Stack gap="sm">
          <CachePolicyFields inputProps={inputProps} mode={values.cache_mode} />
        </Stack>
      </fieldset>
      <Fields title="Routing">
        <NumberInput label="Weight in groups" min={0} decimalScale={3} hideControls {...inputProps("weight")} />
        <TagsInput
          label="Access groups"
          className="sm:col-span-2"
          placeholder="fast"
          maxTags={100}
          acceptValueOnBlur
          {...inputProps("access_groups")}
        />
        <GuardsField className="sm:col-span-3" maxTags={100} {...inputProps("guards")} />
      </Fields>
    </Stack>
  );
}

function Fields({ title, note, children }: { title: string; note?: string; children: ReactNode }) {
  return (
    <fieldset>
      <legend className="text-sm font-semibold text-ink-soft">{title}</legend>
      {note ? <p className="mt-0.5 text-xs leading-relaxed text-ink-faint">{note}</p> : null}
      <div className="mt-2 grid items-start gap-3 sm:grid-cols-3">{children}</div>
    </fieldset>
  );
}

const WHOLE = { allowDecimal: false, thousandSeparator: ",", hideControls: true } as const;
const SECONDS = { suffix: " s", min: 0, decimalScale: 3, hideControls: true, placeholder: "default" } as const;
