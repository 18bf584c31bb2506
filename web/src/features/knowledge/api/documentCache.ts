import type { InfiniteData, QueryClient } from "@tanstack/react-query";
import type { Document, Page } from "@/lib/api";
import { knowledgeKeys } from "./keys";

export type DocumentPages = InfiniteData<Page<Document>, string>;

/** Puts a document in the list at once: in its place when it is there, else at the top. */
export function showDocument(client: QueryClient, document: Document): void {
  client.setQueryData<DocumentPages>(knowledgeKeys.documents(document.collection_id), (data) => {
    if (!data) return data;
    const isKnown = data.pages.some((page) => page.items.some((item) => item.id === document.id));
    const pages = data.pages.map((page, index) => {
      if (isKnown) return { ...page, items: page.items.map((item) => (item.id === document.id ? document : item)) };
      return index === 0 ? { ...page, items: [document, ...page.items] } : page;
    });
    return { ...data, pages };
  });
}

/** Takes a document out of the list at once. */
export function hideDocument(client: QueryClient, collectionId: string, documentId: string): void {
  client.setQueryData<DocumentPages>(knowledgeKeys.documents(collectionId), (data) =>
    data
      ? { ...data, pages: data.pages.map((page) => ({ ...page, items: page.items.filter((item) => item.id !== documentId) })) }
      : data,
  );
}

/** Whether the list already holds this document. */
export function knowsDocument(client: QueryClient, collectionId: string, documentId: string): boolean {
  const data = client.getQueryData<DocumentPages>(knowledgeKeys.documents(collectionId));
  return data?.pages.some((page) => page.items.some((item) => item.id === documentId)) ?? false;
}
