/** Shortcuts of the whole page, and the sheet that lists them. */
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { horn, silence, store, selection, acknowledge } from "../state";
import { switchTheme } from "../theme";

export const helpOpen = signal(false);

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.tagName === "INPUT" || target.tagName === "TEXTAREA");
}

function acknowledgeSelected(): void {
  const chosen = selection.value;
  const alarm = chosen.kind === "alarm" ? store.alarms.get(chosen.id) : undefined;
  if (alarm) void acknowledge(alarm);
}

function onKey(event: KeyboardEvent): void {
  horn.unblock();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") helpOpen.value = false;
  if (typing(event.target)) return;
  switch (event.key) {
    case "a":
    case "A":
      acknowledgeSelected();
      break;
    case "m":
    case "M":
      silence();
      break;
    case "n":
    case "N":
      switchTheme();
      break;
    case "/":
      event.preventDefault();
      document.querySelector<HTMLInputElement>("#alarm-filter")?.focus();
      break;
    case "?":
      helpOpen.value = !helpOpen.value;
      break;
  }
}

export function Keys(): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const words = t.value;
  useEffect(() => {
    const unblock = (): void => horn.unblock();
    window.addEventListener("keydown", onKey);
    window.addEventListener("pointerdown", unblock);
    return () => {
      window.removeEventListener("keydown", onKey);
      window.removeEventListener("pointerdown", unblock);
    };
  }, []);
  const open = helpOpen.value;
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  const rows: [string, string][] = [
    ["↑ ↓", words.helpMove],
    ["A", words.helpAcknowledge],
    ["M", words.helpSilence],
    ["/", words.helpFilter],
    ["N", words.helpTheme],
    ["?", words.helpHelp],
  ];
  return (
    <dialog ref={dialog} class="help" onClose={() => (helpOpen.value = false)}>
      <h2>{words.help}</h2>
      <dl>
        {rows.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button" class="button" onClick={() => (helpOpen.value = false)}>
        {words.helpClose}
      </button>
    </dialog>
  );
}
