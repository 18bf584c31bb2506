import { TagsInput, type TagsInputProps } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { authStateQuery, guardrailsQuery } from "@/lib/api";

type GuardsFieldProps = Omit<TagsInputProps, "data" | "label" | "placeholder">;

/** Guardrails by name. Administrators choose among those there are, and are warned of names that lead to none. */
export function GuardsField({ value = [], className, ...rest }: GuardsFieldProps) {
  // The page has asked already; where it has not, nobody is known to be an administrator.
  const { data: session } = useQuery({ ...authStateQuery, enabled: false });
  const { data: known } = useQuery({ ...guardrailsQuery, enabled: session?.user?.role === "admin" });
  const names = known?.map(({ name }) => name) ?? [];
  const unknown = known ? value.filter((name) => !names.includes(name)) : [];
  const off = known?.filter(({ name, enabled }) => !enabled && value.includes(name)) ?? [];
  return (
    <div className={className}>
      <TagsInput
        label="Guardrails"
        placeholder={value.length > 0 ? "" : "none"}
        data={names}
        acceptValueOnBlur
        value={value}
        {...rest}
      />
      <div role="status" className="text-xs leading-relaxed [overflow-wrap:anywhere]">
        {unknown.length > 0 ? (
          <p className="mt-1.5 text-warn">There is no guardrail {unknown.map((name) => `“${name}”`).join(", ")}: requests would be refused.</p>
        ) : null}
        {off.length > 0 ? <p className="mt-1.5 text-ink-faint">Switched off at present: {off.map(({ name }) => name).join(", ")}.</p> : null}
      </div>
    </div>
  );
}
