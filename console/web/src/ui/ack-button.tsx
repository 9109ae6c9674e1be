import type { JSX } from "preact";
import type { Alarm } from "../core/types";
import { t } from "../i18n";
import { acknowledge, live, mayAcknowledge, pending } from "../state";

/** One click. The button goes away when the server's stream says that the alarm is acknowledged, never before. */
export function AckButton(props: { alarm: Alarm; comment?: () => string; wide?: boolean; short?: boolean }): JSX.Element {
  const words = t.value;
  const busy = pending.value.has(props.alarm.id);
  const locked = !live.value || !mayAcknowledge.value;
  const title = !mayAcknowledge.value ? words.ackNotAllowed : !live.value ? words.ackWhileStale : "";
  return (
    <button
      type="button"
      class={props.wide ? "button ack wide" : "button ack"}
      disabled={locked || busy}
      title={title}
      data-test="ack"
      tabIndex={props.wide ? 0 : -1}
      onClick={(event) => {
        event.stopPropagation();
        void acknowledge(props.alarm, props.comment?.() ?? "");
      }}
    >
      {busy ? words.acknowledging : props.short ? words.acknowledgeShort : words.acknowledge}
    </button>
  );
}
