import { Combobox, useCombobox } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Check, ChevronDown, Quote } from "lucide-react";
import { useState } from "react";
import { type ModelCard, modelsQuery } from "@/lib/api";
import { ModelsNotice } from "./ModelsNotice";

type ModelPickerProps = { value: string | null; onChange: (model: string | null) => void };

const SEARCH_FROM = 8;

/** Chooses which model answers; says what the built-in one is, and how to get a generative one when there is none. */
export function ModelPicker({ value, onChange }: ModelPickerProps) {
  const { data } = useQuery(modelsQuery);
  const [search, setSearch] = useState("");
  const combobox = useCombobox({
    onDropdownClose: () => {
      setSearch("");
      combobox.resetSelectedOption();
    },
    onDropdownOpen: () => combobox.updateSelectedOptionIndex("active"),
  });
  const models = (data?.items ?? []).filter((model) => model.kind === "chat");
  const chosen = chosenModel(models, value);
  const wanted = search.trim().toLowerCase();
  const shown = models.filter((model) => `${model.id} ${model.name}`.toLowerCase().includes(wanted));
  return (
    <Combobox
      store={combobox}
      position="top-end"
      width={320}
      withinPortal
      onOptionSubmit={(id) => {
        onChange(id);
        combobox.closeDropdown();
      }}
    >
      <Combobox.Target targetType="button" withAriaAttributes={false}>
        <button
          type="button"
          aria-haspopup="listbox"
          aria-expanded={combobox.dropdownOpened}
          aria-label={`Model: ${chosen?.name ?? value ?? "Choose a model"}`}
          onClick={() => combobox.toggleDropdown()}
          className="flex h-8 max-w-full min-w-0 items-center gap-1 rounded-lg px-2 text-sm text-ink-soft hover:bg-hover hover:text-ink"
        >
          <span className="truncate">{chosen?.name ?? value ?? "Choose a model"}</span>
          <ChevronDown size={14} className="shrink-0" aria-hidden />
        </button>
      </Combobox.Target>
      <Combobox.Dropdown className="overflow-hidden">
        {models.length > SEARCH_FROM ? (
          <Combobox.Search
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
            placeholder="Search models"
            aria-label="Search models"
          />
        ) : null}
        <Combobox.Options className="max-h-72 overflow-y-auto" aria-label="Models">
          {shown.map((model) => (
            <Combobox.Option key={model.id} value={model.id} active={model.id === chosen?.id}>
              <ModelRow model={model} isChosen={model.id === chosen?.id} />
            </Combobox.Option>
          ))}
          {shown.length === 0 ? <Combobox.Empty>No model found</Combobox.Empty> : null}
        </Combobox.Options>
        {data?.notice ? (
          <div className="mt-1 border-t border-line px-2.5 py-2.5 text-xs leading-relaxed text-ink-soft">
            <ModelsNotice notice={data.notice} />
          </div>
        ) : null}
      </Combobox.Dropdown>
    </Combobox>
  );
}

function ModelRow({ model, isChosen }: { model: ModelCard; isChosen: boolean }) {
  return (
    <span className="flex items-start gap-2">
      <span className="min-w-0 flex-1">
        <span className="flex items-center gap-1.5">
          <span className="truncate text-sm font-medium">{model.name}</span>
          {model.is_generative ? null : (
            <span className="flex shrink-0 items-center gap-1 rounded bg-accent-soft px-1.5 text-[0.7rem] text-accent-ink">
              <Quote size={10} aria-hidden /> quotes only
            </span>
          )}
        </span>
        <span className="mt-0.5 line-clamp-2 text-xs text-ink-faint">{model.description || model.provider}</span>
      </span>
      {isChosen ? <Check size={16} className="mt-0.5 shrink-0 text-accent" aria-label="chosen" /> : null}
    </span>
  );
}

/** The model that will answer: the one chosen, or the default while none is. */
export function chosenModel(models: readonly ModelCard[], id: string | null): ModelCard | undefined {
  if (id !== null) return models.find((model) => model.id === id);
  return models.find((model) => model.is_default) ?? models[0];
}
