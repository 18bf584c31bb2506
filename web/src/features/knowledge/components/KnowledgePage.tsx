import { Button, TextInput } from "@mantine/core";
import { useDebouncedValue, useDisclosure } from "@mantine/hooks";
import { useNavigate } from "@tanstack/react-router";
import { LibraryBig, Plus, Search } from "lucide-react";
import { useState } from "react";
import { EmptyState, ErrorNotice, Loading, Page, PageHeader } from "@/ui";
import { useCollections } from "../api/useCollections";
import { useCreateCollection } from "../api/useCreateCollection";
import { CollectionCard } from "./CollectionCard";
import { CollectionFormDialog } from "./CollectionForm";

const FEW = 8;

/** Every collection of the person, and the way to make one. */
export function KnowledgePage() {
  const [isCreating, creating] = useDisclosure(false);
  const create = useCreateCollection();
  const navigate = useNavigate();
  const newButton = (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={creating.open}>
      New collection
    </Button>
  );
  return (
    <Page>
      <PageHeader
        title="Knowledge"
        description="Collections of your documents. A chat can answer from them and show the passages it used."
        actions={newButton}
      />
      <Collections newButton={newButton} />
      <CollectionFormDialog
        opened={isCreating}
        title="New collection"
        submitLabel="Create collection"
        onClose={creating.close}
        onSubmit={async (values) => {
          const { id } = await create.mutateAsync(values);
          await navigate({ to: "/knowledge/$collectionId", params: { collectionId: id } });
        }}
      />
    </Page>
  );
}

function Collections({ newButton }: { newButton: React.ReactNode }) {
  const [text, setText] = useState("");
  const [name] = useDebouncedValue(text.trim(), 250);
  const query = useCollections(name);

  if (query.isPending) return <Loading label="Loading collections" />;
  if (query.isError && !query.data) {
    return <ErrorNotice error={query.error} title="Your collections could not be loaded" onRetry={() => void query.refetch()} />;
  }
  const collections = query.data.pages.flatMap((page) => page.items);
  if (collections.length === 0 && !name && !text) {
    return (
      <EmptyState icon={<LibraryBig size={24} />} title="Teach Alcove what you know" action={newButton}>
        <p>
          Make a collection, drop in PDF, Word, HTML, Markdown or text files, and ask about them in a chat. Each answer names the
          passages it rests on. Files stay on this server.
        </p>
      </EmptyState>
    );
  }
  return (
    <>
      {query.isError ? (
        <div className="mb-4">
          <ErrorNotice error={query.error} title="This list is not up to date" onRetry={() => void query.refetch()} />
        </div>
      ) : null}
      {collections.length > FEW || query.hasNextPage || text ? (
        <TextInput
          className="mb-4 max-w-sm"
          aria-label="Find a collection"
          placeholder="Find a collection"
          leftSection={<Search size={16} aria-hidden />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      ) : null}
      {collections.length === 0 ? (
        <p className="py-8 text-sm text-ink-soft">No collection has “{name}” in its name.</p>
      ) : (
        <ul className="grid grid-cols-1 gap-3 sm:grid-cols-2 lg:grid-cols-3" aria-label="Collections">
          {collections.map((collection) => (
            <CollectionCard key={collection.id} collection={collection} />
          ))}
        </ul>
      )}
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
