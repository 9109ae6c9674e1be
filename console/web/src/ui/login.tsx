import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { ApiFailure } from "../core/api";
import { language, setLanguage, t } from "../i18n";
import { api, horn, session } from "../state";
import { Mark } from "./icons";

export function Login(props: { ended: boolean }): JSX.Element {
  const busy = useSignal(false);
  const problem = useSignal("");
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  const words = t.value;
  useEffect(() => name.current?.focus(), []);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    horn.unblock();
    busy.value = true;
    problem.value = "";
    try {
      const me = await api.logIn(name.current?.value.trim() ?? "", password.current?.value ?? "");
      session.value = { kind: "in", me };
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      problem.value = language.value === "zh" ? error.zh : error.en;
      busy.value = false;
      password.current?.select();
    }
  }

  return (
    <main class="login">
      <form class="login-card" onSubmit={(event) => void submit(event)}>
        <div class="login-brand">
          <Mark size={44} />
          <div>
            <h1>{words.appName}</h1>
            <p>{words.controlRoom}</p>
          </div>
        </div>
        {props.ended && <p class="login-ended">{words.loginEnded}</p>}
        <label>
          <span>{words.loginUser}</span>
          <input ref={name} name="name" autocomplete="username" required maxLength={100} />
        </label>
        <label>
          <span>{words.loginPassword}</span>
          <input ref={password} name="password" type="password" autocomplete="current-password" required />
        </label>
        <p class="login-problem" role="alert">
          {problem.value}
        </p>
        <button class="button primary" type="submit" disabled={busy.value}>
          {busy.value ? words.loginBusy : words.loginButton}
        </button>
        <p class="login-hint">{words.loginHint}</p>
        <button
          class="link-button"
          type="button"
          onClick={() => setLanguage(language.value === "zh" ? "en" : "zh")}
          title={words.languageSwitch}
        >
          {words.otherLanguage}
        </button>
      </form>
    </main>
  );
}
