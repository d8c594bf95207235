// A save in few words, for where its dialog is closed.

import { percent, t } from "./i18n";
import { endText, errorText, share } from "./progress";
import type { Saving } from "./saving";

export interface Notice {
  kind: "success" | "info" | "error";
  text: string;
  // The address of what was saved, to start it.
  start: string | null;
}

// Only a path on this host is a link: what comes from elsewhere must not lead elsewhere.
export const ownPath = (link: string | undefined): string | null =>
  link && /^\/(?![/\\])/.test(link) ? link : null;

// "Saving 28%"; nothing while nothing is saved.
export function label(saving: Saving): string {
  switch (saving.phase) {
    case "idle":
      return "";
    case "sending":
      return t("saving");
    case "running":
      return t("saving_percent", { percent: percent(share(saving.job)) });
    case "over":
      return saving.job.state === "succeeded" ? t("saved") : t("not_saved");
    default:
      return t("not_saved");
  }
}

// The sentence for a save that ended.
export function noticeOf(saving: Saving): Notice | null {
  if (saving.phase === "refused") return { kind: "error", text: errorText(saving.error), start: null };
  if (saving.phase !== "over") return null;
  const { job } = saving;
  if (job.state === "succeeded") {
    return { kind: "success", text: endText(job), start: ownPath(job.links.start) };
  }
  if (job.error) return { kind: "error", text: errorText(job.error), start: null };
  return { kind: "info", text: endText(job), start: null };
}
