/** How long a deletion can be taken back. */
export const UNDO_MS = 6000;

/**
 * Chats that are going to be deleted. The person sees them gone at once; the server is told when the time to take it
 * back is over, or when the page closes.
 */
export class Deletions {
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #listeners = new Set<() => void>();
  readonly #perform: (chatId: string, isLeaving: boolean) => Promise<void>;
  #ids: ReadonlySet<string> = new Set();

  constructor(perform: (chatId: string, isLeaving: boolean) => Promise<void>) {
    this.#perform = perform;
  }

  /** Ids of the chats not to be shown; the same set until something changes. */
  ids(): ReadonlySet<string> {
    return this.#ids;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  schedule(chatId: string): void {
    if (this.#timers.has(chatId)) return;
    this.#timers.set(chatId, setTimeout(() => void this.#run(chatId, false), UNDO_MS));
    this.#publish([...this.#ids, chatId]);
  }

  undo(chatId: string): void {
    clearTimeout(this.#timers.get(chatId));
    this.#timers.delete(chatId);
    this.#publish([...this.#ids].filter((id) => id !== chatId));
  }

  /** Performs what is still waiting, without the time to take it back. */
  flush(): void {
    for (const chatId of this.#timers.keys()) void this.#run(chatId, true);
  }

  async #run(chatId: string, isLeaving: boolean): Promise<void> {
    clearTimeout(this.#timers.get(chatId));
    this.#timers.delete(chatId);
    try {
      await this.#perform(chatId, isLeaving);
    } catch {
      // The chat is still there, so it is shown again; `perform` has told the person.
      this.#publish([...this.#ids].filter((id) => id !== chatId));
    }
  }

  #publish(ids: Iterable<string>): void {
    this.#ids = new Set(ids);
    for (const listener of this.#listeners) listener();
  }
}
