import { queryOptions } from "@tanstack/react-query";
import { api, dataOf } from "./client";
import type { Collection, Group, Page, User } from "./types";

/** Server state that more than one feature reads. Invalidate by the first part of the key. */
export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/models", { signal })),
  staleTime: 30_000,
});

type PageQuery = { limit: number; cursor?: string };

const MOST_PAGES = 10;

/** Every item of a list that comes in pages, by name; for choosing among them. */
async function allByName<Item extends { name: string }>(ask: (query: PageQuery) => Promise<Page<Item>>): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const answer: Page<Item> = await ask(cursor === null ? { limit: 200 } : { limit: 200, cursor });
    items.push(...answer.items);
    cursor = answer.next_cursor;
    if (cursor === null) break;
  }
  return items.toSorted((a, b) => a.name.localeCompare(b.name));
}

/** Every collection of the person (not the hidden ones of chats), by name. */
export const collectionsQuery = queryOptions({
  queryKey: ["collections"],
  queryFn: ({ signal }) =>
    allByName<Collection>(async (query) => dataOf(await api.GET("/api/v1/knowledge/collections", { params: { query }, signal }))),
});

/** What binds the person, and how it stands. */
export const myLimitsQuery = queryOptions({
  queryKey: ["limits", "me"],
  queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/limits/me", { signal })),
  staleTime: 0,
});

/** The groups the person is in, by name. */
export const myGroupsQuery = queryOptions({
  queryKey: ["groups", "mine"],
  queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/groups/mine", { signal })).items,
});

/** Every guardrail, of the settings and of the page. For administrators. */
export const guardrailsQuery = queryOptions({
  queryKey: ["guardrails"],
  queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/guardrails", { signal })).items,
});

/** Everyone with an account, by name. For administrators. */
export const everyoneQuery = queryOptions({
  queryKey: ["everyone"],
  queryFn: ({ signal }) => allByName<User>(async (query) => dataOf(await api.GET("/api/v1/users", { params: { query }, signal }))),
});

/** Every group of people, by name. For administrators. */
export const groupsQuery = queryOptions({
  queryKey: ["groups", "all"],
  queryFn: ({ signal }) => allByName<Group>(async (query) => dataOf(await api.GET("/api/v1/groups", { params: { query }, signal }))),
});
