// The one save of this desktop that the page knows about. It lives in the service: after a
// reload, or in a second tab, it is found again.

import type { Api } from "../api";
import { ApiError } from "../api";
import type { ErrorInfo, Job, SaveRequest } from "../types";
import { isOver } from "../types";

export type Saving =
  | { phase: "idle" }
  | { phase: "sending" }
  | { phase: "running"; job: Job }
  | { phase: "over"; job: Job }
  | { phase: "refused"; error: ErrorInfo };

// What the person asked for last: its name is offered again, and all of it after a failure.
export interface LastSave {
  request: SaveRequest;
  title: string;
  failed: boolean;
}

const SEEN = "desktop-save-seen";
// Older ends are history: they belong on the page of the image, not on the desktop.
const RECENT = 15 * 60 * 1000;

export class SaveStore {
  private current: Saving = { phase: "idle" };
  private last: LastSave | null = null;
  private stop: (() => void) | null = null;
  private readonly listeners: ((now: Saving, before: Saving) => void)[] = [];

  constructor(private readonly api: Api) {}

  get now(): Saving {
    return this.current;
  }

  get lastSave(): LastSave | null {
    return this.last;
  }

  subscribe(listener: (now: Saving, before: Saving) => void): void {
    this.listeners.push(listener);
  }

  // Finds a save that runs, or one that ended just now and was not seen.
  async restore(): Promise<void> {
    const job = (await this.api.jobs())[0];
    if (!job || this.current.phase !== "idle") return;
    if (!isOver(job)) this.follow(job);
    else if (job.id !== stored(SEEN) && Date.now() - Date.parse(job.ended ?? "") < RECENT) {
      this.set({ phase: "over", job });
    }
  }

  async start(request: SaveRequest, title: string): Promise<void> {
    this.last = { request, title, failed: false };
    this.set({ phase: "sending" });
    try {
      this.follow(await this.api.save(request));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Another tab began a save: that one is shown.
      if (error.code === "save_in_progress" && (await this.adopt())) return;
      this.set({ phase: "refused", error: error.toInfo() });
    }
  }

  async cancel(): Promise<void> {
    if (this.current.phase === "running") await this.api.cancel(this.current.job.id);
  }

  // The end is on the screen: no page shows it again.
  seen(): void {
    if (this.current.phase === "over") store(SEEN, this.current.job.id);
  }

  // The person has read the end: a new save may begin.
  dismiss(): void {
    this.seen();
    if (this.current.phase === "over" || this.current.phase === "refused") {
      this.set({ phase: "idle" });
    }
  }

  private async adopt(): Promise<boolean> {
    const jobs = await this.api.jobs().catch(() => []);
    const job = jobs.find((one) => !isOver(one));
    if (job) this.follow(job);
    return job !== undefined;
  }

  private follow(job: Job): void {
    this.stop?.();
    this.set(isOver(job) ? { phase: "over", job } : { phase: "running", job });
    if (isOver(job)) return;
    this.stop = this.api.follow(
      job.id,
      (next) => this.set(isOver(next) ? { phase: "over", job: next } : { phase: "running", job: next }),
      (error) => this.set({ phase: "refused", error: error.toInfo() }),
    );
  }

  private set(next: Saving): void {
    const before = this.current;
    this.current = next;
    if (this.last) this.last.failed = failed(next);
    for (const listener of this.listeners) listener(next, before);
  }
}

const failed = (now: Saving): boolean =>
  now.phase === "refused" || (now.phase === "over" && now.job.state === "failed");

function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function store(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing shows the end once more after a reload: no harm.
  }
}
