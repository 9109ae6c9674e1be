import type { JSX } from "preact";
import { t } from "../i18n";
import { dismiss, notices } from "../state";
import { Icon } from "./icons";

/** What went otherwise than asked; below the list, so that nothing moves. */
export function Notices(): JSX.Element {
  return (
    <div class="notices" role="status" data-test="notices">
      {notices.value.map((notice) => (
        <p key={notice.id} class={`notice ${notice.kind}`}>
          <span>{notice.text}</span>
          <button type="button" class="tool icon-only" aria-label={t.value.dismiss} onClick={() => dismiss(notice.id)}>
            <Icon name="close" size={14} />
          </button>
        </p>
      ))}
    </div>
  );
}
