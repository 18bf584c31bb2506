import { Button, SegmentedControl, Stack, Textarea } from "@mantine/core";
import { CircleCheck, EyeOff, OctagonX } from "lucide-react";
import { useState } from "react";
import { type GuardRuleBody, type GuardVerdict, messageOf } from "@/lib/api";
import { FormFailure } from "@/ui/FormFailure";
import { useTryRule } from "../api/useTryRule";
import { foundText } from "../model/guardrail";

const LONGEST_TEXT = 100_000;
const SIDES = [
  { value: "input", label: "As a question" },
  { value: "output", label: "As an answer" },
];

type GuardrailTryProps = {
  /** What the guardrail is called; null while that is open. */
  name: string | null;
  /** Gives the rule to try, or null where it cannot be tried as it stands. */
  ruleNow: () => GuardRuleBody | null;
  /** Puts the server's word where it belongs; gives what has no place there. */
  onRefused?: (error: unknown) => string | null;
};

/** Shows what a rule would do with a text. Nothing is kept of it. */
export function GuardrailTry({ name, ruleNow, onRefused = messageOf }: GuardrailTryProps) {
  const [text, setText] = useState("");
  const [direction, setDirection] = useState<"input" | "output">("input");
  const [failure, setFailure] = useState<string | null>(null);
  const attempt = useTryRule();
  const run = () => {
    const rule = ruleNow();
    setFailure(null);
    attempt.reset();
    if (rule === null) return;
    attempt.mutate({ rule, text, direction, ...(name === null ? {} : { name }) }, { onError: (error) => setFailure(onRefused(error)) });
  };
  return (
    <Stack gap="sm">
      <Textarea
        label="A text"
        description="It goes to no model, and nothing is kept of it."
        placeholder="Write to ada@example.org, password: correct-horse-7"
        autosize
        minRows={3}
        maxRows={10}
        maxLength={LONGEST_TEXT}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <div className="flex flex-wrap items-center gap-3">
        <SegmentedControl
          aria-label="Where it stands"
          size="xs"
          data={SIDES}
          value={direction}
          onChange={(side) => setDirection(side === "output" ? "output" : "input")}
        />
        <Button type="button" size="xs" variant="default" disabled={text.trim() === ""} loading={attempt.isPending} onClick={run}>
          Try the text
        </Button>
      </div>
      <div role="status">{attempt.data ? <Verdict verdict={attempt.data} isQuestion={attempt.variables.direction !== "output"} /> : null}</div>
      <FormFailure message={failure} />
    </Stack>
  );
}

type Look = { Icon: typeof CircleCheck; box: string; ink: string };
const PASSED: Look = { Icon: CircleCheck, box: "border-accent-line bg-accent-soft", ink: "text-accent-ink" };
const CHANGED: Look = { Icon: EyeOff, box: "border-warn-line bg-warn-soft", ink: "text-warn" };
const REFUSED: Look = { Icon: OctagonX, box: "border-danger-line bg-danger-soft", ink: "text-danger" };
const LOOKS: Record<GuardVerdict["action"], Look> = { pass: PASSED, redact: CHANGED, mask: CHANGED, refuse: REFUSED };

function Verdict({ verdict, isQuestion }: { verdict: GuardVerdict; isQuestion: boolean }) {
  const { Icon, box, ink } = LOOKS[verdict.action];
  const goesOn = isQuestion ? "The model would get" : "People would get";
  return (
    <div className={`flex gap-2.5 rounded-lg border px-3 py-2 text-sm ${box}`}>
      <Icon size={17} className={`mt-0.5 shrink-0 ${ink}`} aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="font-medium">{headOf(verdict, isQuestion)}</p>
        {verdict.message ? <p className="mt-0.5 text-ink-soft [overflow-wrap:anywhere]">{verdict.message}</p> : null}
        {verdict.action === "pass" || verdict.text === "" ? null : (
          <>
            <p className="mt-1.5 text-xs text-ink-soft">{goesOn}</p>
            {/* a scrolling box must be reachable by keyboard */}
            {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
            <pre className="mt-0.5 max-h-60 overflow-auto font-mono text-xs leading-relaxed whitespace-pre-wrap [overflow-wrap:anywhere]" tabIndex={0}>
              {verdict.text}
            </pre>
          </>
        )}
      </div>
    </div>
  );
}

function headOf({ action, found }: GuardVerdict, isQuestion: boolean): string {
  if (action === "pass") return "It passes as it is.";
  if (action !== "refuse") return `${action === "redact" ? "Hidden" : "Blackened"}: ${foundText(found)}.`;
  return isQuestion ? "The request would be refused." : "The answer would end there.";
}
