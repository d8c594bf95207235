// How this browser wants to see desktops: remembered here, for every desktop of this server.

import type { Quality, Scaling } from "./connection";

export const chosenScaling = (): Scaling =>
  chosen<Scaling>("scaling", ["fit", "shrink", "actual"]);

export const chosenQuality = (): Quality =>
  chosen<Quality>("quality", ["balanced", "sharp", "slow"]);

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`desktop-${name}`, value);
  } catch {
    // Not remembered: it is chosen again next time.
  }
}

// The first of the known ones is what nobody has to choose.
function chosen<T extends string>(name: string, known: [T, ...T[]]): T {
  try {
    const found = localStorage.getItem(`desktop-${name}`);
    return known.find((one) => one === found) ?? known[0];
  } catch {
    return known[0];
  }
}
