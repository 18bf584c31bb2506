import { useQuery } from "@tanstack/react-query";
import { FileUp, GitCompare, Info, ListChecks, type LucideIcon, Quote, SquarePen } from "lucide-react";
import { modelsQuery, useUser } from "@/lib/api";
import { Logo } from "@/ui";
import { chosenModel } from "./ModelPicker";
import { ModelsNotice } from "./ModelsNotice";

type WelcomeProps = { model: string | null; onPick: (text: string) => void; onBrowse: () => void };

type Starter = { icon: LucideIcon; title: string; text: string };

const FOR_READER: Starter[] = [
  { icon: Quote, title: "Find the sentence that answers", text: "What does the document say about " },
  { icon: ListChecks, title: "Look up a fact, date or number", text: "When and where " },
  { icon: GitCompare, title: "Check a claim", text: "Is it true, according to my documents, that " },
];
const FOR_WRITER: Starter[] = [
  { icon: ListChecks, title: "Summarise a document", text: "Summarise the attached document in five points, with the page of each." },
  { icon: SquarePen, title: "Draft something", text: "Write a short, friendly email that " },
  { icon: GitCompare, title: "Compare two options", text: "Compare these two options in a table: " },
];

/** A new chat: what to do first, fitted to the model that will answer. */
export function Welcome({ model, onPick, onBrowse }: WelcomeProps) {
  const user = useUser();
  const { data } = useQuery(modelsQuery);
  const chosen = chosenModel((data?.items ?? []).filter((each) => each.kind === "chat"), model);
  const isReader = chosen !== undefined && !chosen.is_generative;
  const starters = isReader ? FOR_READER : FOR_WRITER;
  const firstName = user.name.split(" ")[0];
  return (
    <div className="flex flex-1 flex-col justify-center py-8">
      <Logo size={40} />
      <h1 className="mt-5 text-[1.75rem] leading-tight font-semibold tracking-tight text-balance sm:text-[2rem]">
        {greeting()}, {firstName}
      </h1>
      <p className="mt-2 max-w-[52ch] leading-relaxed text-pretty text-ink-soft">
        {isReader
          ? "Add a document and ask about it. You get the sentences that answer, each with its place in the source."
          : "Ask a question, or add documents and get answers that show where they come from."}
      </p>
      <button
        type="button"
        onClick={onBrowse}
        className="mt-7 flex items-center gap-4 rounded-2xl border border-dashed border-line-strong bg-raised/60 px-5 py-4 text-left transition-colors hover:border-accent hover:bg-accent-soft/50"
      >
        <span className="grid size-10 shrink-0 place-items-center rounded-xl bg-accent-soft text-accent-ink">
          <FileUp size={20} aria-hidden />
        </span>
        <span>
          <span className="block font-medium">Drop a document here, or choose one</span>
          <span className="mt-0.5 block text-sm text-ink-faint">PDF, Word, HTML, Markdown or text. Kept on this server.</span>
        </span>
      </button>
      <ul className="mt-3 grid gap-3 sm:grid-cols-3">
        {starters.map((starter) => (
          <li key={starter.title}>
            <button
              type="button"
              onClick={() => onPick(starter.text)}
              className="flex h-full w-full items-center gap-3 rounded-2xl border border-line bg-raised px-4 py-3 text-left text-sm leading-snug transition-colors hover:border-line-strong hover:bg-hover/50 sm:flex-col sm:items-start sm:gap-2.5"
            >
              <starter.icon size={17} className="shrink-0 text-accent" aria-hidden />
              {starter.title}
            </button>
          </li>
        ))}
      </ul>
      {data?.notice ? (
        <p className="mt-5 flex gap-2.5 px-1 text-sm leading-relaxed text-pretty text-ink-faint">
          <Info size={16} className="mt-[0.22rem] shrink-0" aria-hidden />
          <ModelsNotice notice={data.notice} />
        </p>
      ) : null}
    </div>
  );
}

function greeting(hour: number = new Date().getHours()): string {
  if (hour >= 5 && hour < 12) return "Good morning";
  if (hour >= 12 && hour < 18) return "Good afternoon";
  return "Good evening";
}
