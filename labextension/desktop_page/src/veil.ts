// What stands in front of the desktop while it cannot be used: never a blank page.

import { announce, button, h } from "../../src/save/dom";
import { seconds as duration, t } from "../../src/save/i18n";
import type { State } from "./connection";

const USUAL_SECONDS = 5;
const SLOW = 30;

export class Veil {
  private readonly title = h("h2", { class: "veil-title" });
  private readonly text = h("p", { class: "veil-text" });
  private readonly actions = h("div", { class: "veil-actions" });
  private readonly spinner = h("div", { class: "spinner", "aria-hidden": "true" });
  private timer: number | undefined;

  constructor(
    private readonly element: HTMLElement,
    private readonly hubUrl: () => string,
  ) {
    const box = h("div", { class: "veil-box" }, this.spinner, this.title, this.text, this.actions);
    element.replaceChildren(box);
  }

  show(state: State): void {
    window.clearTimeout(this.timer);
    switch (state.name) {
      case "connected":
        this.element.classList.add("gone");
        this.timer = window.setTimeout(() => (this.element.hidden = true), 250);
        return;
      case "lost":
        this.draw(t("lost_title"), t("lost_text"), true);
        break;
      case "signed_out":
        this.draw(t("signed_out_title"), t("signed_out_text"), false);
        this.actions.append(button(t("sign_in"), "primary", () => location.reload()));
        break;
      case "stopped":
        this.draw(t("stopped_title"), t("stopped_text"), false);
        if (this.hubUrl()) {
          this.actions.append(
            h("a", { class: "primary", href: `${this.hubUrl()}home` }, t("to_hub")),
          );
        }
        break;
      case "connecting":
        this.draw(t("starting_title"), t("connecting_text"), true);
        break;
      default:
        this.draw(t("starting_title"), this.startText(state.step, state.seconds), true);
    }
    this.element.hidden = false;
    this.element.classList.remove("gone");
    this.element.classList.toggle("over", state.name === "lost");
    announce(`${this.title.textContent} ${this.text.textContent}`);
  }

  private startText(step: string, passed: number): string {
    const what =
      step === "display" ? t("step_display") : step === "session" ? t("step_session") : "";
    const usual =
      passed > SLOW
        ? t("start_slow")
        : t("start_usual", { time: duration(USUAL_SECONDS) });
    return [what, usual].filter(Boolean).join(" ");
  }

  private draw(title: string, text: string, busy: boolean): void {
    this.title.textContent = title;
    this.text.textContent = text;
    this.spinner.hidden = !busy;
    this.actions.replaceChildren();
  }
}
