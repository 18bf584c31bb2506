import type { Group, Key, UsageSums, User } from "@/lib/api";

export const BREAKDOWNS = [
  { value: "model", label: "Model" },
  { value: "deployment", label: "Server" },
  { value: "key", label: "Key" },
  { value: "group", label: "Group" },
  { value: "user", label: "Person" },
  { value: "kind", label: "Kind" },
  { value: "status", label: "Status" },
] as const;
export type Breakdown = (typeof BREAKDOWNS)[number]["value"];

export function breakdownOf(text: string): Breakdown {
  return BREAKDOWNS.find(({ value }) => value === text)?.value ?? "model";
}

/** Names of what usage rows hold only ids of. */
export type Names = { users: ReadonlyMap<string, string>; groups: ReadonlyMap<string, string>; keys: ReadonlyMap<string, string> };

export function namesFrom(users: readonly User[], groups: readonly Group[], keys: readonly Key[]): Names {
  return {
    users: new Map(users.map(({ id, name }) => [id, name])),
    groups: new Map(groups.map(({ id, name }) => [id, name])),
    keys: new Map(keys.map(({ id, name }) => [id, name])),
  };
}

/** What a line of the breakdown is called; an id without a name shows its end, as it stands in exports. */
export function lineName(by: Breakdown, name: string, names: Names): string {
  if (by === "user") return name ? (names.users.get(name) ?? idText(name)) : "nobody";
  if (by === "group") return name ? (names.groups.get(name) ?? idText(name)) : "no group";
  if (by === "key") return name ? (names.keys.get(name) ?? idText(name)) : "in the page, without a key";
  if (by === "status") return statusText(Number(name));
  if (by === "deployment") return name || "none was asked";
  return name || "unknown";
}

export function idText(id: string): string {
  return `…${id.slice(-6)}`;
}

const STATUSES: Record<number, string> = {
  200: "200 answered",
  400: "400 bad request",
  401: "401 not signed in",
  403: "403 not allowed",
  404: "404 no such model",
  413: "413 too large",
  422: "422 not understood",
  429: "429 over a limit",
  499: "499 client left",
  500: "500 failed",
  502: "502 server failed",
  503: "503 no room",
  504: "504 too slow",
};

/** "429 over a limit". */
export function statusText(status: number): string {
  return STATUSES[status] ?? String(status);
}

/** Lines with the most requests first. */
export function byRequests(items: readonly UsageSums[]): UsageSums[] {
  return items.toSorted((a, b) => b.requests - a.requests);
}
