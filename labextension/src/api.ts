// Every request of the desktop page and of JupyterLab's button. Addresses are relative to the
// server's base; there is no token here: the browser's own cookie says who asks, and the server
// adds what the image service wants.

import type { ErrorInfo, Job, Preview, PreviewRequest, Program, Ready, SaveRequest, Session } from "./types";
import { isOver } from "./types";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
  }

  toInfo(): ErrorInfo {
    return { code: this.code, message: this.message, details: this.details };
  }
}

const PAUSES = [1000, 2000, 5000, 10000];
// Events may be held back by a proxy on the way: then asking is slower, but true.
const POLL = 15000;

export class Api {
  // Without a language the answers are in the browser's own.
  constructor(
    private readonly base: URL,
    private readonly language: string | null = null,
  ) {}

  session = (): Promise<Session> => this.ask("GET", "desktop-save/session");
  ready = (): Promise<Ready> => this.ask("GET", "desktop-save/ready");
  save = (body: SaveRequest): Promise<Job> => this.ask("POST", "desktop-save/commits", body);
  job = (id: string): Promise<Job> => this.ask("GET", `desktop-save/jobs/${id}`);
  cancel = (id: string): Promise<unknown> => this.ask("DELETE", `desktop-save/jobs/${id}`);

  preview(body: PreviewRequest, signal: AbortSignal): Promise<Preview> {
    return this.ask("POST", "desktop-save/preview", body, signal);
  }

  async jobs(): Promise<Job[]> {
    return (await this.ask<{ items: Job[] }>("GET", "desktop-save/jobs")).items;
  }

  // What jupyter-server-proxy can show; a server without it has none.
  async programs(): Promise<Program[]> {
    const answer = this.ask<{ server_processes: Program[] }>("GET", "server-proxy/servers-info");
    return answer.then((found) => found.server_processes).catch(() => []);
  }

  get vncUrl(): string {
    const url = new URL("desktop-vnc/", this.base);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url.href;
  }

  // Tells every change of a job until it is over or the returned function is called.
  // A broken stream is opened again; between two streams the job is asked for.
  follow(id: string, tell: (job: Job) => void, lost: (error: ApiError) => void): () => void {
    let source: EventSource | null = null;
    let timer: number | undefined;
    let failures = 0;
    let stopped = false;

    const stop = (): void => {
      stopped = true;
      source?.close();
      window.clearTimeout(timer);
    };
    const told = (job: Job): void => {
      if (stopped) return;
      failures = 0;
      tell(job);
      if (isOver(job)) stop();
    };
    const again = (after: number): void => {
      window.clearTimeout(timer);
      if (!stopped) timer = window.setTimeout(() => void check(), after);
    };
    const check = async (): Promise<void> => {
      try {
        told(await this.job(id));
        if (!source || source.readyState === EventSource.CLOSED) open();
        again(POLL);
      } catch (error) {
        if (stopped) return;
        if (error instanceof ApiError && (error.status === 404 || error.code === "signed_out")) {
          stop();
          lost(error);
          return;
        }
        again(PAUSES[Math.min(failures++, PAUSES.length - 1)] ?? POLL);
      }
    };
    const open = (): void => {
      if (stopped) return;
      const url = this.address(`desktop-save/jobs/${id}/events`);
      // An EventSource sends no header of ours, and a hub wants the XSRF token all the same.
      url.searchParams.set("_xsrf", cookie("_xsrf"));
      source = new EventSource(url);
      source.addEventListener("job", (event) => told(JSON.parse(event.data) as Job));
      source.addEventListener("end", () => {
        source?.close();
        again(0);
      });
      source.onerror = () => {
        source?.close();
        again(PAUSES[Math.min(failures++, PAUSES.length - 1)] ?? POLL);
      };
    };
    open();
    again(POLL);
    return stop;
  }

  private address(path: string): URL {
    const url = new URL(path, this.base);
    if (this.language) url.searchParams.set("language", this.language);
    return url;
  }

  private async ask<T>(
    method: string,
    path: string,
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<T> {
    const headers: Record<string, string> = { Accept: "application/json" };
    const xsrf = cookie("_xsrf");
    if (xsrf) headers["X-XSRFToken"] = xsrf;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let answer: Response;
    try {
      answer = await fetch(this.address(path), {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: signal ?? AbortSignal.timeout(90000),
        // A sign-in page instead of an answer is no answer.
        redirect: "error",
        cache: "no-store",
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(0, "network", "");
    }
    const read = (await answer.json().catch(() => null)) as T & { error?: ErrorInfo };
    if (answer.ok && read !== null) return read;
    throw toError(answer.status, read?.error);
  }
}

function toError(status: number, info: ErrorInfo | undefined): ApiError {
  if (info?.code) return new ApiError(status, info.code, info.message, info.details ?? {});
  const code = status === 401 || status === 403 ? "signed_out" : "no_server";
  return new ApiError(status, code, "", { status });
}

function cookie(name: string): string {
  const found = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}
