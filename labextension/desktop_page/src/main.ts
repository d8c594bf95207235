// Puts the page together.

import { Api } from "../../src/api";
import { noticeOf } from "../../src/save/brief";
import { announce, button, h, icon } from "../../src/save/dom";
import { speak, t } from "../../src/save/i18n";
import { type Saving, SaveStore } from "../../src/save/saving";
import { sessionOf, UNKNOWN } from "../../src/save/session";
import { SaveDialog } from "../../src/saveDialog";
import { Clipboard } from "./clipboard";
import { Connection } from "./connection";
import { browserLanguage, code } from "./language";
import { chosenQuality, chosenScaling, remember } from "./settings";
import { followTheme } from "./theme";
import { Toolbar } from "./toolbar";
import { Veil } from "./veil";

const byId = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element ${id}`);
  return found;
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
  const told = noticeOf(saving);
  if (!told) return;
  const link =
    told.start && h("a", { class: "small", href: told.start, target: "_blank" }, t("start_it"));
  notice(told.text, link || button(t("show"), "small", open), "of-save");
}

async function main(): Promise<void> {
  const language = browserLanguage(navigator.languages);
  speak(language);
  document.documentElement.lang = code(language.tag);
  followTheme();
  const api = new Api(new URL("../", document.baseURI));
  let session = UNKNOWN;
  const veil = new Veil(byId("veil"), () => session.hub_url);
  veil.show({ name: "starting", step: "server", seconds: 0 });

  const scaling = chosenScaling();
  const quality = chosenQuality();
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
    quality,
  );
  const clipboard = new Clipboard((text) => connection.paste(text));
  byId("screen").addEventListener("pointerenter", () => void clipboard.bringIn());
  void connection.run();

  session = await sessionOf(api);
  const store = new SaveStore(api);
  const dialog = new SaveDialog(api, store, session, () => connection.focus());
  const toolbar = new Toolbar(byId("bar"), session, clipboard, { scaling, quality }, {
    save: () => {
      byId("notices").querySelectorAll(".of-save").forEach((toast) => toast.remove());
      dialog.open();
    },
    scale: (chosen) => {
      remember("scaling", chosen);
      connection.setScaling(chosen);
    },
    refine: (chosen) => {
      remember("quality", chosen);
      connection.setQuality(chosen);
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
