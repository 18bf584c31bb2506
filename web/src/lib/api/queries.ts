import { queryOptions } from "@tanstack/react-query";
import { api, dataOf } from "./client";
import type { Collection } from "./types";

/** Server state that more than one feature reads. Invalidate by the first part of the key. */
export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: async ({ signal }) => dataOf(await api.GET("/api/v1/models", { signal })),
  staleTime: 30_000,
});

const MOST_PAGES = 10;

/** Every collection of the person (not the hidden ones of chats), by name. */
export const collectionsQuery = queryOptions({
  queryKey: ["collections"],
  queryFn: async ({ signal }) => {
    const items: Collection[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const query: { limit: number; cursor?: string } = cursor === null ? { limit: 200 } : { limit: 200, cursor };
      const answer: { items: Collection[]; next_cursor: string | null } = dataOf(
        await api.GET("/api/v1/knowledge/collections", { params: { query }, signal }),
      );
      items.push(...answer.items);
      cursor = answer.next_cursor;
      if (cursor === null) break;
    }
    return items.toSorted((a, b) => a.name.localeCompare(b.name));
  },
});
