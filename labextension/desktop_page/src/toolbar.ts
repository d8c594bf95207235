// The slim bar: way back, what this is, tools, clipboard, picture, full screen, save.

import { label } from "../../src/save/brief";
import { button, h, icon, type IconName } from "../../src/save/dom";
import { percent, t, type Key } from "../../src/save/i18n";
import { share } from "../../src/save/progress";
import type { Saving } from "../../src/save/saving";
import type { Session } from "../../src/types";
import type { Clipboard } from "./clipboard";
import type { Quality, Scaling } from "./connection";
import { Panel } from "./panel";

export interface Actions {
  save(): void;
  scale(scaling: Scaling): void;
  refine(quality: Quality): void;
  leave(): void;
}

export interface Picture {
  scaling: Scaling;
  quality: Quality;
}

const SCALINGS: Scaling[] = ["fit", "shrink", "actual"];
const QUALITIES: Quality[] = ["sharp", "balanced", "slow"];
const RING = 2 * Math.PI * 8;

export class Toolbar {
  private readonly saveButton: HTMLButtonElement;
  private readonly saveLabel = h("span", { class: "label" }, t("save"));
  private readonly saveMark = h("span", { class: "mark", "aria-hidden": "true" });
  private readonly full: HTMLButtonElement;
  private readonly panels: Panel[];
  private readonly title: string;

  constructor(
    private readonly bar: HTMLElement,
    private readonly session: Session,
    clipboard: Clipboard,
    picture: Picture,
    private readonly actions: Actions,
  ) {
    this.title = session.image?.title || session.title || t("remote_desktop");
    this.saveButton = button(this.saveMark, "save", () => actions.save());
    this.saveButton.append(this.saveLabel);
    this.saveMark.append(icon("save"));
    this.full = iconButton("full", t("full_screen"), () => void toggleFullScreen());
    this.full.hidden = !document.fullscreenEnabled;

    const clipboardButton = iconButton("clipboard", t("clipboard"), () => undefined);
    const scalingButton = iconButton("scaling", t("scaling"), () => undefined);
    this.panels = [
      new Panel(clipboardButton, t("clipboard"), clipboard.content, () => clipboardButton.focus()),
      new Panel(scalingButton, t("scaling"), this.pictureChoices(picture), () =>
        scalingButton.focus(),
      ),
    ];
    bar.replaceChildren(
      ...this.wayBack(),
      this.name(),
      h("span", { class: "space" }),
      tools(),
      holder(clipboardButton, this.panels[0]),
      holder(scalingButton, this.panels[1]),
      this.full,
      this.saveButton,
    );
    document.title = this.title;
    bar.setAttribute("aria-keyshortcuts", "Control+Alt+Shift+B");
    this.watchFullScreen();
    this.watchKeys();
  }

  // The bar and the tab's title say how a save goes on when its dialog is closed.
  show(saving: Saving): void {
    const words = label(saving) || t("save");
    let mark: Node = icon("save");
    let title = this.title;
    if (saving.phase === "sending") {
      mark = ring(0);
    } else if (saving.phase === "running") {
      const done = share(saving.job);
      mark = ring(done);
      title = `${percent(done)} · ${this.title}`;
    } else if (saving.phase === "over" && saving.job.state === "succeeded") {
      mark = icon("done");
      title = `✓ ${this.title}`;
    } else if (saving.phase === "over" || saving.phase === "refused") {
      mark = icon("failed");
      title = `! ${this.title}`;
    }
    this.saveButton.dataset["percent"] =
      saving.phase === "running" ? percent(share(saving.job)) : "";
    this.saveMark.replaceChildren(mark);
    this.saveLabel.textContent = words;
    this.saveButton.setAttribute("aria-label", words);
    this.saveButton.dataset["phase"] = saving.phase;
    document.title = title;
  }

  focusSave(): void {
    this.saveButton.focus();
  }

  private wayBack(): Node[] {
    if (!this.session.hub_url) return [];
    const link = h(
      "a",
      { class: "tool", href: `${this.session.hub_url}home`, title: t("to_hub") },
      icon("home"),
      h("span", { class: "label" }, "Hub"),
    );
    return [link];
  }

  private name(): Node {
    const customising = this.session.session === "customise";
    return h(
      "span",
      { class: "name", title: t("keys_hint") },
      h("h1", {}, this.title),
      customising && h("span", { class: "badge", title: t("customising_hint") }, t("customising")),
    );
  }

  private pictureChoices(picture: Picture): Node[] {
    const { scale, refine } = this.actions;
    return [
      choice("scaling", SCALINGS, picture.scaling, (chosen) => scale(chosen)),
      choice("quality", QUALITIES, picture.quality, (chosen) => refine(chosen)),
    ];
  }

  private watchFullScreen(): void {
    document.addEventListener("fullscreenchange", () => {
      const on = document.fullscreenElement !== null;
      document.body.classList.toggle("full", on);
      this.full.replaceChildren(icon(on ? "leave" : "full"));
      const label = on ? t("leave_full_screen") : t("full_screen");
      this.full.setAttribute("aria-label", label);
      this.full.title = label;
      this.actions.leave();
    });
    // The bar hides itself in full screen; the edge of the screen brings it back.
    document.addEventListener("pointermove", (event) => {
      const near = event.clientY < (this.bar.classList.contains("near") ? 60 : 4);
      this.bar.classList.toggle("near", near);
    });
  }

  // The desktop takes every key: one combination leads out of it.
  private watchKeys(): void {
    const onKey = (event: KeyboardEvent): void => {
      if (!(event.ctrlKey && event.altKey && event.shiftKey)) return;
      if (event.code !== "KeyB") return;
      event.preventDefault();
      event.stopImmediatePropagation();
      this.bar.querySelector<HTMLElement>("a, button")?.focus();
      // Their ends go to the bar, not to the desktop: noVNC lets go of all keys when the window
      // is left, and would hold these down otherwise.
      window.dispatchEvent(new Event("blur"));
    };
    window.addEventListener("keydown", onKey, { capture: true });
    this.bar.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.panels.some((panel) => panel.isOpen)) {
        this.actions.leave();
      }
    });
  }
}

// Another tab: the desktop stays in view where it is.
function tools(): Node {
  const link = h(
    "a",
    { class: "tool", href: "../tools/", target: "_blank", title: t("tools_hint") },
    icon("tools"),
  );
  link.setAttribute("aria-label", t("tools"));
  return link;
}

function choice<T extends string>(
  what: "scaling" | "quality",
  all: T[],
  chosen: T,
  act: (value: T) => void,
): Node {
  const group = h("fieldset", { class: "choice" }, h("legend", {}, t(what)));
  for (const one of all) {
    const input = h("input", { type: "radio", name: what, checked: one === chosen });
    input.addEventListener("change", () => act(one));
    const name: string = `${what}_${one}`;
    group.append(h("label", {}, input, h("span", {}, t(name as Key), h("small", {}, t(`${name}_hint` as Key)))));
  }
  return group;
}

function iconButton(name: IconName, label: string, action: () => void): HTMLButtonElement {
  return button(icon(name), "tool", action, { "aria-label": label, title: label });
}

function holder(opener: HTMLButtonElement, panel: Panel | undefined): Node {
  return h("span", { class: "holder" }, opener, panel?.element);
}

async function toggleFullScreen(): Promise<void> {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await document.documentElement.requestFullscreen({ navigationUI: "hide" });
}

function ring(done: number): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "ring");
  for (const part of ["track", "done"]) {
    const circle = document.createElementNS(space, "circle");
    circle.setAttribute("class", part);
    circle.setAttribute("cx", "10");
    circle.setAttribute("cy", "10");
    circle.setAttribute("r", "8");
    if (part === "done") {
      circle.setAttribute("stroke-dasharray", `${Math.max(0.04, done) * RING} ${RING}`);
    }
    svg.append(circle);
  }
  return svg;
}
