import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { knowledgeKeys } from "../api/keys";
import { addFiles, dismissUpload, readUploads, retryUpload } from "./uploadQueue";

/** The files on their way into a collection, and what can be done with them. */
export function useUploads(collectionId: string) {
  const client = useQueryClient();
  const { data: uploads } = useQuery({
    queryKey: knowledgeKeys.uploads(collectionId),
    queryFn: () => readUploads(client, collectionId),
    enabled: false,
    initialData: () => readUploads(client, collectionId),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: Number.POSITIVE_INFINITY,
  });
  const isSending = uploads.some((upload) => upload.state === "waiting" || upload.state === "sending");

  // Closing the tab would lose what has not been sent; the browser asks first.
  useEffect(() => {
    if (!isSending) return undefined;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [isSending]);

  const actions = useMemo(
    () => ({
      add: (files: readonly File[]) => addFiles(client, collectionId, files),
      dismiss: (id: string) => dismissUpload(client, collectionId, id),
      retry: (id: string) => retryUpload(client, collectionId, id),
    }),
    [client, collectionId],
  );
  return { uploads, isSending, ...actions };
}
