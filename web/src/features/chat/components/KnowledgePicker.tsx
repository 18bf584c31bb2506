import { Combobox, Pill, useCombobox } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { BookOpen, Check } from "lucide-react";
import { useState } from "react";
import { collectionsQuery, type CollectionRef } from "@/lib/api";
import { plural } from "@/lib/format";

type KnowledgePickerProps = { chosen: readonly CollectionRef[]; onChange: (chosen: CollectionRef[]) => void };

/** Chooses the collections a chat is answered from. */
export function KnowledgePicker({ chosen, onChange }: KnowledgePickerProps) {
  const { data: collections = [] } = useQuery(collectionsQuery);
  const [search, setSearch] = useState("");
  const combobox = useCombobox({ onDropdownClose: () => setSearch(""), onDropdownOpen: () => combobox.focusSearchInput() });
  const ids = new Set(chosen.map((each) => each.id));
  const wanted = search.trim().toLowerCase();
  const shown = collections.filter((collection) => collection.name.toLowerCase().includes(wanted));
  const toggle = (id: string) => {
    const collection = collections.find((each) => each.id === id);
    if (ids.has(id)) onChange(chosen.filter((each) => each.id !== id));
    else if (collection) onChange([...chosen, { id, name: collection.name, kind: "collection" }]);
  };
  return (
    <Combobox store={combobox} position="top-start" width={300} onOptionSubmit={toggle}>
      <Combobox.Target targetType="button" withAriaAttributes={false}>
        <button
          type="button"
          aria-haspopup="listbox"
          aria-expanded={combobox.dropdownOpened}
          aria-label={ids.size === 0 ? "Knowledge: none" : `Knowledge: ${chosen.map((each) => each.name).join(", ")}`}
          onClick={() => combobox.toggleDropdown()}
          className="flex h-8 items-center gap-1.5 rounded-lg px-2 text-sm text-ink-soft hover:bg-hover hover:text-ink"
        >
          <BookOpen size={16} aria-hidden />
          <span className="hidden sm:inline">Knowledge</span>
        </button>
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Search
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          placeholder="Search collections"
          aria-label="Search collections"
        />
        <Combobox.Options className="max-h-64 overflow-y-auto" aria-label="Collections" aria-multiselectable>
          {shown.map((collection) => (
            <Combobox.Option key={collection.id} value={collection.id} active={ids.has(collection.id)}>
              <span className="flex items-center gap-2">
                <span className="min-w-0 flex-1">
                  <span className="block truncate text-sm">{collection.name}</span>
                  <span className="block text-xs text-ink-faint">{plural(collection.document_count, "document")}</span>
                </span>
                {ids.has(collection.id) ? <Check size={16} className="shrink-0 text-accent" aria-hidden /> : null}
              </span>
            </Combobox.Option>
          ))}
          {shown.length === 0 ? (
            <Combobox.Empty>{collections.length === 0 ? "No collections yet" : "Nothing found"}</Combobox.Empty>
          ) : null}
        </Combobox.Options>
        <div className="border-t border-line px-2.5 pt-2 pb-1 text-xs">
          <Link to="/knowledge" className="text-accent-ink underline-offset-2 hover:underline">
            Manage knowledge
          </Link>
        </div>
      </Combobox.Dropdown>
    </Combobox>
  );
}

/** The chosen collections as removable pills over the text field. */
export function KnowledgePills({ chosen, onChange }: KnowledgePickerProps) {
  return chosen.map((collection) => (
    <Pill
      key={collection.id}
      size="md"
      withRemoveButton
      removeButtonProps={{ "aria-label": `Remove ${collection.name}`, "aria-hidden": false, tabIndex: 0 }}
      onRemove={() => onChange(chosen.filter((each) => each.id !== collection.id))}
      styles={{ root: { background: "var(--accent-soft)", color: "var(--accent-ink)" } }}
    >
      {collection.name}
    </Pill>
  ));
}
