// What goes over the wire between the page and its server.

export interface ImageRef {
  owner: string;
  name: string;
  title: string;
}

export interface Session {
  user: string;
  server: string;
  session: "use" | "customise";
  title: string;
  image: ImageRef | null;
  hub_url: string;
  can_save: boolean;
  why_not: string | null;
}

export interface Ready {
  ready: boolean;
  step: string;
  notice: string | null;
}

export interface PathSize {
  path: string;
  bytes: number;
}

export interface Package {
  name: string;
  version?: string;
  kind: string;
}

export interface LeftOut {
  path: string;
  reason: string;
  bytes: number;
}

export interface Preview {
  bytes: number;
  entries: number;
  packages: { added: Package[]; removed: Package[]; upgraded: Package[] };
  home: {
    bytes: number;
    entries: number;
    on_volume: boolean;
    path: string;
    biggest: PathSize[];
  } | null;
  left_out: LeftOut[];
  biggest: PathSize[];
  volumes: string[];
  seconds_estimate: number | null;
  /** A save of this desktop is there: only what is new since is read and sent. */
  saved_before: boolean;
  image: (ImageRef & { next_version: number }) | null;
  /** All images of the person: a title of theirs means a new version of it. */
  images: OwnImage[];
  /** Whether this hub can try what was saved. */
  start_tests: boolean;
  /** Whether the desktop can be stopped from here. */
  can_stop: boolean;
}

export interface OwnImage {
  name: string;
  title: string;
  next_version: number;
}

export interface PreviewRequest {
  include_home: boolean;
  exclude: string[];
}

export interface SaveRequest extends PreviewRequest {
  image: { name: string } | string;
  description: string;
  stop_after: boolean;
  start_test: boolean;
  activate: boolean;
}

export type StepState = "waiting" | "running" | "done" | "failed";

export interface Step {
  name: string;
  state: StepState;
  seconds: number | null;
  bytes_done: number | null;
  bytes_total: number | null;
}

export interface ErrorInfo {
  code: string;
  message: string;
  details: Record<string, unknown>;
}

export interface Job {
  id: string;
  state: "queued" | "running" | "succeeded" | "failed" | "cancelled";
  image: ImageRef;
  version: number | null;
  step: string | null;
  steps: Step[];
  bytes_done: number | null;
  bytes_total: number | null;
  rate: number | null;
  message: string | null;
  error: ErrorInfo | null;
  /** At the end of a save that went well; more is in it than is told here. */
  result: {
    unchanged?: boolean;
    kept_layers?: number;
    joined_layers?: string[];
    changed_while_saved?: string[];
  } | null;
  created: string;
  ended: string | null;
  /** Kept for its owner, who makes it active when they like. */
  staged: boolean;
  links: { image?: string; start?: string; try?: string; page?: string };
}

export const isOver = (job: Job): boolean =>
  job.state === "succeeded" || job.state === "failed" || job.state === "cancelled";

// A program that jupyter-server-proxy knows, as its own list has it.
export interface Program {
  name: string;
  launcher_entry: { enabled: boolean; title: string; path_info?: string; icon_url?: string };
}
