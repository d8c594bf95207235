// Puts the page together.

import { Api, ApiError } from "./api";
import { Clipboard } from "./clipboard";
import { Connection, type Scaling } from "./connection";
import { SaveDialog } from "./dialog";
import { announce, button, h, icon } from "./dom";
import { ownPath } from "./end_view";
import { language, t } from "./i18n";
import { endText, errorText } from "./progress";
import { type Saving, SaveStore } from "./saving";
import { followTheme } from "./theme";
import { Toolbar } from "./toolbar";
import type { Session } from "./types";
import { Veil } from "./veil";

const SCALING = "desktop-scaling";

const byId = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element ${id}`);
  return found;
};

// Without an answer about the session the desktop is shown all the same: it is what counts.
const UNKNOWN: Session = {
  user: "",
  server: "",
  session: "use",
  title: "",
  image: null,
  hub_url: "",
  can_save: false,
  why_not: "no_service",
};

function notice(text: string, link: Node | null, kind = ""): void {
  const toast = h("div", { class: `toast ${kind}` }, h("span", {}, text), link);
  const close = button(icon("close"), "tool", () => toast.remove(), { "aria-label": t("close") });
  toast.append(close);
  byId("notices").append(toast);
  announce(text);
}

// A save that ended while its window was closed.
function tellEnd(saving: Saving, open: () => void): void {
  const more = button(t("show"), "small", open);
  if (saving.phase === "refused") notice(errorText(saving.error), more, "of-save");
  if (saving.phase !== "over") return;
  const { job } = saving;
  if (job.state === "succeeded") {
    const path = ownPath(job.links.start);
    const link = path && h("a", { class: "small", href: path, target: "_blank" }, t("start_it"));
    notice(endText(job), link || more, "of-save");
  } else {
    notice(job.error ? errorText(job.error) : endText(job), more, "of-save");
  }
}

function savedScaling(): Scaling {
  try {
    const found = localStorage.getItem(SCALING);
    return found === "shrink" || found === "actual" ? found : "fit";
  } catch {
    return "fit";
  }
}

function rememberScaling(scaling: Scaling): void {
  try {
    localStorage.setItem(SCALING, scaling);
  } catch {
    // Not remembered: it is chosen again next time.
  }
}

async function sessionOf(api: Api): Promise<Session> {
  for (let tries = 0; tries < 3; tries++) {
    try {
      return await api.session();
    } catch (error) {
      if (error instanceof ApiError && error.code === "signed_out") break;
      await new Promise((resolve) => window.setTimeout(resolve, 1000));
    }
  }
  return UNKNOWN;
}

async function main(): Promise<void> {
  document.documentElement.lang = language;
  followTheme();
  const api = new Api(new URL("../", document.baseURI));
  let session = UNKNOWN;
  const veil = new Veil(byId("veil"), () => session.hub_url);
  veil.show({ name: "starting", step: "server", seconds: 0 });

  const scaling = savedScaling();
  const notices = new Set<string>();
  const connection: Connection = new Connection(
    byId("screen"),
    api,
    {
      state: (state) => veil.show(state),
      clipboard: (text) => clipboard.received(text),
      notice: (code) => {
        if (code === "home_not_writable" && !notices.has(code)) {
          notices.add(code);
          notice(t("home_not_writable"), null);
        }
      },
    },
    scaling,
  );
  const clipboard = new Clipboard((text) => connection.paste(text));
  byId("screen").addEventListener("pointerenter", () => void clipboard.bringIn());
  void connection.run();

  session = await sessionOf(api);
  const store = new SaveStore(api);
  const dialog = new SaveDialog(api, store, session, () => connection.focus());
  const toolbar = new Toolbar(byId("bar"), session, clipboard, scaling, {
    save: () => {
      byId("notices").querySelectorAll(".of-save").forEach((toast) => toast.remove());
      dialog.open();
    },
    scale: (chosen) => {
      rememberScaling(chosen);
      connection.setScaling(chosen);
    },
    leave: () => connection.focus(),
  });
  store.subscribe((now, before) => {
    toolbar.show(now);
    if (!dialog.isOpen && now.phase !== before.phase) tellEnd(now, () => dialog.open());
  });
  toolbar.show(store.now);
  if (session.can_save) await store.restore().catch(() => undefined);
}

void main();
