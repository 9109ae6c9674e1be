/** Day and night colours: kept in the browser, else what the system prefers. */
import { signal } from "@preact/signals";

export type Theme = "day" | "night";
const KEPT = "hazwatch.theme";
export const theme = signal<Theme>("day");

export function startTheme(): void {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(KEPT);
  } catch {
    // Storage is forbidden here: the choice lasts as long as the page.
  }
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  setTheme(kept === "day" || kept === "night" ? kept : dark ? "night" : "day");
}

export function setTheme(chosen: Theme): void {
  theme.value = chosen;
  document.documentElement.dataset["theme"] = chosen;
  try {
    localStorage.setItem(KEPT, chosen);
  } catch {
    // As above.
  }
}

export function switchTheme(): void {
  setTheme(theme.value === "day" ? "night" : "day");
}
