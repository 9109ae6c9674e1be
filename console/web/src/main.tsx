import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/alarms.css";
import "./styles/points.css";
import "./styles/detail.css";
import { render } from "preact";
import { startLanguage } from "./i18n";
import { startRouter } from "./router";
import { startState } from "./state";
import { startTheme } from "./theme";
import { App } from "./ui/app";

startTheme();
startLanguage();
startRouter();
void startState();
render(<App />, document.getElementById("app") as HTMLElement);
