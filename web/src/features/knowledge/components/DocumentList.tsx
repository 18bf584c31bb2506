import { Button } from "@mantine/core";
import type { Document } from "@/lib/api";
import { confirm, ErrorNotice, Loading, notifyDone, notifyError } from "@/ui";
import { focusContent } from "@/ui/focusContent";
import { useDeleteDocument } from "../api/useDeleteDocument";
import { useDocuments } from "../api/useDocuments";
import { useRetryDocument } from "../api/useRetryDocument";
import { useUploads } from "../hooks/useUploads";
import { DocumentRow } from "./DocumentRow";
import { DropZone } from "./DropZone";
import { UploadList } from "./UploadList";

type DocumentListProps = { collectionId: string; onOpen: (documentId: string) => void };

/** The documents of a collection, and the way to add more. */
export function DocumentList({ collectionId, onOpen }: DocumentListProps) {
  const query = useDocuments(collectionId);
  const uploads = useUploads(collectionId);
  const remove = useDeleteDocument(collectionId);
  const retry = useRetryDocument();

  const askToDelete = async (document: Document) => {
    const isSure = await confirm({
      title: `Delete “${document.name}”?`,
      body: "The file, its text and its passages are deleted from this server. Answers can no longer use it. This cannot be undone.",
      confirmLabel: "Delete document",
      isDangerous: true,
    });
    if (!isSure) return;
    remove.mutate(document.id, {
      onSuccess: () => {
        notifyDone(`Deleted “${document.name}”.`);
        focusContent();
      },
      onError: (error) => notifyError(`“${document.name}” was not deleted`, error),
    });
  };

  if (query.isPending) return <Loading label="Loading documents" />;
  if (query.isError && !query.data) {
    return <ErrorNotice error={query.error} title="The documents could not be loaded" onRetry={() => void query.refetch()} />;
  }
  const documents = query.data.pages.flatMap((page) => page.items);
  return (
    <>
      {query.isError ? (
        <div className="mb-4">
          <ErrorNotice error={query.error} title="This list is not up to date" onRetry={() => void query.refetch()} />
        </div>
      ) : null}
      <DropZone onFiles={uploads.add} isLarge={documents.length === 0 && uploads.uploads.length === 0} />
      <UploadList uploads={uploads.uploads} onDismiss={uploads.dismiss} onRetry={uploads.retry} />
      {documents.length > 0 ? (
        <ul aria-label="Documents" className="mt-4 rounded-xl border border-line bg-raised">
          {documents.map((document) => (
            <DocumentRow
              key={document.id}
              document={document}
              isRetrying={retry.isPending && retry.variables === document.id}
              onOpen={() => onOpen(document.id)}
              onRetry={() => retry.mutate(document.id, { onError: (error) => notifyError("Not tried again", error) })}
              onDelete={(target) => void askToDelete(target)}
            />
          ))}
        </ul>
      ) : null}
      {query.hasNextPage ? (
        <div className="mt-5 text-center">
          <Button variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            Show more
          </Button>
        </div>
      ) : null}
    </>
  );
}
