import type { Citation, Message, Source } from "@/lib/api";
import type { AnswerEvent } from "./events";

/** An answer as far as it has come. */
export type Answer = {
  /** The last event taken in; where to resume. 0: none yet. */
  lastEventId: number;
  phase: "waiting" | "reading" | "retrieving" | "generating" | "finished";
  /** What the server says it is doing, e.g. "Searching 3 documents". */
  detail: string;
  content: string;
  reasoning: string;
  sources: Source[];
  citations: Citation[];
  /** The stored message once the answer has ended. */
  final: Message | null;
  isConnected: boolean;
};

export type AnswerAction =
  | { type: "event"; id: number | null; event: AnswerEvent }
  | { type: "connection"; isConnected: boolean };

export const EMPTY_ANSWER: Answer = {
  lastEventId: 0,
  phase: "waiting",
  detail: "",
  content: "",
  reasoning: "",
  sources: [],
  citations: [],
  final: null,
  isConnected: true,
};

/** The one place where events become an answer. Pure; an event seen before (a replay) changes nothing. */
export function reduceAnswer(answer: Answer, action: AnswerAction): Answer {
  if (action.type === "connection") {
    return answer.isConnected === action.isConnected ? answer : { ...answer, isConnected: action.isConnected };
  }
  if (answer.final !== null) return answer;
  // The end always counts: the server may have forgotten the events and replay the end alone, numbered from 1.
  const isEnd = action.event.type === "done" || action.event.type === "error";
  if (!isEnd && action.id !== null && action.id <= answer.lastEventId) return answer;
  return { ...applyEvent(answer, action.event), lastEventId: action.id ?? answer.lastEventId };
}

function applyEvent(answer: Answer, event: AnswerEvent): Answer {
  switch (event.type) {
    case "status":
      return { ...answer, phase: event.stage, detail: event.detail };
    case "sources":
      return { ...answer, sources: event.sources };
    case "delta":
      return {
        ...answer,
        phase: "generating",
        content: answer.content + event.content,
        reasoning: answer.reasoning + event.reasoning,
      };
    case "citations":
      return { ...answer, citations: event.citations };
    case "done":
      return finish(answer, event.message);
    case "error":
      return finish(answer, { ...event.message, error: event.message.error ?? event.error });
    default:
      return event satisfies never;
  }
}

function finish(answer: Answer, message: Message): Answer {
  return {
    ...answer,
    phase: "finished",
    detail: "",
    content: message.content,
    reasoning: message.reasoning,
    sources: message.sources,
    citations: message.citations,
    final: message,
  };
}

/** The stored message with what has come since laid over it. */
export function messageWith(message: Message, answer: Answer): Message {
  if (answer.final !== null) return answer.final;
  if (answer.lastEventId === 0) return message;
  return {
    ...message,
    content: answer.content || message.content,
    reasoning: answer.reasoning || message.reasoning,
    sources: answer.sources.length > 0 ? answer.sources : message.sources,
    citations: answer.citations.length > 0 ? answer.citations : message.citations,
  };
}
