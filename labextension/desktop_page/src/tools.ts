// What this session has, as tiles: the desktop, JupyterLab, a terminal, and every program that
// jupyter-server-proxy knows. An image that registers one with it has its tile.

import { Api } from "../../src/api";
import { h, icon, type IconName } from "../../src/save/dom";
import { speak, t } from "../../src/save/i18n";
import { sessionOf } from "../../src/save/session";
import type { Program, Session } from "../../src/types";
import { browserLanguage, code } from "./language";
import { followTheme } from "./theme";

// The desktop has its own tile.
const DESKTOP = "desktop-vnc";

function tile(href: string, name: string, text: string, picture: Node): Node {
  return h(
    "li",
    {},
    h("a", { class: "tile", href }, picture, h("strong", {}, name), h("small", {}, text)),
  );
}

const drawn = (name: IconName): Node => h("span", { class: "tile-icon" }, icon(name));

function picture(base: URL, program: Program): Node {
  if (!program.launcher_entry.icon_url) return drawn("tools");
  const src = new URL(program.launcher_entry.icon_url, base).href;
  return h("img", { class: "tile-icon", src, alt: "" });
}

function words(name: string): string {
  if (name === "tools/vscode") return t("tile_vscode");
  if (name === "tools/netdata") return t("tile_netdata");
  return "";
}

function programTile(base: URL, program: Program): Node {
  const { path_info, title } = program.launcher_entry;
  const address = new URL(path_info || `${program.name}/`, base).href;
  return tile(address, title, words(program.name), picture(base, program));
}

function draw(base: URL, session: Session, programs: Program[]): void {
  const title = session.image?.title || session.title || t("remote_desktop");
  document.title = title;
  const at = (path: string): string => new URL(path, base).href;
  const shown = programs.filter((one) => one.name !== DESKTOP && one.launcher_entry.enabled);
  document.getElementById("tools")?.replaceChildren(
    h("h1", {}, title),
    h("p", { class: "note" }, t("tools_hint")),
    h(
      "ul",
      { class: "tiles" },
      tile(at("desktop/"), t("remote_desktop"), t("tile_desktop"), drawn("full")),
      tile(at("lab"), "JupyterLab", t("tile_lab"), drawn("clipboard")),
      tile(at("lab/workspaces/terminal?reset&terminal"), t("terminal"), t("tile_terminal"), drawn("terminal")),
      ...shown.map((one) => programTile(base, one)),
    ),
    session.hub_url ? h("p", {}, h("a", { href: `${session.hub_url}home` }, t("to_hub"))) : "",
  );
}

async function main(): Promise<void> {
  const language = browserLanguage(navigator.languages);
  speak(language);
  document.documentElement.lang = code(language.tag);
  followTheme();
  const base = new URL("../", document.baseURI);
  const api = new Api(base);
  // The tiles that are always there do not wait for those that are asked for.
  const session = await sessionOf(api);
  draw(base, session, []);
  draw(base, session, await api.programs());
}

void main();
