import { useEffect, useReducer, useState } from "react";
import { ApiProblem, followEvents } from "@/lib/api";
import { NOTHING_RUNS, parseRunningEvent, reduceRunning, type Running } from "../model/running";

const PATIENCE_MS = 3000;

/** What models do, as it changes. The server ends the stream now and then, so a short break is none. */
export function useRunning(): { running: Running; error: ApiProblem | null } {
  const [running, dispatch] = useReducer(reduceRunning, NOTHING_RUNS);
  const [error, setError] = useState<ApiProblem | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    let losing: number | undefined;
    void followEvents({
      url: "/api/v1/runtime/running/events",
      signal: controller.signal,
      onConnection: (state) => {
        window.clearTimeout(losing);
        if (state === "lost") losing = window.setTimeout(() => dispatch({ type: "connection", isOpen: false }), PATIENCE_MS);
      },
      onEvent: (raw) => {
        const event = parseRunningEvent(raw);
        if (event !== null) dispatch(event);
        return "continue";
      },
    }).catch((failure: unknown) => {
      dispatch({ type: "connection", isOpen: false });
      if (failure instanceof ApiProblem) setError(failure);
    });
    return () => {
      window.clearTimeout(losing);
      controller.abort();
    };
  }, []);
  return { running, error };
}
