// The end of a save: the next step, or what happened and what to do.

import { ownPath } from "./brief";
import { button, h, icon } from "./dom";
import { t } from "./i18n";
import { agoText, endText, errorText, restlessText, sentText, testText } from "./progress";
import type { Saving } from "./saving";
import type { ErrorInfo, Job } from "../types";

interface Actions {
  close(): void;
  retry(): void;
}

export class EndView {
  readonly element: HTMLElement;
  readonly title: string;
  readonly sentence: string;
  private readonly first: HTMLElement;

  constructor(saving: Saving & { phase: "over" | "refused" }, actions: Actions) {
    const close = button(t("close"), "", () => actions.close());
    if (saving.phase === "over" && saving.job.state === "succeeded") {
      this.title = t("saved_title");
      this.sentence = endText(saving.job);
      this.first = startLink(saving.job) ?? close;
      this.element = this.good(saving.job, close);
      return;
    }
    if (saving.phase === "over" && saving.job.state === "cancelled") {
      this.title = t("cancelled_title");
      this.sentence = endText(saving.job);
      this.first = close;
      this.element = h("div", { class: "end" }, h("p", {}, this.sentence), actionsRow([close]));
      return;
    }
    const error = errorOf(saving);
    this.title = t("failed_title");
    this.sentence = errorText(error);
    const retry = button(t("try_again"), "primary", () => actions.retry());
    this.first = retry;
    this.element = h(
      "div",
      { class: "end failed" },
      h("p", { class: "verdict" }, icon("failed"), h("span", {}, this.sentence)),
      details(error, saving.phase === "over" ? saving.job.id : null),
      actionsRow([close], [anyway(saving), retry]),
    );
  }

  focus(): void {
    this.first.focus();
  }

  private good(job: Job, close: HTMLElement): HTMLElement {
    const page = ownPath(job.links.image);
    const share =
      page && h("a", { href: page, target: "_blank" }, t(job.staged ? "activate" : "share"));
    const notes = [
      agoText(job),
      testText(job),
      sentText(job),
      t(job.staged ? "staged_note" : "saved_note"),
      restlessText(job),
    ];
    return h(
      "div",
      { class: "end" },
      h("p", { class: "verdict" }, icon("done"), h("span", {}, this.sentence)),
      h("p", { class: "note" }, notes.filter(Boolean).join(" ")),
      actionsRow([close], [share, this.first === close ? null : this.first]),
    );
  }
}

function startLink(job: Job): HTMLElement | null {
  const path = ownPath(job.staged ? job.links.try : job.links.start);
  const text = t(job.staged ? "try_it" : "start_it");
  return path ? h("a", { class: "primary", href: path, target: "_blank" }, text) : null;
}

// A version that did not come up is kept: its owner may look at it.
function anyway(saving: Saving & { phase: "over" | "refused" }): HTMLElement | null {
  const path = saving.phase === "over" ? ownPath(saving.job.links.try) : null;
  if (!path || errorOf(saving).code !== "start_test_failed") return null;
  return h("a", { href: path, target: "_blank" }, t("start_anyway"));
}

function errorOf(saving: Saving & { phase: "over" | "refused" }): ErrorInfo {
  if (saving.phase === "refused") return saving.error;
  return saving.job.error ?? { code: "internal_error", message: "", details: {} };
}

function actionsRow(left: (Node | null | "")[], right: (Node | null | "")[] = []): Node {
  return h("div", { class: "actions" }, ...left, h("span", { class: "space" }), ...right);
}

function details(error: ErrorInfo, job: string | null): Node {
  const text = JSON.stringify({ ...error, job }, null, 2);
  const copy = button(t("copy"), "small", () => {
    void navigator.clipboard?.writeText(text).then(() => (copy.textContent = t("copied")));
  });
  copy.hidden = !navigator.clipboard;
  return h(
    "details",
    { class: "technical" },
    h("summary", {}, t("details")),
    h("pre", { tabindex: 0 }, text),
    copy,
  );
}
