// What the server says of itself: whose desktop this is, and whether it can be saved.

import type { Api } from "../api";
import { ApiError } from "../api";
import type { Session } from "../types";

// Without an answer the desktop is there all the same: only saving is not offered.
export const UNKNOWN: Session = {
  user: "",
  server: "",
  session: "use",
  title: "",
  image: null,
  hub_url: "",
  can_save: false,
  why_not: "no_service",
};

export async function sessionOf(api: Api): Promise<Session> {
  for (let tries = 0; tries < 3; tries++) {
    try {
      return await api.session();
    } catch (error) {
      if (error instanceof ApiError && error.code === "signed_out") break;
      await new Promise((resolve) => window.setTimeout(resolve, 1000));
    }
  }
  return UNKNOWN;
}
