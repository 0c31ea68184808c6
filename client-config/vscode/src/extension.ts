/** Starts `midfill serve` and gives the user what the protocol does not: status, the instruction, "why (not)?". */

import { homedir } from "node:os";
import * as vscode from "vscode";
import {
  CloseAction,
  DidChangeConfigurationNotification,
  ExecuteCommandRequest,
  LanguageClient,
  State,
  type ErrorHandler,
  type Range,
  type StaticFeature,
} from "vscode-languageclient/node";
import { explained, type Explanation } from "./why";

const WHY = vscode.Uri.from({ scheme: "midfill-why", path: "Why (not)?" });

let client: LanguageClient | undefined;
let log: vscode.LogOutputChannel;
let status: vscode.StatusBarItem;
let turn: Promise<void> = Promise.resolve();

export function activate(context: vscode.ExtensionContext): void {
  log = vscode.window.createOutputChannel("Midfill", { log: true });
  status = vscode.window.createStatusBarItem("midfill.status", vscode.StatusBarAlignment.Right);
  status.name = "Midfill";
  status.show();
  const pages = new WhyPages();
  context.subscriptions.push(
    log,
    status,
    vscode.workspace.registerTextDocumentContentProvider(WHY.scheme, pages),
    vscode.commands.registerCommand("midfill.restart", () => restart(context)),
    vscode.commands.registerCommand("midfill.why", () => pages.show()),
    vscode.commands.registerCommand("midfill.refactorWithAI", refactorSelection),
    vscode.commands.registerCommand("midfill.askInstruction", askInstruction),
    vscode.window.onDidChangeActiveTextEditor(tellWhereTheCursorIs),
    vscode.window.onDidChangeTextEditorSelection(({ textEditor, kind }) => {
      // Typing moves the cursor without a kind, and the server sees that anyway.
      if (kind !== undefined) {
        tellWhereTheCursorIs(textEditor);
      }
    }),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration("midfill.command")) {
        await restart(context);
      } else if (change.affectsConfiguration("midfill") && client?.state === State.Running) {
        await client.sendNotification(DidChangeConfigurationNotification.type, {
          settings: { midfill: settings() },
        });
      }
    }),
  );
  void restart(context);
}

export async function deactivate(): Promise<void> {
  await (turn = turn.then(stop));
}

/** One restart after the other: the command may change again while the server is starting. */
function restart(context: vscode.ExtensionContext): Promise<void> {
  return (turn = turn.then(stop).then(() => start(context)));
}

async function start(context: vscode.ExtensionContext): Promise<void> {
  const command = vscode.workspace.getConfiguration("midfill").get("command", "midfill");
  const server = {
    command: command.trim().replace(/^~(?=[\\/])/, homedir()),
    args: ["serve"],
    // Never the workspace: Windows would look for the executable there first.
    options: { cwd: context.extensionPath },
  };
  const started = new Client("midfill", "Midfill", server, {
    documentSelector: [{ scheme: "file" }, { scheme: "untitled" }],
    initializationOptions: () => ({ midfill: settings() }),
    initializationFailedHandler: () => false,
    outputChannel: log,
  });
  started.registerFeature(asksForInstruction);
  started.onDidChangeState(({ newState }) => {
    if (client === started) {
      showState(newState);
    }
  });
  client = started;
  try {
    await started.start();
    started.hasStarted = true;
  } catch {
    void tellHowToStart(command);
  }
}

/** The server reads the code there while nobody types. */
function tellWhereTheCursorIs(editor: vscode.TextEditor | undefined): void {
  if (editor && client?.state === State.Running) {
    void client.sendNotification("midfill/didMoveCursor", {
      textDocument: { uri: client.code2ProtocolConverter.asUri(editor.document.uri) },
      position: client.code2ProtocolConverter.asPosition(editor.selection.active),
    });
  }
}

async function stop(): Promise<void> {
  const stopped = client;
  client = undefined;
  await stopped?.dispose().catch((error: unknown) => log.warn(String(error)));
}

/** The client, but a first start that fails is told once, by us, and is not tried again before something changes. */
class Client extends LanguageClient {
  hasStarted = false;

  override error(message: string, data?: unknown, show?: boolean | "force"): void {
    super.error(message, data, this.hasStarted ? show : false);
  }

  override createDefaultErrorHandler(maxRestartCount?: number): ErrorHandler {
    const usual = super.createDefaultErrorHandler(maxRestartCount);
    return {
      error: (error, message, count) => usual.error(error, message, count),
      closed: () => (this.hasStarted ? usual.closed() : { action: CloseAction.DoNotRestart, handled: true }),
    };
  }
}

/** Tells the server that this client has the command `midfill.askInstruction`. */
const asksForInstruction: StaticFeature = {
  fillClientCapabilities(capabilities) {
    capabilities.experimental = { ...capabilities.experimental, midfill: { askInstruction: true } };
  },
  initialize() {},
  getState: () => ({ kind: "static" }),
  clear() {},
};

function showState(state: State): void {
  const [icon, tooltip, onClick] = {
    [State.Starting]: ["$(loading~spin)", "Midfill is starting", undefined],
    [State.Running]: ["$(sparkle)", "Midfill is ready. Click to see why it did, or did not, suggest", "midfill.why"],
    [State.Stopped]: ["$(error)", "Midfill has stopped. Click to start it again", "midfill.restart"],
    [State.StartFailed]: ["$(error)", "Midfill could not start. Click to try again", "midfill.restart"],
  }[state];
  status.text = `${icon} Midfill`;
  status.tooltip = tooltip;
  status.command = onClick;
}

async function tellHowToStart(command: string): Promise<void> {
  const [openSettings, showLog] = ["Open Settings", "Show Log"];
  const chosen = await vscode.window.showErrorMessage(
    `Midfill could not start '${command} serve'. Install Midfill (\`make setup\` in its folder), then set ` +
      "midfill.command to the path of its executable, such as ~/midfill/.venv/bin/midfill.",
    openSettings,
    showLog,
  );
  if (chosen === openSettings) {
    // A path is a setting of the machine that the server runs on.
    const page = vscode.env.remoteName ? "openRemoteSettings" : "openSettings";
    await vscode.commands.executeCommand(`workbench.action.${page}`, { query: "midfill.command" });
  } else if (chosen === showLog) {
    log.show();
  }
}

/** The server's settings: ours without what only this extension reads. */
function settings(): object {
  const { command, trace, ...rest } = vscode.workspace.getConfiguration().get<Record<string, unknown>>("midfill", {});
  return rest;
}

/** The place of an edit, as the server names it in the `data` of a code action. */
interface Place {
  uri: string;
  version: number;
  range: Range;
}

/** The selection, or the definition around the cursor, which the server finds. */
async function refactorSelection(): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor || !client) {
    void vscode.window.showInformationMessage("Midfill: open a file first, and see that the server is running.");
    return;
  }
  await askInstruction({
    uri: client.code2ProtocolConverter.asUri(editor.document.uri),
    version: editor.document.version,
    range: client.code2ProtocolConverter.asRange(editor.selection),
  });
}

async function askInstruction({ uri, version, range }: Place): Promise<void> {
  const instruction = await vscode.window.showInputBox({
    title: "Midfill: Refactor with AI",
    prompt: "What should change?",
    placeHolder: "split this function, use a dataclass, ...",
    ignoreFocusOut: true,
  });
  if (!instruction?.trim()) {
    return;
  }
  // The server shows the progress, applies the edit, and says why where there is none.
  await request(ExecuteCommandRequest.method, {
    command: "midfill.refactor",
    arguments: [{ uri, version, range, instruction }],
  });
}

/** The answer of the server; where there is none the user is told. */
async function request<T>(method: string, params: object): Promise<T | undefined> {
  try {
    return await client?.sendRequest<T>(method, params);
  } catch (error) {
    void vscode.window.showErrorMessage(`Midfill: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** "Why (not)?": the explanation of the last suggestion in the active file, as a read-only page. */
class WhyPages implements vscode.TextDocumentContentProvider {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;
  private text = "";

  async show(): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    const here = document && document.uri.scheme !== WHY.scheme;
    const uri = here && client?.code2ProtocolConverter.asUri(document.uri);
    const explanation = await request<Explanation | null>("midfill/explain", uri ? { textDocument: { uri } } : {});
    if (explanation === undefined) {
      return;
    }
    this.text = explained(explanation);
    this.changed.fire(WHY);
    await vscode.window.showTextDocument(WHY, { viewColumn: vscode.ViewColumn.Beside, preview: true });
  }

  provideTextDocumentContent(): string {
    return this.text;
  }
}
