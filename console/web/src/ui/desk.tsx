import type { JSX } from "preact";
import { AlarmGrid } from "./alarm-grid";
import { Detail } from "./detail";
import { Points } from "./points";

/** The main desk: alarms over measuring points, and what is selected beside them. */
export function Desk(): JSX.Element {
  return (
    <main class="desk">
      <div class="desk-main">
        <AlarmGrid />
        <Points />
      </div>
      <Detail />
    </main>
  );
}
