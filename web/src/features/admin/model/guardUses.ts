import type { Deployment, Group, Guardrail, ModelGroup, User } from "@/lib/api";

type Namers = {
  deployments: readonly Deployment[];
  modelGroups: readonly ModelGroup[];
  groups: readonly Group[];
  people: readonly User[];
};

/** Who names a guardrail, by its name. */
export type GuardUses = ReadonlyMap<string, readonly string[]>;

/** Finds where guardrails are on. Keys are not among it: their owners alone can list them. */
export function guardUsesOf({ deployments, modelGroups, groups, people }: Namers): GuardUses {
  const uses = new Map<string, string[]>();
  const note = (guards: readonly string[] | undefined, where: string) => {
    for (const guard of guards ?? []) uses.set(guard, [...(uses.get(guard) ?? []), where]);
  };
  for (const { name, options } of deployments) note(options.guards, `server ${name}`);
  for (const { model, guards } of modelGroups) note(guards, `model group ${model}`);
  for (const { name, limits } of groups) note(limits?.guards, `group ${name}`);
  for (const { name, limits } of people) note(limits?.guards, name);
  return uses;
}

/** Where a guardrail is on, in a few words each; empty for nowhere that is known. */
export function whereOn({ name, always_on: isAlwaysOn, models }: Guardrail, uses: GuardUses): readonly string[] {
  return isAlwaysOn ? ["everywhere"] : [...models.map((model) => `model ${model}`), ...(uses.get(name) ?? [])];
}

/** Names that are used, but lead to no guardrail: what they are for is refused. */
export function missingGuards(guardrails: readonly Guardrail[], uses: GuardUses): { name: string; where: readonly string[] }[] {
  const known = new Set(guardrails.map(({ name }) => name));
  return [...uses].filter(([name]) => !known.has(name)).map(([name, where]) => ({ name, where }));
}
