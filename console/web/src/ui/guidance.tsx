import type { JSX } from "preact";
import type { AlarmDetail, ServerText } from "../core/api";
import { formatAge, plainName } from "../core/format";
import { language, t } from "../i18n";
import { clock } from "../state";

function read(text: ServerText | undefined): string[] {
  const [zh, en] = [text?.zh ?? "", text?.en ?? ""];
  const chosen = language.value === "zh" ? zh || en : en || zh;
  return chosen.split(/\r?\n/).filter(Boolean).map(plainName);
}

function Block(props: { name: string; lines: string[]; strong?: boolean }): JSX.Element | null {
  if (props.lines.length === 0) return null;
  return (
    <div class={props.strong ? "guide strong" : "guide"}>
      <h4>{props.name}</h4>
      {props.lines.map((line) => (
        <p key={line}>{line}</p>
      ))}
    </div>
  );
}

/** Cause, consequence, action and the time to respond, counting down while the alarm is unacknowledged. */
export function GuidancePane(props: {
  guidance: AlarmDetail["guidance"];
  raised: number;
  open: boolean;
}): JSX.Element {
  const words = t.value;
  const { guidance } = props;
  const action = read(guidance?.action);
  const consequence = read(guidance?.consequence);
  const cause = read(guidance?.cause);
  const nothing = action.length + consequence.length + cause.length === 0;
  const left = guidance?.response_s ? props.raised + guidance.response_s * 1000 - clock.value : null;
  return (
    <section class="guidance">
      <header class="sub-head">
        <h3>{words.guidance}</h3>
        {left !== null && (
          <span class={left < 0 && props.open ? "response over" : "response"}>
            {words.guidanceResponse} <b class="number">{formatAge((guidance?.response_s ?? 0) * 1000)}</b>
            {props.open && (
              <span class="number">
                {left >= 0 ? words.guidanceLeft(formatAge(left)) : words.guidanceOver(formatAge(-left))}
              </span>
            )}
          </span>
        )}
      </header>
      {nothing ? (
        <p class="muted">{words.guidanceNone}</p>
      ) : (
        <div class="guides">
          <Block name={words.guidanceAction} lines={action} strong />
          <Block name={words.guidanceConsequence} lines={consequence} />
          <Block name={words.guidanceCause} lines={cause} />
        </div>
      )}
    </section>
  );
}
