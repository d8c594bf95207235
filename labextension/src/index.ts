// "Save as desktop image" in JupyterLab: a command, with its places (schema/plugin.json, the
// command palette) and the save in the status bar.

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette } from "@jupyterlab/apputils";
import { IStatusBar } from "@jupyterlab/statusbar";
import { ITranslator } from "@jupyterlab/translation";
import { LabIcon } from "@jupyterlab/ui-components";
import { Api } from "./api";
import { jupyterLanguage } from "./language";
import { EndNotice } from "./notice";
import { ICONS } from "./save/dom";
import { speak, t } from "./save/i18n";
import { SaveStore } from "./save/saving";
import { sessionOf } from "./save/session";
import { SaveDialog } from "./saveDialog";
import { StatusItem } from "./statusItem";

const PLUGIN = "jupyter-desktop-save:plugin";
const OPEN = "desktop-save:open";

const saveIcon = new LabIcon({
  name: "desktop-save:save",
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24" fill="none"
    stroke-width="1.7"><path class="jp-icon3" stroke="#616161" d="${ICONS.save}"/></svg>`,
});

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  autoStart: true,
  requires: [ITranslator],
  optional: [ICommandPalette, IStatusBar],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator,
    palette: ICommandPalette | null,
    statusBar: IStatusBar | null,
  ) => {
    const language = jupyterLanguage(translator);
    speak(language);
    const base = new URL(app.serviceManager.serverSettings.baseUrl, document.baseURI);
    const api = new Api(base, language.tag);
    const store = new SaveStore(api);
    const notice = new EndNotice(() => open());
    const dialog = prepare(api, store, notice);
    const open = (): void => {
      notice.dismiss();
      void dialog.then((one) => one.open());
    };

    const ask = (): void => {
      notice.dismiss();
      void dialog.then((one) => one.ask());
    };

    app.commands.addCommand(OPEN, {
      label: t("save"),
      caption: t("keeps_running"),
      icon: saveIcon,
      execute: ask,
      describedBy: { args: { type: "object", properties: {} } },
    });
    palette?.addItem({ command: OPEN, category: t("remote_desktop") });
    openTerminalIfAsked(app);
    if (statusBar) {
      const item = new StatusItem(store, open);
      statusBar.registerStatusItem(PLUGIN, {
        item,
        align: "left",
        rank: 90,
        isActive: () => item.isActive,
        activeStateChanged: item.activeStateChanged,
      });
    }
  },
};

// The terminal's tile of the tools page: there is no address of JupyterLab for it.
function openTerminalIfAsked(app: JupyterFrontEnd): void {
  if (!new URLSearchParams(location.search).has("terminal")) return;
  void app.restored.then(() => app.commands.execute("terminal:create-new"));
}

// A save that was begun before this page was loaded is taken up.
async function prepare(api: Api, store: SaveStore, notice: EndNotice): Promise<SaveDialog> {
  const session = await sessionOf(api);
  const dialog = new SaveDialog(api, store, session, () => undefined);
  store.subscribe((now, before) => {
    if (!dialog.isOpen && now.phase !== before.phase) notice.tell(now);
  });
  if (session.can_save) void store.restore().catch(() => undefined);
  return dialog;
}

export default plugin;
