import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { knowledgeKeys } from "./keys";

/** What was read out of a document. It never changes, so it is asked once. */
export function useDocumentText(documentId: string) {
  return useQuery({
    queryKey: knowledgeKeys.text(documentId),
    queryFn: async ({ signal }) =>
      dataOf(await api.GET("/api/v1/knowledge/documents/{document_id}/text", { params: { path: { document_id: documentId } }, signal })),
    enabled: documentId !== "",
    staleTime: 5 * 60_000,
  });
}
