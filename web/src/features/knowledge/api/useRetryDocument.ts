import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, dataOf } from "@/lib/api";
import { showDocument } from "./documentCache";

/** Has a failed document read again. */
export function useRetryDocument() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) =>
      dataOf(await api.POST("/api/v1/knowledge/documents/{document_id}/retry", { params: { path: { document_id: id } } })),
    onSuccess: (document) => showDocument(client, document),
  });
}
