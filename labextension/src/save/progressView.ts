// A save under way: what is being done, how far, and that the desktop goes on.

import { announce, button, h, icon } from "./dom";
import { percent, t } from "./i18n";
import { headline, share, stepNote, stepText } from "./progress";
import type { Job } from "../types";

interface Actions {
  cancel(): Promise<void>;
  hide(): void;
}

// A screen reader hears a new step at once, numbers only now and then.
const SAY_EVERY = 10000;

export class ProgressView {
  readonly element: HTMLElement;
  private readonly line = h("p", { class: "headline" });
  private readonly fill = h("div", { class: "fill" });
  private readonly meter = h(
    "div",
    { class: "meter", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 },
    this.fill,
  );
  private readonly steps = h("ol", { class: "steps" });
  private readonly cancel: HTMLButtonElement;
  private readonly hide: HTMLButtonElement;
  private said = { step: "", at: 0 };

  constructor(job: Job | null, actions: Actions) {
    this.hide = button(t("hide"), "primary", () => actions.hide());
    this.cancel = button(t("stop_saving"), "", () => {
      this.cancel.disabled = true;
      actions.cancel().catch(() => (this.cancel.disabled = false));
    });
    this.meter.setAttribute("aria-label", t("saving_title"));
    this.element = h(
      "div",
      { class: "progress" },
      this.line,
      this.meter,
      this.steps,
      h("p", { class: "note" }, t("keeps_running_long")),
      h("div", { class: "actions" }, this.cancel, h("span", { class: "space" }), this.hide),
    );
    if (job) this.show(job);
    else this.line.textContent = t("asking");
    this.cancel.hidden = job === null;
  }

  focus(): void {
    this.hide.focus();
  }

  show(job: Job): void {
    this.cancel.hidden = false;
    this.line.textContent = headline(job);
    const done = share(job);
    this.fill.style.width = `${Math.max(2, done * 100)}%`;
    this.meter.setAttribute("aria-valuenow", String(Math.round(done * 100)));
    this.meter.setAttribute("aria-valuetext", percent(done));
    this.steps.replaceChildren(
      ...job.steps.map((step) =>
        h(
          "li",
          { class: step.state, "aria-current": step.state === "running" ? "step" : null },
          step.state === "done"
            ? icon("done")
            : step.state === "failed"
              ? icon("failed")
              : step.state === "running"
                ? h("span", { class: "spinner small" })
                : icon("waiting"),
          h("span", {}, stepText(step)),
          h("small", {}, stepNote(step)),
        ),
      ),
    );
    this.say(job);
  }

  private say(job: Job): void {
    const now = Date.now();
    const step = job.step ?? job.state;
    if (step === this.said.step && now - this.said.at < SAY_EVERY) return;
    this.said = { step, at: now };
    announce(headline(job));
  }
}
