// Words and numbers in the language that the page around speaks.

import en from "../../locale/en.json";

export type Key = keyof typeof en;
type Plural<K> = K extends `${infer Base}_other` ? Base : never;
export type PluralKey = Plural<Key>;
export type Params = Record<string, string | number>;

export interface Language {
  // BCP 47: it decides about separators and plurals.
  tag: string;
  say(key: Key): string;
}

let language: Language;
let plurals: Intl.PluralRules;
let integers: Intl.NumberFormat;

// To be called once, before anything is drawn.
export function speak(chosen: Language): void {
  language = chosen;
  plurals = new Intl.PluralRules(chosen.tag);
  integers = new Intl.NumberFormat(chosen.tag, { maximumFractionDigits: 0 });
}
speak({ tag: "en", say: (key) => en[key] });

export function t(key: Key, params: Params = {}): string {
  return language.say(key).replace(/\{(\w+)\}/g, (all, name: string) => String(params[name] ?? all));
}

// Singular or plural by the language's own rule.
export function tn(key: PluralKey, count: number, params: Params = {}): string {
  const form = plurals.select(count) === "one" ? "one" : "other";
  return t(`${key}_${form}` as Key, { count: integers.format(count), ...params });
}

export const has = (key: string): key is Key => key in en;

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

function unitOf(bytes: number): number {
  let unit = 0;
  while (unit < UNITS.length - 1 && bytes >= 999.5 * 1000 ** unit) unit++;
  return unit;
}

function quantity(value: number, unit: number): string {
  const scaled = value / 1000 ** unit;
  return new Intl.NumberFormat(language.tag, {
    style: "unit",
    unit: UNITS[unit],
    // The short form of a byte has no plural: "618 byte".
    unitDisplay: unit === 0 ? "long" : "short",
    maximumFractionDigits: scaled < 10 && unit > 1 ? 1 : 0,
  }).format(scaled);
}

export const bytes = (value: number): string => quantity(value, unitOf(value));

// "231 of 412 MB": both numbers in the unit of the second.
export function bytesOf(done: number, total: number): string {
  const unit = unitOf(total);
  const scaled = done / 1000 ** unit;
  const digits = total / 1000 ** unit < 10 && unit > 1 ? 1 : 0;
  const number = new Intl.NumberFormat(language.tag, {
    maximumFractionDigits: digits,
    minimumFractionDigits: digits,
  });
  return t("bytes_of", { done: number.format(scaled), total: quantity(total, unit) });
}

// The signs of the international system are the same in every language.
export function seconds(value: number): string {
  if (value < 10) return measure(value, "s", value < 1 ? 2 : 1);
  if (value < 90) return measure(value, "s", 0);
  if (value < 5400) return measure(value / 60, "min", 0);
  return measure(value / 3600, "h", 1);
}

function measure(value: number, sign: string, digits: number): string {
  const number = new Intl.NumberFormat(language.tag, { maximumFractionDigits: digits });
  return `${number.format(value)}\u00a0${sign}`;
}

export const percent = (share: number): string =>
  new Intl.NumberFormat(language.tag, { style: "percent" }).format(share);
