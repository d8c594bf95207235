// The desktop page speaks the browser's language.

import en from "../../locale/en.json";
import fr from "../../locale/fr.json";
import type { Key, Language } from "../../src/save/i18n";

const catalogues: Record<string, Record<Key, string>> = { en, fr };

export function browserLanguage(wanted: readonly string[]): Language {
  const known = (tag: string): boolean => code(tag) in catalogues;
  // The person's own region decides about separators.
  const tag = wanted.find(known) ?? "en";
  const words = catalogues[code(tag)] ?? en;
  return { tag, say: (key) => words[key] };
}

export const code = (tag: string): string => tag.toLowerCase().split("-")[0] ?? "";
