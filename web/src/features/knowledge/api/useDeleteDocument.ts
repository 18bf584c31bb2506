import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "@/lib/api";
import { type DocumentPages, hideDocument } from "./documentCache";
import { knowledgeKeys } from "./keys";

/** Deletes a document; the list shows it gone at once and takes it back when the server refuses. */
export function useDeleteDocument(collectionId: string) {
  const client = useQueryClient();
  const key = knowledgeKeys.documents(collectionId);
  return useMutation({
    mutationFn: async (id: string) => {
      await api.DELETE("/api/v1/knowledge/documents/{document_id}", { params: { path: { document_id: id } } });
    },
    onMutate: async (id) => {
      await client.cancelQueries({ queryKey: key });
      const before = client.getQueryData<DocumentPages>(key);
      hideDocument(client, collectionId, id);
      return { before };
    },
    onError: (_error, _id, context) => client.setQueryData(key, context?.before),
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: key }),
        client.invalidateQueries({ queryKey: knowledgeKeys.collections() }),
      ]),
  });
}
