// The save in the status bar: how far it is, and how it ended until that was seen.

import { type ISignal, Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";
import { label } from "./save/brief";
import { button } from "./save/dom";
import { t } from "./save/i18n";
import { stepText } from "./save/progress";
import type { Saving, SaveStore } from "./save/saving";

export class StatusItem extends Widget {
  private readonly changed = new Signal<this, void>(this);

  constructor(
    private readonly store: SaveStore,
    open: () => void,
  ) {
    super({ node: button("", "desktop-save-status", open, { title: t("save_title") }) });
    store.subscribe((now) => this.draw(now));
    this.draw(store.now);
  }

  get isActive(): boolean {
    return this.store.now.phase !== "idle";
  }

  get activeStateChanged(): ISignal<this, void> {
    return this.changed;
  }

  private draw(saving: Saving): void {
    this.node.textContent = [label(saving), step(saving)].filter(Boolean).join(" · ");
    this.changed.emit();
  }
}

function step(saving: Saving): string {
  if (saving.phase !== "running") return "";
  const running = saving.job.steps.find((one) => one.state === "running");
  return running ? stepText(running) : "";
}
