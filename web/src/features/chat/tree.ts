import type { Message } from "@/lib/api";

/** A chat is a tree of messages; the page shows one path through it, from a root to a leaf. */
export type Tree = {
  byId: ReadonlyMap<string, Message>;
  /** Children in the order they were made; the roots are under null. */
  children: ReadonlyMap<string | null, readonly Message[]>;
};

export function buildTree(messages: readonly Message[]): Tree {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const children = new Map<string | null, Message[]>();
  for (const message of messages) {
    // A message whose parent is gone is shown as a root rather than lost.
    const parent = message.parent_id !== null && byId.has(message.parent_id) ? message.parent_id : null;
    const list = children.get(parent);
    if (list) list.push(message);
    else children.set(parent, [message]);
  }
  for (const list of children.values()) list.sort(byAge);
  return { byId, children };
}

function byAge(a: Message, b: Message): number {
  return a.created_at.localeCompare(b.created_at) || a.id.localeCompare(b.id);
}

/** The path to show: through `currentId` and on to its newest leaf; the newest leaf of all when it is unknown. */
export function visiblePath(tree: Tree, currentId: string | null): Message[] {
  const current = currentId === null ? undefined : tree.byId.get(currentId);
  const leaf = current ? newestLeaf(tree, current.id) : newestLeaf(tree, null);
  const path: Message[] = [];
  const seen = new Set<string>();
  for (let at = leaf; at !== undefined && !seen.has(at.id); at = at.parent_id === null ? undefined : tree.byId.get(at.parent_id)) {
    seen.add(at.id);
    path.push(at);
  }
  return path.toReversed();
}

/** The leaf reached by always taking the newest child. */
export function newestLeaf(tree: Tree, fromId: string | null): Message | undefined {
  let at = fromId === null ? undefined : tree.byId.get(fromId);
  const seen = new Set<string>();
  for (
    let next = tree.children.get(fromId)?.at(-1);
    next !== undefined && !seen.has(next.id);
    next = tree.children.get(next.id)?.at(-1)
  ) {
    seen.add(next.id);
    at = next;
  }
  return at;
}

/** A message among the answers (or questions) of the same parent. */
export type BranchPosition = { index: number; count: number; previous: Message | null; next: Message | null };

export function branchPosition(tree: Tree, message: Message): BranchPosition {
  const parent = message.parent_id !== null && tree.byId.has(message.parent_id) ? message.parent_id : null;
  const siblings = tree.children.get(parent) ?? [message];
  const index = Math.max(0, siblings.findIndex((each) => each.id === message.id));
  return { index, count: siblings.length, previous: siblings[index - 1] ?? null, next: siblings[index + 1] ?? null };
}
