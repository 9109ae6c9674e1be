import type { JSX } from "preact";
import type { Me } from "../core/api";
import { formatClock, formatDate, plainName } from "../core/format";
import { language, say, setLanguage, t } from "../i18n";
import { go, path } from "../router";
import { clock, fresh, logOut, registry, synced } from "../state";
import { switchTheme, theme } from "../theme";
import { Icon, Mark } from "./icons";
import { helpOpen } from "./keys";

function NavLink(props: { to: string; label: string }): JSX.Element {
  const here = path.value === props.to;
  return (
    <a
      href={props.to}
      class={here ? "nav here" : "nav"}
      aria-current={here ? "page" : undefined}
      onClick={(event) => {
        event.preventDefault();
        go(props.to);
      }}
    >
      {props.label}
    </a>
  );
}

function LinkState(): JSX.Element {
  const words = t.value;
  const kind = fresh.value.kind;
  const lost = kind === "link" || kind === "lag";
  const waiting = kind === "waiting" || !synced.value;
  return (
    <span class={`chip ${lost ? "bad" : waiting ? "waiting" : "good"}`} data-test="link">
      <Icon name={lost ? "broken" : "link"} size={16} />
      {lost ? words.linkLost : waiting ? words.linkConnecting : words.linkLive}
    </span>
  );
}

function PipelineState(): JSX.Element {
  const words = t.value;
  const kind = fresh.value.kind;
  const name = kind === "live" ? "good" : kind === "pipeline" ? "bad" : "waiting";
  return (
    <span class={`chip ${name}`} data-test="pipeline">
      <Icon name="pipeline" size={16} />
      {kind === "live" ? words.pipelineLive : kind === "pipeline" ? words.pipelineStale : words.pipelineUnknown}
    </span>
  );
}

export function TopBar(props: { me: Me }): JSX.Element {
  const words = t.value;
  const role = { viewer: words.roleViewer, operator: words.roleOperator, engineer: words.roleEngineer, admin: words.roleAdmin }[
    props.me.role
  ];
  const park = registry.value.parks[0];
  return (
    <header class="top">
      <span class="brand">
        <Mark size={24} />
        {words.appName}
      </span>
      {park && <span class="park">{say(park.name)}</span>}
      <nav aria-label={words.controlRoom}>
        <NavLink to="/" label={words.navDesk} />
        <NavLink to="/journal" label={words.navJournal} />
      </nav>
      <span class="spacer" />
      <LinkState />
      <PipelineState />
      <span class="divider" />
      <button class="tool" type="button" onClick={switchTheme} title={words.themeSwitch}>
        <Icon name={theme.value === "day" ? "sun" : "moon"} />
        {theme.value === "day" ? words.themeDay : words.themeNight}
      </button>
      <button
        class="tool"
        type="button"
        data-test="language"
        title={words.languageSwitch}
        onClick={() => setLanguage(language.value === "zh" ? "en" : "zh")}
      >
        {words.otherLanguage}
      </button>
      <button class="tool icon-only" type="button" title={words.help} aria-label={words.help} onClick={() => (helpOpen.value = true)}>
        <Icon name="keyboard" />
      </button>
      <span class="divider" />
      <span class="who">
        <Icon name="user" />
        {words.userMenu(plainName(props.me.name), role ?? props.me.role)}
      </span>
      <button class="tool icon-only" type="button" title={words.logOut} aria-label={words.logOut} onClick={logOut}>
        <Icon name="exit" />
      </button>
      <span class="divider" />
      <time class="clock">
        <span>{formatDate(clock.value)}</span>
        <b>{formatClock(clock.value)}</b>
      </time>
    </header>
  );
}
