// "Save as desktop image": one window for the question, the progress and the end. It may be
// closed and opened at any time; what it shows comes from the SaveStore.

import type { Api } from "./api";
import { announce, button, h, icon } from "./save/dom";
import { EndView } from "./save/endView";
import { FormView } from "./save/formView";
import { t } from "./save/i18n";
import { ProgressView } from "./save/progressView";
import type { Saving, SaveStore } from "./save/saving";
import type { Session } from "./types";

export interface View {
  readonly element: HTMLElement;
  // What gets the focus when the view comes up.
  focus(): void;
  gone?(): void;
}

export class SaveDialog {
  private readonly dialog: HTMLDialogElement;
  private readonly body = h("div", { class: "dialog-body" });
  private readonly heading = h("h2", { id: "save-title", tabindex: -1 }, t("save_title"));
  private view: View | null = null;

  constructor(
    private readonly api: Api,
    private readonly store: SaveStore,
    private readonly session: Session,
    private readonly closed: () => void,
  ) {
    const close = button(icon("close"), "tool close", () => this.close(), {
      "aria-label": t("close"),
      title: t("close"),
    });
    this.dialog = h(
      "dialog",
      { class: "save-dialog", "aria-labelledby": "save-title" },
      h("header", {}, this.heading, close),
      this.body,
      h("div", { class: "live visually-hidden", role: "status", "aria-live": "polite" }),
    );
    this.dialog.addEventListener("close", () => this.onClosed());
    document.body.append(this.dialog);
    store.subscribe((now, before) => this.onChange(now, before));
  }

  get isOpen(): boolean {
    return this.dialog.open;
  }

  open(): void {
    if (this.isOpen) return;
    this.dialog.showModal();
    this.draw(this.store.now);
  }

  // Asks for a new save, also when the end of the one before was not closed.
  ask(): void {
    if (!this.isOpen && this.store.now.phase === "over") this.store.dismiss();
    this.open();
  }

  close(): void {
    this.dialog.close();
  }

  private onClosed(): void {
    this.store.dismiss();
    this.swap(null);
    this.closed();
  }

  private onChange(now: Saving, before: Saving): void {
    if (!this.isOpen) return;
    if (now.phase === "running" && this.view instanceof ProgressView) {
      this.view.show(now.job);
    } else if (now.phase !== before.phase) {
      this.draw(now);
    }
  }

  private draw(saving: Saving): void {
    switch (saving.phase) {
      case "idle":
        this.heading.textContent = t("save_title");
        this.swap(this.session.can_save ? this.form() : this.cannot());
        break;
      case "sending":
      case "running":
        this.heading.textContent = t("saving_title");
        this.swap(
          new ProgressView(saving.phase === "running" ? saving.job : null, {
            cancel: () => this.store.cancel(),
            hide: () => this.close(),
          }),
        );
        break;
      default:
        this.end(saving);
    }
    this.view?.focus();
  }

  private form(): View {
    return new FormView(this.api, this.session, this.store.lastSave, {
      save: (request, title) => void this.store.start(request, title),
      cancel: () => this.close(),
    });
  }

  private end(saving: Saving & { phase: "over" | "refused" }): void {
    const last = this.store.lastSave;
    const view = new EndView(saving, {
      close: () => this.close(),
      retry: () => {
        this.store.dismiss();
        if (last) void this.store.start(last.request, last.title);
      },
    });
    this.store.seen();
    this.heading.textContent = view.title;
    this.swap(view);
    announce(view.sentence);
  }

  // Not under a hub that saves: the reason, instead of a button that is not there.
  private cannot(): View {
    const done = button(t("close"), "primary", () => this.close());
    const why = this.session.why_not === "no_service" ? t("why_no_service") : t("why_not_under_hub");
    const element = h(
      "div",
      { class: "end" },
      h("p", {}, why),
      h("div", { class: "actions" }, h("span", { class: "space" }), done),
    );
    return { element, focus: () => done.focus() };
  }

  private swap(view: View | null): void {
    this.view?.gone?.();
    this.view = view;
    this.dialog.classList.toggle("narrow", !(view instanceof FormView));
    this.body.replaceChildren(...(view ? [view.element] : []));
  }
}
