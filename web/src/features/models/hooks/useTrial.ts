import { useEffect, useReducer, useRef } from "react";
import { streamCompletion } from "@/lib/api";
import { NO_TRIAL, reduceTrial } from "../model/trial";

const MOST_TOKENS = 512;

/** Asks a local model something, to see how it answers and how fast. */
export function useTrial(model: string) {
  const [trial, dispatch] = useReducer(reduceTrial, NO_TRIAL);
  const asking = useRef<AbortController | null>(null);
  useEffect(() => () => asking.current?.abort(), []);

  const ask = async (prompt: string) => {
    asking.current?.abort();
    const controller = new AbortController();
    asking.current = controller;
    dispatch({ type: "begin", atMs: performance.now() });
    try {
      // "local/" says that no other server is meant that has a model of this name.
      await streamCompletion({ model: `local/${model}`, prompt, maxTokens: MOST_TOKENS }, controller.signal, (piece) =>
        dispatch({ type: "piece", piece, atMs: performance.now() }),
      );
      dispatch({ type: "end", phase: "done" });
    } catch (error) {
      if (asking.current !== controller) return;
      dispatch(controller.signal.aborted ? { type: "end", phase: "stopped" } : { type: "fail", error });
    }
  };
  return { trial, ask, stop: () => asking.current?.abort() };
}
