// What a save would take, and what it leaves out on purpose.

import type { Api } from "../api";
import { ApiError } from "../api";
import { announce, button, h } from "./dom";
import { bytes, has, seconds, t, tn } from "./i18n";
import { errorText } from "./progress";
import type { LeftOut, Package, PathSize, Preview } from "../types";

// The reasons of the agent, the ones that people look for first.
const REASONS = ["secret", "cache", "home", "asked", "runtime", "special"];

export class PreviewBox {
  readonly element = h("section", { class: "preview", "aria-live": "off" });
  private readonly without = new Set<string>();
  private aborter: AbortController | null = null;
  private includeHome = true;

  constructor(
    private readonly api: Api,
    private readonly tell: (preview: Preview) => void,
  ) {}

  get excluded(): string[] {
    return [...this.without];
  }

  ask(includeHome: boolean): void {
    this.includeHome = includeHome;
    void this.load();
  }

  gone(): void {
    this.aborter?.abort();
  }

  private async load(): Promise<void> {
    this.aborter?.abort();
    const aborter = (this.aborter = new AbortController());
    this.element.setAttribute("aria-busy", "true");
    if (!this.element.hasChildNodes()) this.drawWaiting();
    try {
      const wanted = { include_home: this.includeHome, exclude: this.excluded };
      const preview = await this.api.preview(wanted, aborter.signal);
      this.draw(preview);
      this.tell(preview);
      announce(summary(preview));
    } catch (error) {
      if (aborter.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      this.drawFailure(error);
    }
    this.element.removeAttribute("aria-busy");
  }

  private drawWaiting(): void {
    this.element.replaceChildren(
      h("h3", {}, t("will_be_saved")),
      h("p", { class: "waiting" }, h("span", { class: "spinner small" }), t("looking")),
    );
  }

  private drawFailure(error: ApiError): void {
    this.element.replaceChildren(
      h("h3", {}, t("will_be_saved")),
      h("p", { class: "problem" }, errorText(error.toInfo())),
      button(t("try_again"), "", () => void this.load()),
    );
  }

  private draw(preview: Preview): void {
    const biggest = this.biggest(preview);
    this.element.replaceChildren(
      h("h3", {}, t("will_be_saved")),
      h("p", { class: "numbers" }, summary(preview)),
      h("p", { class: "quiet" }, t(preview.saved_before ? "changed_since_save" : "changed_since")),
      ...packages(preview),
      ...(preview.home && !preview.home.on_volume && this.includeHome ? [home(preview)] : []),
      ...(biggest ? [biggest] : []),
      h("h3", {}, t("left_out")),
      leftOut(preview.left_out),
      ...volumes(preview),
    );
  }

  // The largest things with a tick each: what is unticked stays out.
  private biggest(preview: Preview): Node | null {
    const shown = new Map(preview.biggest.map((one) => [one.path, one.bytes]));
    for (const path of this.without) if (!shown.has(path)) shown.set(path, 0);
    if (shown.size === 0) return null;
    const list = h("ul", { class: "paths" });
    for (const [path, size] of shown) {
      const tick = h("input", { type: "checkbox", checked: !this.without.has(path) });
      tick.addEventListener("change", () => {
        if (tick.checked) this.without.delete(path);
        else this.without.add(path);
        void this.load();
      });
      list.append(
        h("li", {}, h("label", {}, tick, h("code", {}, path), size > 0 && small(bytes(size)))),
      );
    }
    const open = this.element.querySelector("details.biggest")?.hasAttribute("open") ?? false;
    return h("details", { class: "biggest", open }, h("summary", {}, t("biggest")), list);
  }
}

const small = (text: string): Node => h("small", {}, text);

function summary(preview: Preview): string {
  const parts = [t("changed", { bytes: bytes(preview.bytes) }), tn("files", preview.entries)];
  if (preview.seconds_estimate !== null) {
    const time = seconds(Math.max(1, Math.round(preview.seconds_estimate)));
    parts.push(t(preview.saved_before ? "at_most" : "about", { time }));
  }
  return parts.join(" · ");
}

function packages(preview: Preview): Node[] {
  const { added, removed, upgraded } = preview.packages;
  const lines: Node[] = [];
  if (added.length) lines.push(line("+", tn("packages", added.length), added));
  if (removed.length) lines.push(line("−", tn("packages", removed.length), removed));
  if (upgraded.length) lines.push(line("↑", tn("packages", upgraded.length), upgraded));
  if (!lines.length) lines.push(h("p", { class: "quiet" }, t("no_packages")));
  return lines;
}

function line(sign: string, text: string, list: Package[]): Node {
  const names = list.slice(0, 3).map((one) => one.name);
  const more = list.length > 3 ? ", …" : "";
  return h(
    "details",
    { class: "packages" },
    h("summary", {}, h("b", {}, sign), ` ${text} `, small(`(${names.join(", ")}${more})`)),
    h("p", { class: "names" }, list.map((one) => one.name).join(", ")),
  );
}

function home(preview: Preview): Node {
  const home = preview.home;
  const parts = [t("home_size", { bytes: bytes(home?.bytes ?? 0) })];
  const first: PathSize | undefined = home?.biggest[0];
  if (first) parts.push(t("home_biggest", { path: tilde(first.path), bytes: bytes(first.bytes) }));
  return h("p", {}, parts.join(" · "));
}

const tilde = (path: string): string => path.replace(/^\/home\/[^/]+\//, "~/");

function leftOut(all: LeftOut[]): Node {
  const list = h("ul", { class: "left-out" });
  for (const reason of REASONS) {
    const some = all.filter((one) => one.reason === reason);
    if (!some.length) continue;
    const total = some.reduce((sum, one) => sum + one.bytes, 0);
    const key = `reason_${reason}`;
    const paths = some.map((one) => tilde(one.path)).join("\n");
    const label = has(key) ? t(key) : reason;
    list.append(
      h(
        "li",
        {},
        h(
          "details",
          {},
          h("summary", {}, label, " ", total > 0 && small(bytes(total))),
          h("pre", {}, paths),
        ),
      ),
    );
  }
  if (!list.hasChildNodes()) list.append(h("li", {}, t("nothing_left_out")));
  return list;
}

function volumes(preview: Preview): Node[] {
  if (!preview.volumes.length) return [];
  const text = tn("volumes", preview.volumes.length, { paths: preview.volumes.join(", ") });
  return [h("p", { class: "volumes" }, text)];
}
