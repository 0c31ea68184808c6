/** Starts `midfill serve` and gives the user what the protocol does not: status, menu, preview, installation. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as vscode from "vscode";
import { fetchMissing, findProgram, hasModels, install } from "./install";
import { Pages } from "./pages";
import { Refactoring } from "./refactor";
import { Server } from "./server";
import { Status, type Missing } from "./status";
import * as switches from "./switches";
import { showWhy } from "./why";

const [INSTALL, FETCH, SETTINGS, LOG] = ["Install", "Fetch Models", "Open Settings", "Show Log"];
const run = promisify(execFile);

let server: Server | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const midfill = new Midfill(context);
  server = midfill.server;
  await midfill.start();
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}

/** What `midfill models list --json` tells of one. */
interface Model {
  name: string;
  role: string | null;
  bytes: number;
  licence: string;
  here: boolean;
}

class Midfill {
  readonly server: Server;
  private readonly log = vscode.window.createOutputChannel("Midfill", { log: true });
  private readonly status = new Status(switches.isOff);
  private readonly pages = new Pages();
  private missing: Missing;

  constructor(private readonly context: vscode.ExtensionContext) {
    this.server = new Server(this.log, switches.isFileOff);
    const { registerCommand } = vscode.commands;
    context.subscriptions.push(
      this.log,
      this.status,
      ...new Refactoring(this.server).register(),
      this.pages.register(),
      registerCommand("midfill.why", () => showWhy(this.server, this.pages)),
      registerCommand("midfill.menu", () => this.menu()),
      registerCommand("midfill.restart", () => this.start()),
      registerCommand("midfill.install", () => this.install()),
      registerCommand("midfill.chooseModel", () => this.chooseModel()),
      registerCommand("midfill.toggle", switches.toggleEverything),
      registerCommand("midfill.showLog", () => this.log.show()),
      registerCommand("midfill.doctor", () => this.report("doctor", "Doctor")),
      registerCommand("midfill.stats", () => this.report("stats", "Statistics")),
      this.server.onDidChange(() => this.show()),
      vscode.window.onDidChangeActiveTextEditor((editor) => {
        this.show();
        this.server.tellWhereTheCursorIs(editor);
      }),
      vscode.window.onDidChangeTextEditorSelection(({ textEditor, kind }) => {
        // Typing moves the cursor without a kind, and the server sees that anyway.
        if (kind !== undefined) {
          this.server.tellWhereTheCursorIs(textEditor);
        }
      }),
      vscode.workspace.onDidChangeConfiguration((change) => this.configured(change)),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.server.configure()),
    );
  }

  /** Start the server, or start it again. Where it is not, offer to install it. */
  async start(): Promise<void> {
    const program = findProgram(this.context);
    this.missing = program ? undefined : "program";
    const started = await this.server.restart(program, this.context.extensionPath);
    if (program && !started) {
      this.missing = "failed";
    }
    this.show();
    if (!program) {
      void this.offerToInstall();
    } else if (!started) {
      void this.tellHowToStart(program);
    } else if (!(await hasModels(program))) {
      void this.offerModels(program);
    }
  }

  private show(): void {
    this.status.show(this.server.activity, this.missing);
  }

  private async configured(change: vscode.ConfigurationChangeEvent): Promise<void> {
    if (change.affectsConfiguration("midfill.command")) {
      await this.start();
    } else if (change.affectsConfiguration("midfill")) {
      await this.server.configure();
      this.show();
    }
  }

  private async offerToInstall(): Promise<void> {
    const message =
      "Midfill's language server is not on this machine. Install it in an environment of its own? It needs Python " +
      "3.11, a C++ compiler and 3 GB of disk, and takes about ten minutes. No code ever leaves the machine.";
    const chosen = await vscode.window.showInformationMessage(message, INSTALL, SETTINGS);
    if (chosen === INSTALL) {
      await this.install();
    } else if (chosen === SETTINGS) {
      await openSettings();
    }
  }

  private async install(): Promise<void> {
    if (await install(this.context, this.log)) {
      await this.start();
    }
  }

  private async offerModels(program: string): Promise<void> {
    const message = "Midfill's two default models (1.6 GB) are not on this machine.";
    if ((await vscode.window.showInformationMessage(message, FETCH)) && (await fetchMissing(program, this.log))) {
      await this.start();
    }
  }

  private async tellHowToStart(program: string): Promise<void> {
    const message =
      `Midfill could not start '${program} serve'. Set midfill.command to the path of its executable, ` +
      "such as ~/midfill/.venv/bin/midfill, or leave it empty to have Midfill installed.";
    const chosen = await vscode.window.showErrorMessage(message, SETTINGS, LOG);
    if (chosen === SETTINGS) {
      await openSettings();
    } else if (chosen === LOG) {
      this.log.show();
    }
  }

  /** What the status bar item opens. */
  private async menu(): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    const onOff = (off: boolean): string => (off ? "$(play) Turn on" : "$(circle-slash) Turn off");
    const items: (vscode.QuickPickItem & { run?: () => unknown })[] = [
      { label: `${onOff(switches.isEverythingOff())} suggestions`, run: switches.toggleEverything },
    ];
    if (document) {
      const { languageId } = document;
      items.push(
        {
          label: `${onOff(switches.isLanguageOff(document))} suggestions for ${languageId}`,
          run: () => switches.toggleLanguage(document),
        },
        {
          label: `${onOff(switches.isFileOff(document))} suggestions for this file`,
          run: () => {
            switches.toggleFile(document);
            this.show();
          },
        },
      );
    }
    const command = (label: string, id: string) => ({ label, run: () => vscode.commands.executeCommand(id) });
    items.push(
      { label: "", kind: vscode.QuickPickItemKind.Separator },
      command("$(question) Why (not)?", "midfill.why"),
      command("$(wand) Refactor with AI...", "midfill.refactorWithAI"),
      command("$(server-environment) Choose a model...", "midfill.chooseModel"),
      { label: "", kind: vscode.QuickPickItemKind.Separator },
      command("$(output) Show the log", "midfill.showLog"),
      command("$(pulse) Doctor: check and measure this machine", "midfill.doctor"),
      command("$(graph) Statistics", "midfill.stats"),
      command("$(debug-restart) Restart the server", "midfill.restart"),
      { label: "$(gear) Settings", run: openSettings },
    );
    if (this.missing === "program") {
      items.unshift(command("$(cloud-download) Install the server", "midfill.install"));
    }
    const chosen = await vscode.window.showQuickPick(items, { title: "Midfill", placeHolder: "What do you want to do?" });
    if (chosen?.run) {
      // The menu was opened by a click that took the focus from the code.
      await vscode.commands.executeCommand("workbench.action.focusActiveEditorGroup");
      await chosen.run();
    }
  }

  private async chooseModel(): Promise<void> {
    const program = findProgram(this.context);
    if (!program) {
      await this.offerToInstall();
      return;
    }
    const roles = [
      { label: "The model that completes", role: "complete" },
      { label: "The model that edits", role: "edit" },
    ];
    const role = (await vscode.window.showQuickPick(roles, { title: "Midfill: which model?" }))?.role;
    if (!role) {
      return;
    }
    const { stdout } = await run(program, ["models", "list", "--json"]);
    const known = JSON.parse(stdout) as Model[];
    const items = known.map(({ name, role: made, bytes, licence, here }) => ({
      label: name,
      description: made === role ? "default" : "",
      detail: `${Math.round(bytes / 1e6)} MB, ${licence}, ${here ? "on this machine" : "not fetched yet"}`,
      here,
    }));
    const chosen = await vscode.window.showQuickPick(items, { title: `Midfill: the model to ${role}` });
    if (!chosen) {
      return;
    }
    const configuration = vscode.workspace.getConfiguration("midfill");
    const models = { ...configuration.get<Record<string, string>>("models", {}), [role]: chosen.label };
    await configuration.update("models", models, vscode.ConfigurationTarget.Global);
    if (!chosen.here) {
      const fetch = `Run \`midfill models fetch ${chosen.label}\` in a terminal to have it.`;
      void vscode.window.showInformationMessage(`Midfill: ${chosen.label} is not on this machine. ${fetch}`);
    }
  }

  /** Run a command of the server's program, and show what it prints. */
  private async report(command: string, title: string): Promise<void> {
    const program = findProgram(this.context);
    if (!program) {
      await this.offerToInstall();
      return;
    }
    const options = { location: vscode.ProgressLocation.Notification, title: `Midfill: ${title}` };
    const text = await vscode.window.withProgress(options, async () => {
      try {
        return (await run(program, [command])).stdout;
      } catch (error) {
        // What is wrong is part of the report.
        const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
        return `${stdout}${stderr}` || String(error);
      }
    });
    await this.pages.show(title, text);
  }
}

/** A path is a setting of the machine that the server runs on. */
function openSettings(): Thenable<void> {
  const page = vscode.env.remoteName ? "openRemoteSettings" : "openSettings";
  return vscode.commands.executeCommand(`workbench.action.${page}`, { query: "midfill" });
}
