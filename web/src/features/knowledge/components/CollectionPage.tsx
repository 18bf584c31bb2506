import { Button, Tabs } from "@mantine/core";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { ChevronLeft, MessageSquareText } from "lucide-react";
import type { Collection } from "@/lib/api";
import { formatCount, plural } from "@/lib/format";
import { ErrorNotice, Loading, Page, PageHeader } from "@/ui";
import { useSearchParams } from "@/ui/useSearchParams";
import { useCollection } from "../api/useCollection";
import { isUnfinished, useDocuments } from "../api/useDocuments";
import { CollectionMenu } from "./CollectionMenu";
import { DocumentDrawer } from "./DocumentDrawer";
import { DocumentList } from "./DocumentList";
import { SearchPanel } from "./SearchPanel";

const PARAMS = ["tab", "document", "start", "end"] as const;

/** One collection: its documents, and a search to try it with. The open tab, document and passage are part of the address. */
export function CollectionPage() {
  const { collectionId = "" } = useParams({ strict: false });
  const documents = useDocuments(collectionId);
  const isBusy = documents.data?.pages.some((page) => page.items.some(isUnfinished)) ?? false;
  const query = useCollection(collectionId, isBusy);
  return (
    <Page>
      {query.data ? (
        <CollectionBody collection={query.data} />
      ) : query.isError ? (
        <>
          <PageHeader title="Collection" above={<BackLink />} />
          <ErrorNotice error={query.error} title="This collection cannot be shown" onRetry={() => void query.refetch()} />
        </>
      ) : (
        <Loading label="Loading the collection" />
      )}
    </Page>
  );
}

function CollectionBody({ collection }: { collection: Collection }) {
  const navigate = useNavigate();
  const [search, setSearch] = useSearchParams(PARAMS);
  const passage = search.start && search.end ? { start: Number(search.start), end: Number(search.end) } : null;
  return (
    <>
      <PageHeader
        title={collection.name}
        above={<BackLink />}
        description={
          <>
            {collection.description ? <span className="block">{collection.description}</span> : null}
            <span className="mt-1 block text-xs text-ink-faint tabular-nums">
              {plural(collection.document_count, "document")} · {plural(collection.chunk_count, "passage")} · embedded with{" "}
              {collection.embedding_model}
            </span>
          </>
        }
        actions={
          <>
            <Button
              variant={collection.document_count === 0 ? "default" : "filled"}
              leftSection={<MessageSquareText size={16} aria-hidden />}
              renderRoot={(props) => <Link to="/" search={{ collection: collection.id } as never} {...props} />}
            >
              Chat with this collection
            </Button>
            <CollectionMenu collection={collection} onDeleted={() => void navigate({ to: "/knowledge" })} />
          </>
        }
      />
      <Tabs
        value={search.tab === "search" ? "search" : "documents"}
        onChange={(tab) => setSearch({ tab: tab === "search" ? "search" : "" })}
        keepMounted
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="documents">
            Documents <span className="ml-1 text-ink-faint tabular-nums">{formatCount(collection.document_count)}</span>
          </Tabs.Tab>
          <Tabs.Tab value="search">Try a search</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="documents">
          <DocumentList collectionId={collection.id} onOpen={(document) => setSearch({ document, start: "", end: "" }, { push: true })} />
        </Tabs.Panel>
        <Tabs.Panel value="search">
          <SearchPanel
            collection={collection}
            onOpen={({ documentId, start, end }) =>
              setSearch(
                { document: documentId, start: start === null ? "" : String(start), end: end === null ? "" : String(end) },
                { push: true },
              )
            }
          />
        </Tabs.Panel>
      </Tabs>
      <DocumentDrawer
        documentId={search.document}
        passage={passage}
        onClose={() => setSearch({ document: "", start: "", end: "" })}
      />
    </>
  );
}

function BackLink() {
  return (
    <Link to="/knowledge" className="inline-flex items-center gap-1 rounded-sm hover:text-ink">
      <ChevronLeft size={15} aria-hidden /> Knowledge
    </Link>
  );
}
