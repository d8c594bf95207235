// A job as sentences and numbers.

import { bytesOf, bytes, has, seconds, t, tn } from "./i18n";
import type { ErrorInfo, Job, Step } from "../types";

// Of the time of a usual save; the bar must neither jump nor run back.
const WEIGHT: Record<string, number> = {
  plan: 3,
  read: 50,
  freeze: 2,
  push: 38,
  manifest: 2,
  verify: 5,
};

// Seconds after which an end is said to be of some time ago.
const OLD = 60;

export function share(job: Job): number {
  let done = 0;
  let all = 0;
  for (const step of job.steps) {
    const weight = WEIGHT[step.name] ?? 2;
    all += weight;
    if (step.state === "done") done += weight;
    else if (step.state === "running" && step.bytes_total) {
      done += weight * Math.min(1, (step.bytes_done ?? 0) / step.bytes_total);
    }
  }
  return all ? done / all : 0;
}

const activeStep = (job: Job): Step | undefined =>
  job.steps.find((step) => step.state === "running") ??
  job.steps.find((step) => step.name === job.step);

// "Reading 231 of 412 MB · 120 MB/s"
export function headline(job: Job): string {
  if (job.state === "queued") return t("queued");
  const step = activeStep(job);
  if (!step) return t("queued");
  const parts = [countedText(step)];
  if (job.rate && step.bytes_total) parts.push(t("rate", { rate: bytes(job.rate) }));
  const left = timeLeft(job, step);
  if (left !== null) parts.push(t("time_left", { time: seconds(left) }));
  return parts.join(" · ");
}

// Honest only for a while of steady reading: under 3 s it is noise.
function timeLeft(job: Job, step: Step): number | null {
  if (!job.rate || !step.bytes_total || !step.bytes_done) return null;
  const left = (step.bytes_total - step.bytes_done) / job.rate;
  return left >= 3 ? Math.round(left) : null;
}

function countedText(step: Step): string {
  if (!step.bytes_total || step.state !== "running") return stepText(step);
  const of = bytesOf(step.bytes_done ?? 0, step.bytes_total);
  if (step.name === "read") return t("reading_of", { of });
  if (step.name === "push") return t("sending_of", { of });
  return stepText(step);
}

export function stepText(step: Step): string {
  if (step.name === "freeze" && step.state === "done" && step.seconds !== null) {
    return t("held_still", { time: seconds(step.seconds) });
  }
  const key = `step_${step.name}`;
  return has(key) ? t(key) : step.name;
}

// What a finished step took: "412 MB", or nothing to say.
export function stepNote(step: Step): string {
  if (step.state !== "done" || step.name === "freeze") return "";
  const parts = [];
  if (step.bytes_total) parts.push(bytes(step.bytes_total));
  if (step.seconds !== null && step.seconds >= 0.05) parts.push(seconds(step.seconds));
  return parts.join(" · ");
}

export function endText(job: Job): string {
  if (job.state === "cancelled") return t("cancelled_text");
  return t("saved_as", { title: job.image.title, version: job.version ?? "" });
}

// An end that is found when a page is opened again is not of just now.
export function agoText(job: Job): string {
  const age = job.ended ? (Date.now() - Date.parse(job.ended)) / 1000 : 0;
  return age > OLD ? t("ended_ago", { time: seconds(age) }) : "";
}

export function testText(job: Job): string {
  const passed = job.steps.some((step) => step.name === "test" && step.state === "done");
  return passed ? t("test_passed") : "";
}

function sentKey(result: Job["result"]) {
  if (result?.kept_layers) return "sent_new";
  return result?.joined_layers?.length ? "sent_joined" : "sent";
}

export function sentText(job: Job): string {
  if (job.result?.unchanged) return t("unchanged_note");
  if (!job.bytes_total) return "";
  return t(sentKey(job.result), { bytes: bytes(job.bytes_total) });
}

// Files that a program wrote to all the time: what is in the image may be half of a change.
export function restlessText(job: Job): string {
  const paths = job.result?.changed_while_saved ?? [];
  return paths[0] ? tn("restless", paths.length, { path: paths[0] }) : "";
}

// The service speaks to the person itself; only what never reached it is worded here.
export function errorText(error: ErrorInfo): string {
  const key = `error_${error.code}`;
  if (has(key)) return t(key);
  return error.message || t("error_internal_error");
}
