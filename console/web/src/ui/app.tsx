import type { JSX } from "preact";
import { path } from "../router";
import { session } from "../state";
import { Banner } from "./banner";
import { Desk } from "./desk";
import { JournalPage } from "./journal-page";
import { Keys } from "./keys";
import { Login } from "./login";
import { Notices } from "./notices";
import { StaleBanner } from "./stale-banner";
import { TopBar } from "./top-bar";

/** A further page is one line here and one in the navigation of `top-bar.tsx`. */
const PAGES: Record<string, () => JSX.Element> = { "/": Desk, "/journal": JournalPage };

export function App(): JSX.Element {
  const state = session.value;
  if (state.kind === "unknown") return <div class="boot" />;
  if (state.kind === "out") return <Login ended={state.ended} />;
  const Page = PAGES[path.value] ?? Desk;
  return (
    <div class="shell">
      <TopBar me={state.me} />
      <Banner />
      <Page />
      <StaleBanner />
      <Notices />
      <Keys />
    </div>
  );
}
