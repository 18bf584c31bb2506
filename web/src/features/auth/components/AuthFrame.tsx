import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";
import { Logo } from "@/ui";

/** The quiet frame of the pages before the sign-in. */
export function AuthFrame({ title, lead, children }: { title: string; lead: string; children: ReactNode }) {
  useDocumentTitle(`${title} · Alcove`);
  return (
    <div className="grid min-h-dvh place-items-center overflow-y-auto bg-side px-4 py-10">
      <main className="w-full max-w-[26rem]">
        <div className="mb-6 flex flex-col items-center text-center">
          <Logo size={48} />
          <h1 className="mt-5 text-2xl font-semibold tracking-tight text-balance">{title}</h1>
          <p className="mt-2 leading-relaxed text-pretty text-ink-soft">{lead}</p>
        </div>
        <div className="rounded-2xl border border-line bg-raised p-6 shadow-soft sm:p-7">{children}</div>
        <p className="mt-6 text-center text-xs text-ink-faint">Your chats and documents are kept on this server.</p>
      </main>
    </div>
  );
}
