import { type CompletionPiece, messageOf } from "@/lib/api";

/** A test prompt under way. Times are milliseconds of one clock. */
export type Trial = {
  phase: "idle" | "waiting" | "answering" | "done" | "stopped" | "failed";
  text: string;
  reasoning: string;
  tokens: number | null;
  pieces: number;
  beganMs: number;
  firstMs: number | null;
  lastMs: number;
  failure: string | null;
};

export type TrialAction =
  | { type: "begin"; atMs: number }
  | { type: "piece"; piece: CompletionPiece; atMs: number }
  | { type: "end"; phase: "done" | "stopped" }
  | { type: "fail"; error: unknown };

export const NO_TRIAL: Trial = {
  phase: "idle",
  text: "",
  reasoning: "",
  tokens: null,
  pieces: 0,
  beganMs: 0,
  firstMs: null,
  lastMs: 0,
  failure: null,
};

export function isRunning({ phase }: Trial): boolean {
  return phase === "waiting" || phase === "answering";
}

export function reduceTrial(trial: Trial, action: TrialAction): Trial {
  switch (action.type) {
    case "begin":
      return { ...NO_TRIAL, phase: "waiting", beganMs: action.atMs, lastMs: action.atMs };
    case "piece": {
      const { text, reasoning, tokens } = action.piece;
      const isText = text !== "" || reasoning !== "";
      return {
        ...trial,
        phase: isText ? "answering" : trial.phase,
        text: trial.text + text,
        reasoning: trial.reasoning + reasoning,
        tokens: tokens ?? trial.tokens,
        pieces: trial.pieces + (isText ? 1 : 0),
        firstMs: trial.firstMs ?? (isText ? action.atMs : null),
        lastMs: isText ? action.atMs : trial.lastMs,
      };
    }
    case "end":
      return { ...trial, phase: action.phase };
    default:
      return { ...trial, phase: "failed", failure: messageOf(action.error) };
  }
}

/** Tokens so far: as the server counts them at the end, before that a piece is one. */
export function tokensOf({ tokens, pieces }: Trial): number {
  return tokens ?? pieces;
}

/** Milliseconds to the first token; null before it. */
export function firstTokenMs({ beganMs, firstMs }: Trial): number | null {
  return firstMs === null ? null : firstMs - beganMs;
}

/** Tokens a second after the first; null for too few to tell. */
export function speedOf(trial: Trial): number | null {
  const { firstMs, lastMs } = trial;
  const count = tokensOf(trial) - 1;
  return firstMs === null || count < 1 || lastMs <= firstMs ? null : (1000 * count) / (lastMs - firstMs);
}
