import { createHighlighterCore, type HighlighterCore } from "shiki/core";
import { createJavaScriptRegexEngine } from "shiki/engine/javascript";
import dark from "shiki/themes/github-dark-default.mjs";
import light from "shiki/themes/github-light-high-contrast.mjs";
import type { HighlightResult } from "streamdown";
import { LANGUAGES } from "./languages";

let core: Promise<HighlighterCore> | null = null;

/** Loads a language into the one highlighter and gives the function that colours code in it. */
export async function tokenizerFor(language: string): Promise<(code: string, language: string) => HighlightResult> {
  core ??= createHighlighterCore({
    themes: [light, dark],
    langs: [],
    engine: createJavaScriptRegexEngine({ forgiving: true }),
  });
  const highlighter = await core;
  const load = LANGUAGES[language];
  if (load) await highlighter.loadLanguage(load());
  return (code, lang) => {
    const result = highlighter.codeToTokens(code, {
      lang,
      themes: { light: "github-light-high-contrast", dark: "github-dark-default" },
    });
    return result as unknown as HighlightResult;
  };
}
