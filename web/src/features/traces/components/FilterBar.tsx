import { Autocomplete, Button, Select, Switch, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { Search, X } from "lucide-react";
import { useState } from "react";
import type { useTraceFilters } from "../hooks/useTraceFilters";

type FilterBarProps = ReturnType<typeof useTraceFilters> & { knownModels: string[] };

/** Narrows the list of traces. */
export function FilterBar({ filters, isFiltered, isLive, isAdmin, setSearch, knownModels }: FilterBarProps) {
  // What is typed shows at once and filters a moment later.
  const [text, setText] = useState(filters.query);
  const [model, setModel] = useState(filters.model);
  const later = useDebouncedCallback(setSearch, 350);
  return (
    <div role="search" aria-label="Filter traces" className="mb-4 flex flex-wrap items-center gap-2">
      <TextInput
        aria-label="Search in questions and answers"
        placeholder="Search in questions and answers"
        className="min-w-0 flex-1 basis-64 sm:max-w-80"
        leftSection={<Search size={16} aria-hidden />}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          later({ query: event.currentTarget.value.trim(), model: model.trim() });
        }}
      />
      <Autocomplete
        aria-label="Model"
        placeholder="Any model"
        className="min-w-0 flex-1 basis-36 sm:max-w-52"
        data={knownModels}
        value={model}
        onChange={(next) => {
          setModel(next);
          later({ query: text.trim(), model: next.trim() });
        }}
      />
      <Select
        aria-label="Level"
        placeholder="Any level"
        className="min-w-0 flex-1 basis-32 sm:max-w-40"
        clearable
        value={filters.level || null}
        onChange={(level) => setSearch({ level: level ?? "" })}
        data={[
          { value: "default", label: "Went well" },
          { value: "warning", label: "Warning" },
          { value: "error", label: "Error" },
        ]}
      />
      {filters.session ? (
        <Button
          variant="default"
          fw={500}
          rightSection={<X size={14} aria-hidden />}
          aria-label="Show traces of every chat again"
          onClick={() => setSearch({ session: "" })}
        >
          One chat only
        </Button>
      ) : null}
      {isFiltered ? (
        <Button
          variant="subtle"
          color="gray"
          onClick={() => {
            setSearch({ query: "", model: "", level: "", session: "" });
            setText("");
            setModel("");
          }}
        >
          Clear filters
        </Button>
      ) : null}
      <div className="flex flex-wrap items-center gap-x-5 gap-y-2 py-1 sm:ml-auto">
        {isAdmin ? (
          <Switch
            label="Everyone’s"
            checked={filters.everyone}
            onChange={(event) => setSearch({ everyone: event.currentTarget.checked ? "yes" : "" })}
          />
        ) : null}
        <Switch
          label="Refresh by itself"
          checked={isLive}
          onChange={(event) => setSearch({ live: event.currentTarget.checked ? "yes" : "" })}
        />
      </div>
    </div>
  );
}
