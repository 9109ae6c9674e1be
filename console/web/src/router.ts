/** Pages by path, without a library: one signal, links that do not reload. A page is one line in `main.tsx`. */
import { signal } from "@preact/signals";

export const path = signal(location.pathname);

export function go(to: string): void {
  if (to === path.value) return;
  history.pushState(null, "", to);
  path.value = location.pathname;
}

export function startRouter(): void {
  window.addEventListener("popstate", () => {
    path.value = location.pathname;
  });
}
