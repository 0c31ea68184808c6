/** The language client, and what it tells the rest about what the server does. */

import { homedir } from "node:os";
import * as vscode from "vscode";
import {
  CloseAction,
  DidChangeConfigurationNotification,
  LanguageClient,
  State,
  type ErrorHandler,
  type Middleware,
  type StaticFeature,
} from "vscode-languageclient/node";

/** What the status bar shows, in the order in which one hides the other. */
export interface Activity {
  state: State;
  /** Titles of what is under way, with their percentage where there is one. */
  progress: Map<string | number, { title: string; percentage?: number }>;
  /** How many suggestions are being made. */
  thinking: number;
}

export class Server {
  readonly activity: Activity = { state: State.Stopped, progress: new Map(), thinking: 0 };
  private readonly changed = new vscode.EventEmitter<void>();
  /** Fires when `activity` has changed. */
  readonly onDidChange = this.changed.event;
  private client: Client | undefined;
  private turn: Promise<void> = Promise.resolve();

  /** `isOff` tells of documents without suggestions that the server's settings do not know. */
  constructor(
    private readonly log: vscode.LogOutputChannel,
    private readonly isOff: (document: vscode.TextDocument) => boolean,
  ) {}

  get running(): LanguageClient | undefined {
    return this.client?.state === State.Running ? this.client : undefined;
  }

  /** One restart after the other: the command may change again while the server is starting. */
  restart(command: string | undefined, folder: string): Promise<boolean> {
    const done = this.turn.then(() => this.stopNow()).then(() => (command ? this.startNow(command, folder) : false));
    this.turn = done.then(() => {});
    return done;
  }

  stop(): Promise<void> {
    return (this.turn = this.turn.then(() => this.stopNow()));
  }

  /** Send the settings of the moment. */
  async configure(): Promise<void> {
    await this.running?.sendNotification(DidChangeConfigurationNotification.type, {
      settings: { midfill: settings() },
    });
  }

  /** The answer of the server; where there is none the user is told. */
  async request<T>(method: string, params: object, token?: vscode.CancellationToken): Promise<T | undefined> {
    const client = this.running;
    if (!client) {
      void vscode.window.showWarningMessage("Midfill: the server does not run; see the status bar.");
      return undefined;
    }
    try {
      return await (token ? client.sendRequest<T>(method, params, token) : client.sendRequest<T>(method, params));
    } catch (error) {
      if (!token?.isCancellationRequested) {
        void vscode.window.showErrorMessage(`Midfill: ${error instanceof Error ? error.message : String(error)}`);
      }
      return undefined;
    }
  }

  /** The server reads the code there while nobody types. */
  tellWhereTheCursorIs(editor: vscode.TextEditor | undefined): void {
    const client = this.running;
    if (editor && client) {
      void client.sendNotification("midfill/didMoveCursor", {
        textDocument: { uri: client.code2ProtocolConverter.asUri(editor.document.uri) },
        position: client.code2ProtocolConverter.asPosition(editor.selection.active),
      });
    }
  }

  private async startNow(command: string, folder: string): Promise<boolean> {
    // Never the workspace as the folder: Windows would look for the executable there first.
    const program = { command, args: ["serve"], options: { cwd: folder } };
    const client = new Client("midfill", "Midfill", program, {
      documentSelector: [{ scheme: "file" }, { scheme: "untitled" }, { scheme: "vscode-notebook-cell" }],
      initializationOptions: () => ({ midfill: settings() }),
      initializationFailedHandler: () => false,
      outputChannel: this.log,
      middleware: this.middleware(),
    });
    client.registerFeature(asksForInstruction);
    client.onDidChangeState(({ newState }) => {
      if (this.client === client) {
        this.activity.state = newState;
        this.activity.progress.clear();
        this.changed.fire();
      }
    });
    this.client = client;
    try {
      await client.start();
      client.hasStarted = true;
      return true;
    } catch (error) {
      this.log.error(String(error));
      return false;
    }
  }

  private async stopNow(): Promise<void> {
    const stopped = this.client;
    this.client = undefined;
    await stopped?.dispose().catch((error: unknown) => this.log.warn(String(error)));
    this.activity.state = State.Stopped;
    this.activity.progress.clear();
    this.changed.fire();
  }

  private middleware(): Middleware {
    return {
      provideInlineCompletionItems: async (document, position, context, token, next) => {
        if (this.isOff(document)) {
          return undefined;
        }
        this.activity.thinking += 1;
        this.changed.fire();
        try {
          const items = await next(document, position, context, token);
          this.tellWhatIsShown(items, document, position, token);
          return items;
        } finally {
          this.activity.thinking -= 1;
          this.changed.fire();
        }
      },
      handleWorkDoneProgress: (token, params, next) => {
        if (params.kind === "end") {
          this.activity.progress.delete(token);
        } else {
          const title = params.kind === "begin" ? params.title : (this.activity.progress.get(token)?.title ?? "Midfill");
          this.activity.progress.set(token, { title, percentage: params.percentage });
        }
        this.changed.fire();
        next(token, params);
      },
    };
  }

  /** VS Code shows what it is given, unless the cursor has moved on; extensions are not told what it has shown. */
  private tellWhatIsShown(
    items: vscode.InlineCompletionItem[] | vscode.InlineCompletionList | null | undefined,
    document: vscode.TextDocument,
    position: vscode.Position,
    token: vscode.CancellationToken,
  ): void {
    const first = (Array.isArray(items) ? items : items?.items)?.[0];
    const editor = vscode.window.activeTextEditor;
    const isHere = editor?.document === document && editor.selection.active.isEqual(position);
    if (first?.command && isHere && !token.isCancellationRequested) {
      const { command, arguments: args } = first.command;
      void this.running?.sendNotification("textDocument/didShowCompletion", {
        item: { insertText: first.insertText, command: { title: "Accepted", command, arguments: args } },
      });
    }
  }
}

/** The server's settings: ours without what only this extension reads. */
function settings(): object {
  const all = vscode.workspace.getConfiguration().get<Record<string, unknown>>("midfill", {});
  const { command, python, preview, trace, ...rest } = all;
  // A workspace that is not trusted brings no actions, whatever its user once said of its file.
  return { ...rest, projectActions: rest.projectActions !== false && vscode.workspace.isTrusted };
}

export function expanded(path: string): string {
  return path.trim().replace(/^~(?=[\\/])/, homedir());
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
