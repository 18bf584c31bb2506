import { Link } from "@tanstack/react-router";
import type { Collection } from "@/lib/api";
import { plural } from "@/lib/format";
import { RelativeTime } from "@/ui";
import { CollectionMenu } from "./CollectionMenu";

/** One collection in the list; the whole card opens it. */
export function CollectionCard({ collection }: { collection: Collection }) {
  return (
    <li className="relative flex min-h-36 flex-col rounded-xl border border-line bg-raised p-4 transition-colors focus-within:border-accent-line hover:border-line-strong">
      <div className="flex items-start gap-2">
        <h2 className="min-w-0 flex-1 pt-1 text-base leading-snug font-semibold break-words">
          <Link
            to="/knowledge/$collectionId"
            params={{ collectionId: collection.id }}
            className="rounded-sm after:absolute after:inset-0 after:rounded-xl"
          >
            {collection.name}
          </Link>
        </h2>
        <div className="relative z-10 -mt-0.5 -mr-1.5">
          <CollectionMenu collection={collection} />
        </div>
      </div>
      {collection.description ? (
        <p className="mt-1 line-clamp-2 text-sm leading-relaxed text-ink-soft">{collection.description}</p>
      ) : null}
      <p className="mt-auto pt-4 text-xs leading-5 text-ink-faint tabular-nums">
        {plural(collection.document_count, "document")} · {plural(collection.chunk_count, "passage")}
        <span className="block">
          changed <RelativeTime at={collection.updated_at} />
        </span>
      </p>
    </li>
  );
}
