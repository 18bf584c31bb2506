import { Checkbox, Select, Stack, TagsInput } from "@mantine/core";
import type { GetInputPropsReturnType, GetInputPropsType } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { myGroupsQuery } from "@/lib/api";
import { LimitsFields } from "@/ui/Limits";
import { type KeyTerms, SCOPES } from "../model/keyTerms";

type KeyTermsFieldsProps = {
  /** `form.getInputProps` of a form that holds `KeyTerms`. */
  inputProps: (field: keyof KeyTerms, options?: { type: GetInputPropsType }) => GetInputPropsReturnType;
  isChoosy: boolean;
};

/** What a key may do, where, how much, and at whose cost. Never more than its owner may. */
export function KeyTermsFields({ inputProps, isChoosy }: KeyTermsFieldsProps) {
  const groups = useQuery(myGroupsQuery).data ?? [];
  return (
    <Stack gap="md">
      {groups.length > 0 ? (
        <Select
          label="Charged to"
          description="Whose limits and budget the key uses."
          data={[{ value: "", label: "My own account" }, ...groups.map(({ id, name }) => ({ value: id, label: name }))]}
          allowDeselect={false}
          {...inputProps("group_id")}
        />
      ) : null}
      <Checkbox.Group label="Good for" description="None chosen: for everything." {...inputProps("scopes")}>
        <div className="mt-2 grid gap-2 sm:grid-cols-2">
          {SCOPES.map(({ value, label }) => (
            <Checkbox key={value} size="sm" value={value} label={label} />
          ))}
        </div>
      </Checkbox.Group>
      <TagsInput
        label="Only from these addresses"
        description="Such as 203.0.113.7 or 10.0.0.0/8. Empty: from anywhere."
        placeholder="anywhere"
        maxTags={100}
        acceptValueOnBlur
        {...inputProps("allowed_ips")}
      />
      <LimitsFields inputProps={inputProps} isChoosy={isChoosy} />
    </Stack>
  );
}
