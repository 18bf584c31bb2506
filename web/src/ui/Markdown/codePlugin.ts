import type { CodeHighlighterPlugin, HighlightOptions, HighlightResult } from "streamdown";
import { LANGUAGES, resolveLanguage } from "./languages";

type Tokenize = (code: string, language: string) => HighlightResult;

/** How many highlighted blocks are kept; a long chat shows fewer than this at a time. */
const CACHE_SIZE = 200;

/**
 * Highlights code with shiki's JavaScript engine: the page's security policy allows no WebAssembly, and the
 * engine, the two themes and each language are fetched from our own host the first time code is shown.
 */
export function createCodePlugin(): CodeHighlighterPlugin {
  const cache = new Map<string, HighlightResult>();
  const loaders = new Map<string, Promise<Tokenize | null>>();
  const ready = new Map<string, Tokenize>();

  function load(language: string): Promise<Tokenize | null> {
    const known = loaders.get(language);
    if (known) return known;
    const loading = import("./highlighter")
      .then(({ tokenizerFor }) => tokenizerFor(language))
      .then((tokenize) => {
        ready.set(language, tokenize);
        return tokenize;
      })
      .catch((error: unknown) => {
        console.warn("code stays plain: the highlighter could not be loaded", error);
        return null;
      });
    loaders.set(language, loading);
    return loading;
  }

  function remember(key: string, result: HighlightResult): HighlightResult {
    cache.set(key, result);
    const oldest = cache.keys().next();
    if (cache.size > CACHE_SIZE && !oldest.done) cache.delete(oldest.value);
    return result;
  }

  return {
    name: "shiki",
    type: "code-highlighter",
    getSupportedLanguages: () => Object.keys(LANGUAGES),
    supportsLanguage: (language) => resolveLanguage(language) !== null,
    getThemes: () => ["github-light-high-contrast", "github-dark-default"],
    highlight({ code, language, isIncomplete }: HighlightOptions, callback) {
      const resolved = resolveLanguage(language);
      if (resolved === null) return null;
      const key = `${resolved}\n${code}`;
      const known = cache.get(key);
      if (known) return known;
      const tokenize = ready.get(resolved);
      if (tokenize) {
        const result = tokenize(code, resolved);
        return isIncomplete ? result : remember(key, result);
      }
      void load(resolved).then((loaded) => {
        if (loaded) callback?.(remember(key, loaded(code, resolved)));
      });
      return null;
    },
  };
}
