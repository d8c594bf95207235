// The question of the save dialog: name, what's new, what goes along.

import type { Api } from "../api";
import { button, h } from "./dom";
import { bytes, t } from "./i18n";
import { PreviewBox } from "./previewBox";
import type { LastSave } from "./saving";
import type { OwnImage, Preview, SaveRequest, Session } from "../types";

interface Actions {
  save(request: SaveRequest, title: string): void;
  cancel(): void;
}

export class FormView {
  readonly element: HTMLFormElement;
  private readonly name = h("input", {
    id: "save-name",
    required: true,
    maxlength: 100,
    autocomplete: "off",
    "aria-describedby": "save-version",
  });
  private readonly version = h("span", { id: "save-version", class: "hint" });
  private readonly news = h("textarea", { id: "save-news", rows: 3, maxlength: 500 });
  private readonly home = h("input", { type: "checkbox", id: "save-home" });
  private readonly homeHint = h("span", { class: "hint" });
  private readonly stopAfter = h("input", { type: "checkbox", id: "save-stop" });
  private readonly stopLabel = check(this.stopAfter, t("stop_after"));
  private readonly useNote = h("p", { class: "note" }, t("use_session_note"));
  private readonly test = h("input", { type: "checkbox", id: "save-test" });
  private readonly testLabel = check(this.test, t("start_test"));
  private readonly stage = h("input", { type: "checkbox", id: "save-stage" });
  private readonly stageLabel = check(this.stage, t("stage"));
  private readonly box: PreviewBox;
  private preview: Preview | null = null;

  constructor(
    api: Api,
    private readonly session: Session,
    last: LastSave | null,
    private readonly actions: Actions,
  ) {
    this.home.checked = last?.request.include_home ?? true;
    this.testLabel.hidden = true;
    this.name.value = last?.title || session.image?.title || "";
    // What was asked for is asked for again only when it came to nothing.
    if (last?.failed) this.fill(last.request);
    this.box = new PreviewBox(api, (preview) => this.onPreview(preview));
    const save = h("button", { type: "submit", class: "primary" }, t("save_button"));
    this.element = h(
      "form",
      { class: "form" },
      h("div", { class: "columns" }, this.fields(), this.box.element),
      h(
        "div",
        { class: "actions" },
        button(t("cancel"), "", () => actions.cancel()),
        h("span", { class: "space" }),
        save,
      ),
    );
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.actions.save(this.request(), this.name.value.trim());
    });
    this.name.addEventListener("input", () => this.showVersion());
    this.home.addEventListener("change", () => this.ask());
    this.showVersion();
    this.ask();
  }

  focus(): void {
    this.name.focus();
    this.name.select();
  }

  gone(): void {
    this.box.gone();
  }

  private fields(): Node {
    return h(
      "div",
      { class: "fields" },
      h("label", { for: "save-name" }, t("name")),
      this.name,
      this.version,
      h("label", { for: "save-news" }, t("whats_new")),
      this.news,
      h("label", { class: "check" }, this.home, h("span", {}, t("include_home"), this.homeHint)),
      this.stopLabel,
      this.testLabel,
      this.stageLabel,
      this.session.session === "use" && this.useNote,
      h("p", { class: "note" }, t("keeps_running")),
    );
  }

  private fill(request: SaveRequest): void {
    this.stopAfter.checked = request.stop_after;
    this.test.checked = request.start_test;
    this.stage.checked = !request.activate;
    this.news.value = request.description;
  }

  private ask(): void {
    this.box.ask(this.home.checked);
  }

  private onPreview(preview: Preview): void {
    const first = this.preview === null;
    this.preview = preview;
    if (first && preview.image && !this.name.value) this.name.value = preview.image.title;
    this.testLabel.hidden = !preview.start_tests;
    // A service of before this question stops desktops.
    this.stopLabel.hidden = preview.can_stop === false;
    if (this.stopLabel.hidden) this.stopAfter.checked = false;
    const home = preview.home;
    if (home?.on_volume) {
      this.home.checked = false;
      this.home.disabled = true;
      this.homeHint.textContent = t("home_on_volume");
    } else if (home) {
      // A Notebook of Kubeflow's without a volume for its home.
      this.useNote.hidden = true;
      this.homeHint.textContent = bytes(home.bytes);
    }
    this.showVersion();
  }

  private showVersion(): void {
    const known = this.known();
    // Of a new image there is no version before that others could go on starting.
    this.stageLabel.hidden = !known;
    const blank = this.name.value !== "" && !this.name.value.trim();
    this.name.setCustomValidity(blank ? t("name_hint") : "");
    if (!this.name.value.trim()) this.version.textContent = t("name_hint");
    else if (known) this.version.textContent = t("new_version", { version: known.next_version });
    else this.version.textContent = t("new_image");
  }

  private known(): OwnImage | undefined {
    return this.preview?.images.find((one) => sameName(one.title, this.name.value));
  }

  private request(): SaveRequest {
    const known = this.known();
    return {
      image: known ? { name: known.name } : this.name.value.trim(),
      description: this.news.value.trim(),
      include_home: this.home.checked,
      exclude: this.box.excluded,
      stop_after: this.stopAfter.checked,
      start_test: this.test.checked,
      activate: !known || !this.stage.checked,
    };
  }
}

const check = (box: HTMLElement, text: string): HTMLElement =>
  h("label", { class: "check" }, box, h("span", {}, text));

const folded = (name: string): string => name.trim().split(/\s+/).join(" ").toLowerCase();

const sameName = (one: string, other: string): boolean => folded(one) === folded(other);
