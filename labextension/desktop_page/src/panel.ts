// A small panel below a button of the bar: opens and closes with it, with Escape, with a click
// elsewhere; the focus goes in when it opens and back when it closes.

import { h } from "../../src/save/dom";

let serial = 0;

export class Panel {
  readonly element: HTMLDivElement;

  constructor(
    readonly opener: HTMLButtonElement,
    label: string,
    content: Node[],
    private readonly closed: () => void,
  ) {
    const id = `panel-${++serial}`;
    this.element = h("div", { class: "panel", id, role: "group", "aria-label": label });
    this.element.hidden = true;
    this.element.append(...content);
    opener.setAttribute("aria-expanded", "false");
    opener.setAttribute("aria-controls", id);
    opener.addEventListener("click", () => this.toggle());
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      // For the panel alone: the bar would give the focus to the desktop.
      event.stopPropagation();
      this.close(true);
    });
    document.addEventListener("pointerdown", (event) => {
      const inside = event.composedPath();
      if (!inside.includes(this.element) && !inside.includes(opener)) this.close(false);
    });
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  toggle(): void {
    if (this.isOpen) this.close(true);
    else this.open();
  }

  open(): void {
    this.element.hidden = false;
    this.opener.setAttribute("aria-expanded", "true");
    this.element.querySelector<HTMLElement>("textarea, input:checked, input, button")?.focus();
  }

  close(giveBack: boolean): void {
    if (!this.isOpen) return;
    this.element.hidden = true;
    this.opener.setAttribute("aria-expanded", "false");
    if (giveBack) this.closed();
  }
}
