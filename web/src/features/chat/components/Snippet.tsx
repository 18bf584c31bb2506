/** The place in a chat where the searched words stand, with the words marked. */
export function Snippet({ text, query }: { text: string; query: string }) {
  return (
    <span className="mt-0.5 line-clamp-2 text-xs leading-snug text-ink-faint">
      {splitByWords(text, query).map((part, index) =>
        part.isMatch ? (
          // eslint-disable-next-line react/no-array-index-key -- parts have no identity but their place
          <mark key={index} className="rounded-xs bg-mark text-ink">
            {part.text}
          </mark>
        ) : (
          part.text
        ),
      )}
    </span>
  );
}

export function splitByWords(text: string, query: string): { text: string; isMatch: boolean }[] {
  const words = query.split(/\s+/).filter(Boolean).map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  if (words.length === 0) return [{ text, isMatch: false }];
  return text
    .split(new RegExp(`(${words.join("|")})`, "gi"))
    .map((part, index) => ({ text: part, isMatch: index % 2 === 1 }))
    .filter((part) => part.text !== "");
}
