// The clipboard, both ways: by itself where the browser allows it, by hand in a panel everywhere.

import { button, h } from "../../src/save/dom";
import { t } from "../../src/save/i18n";

// Chromium asks for this by name; the standard's list of names does not have it.
const READ = { name: "clipboard-read" } as unknown as PermissionDescriptor;

export class Clipboard {
  readonly content: Node[];
  private readonly area = h("textarea", { rows: 5, id: "clipboard-text", spellcheck: false });
  private readonly note = h("p", { class: "note" });
  private known = "";

  constructor(private readonly send: (text: string) => void) {
    this.area.addEventListener("input", () => this.put(this.area.value));
    const copy = button(t("clipboard_copy"), "", () => void this.copyOut());
    const allow = button(t("clipboard_allow"), "", () => void this.ask(allow));
    allow.hidden = !navigator.clipboard?.readText;
    this.note.textContent = navigator.clipboard ? t("clipboard_help") : t("clipboard_manual");
    this.content = [
      h("label", { for: "clipboard-text", class: "panel-title" }, t("clipboard_label")),
      this.area,
      this.note,
      h("div", { class: "row" }, copy, allow),
    ];
    void permission().then((state) => {
      if (state === "granted") allow.hidden = true;
      if (state === "unknown") allow.textContent = t("clipboard_paste");
    });
    // Before a paste in the desktop: the person comes back to the window or points at it.
    window.addEventListener("focus", () => void this.bringIn());
  }

  // The desktop copied something.
  received(text: string): void {
    this.known = text;
    this.area.value = text;
    if (document.hasFocus()) navigator.clipboard?.writeText(text).catch(() => undefined);
  }

  // The person's own clipboard may have something new: the desktop gets it.
  async bringIn(): Promise<void> {
    if (!(await allowed())) return;
    const text = await navigator.clipboard.readText().catch(() => "");
    if (text) this.put(text);
  }

  private put(text: string): void {
    if (text === this.known) return;
    this.known = text;
    if (this.area.value !== text) this.area.value = text;
    this.send(text);
  }

  private async copyOut(): Promise<void> {
    this.area.select();
    try {
      await navigator.clipboard.writeText(this.area.value);
      this.note.textContent = t("clipboard_copied");
    } catch {
      this.note.textContent = t("clipboard_press");
    }
  }

  private async ask(allow: HTMLButtonElement): Promise<void> {
    try {
      this.put(await navigator.clipboard.readText());
      allow.hidden = await allowed();
      this.note.textContent = t("clipboard_help");
    } catch {
      this.note.textContent = t("clipboard_refused");
    }
  }
}

// Firefox and Safari cannot be allowed for good: they ask the person at every single reading.
async function permission(): Promise<PermissionState | "unknown"> {
  try {
    return (await navigator.permissions.query(READ)).state;
  } catch {
    return "unknown";
  }
}

async function allowed(): Promise<boolean> {
  return Boolean(navigator.clipboard?.readText) && (await permission()) === "granted";
}
