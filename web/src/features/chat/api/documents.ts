import { queryOptions } from "@tanstack/react-query";
import { api, dataOf, type Document } from "@/lib/api";

export async function getDocument(documentId: string): Promise<Document> {
  return dataOf(
    await api.GET("/api/v1/knowledge/documents/{document_id}", { params: { path: { document_id: documentId } } }),
  );
}

export async function retryDocument(documentId: string): Promise<Document> {
  return dataOf(
    await api.POST("/api/v1/knowledge/documents/{document_id}/retry", { params: { path: { document_id: documentId } } }),
  );
}

export async function deleteDocument(documentId: string): Promise<void> {
  await api.DELETE("/api/v1/knowledge/documents/{document_id}", { params: { path: { document_id: documentId } } });
}

/** A document as the text that was read from it. It never changes, so it is kept. */
export const documentTextQuery = (documentId: string) =>
  queryOptions({
    queryKey: ["documents", "text", documentId],
    queryFn: async ({ signal }) =>
      dataOf(
        await api.GET("/api/v1/knowledge/documents/{document_id}/text", {
          params: { path: { document_id: documentId } },
          signal,
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  });
