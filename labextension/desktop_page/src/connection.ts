// The way to the desktop: waits until it answers, shows it, comes back by itself when it is lost.

import RFB from "@novnc/novnc";
import type { Api } from "../../src/api";
import { ApiError } from "../../src/api";

export type Scaling = "fit" | "shrink" | "actual";
export type Quality = "sharp" | "balanced" | "slow";

// JPEG's quality and zlib's level: noVNC's own scales from 0 to 9, passed to the VNC server.
const LEVELS: Record<Quality, [number, number]> = {
  sharp: [9, 1],
  balanced: [6, 2],
  slow: [2, 9],
};

export type State =
  | { name: "starting"; step: string; seconds: number }
  | { name: "connecting" }
  | { name: "connected" }
  | { name: "lost"; tries: number }
  | { name: "signed_out" }
  | { name: "stopped" };

export interface Listener {
  state(state: State): void;
  clipboard(text: string): void;
  notice(code: string): void;
}

// A server that is away answers nothing for a moment; one that was stopped goes on doing so.
const STOPPED_AFTER = 4;

export class Connection {
  private rfb: RFB | null = null;
  private wake: (() => void) | null = null;
  private wasConnected = false;

  constructor(
    private readonly target: HTMLElement,
    private readonly api: Api,
    private readonly listener: Listener,
    private scaling: Scaling,
    private quality: Quality,
  ) {
    // Coming back to the tab or to the network is the moment to try at once.
    window.addEventListener("online", () => this.wake?.());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.wake?.();
    });
  }

  async run(): Promise<never> {
    for (;;) {
      await this.untilReady();
      await this.show();
    }
  }

  setScaling(scaling: Scaling): void {
    this.scaling = scaling;
    if (!this.rfb) return;
    this.rfb.resizeSession = scaling === "fit";
    this.rfb.scaleViewport = scaling === "shrink";
    this.rfb.clipViewport = scaling === "actual";
    this.rfb.dragViewport = false;
  }

  setQuality(quality: Quality): void {
    this.quality = quality;
    if (!this.rfb) return;
    [this.rfb.qualityLevel, this.rfb.compressionLevel] = LEVELS[quality];
  }

  paste(text: string): void {
    this.rfb?.clipboardPasteFrom(text);
  }

  focus(): void {
    this.rfb?.focus({ preventScroll: true });
  }

  private async untilReady(): Promise<void> {
    const began = performance.now();
    let failures = 0;
    for (;;) {
      try {
        const answer = await this.api.ready();
        failures = 0;
        if (answer.notice) this.listener.notice(answer.notice);
        if (answer.ready) return;
        const seconds = (performance.now() - began) / 1000;
        this.listener.state({ name: "starting", step: answer.step, seconds });
        await this.pause(500);
      } catch (error) {
        failures += 1;
        this.listener.state(this.stateOf(error, failures));
        await this.pause(Math.min(1000 * failures, 5000));
      }
    }
  }

  private stateOf(error: unknown, failures: number): State {
    const code = error instanceof ApiError ? error.code : "";
    if (code === "signed_out") return { name: "signed_out" };
    if (code === "no_server" && failures >= STOPPED_AFTER) return { name: "stopped" };
    if (!this.wasConnected) return { name: "starting", step: "server", seconds: 0 };
    return { name: "lost", tries: failures };
  }

  private show(): Promise<void> {
    return new Promise((resolve) => {
      this.listener.state(this.wasConnected ? { name: "lost", tries: 0 } : { name: "connecting" });
      const rfb = new RFB(this.target, this.api.vncUrl, { shared: true });
      const began = performance.now();
      this.rfb = rfb;
      rfb.background = "transparent";
      rfb.focusOnClick = true;
      this.setScaling(this.scaling);
      this.setQuality(this.quality);
      rfb.addEventListener("connect", () => {
        this.wasConnected = true;
        this.listener.state({ name: "connected" });
        if (!document.querySelector("dialog[open]")) this.focus();
      });
      rfb.addEventListener("clipboard", (event) => this.listener.clipboard(event.detail.text));
      rfb.addEventListener("disconnect", () => {
        this.rfb = null;
        if (this.wasConnected) this.listener.state({ name: "lost", tries: 0 });
        // A connection that breaks at once must not be asked for in a tight circle.
        const short = performance.now() - began < 3000;
        void this.pause(short ? 1000 : 0).then(resolve);
      });
    });
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = window.setTimeout(done, milliseconds);
      const wake = done;
      function done(): void {
        window.clearTimeout(timer);
        resolve();
      }
      this.wake = wake;
    });
  }
}
