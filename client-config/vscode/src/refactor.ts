/** "Refactor with AI...": asks for the instruction, and shows what it would change before it is changed. */

import * as vscode from "vscode";
import type { CodeAction, Range } from "vscode-languageclient/node";
import type { Server } from "./server";

const PROPOSED = "midfill-proposed";
const [APPLY, DISCARD, AGAIN] = ["Apply", "Discard", "Change Instruction..."];

/** The place of an edit, as the server names it in the `data` of a code action. */
export interface Place {
  uri: string;
  version: number;
  range: Range;
  instruction?: string;
}

interface Proposal {
  place: Place;
  document: vscode.TextDocument;
  edit: vscode.WorkspaceEdit;
  text: string;
  shown: vscode.Uri;
}

export class Refactoring implements vscode.TextDocumentContentProvider {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;
  private proposal: Proposal | undefined;
  private last = "";

  constructor(private readonly server: Server) {}

  register(): vscode.Disposable[] {
    const { registerCommand } = vscode.commands;
    return [
      vscode.workspace.registerTextDocumentContentProvider(PROPOSED, this),
      registerCommand("midfill.refactorWithAI", () => this.ofSelection()),
      registerCommand("midfill.askInstruction", (place: Place) => this.ask(place)),
      registerCommand("midfill.applyEdit", () => this.apply()),
      registerCommand("midfill.discardEdit", () => this.discard()),
    ];
  }

  provideTextDocumentContent(): string {
    return this.proposal?.text ?? "";
  }

  /** The selection, or the definition around the cursor, which the server finds. */
  private async ofSelection(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const client = this.server.running;
    if (!editor || !client) {
      void vscode.window.showInformationMessage("Midfill: open a file first, and see that the server is running.");
      return;
    }
    await this.ask({
      uri: client.code2ProtocolConverter.asUri(editor.document.uri),
      version: editor.document.version,
      range: client.code2ProtocolConverter.asRange(editor.selection),
    });
  }

  private async ask(place: Place): Promise<void> {
    const instruction = await vscode.window.showInputBox({
      title: "Midfill: Refactor with AI",
      prompt: "What should change?",
      placeHolder: "split this function, use a dataclass, ...",
      value: place.instruction || this.last,
      ignoreFocusOut: true,
    });
    if (instruction?.trim()) {
      this.last = instruction.trim();
      await this.make({ ...place, instruction: this.last });
    }
  }

  /** Have the edit made; the server shows the progress, and says why where there is none. */
  private async make(place: Place): Promise<void> {
    const wish = { title: "Refactor with AI...", data: { action: "refactor", diagnostics: [], ...place } };
    const action = await this.server.request<CodeAction>("codeAction/resolve", wish);
    const client = this.server.running;
    if (!action?.edit || !client) {
      return;
    }
    const edit = await client.protocol2CodeConverter.asWorkspaceEdit(action.edit);
    const document = await vscode.workspace.openTextDocument(client.protocol2CodeConverter.asUri(place.uri));
    if (vscode.workspace.getConfiguration("midfill").get("preview", true)) {
      await this.preview(place, document, edit);
    } else {
      await vscode.workspace.applyEdit(edit);
    }
  }

  private async preview(place: Place, document: vscode.TextDocument, edit: vscode.WorkspaceEdit): Promise<void> {
    await this.close();
    const shown = document.uri.with({ scheme: PROPOSED, query: String(Date.now()) });
    const proposal = { place, document, edit, text: applied(document, edit.get(document.uri)), shown };
    this.proposal = proposal;
    const name = vscode.workspace.asRelativePath(document.uri);
    await vscode.commands.executeCommand("vscode.diff", document.uri, shown, `${name}: ${place.instruction}`);
    const chosen = await vscode.window.showInformationMessage("Midfill: apply this change?", APPLY, AGAIN, DISCARD);
    if (this.proposal !== proposal) {
      return;
    }
    if (chosen === APPLY) {
      await this.apply();
    } else if (chosen === AGAIN) {
      await this.discard();
      await this.ask({ ...place, version: document.version });
    } else if (chosen === DISCARD) {
      await this.discard();
    }
  }

  private async apply(): Promise<void> {
    const proposal = this.proposal;
    if (!proposal) {
      return;
    }
    const { document, edit, place } = proposal;
    await this.close();
    if (document.version !== place.version) {
      void vscode.window.showWarningMessage("Midfill: the file has changed meanwhile; ask again.");
      return;
    }
    await vscode.workspace.applyEdit(edit);
    await vscode.window.showTextDocument(document);
  }

  private async discard(): Promise<void> {
    await this.close();
  }

  /** Close the diff, wherever it is. */
  private async close(): Promise<void> {
    const shown = this.proposal?.shown.toString();
    this.proposal = undefined;
    const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
    const ours = tabs.filter(
      ({ input }) => input instanceof vscode.TabInputTextDiff && input.modified.toString() === shown,
    );
    await vscode.window.tabGroups.close(ours);
  }
}

function applied(document: vscode.TextDocument, edits: readonly vscode.TextEdit[]): string {
  let text = document.getText();
  const last = [...edits].sort((a, b) => b.range.start.compareTo(a.range.start));
  for (const { range, newText } of last) {
    text = text.slice(0, document.offsetAt(range.start)) + newText + text.slice(document.offsetAt(range.end));
  }
  return text;
}
