import { useDisclosure } from "@mantine/hooks";
import { Pencil, Trash2 } from "lucide-react";
import type { Collection } from "@/lib/api";
import { plural } from "@/lib/format";
import { confirm, notifyDone, notifyError } from "@/ui";
import { ActionsMenu } from "@/ui/ActionsMenu";
import { focusContent } from "@/ui/focusContent";
import { useDeleteCollection } from "../api/useDeleteCollection";
import { useUpdateCollection } from "../api/useUpdateCollection";
import { CollectionFormDialog } from "./CollectionForm";

type CollectionMenuProps = { collection: Collection; onDeleted?: () => void };

/** What can be done with a whole collection. */
export function CollectionMenu({ collection, onDeleted }: CollectionMenuProps) {
  const [isEditing, editing] = useDisclosure(false);
  const update = useUpdateCollection(collection.id);
  const remove = useDeleteCollection();

  const askToDelete = async () => {
    const isSure = await confirm({
      title: `Delete “${collection.name}”?`,
      body: <WhatIsLost collection={collection} />,
      confirmLabel: "Delete collection",
      isDangerous: true,
    });
    if (!isSure) return;
    try {
      await remove.mutateAsync(collection.id);
      notifyDone(`Deleted “${collection.name}”.`);
      focusContent();
      onDeleted?.();
    } catch (error) {
      notifyError("The collection was not deleted", error);
    }
  };

  return (
    <>
      <ActionsMenu
        label={`Actions for ${collection.name}`}
        size="lg"
        actions={[
          { label: "Rename and describe", Icon: Pencil, run: editing.open },
          { label: "Delete", Icon: Trash2, isDangerous: true, run: () => void askToDelete() },
        ]}
      />
      <CollectionFormDialog
        opened={isEditing}
        title="Rename and describe"
        submitLabel="Save"
        collection={collection}
        onClose={editing.close}
        onSubmit={async (values) => {
          await update.mutateAsync(values);
          notifyDone(`Saved “${values.name}”.`);
        }}
      />
    </>
  );
}

function WhatIsLost({ collection }: { collection: Collection }) {
  if (collection.document_count === 0) return <p>It holds no documents. This cannot be undone.</p>;
  return (
    <>
      <p>
        {plural(collection.document_count, "document")} and the {plural(collection.chunk_count, "passage")} made from them are
        deleted from this server. Answers already given keep the words they quoted, but their sources can no longer be opened.
      </p>
      <p className="mt-2">This cannot be undone.</p>
    </>
  );
}
