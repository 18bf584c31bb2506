import { ApiProblem, followEvents, type Message } from "@/lib/api";
import { parseAnswerEvent } from "./events";
import { type Answer, type AnswerAction, EMPTY_ANSWER, reduceAnswer } from "./reducer";

type Entry = {
  chatId: string;
  answer: Answer;
  controller: AbortController | null;
  listeners: Set<() => void>;
};

/** Browsers open six connections per host; half of them are left for everything else. */
const MOST_CONNECTIONS = 3;

/**
 * Follows the answers that are being written, whichever chat is on the screen. The server owns an answer; this only
 * listens, so leaving a chat stops nothing and coming back resumes from the last event.
 */
export class AnswerHub {
  readonly #entries = new Map<string, Entry>();
  readonly #onFinal: (message: Message) => void;
  readonly #onStale: (chatId: string) => void;
  #frame: number | null = null;
  readonly #changed = new Set<Entry>();

  constructor(onFinal: (message: Message) => void, onStale: (chatId: string) => void) {
    this.#onFinal = onFinal;
    this.#onStale = onStale;
  }

  /** Starts (or goes on) listening to an answer. Of one that has ended, the end is handed over again. */
  follow(chatId: string, messageId: string): void {
    const entry = this.#entry(messageId, chatId);
    entry.chatId = chatId;
    if (entry.answer.final !== null) {
      // Who asks has an older state of it: loaded while it was being written, arrived after its end.
      this.#onFinal(entry.answer.final);
      return;
    }
    if (entry.controller !== null) return;
    this.#makeRoom();
    const controller = new AbortController();
    entry.controller = controller;
    void this.#read(messageId, entry, controller);
  }

  /** What is known of an answer. The same object until something changes. */
  get(messageId: string): Answer {
    return this.#entries.get(messageId)?.answer ?? EMPTY_ANSWER;
  }

  /** Calls the listener, at most once per frame, when the answer changes. */
  subscribe(messageId: string, listener: () => void): () => void {
    const entry = this.#entry(messageId, "");
    entry.listeners.add(listener);
    return () => entry.listeners.delete(listener);
  }

  /** Takes in a message that ended by another way (the answer to "stop"). */
  settle(message: Message): void {
    const entry = this.#entry(message.id, message.chat_id);
    if (message.status === "streaming" || entry.answer.final !== null) return;
    entry.controller?.abort();
    entry.controller = null;
    this.#apply(entry, { type: "event", id: null, event: { type: "done", message } });
  }

  /** Stops listening to everything, e.g. when the person signs out. */
  close(): void {
    for (const entry of this.#entries.values()) entry.controller?.abort();
    this.#entries.clear();
  }

  async #read(messageId: string, entry: Entry, controller: AbortController): Promise<void> {
    const { chatId } = entry;
    let wasLost = false;
    try {
      await followEvents({
        url: `/api/v1/chats/${encodeURIComponent(chatId)}/messages/${encodeURIComponent(messageId)}/events`,
        signal: controller.signal,
        lastEventId: entry.answer.lastEventId === 0 ? null : entry.answer.lastEventId,
        onConnection: (state) => {
          this.#apply(entry, { type: "connection", isConnected: state === "open" });
          // The server may have been started anew meanwhile, and have ended the answer.
          if (state === "open" && wasLost) this.#onStale(chatId);
          wasLost = state === "lost";
        },
        onEvent: (raw) => {
          const event = parseAnswerEvent(raw);
          if (event === null) return "continue";
          this.#apply(entry, { type: "event", id: raw.id, event });
          return event.type === "done" || event.type === "error" ? "end" : "continue";
        },
      });
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      this.#onStale(chatId);
    } finally {
      if (entry.controller === controller) entry.controller = null;
    }
  }

  #entry(messageId: string, chatId: string): Entry {
    const known = this.#entries.get(messageId);
    if (known) return known;
    const entry: Entry = { chatId, answer: EMPTY_ANSWER, controller: null, listeners: new Set() };
    this.#entries.set(messageId, entry);
    return entry;
  }

  /** Hangs up on the oldest answer nobody looks at; it is resumed from its last event when its chat is opened again. */
  #makeRoom(): void {
    const open = [...this.#entries.values()].filter((entry) => entry.controller !== null);
    if (open.length < MOST_CONNECTIONS) return;
    const victim = open.find((entry) => entry.listeners.size === 0) ?? open[0];
    victim?.controller?.abort();
    if (victim) victim.controller = null;
  }

  #apply(entry: Entry, action: AnswerAction): void {
    const before = entry.answer;
    entry.answer = reduceAnswer(before, action);
    if (entry.answer === before) return;
    if (before.final === null && entry.answer.final !== null) this.#onFinal(entry.answer.final);
    this.#changed.add(entry);
    if (this.#frame !== null) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = null;
      const changed = [...this.#changed];
      this.#changed.clear();
      for (const each of changed) for (const listener of each.listeners) listener();
    });
  }
}
