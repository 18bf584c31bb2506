import { Button, Modal, Stack, Textarea } from "@mantine/core";
import { Square } from "lucide-react";
import { type KeyboardEvent, useState } from "react";
import { formatCount } from "@/lib/format";
import { formatDuration } from "@/lib/time";
import { type Figure, Figures } from "@/ui/Figures";
import { FormFailure } from "@/ui/FormFailure";
import { useTrial } from "../hooks/useTrial";
import { firstTokenMs, isRunning, speedOf, tokensOf, type Trial } from "../model/trial";

type TestDialogProps = { name: string | null; opened: boolean; onClose: () => void };

/** Asks one model one thing, and shows how fast it answers. */
export function TestDialog({ name, opened, onClose }: TestDialogProps) {
  return (
    <Modal opened={opened && name !== null} onClose={onClose} title={`Test ${name ?? ""}`} size="lg">
      {name === null ? null : <TestForm name={name} />}
    </Modal>
  );
}

function TestForm({ name }: { name: string }) {
  const [prompt, setPrompt] = useState("Say hello in one sentence.");
  const { trial, ask, stop } = useTrial(name);
  const isBusy = isRunning(trial);
  const send = () => {
    if (!isBusy && prompt.trim() !== "") void ask(prompt.trim());
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <Stack gap="sm">
      <Textarea
        label="Prompt"
        description="It is asked alone, outside of your chats. Enter sends."
        data-autofocus
        autosize
        minRows={2}
        maxRows={8}
        maxLength={20_000}
        value={prompt}
        onChange={(event) => setPrompt(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <div className="flex justify-end">
        {isBusy ? (
          <Button variant="default" leftSection={<Square size={13} aria-hidden />} onClick={stop}>
            Stop
          </Button>
        ) : (
          <Button disabled={prompt.trim() === ""} onClick={send}>
            Send
          </Button>
        )}
      </div>
      {trial.phase === "idle" ? null : (
        <>
          <Answer trial={trial} />
          <Figures label="Speed" figures={figuresOf(trial)} className="grid-cols-3" />
        </>
      )}
      <p role="status" className="visually-hidden">
        {PHASES[trial.phase]}
      </p>
      <FormFailure message={trial.failure} />
    </Stack>
  );
}

const PHASES: Record<Trial["phase"], string> = {
  idle: "",
  waiting: "Waiting for the first token",
  answering: "",
  done: "The answer is complete",
  stopped: "Stopped",
  failed: "",
};

function Answer({ trial }: { trial: Trial }) {
  const isEmpty = trial.text === "" && trial.reasoning === "";
  const note =
    trial.phase === "waiting" ? "Loading the model and reading the prompt…" : trial.phase === "stopped" ? "Stopped." : "The answer was empty.";
  return (
    // A scrolling box must be reachable by keyboard.
    <div
      role="region"
      aria-label="Answer"
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      className="max-h-72 overflow-y-auto rounded-lg border border-line bg-sunken px-3 py-2.5 text-sm leading-relaxed whitespace-pre-wrap [overflow-wrap:anywhere]"
    >
      {trial.reasoning ? <p className="mb-2 text-ink-faint italic">{trial.reasoning}</p> : null}
      {isEmpty && trial.phase !== "failed" ? <span className="text-ink-faint">{note}</span> : trial.text}
    </div>
  );
}

function figuresOf(trial: Trial): Figure[] {
  const first = firstTokenMs(trial);
  const speed = speedOf(trial);
  return [
    { name: "First token", value: first === null ? "–" : formatDuration(first), note: "with loading, if it was not loaded" },
    { name: "Speed", value: speed === null ? "–" : speed.toFixed(1), note: "tokens a second" },
    { name: "Tokens", value: formatCount(tokensOf(trial)), note: trial.tokens === null ? "so far" : "in the answer" },
  ];
}
