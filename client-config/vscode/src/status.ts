/** The status bar item: what Midfill does, and a menu. */

import * as vscode from "vscode";
import { State } from "vscode-languageclient/node";
import type { Activity } from "./server";

/** Why there is no server, where there is none. */
export type Missing = "program" | "failed" | undefined;

export class Status {
  private readonly item: vscode.StatusBarItem;

  constructor(private readonly isOff: (document: vscode.TextDocument) => boolean) {
    this.item = vscode.window.createStatusBarItem("midfill.status", vscode.StatusBarAlignment.Right);
    this.item.name = "Midfill";
    this.item.command = "midfill.menu";
    this.item.show();
  }

  show(activity: Activity, missing: Missing): void {
    const [icon, text, tooltip] = this.words(activity, missing);
    this.item.text = `$(${icon}) ${text}`;
    this.item.tooltip = `${tooltip}. Click for the menu`;
    this.item.backgroundColor =
      icon === "error" ? new vscode.ThemeColor("statusBarItem.errorBackground") : undefined;
  }

  dispose(): void {
    this.item.dispose();
  }

  private words(activity: Activity, missing: Missing): [icon: string, text: string, tooltip: string] {
    if (missing === "program") {
      return ["error", "Midfill", "Midfill's server is not installed"];
    }
    if (missing === "failed" || activity.state === State.StartFailed) {
      return ["error", "Midfill", "Midfill's server could not start"];
    }
    if (activity.state === State.Starting) {
      return ["loading~spin", "Midfill", "Midfill is starting"];
    }
    if (activity.state !== State.Running) {
      return ["error", "Midfill", "Midfill's server has stopped"];
    }
    const [busy] = activity.progress.values();
    if (busy) {
      const done = busy.percentage ? ` ${busy.percentage}%` : "";
      return ["loading~spin", `Midfill${done}`, busy.title + done];
    }
    const document = vscode.window.activeTextEditor?.document;
    if (document && this.isOff(document)) {
      return ["circle-slash", "Midfill", "Suggestions are off here"];
    }
    if (activity.thinking > 0) {
      return ["sync~spin", "Midfill", "Midfill is thinking"];
    }
    return ["sparkle", "Midfill", "Midfill is ready"];
  }
}
