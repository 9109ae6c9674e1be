/** The language of the screen: kept in the browser, else the browser's own. */
import { computed, signal } from "@preact/signals";
import { plainName } from "../core/format";
import type { Bilingual } from "../core/types";
import { type Dictionary, en } from "./en";
import { zh } from "./zh";

export type Language = "zh" | "en";
const KEPT = "hazwatch.language";

/** The browser's preference, when nothing was chosen. */
export function preferred(kept: string | null, languages: readonly string[]): Language {
  if (kept === "zh" || kept === "en") return kept;
  const first = languages.find((language) => /^(zh|en)\b/i.test(language));
  return first?.toLowerCase().startsWith("en") ? "en" : first ? "zh" : "en";
}

export const language = signal<Language>("en");
export const t = computed<Dictionary>(() => (language.value === "zh" ? zh : en));

export function startLanguage(): void {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(KEPT);
  } catch {
    // Storage is forbidden here: the choice lasts as long as the page.
  }
  setLanguage(preferred(kept, navigator.languages));
}

export function setLanguage(chosen: Language): void {
  language.value = chosen;
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
  try {
    localStorage.setItem(KEPT, chosen);
  } catch {
    // As above.
  }
}

/** The text in the present language; the other one when there is only that. */
export function say(text: Bilingual): string {
  const [zhText, enText] = text;
  return plainName(language.value === "zh" ? zhText || enText : enText || zhText);
}
