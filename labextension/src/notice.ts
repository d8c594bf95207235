// A save that ended while its dialog was closed, as JupyterLab's own notification.

import { Notification } from "@jupyterlab/apputils";
import { noticeOf } from "./save/brief";
import { t } from "./save/i18n";
import type { Saving } from "./save/saving";

export class EndNotice {
  private id: string | null = null;

  constructor(private readonly open: () => void) {}

  tell(saving: Saving): void {
    const told = noticeOf(saving);
    if (!told) return;
    const { start } = told;
    const action: Notification.IAction = start
      ? { label: t("start_it"), callback: () => void window.open(start, "_blank", "noopener") }
      : { label: t("show"), callback: this.open };
    this.id = Notification.emit(told.text, told.kind, { autoClose: false, actions: [action] });
  }

  // The dialog tells it better.
  dismiss(): void {
    if (this.id !== null) Notification.dismiss(this.id);
    this.id = null;
  }
}
