// JupyterLab's button speaks JupyterLab's language. The catalogues are in the Python package
// (entry point jupyterlab.locale) or in a language pack, and come with JupyterLab's own.

import type { ITranslator } from "@jupyterlab/translation";
import en from "../locale/en.json";
import type { Language } from "./save/i18n";

export const DOMAIN = "jupyter_desktop_save";

export function jupyterLanguage(translator: ITranslator): Language {
  const trans = translator.load(DOMAIN);
  const say: Language["say"] = (key) => trans._p(key, en[key]);
  // English sentences with the numbers of a language that we have no words of would be odd.
  const tag = say("save") === en.save ? "en" : translator.languageCode;
  return { tag, say };
}
