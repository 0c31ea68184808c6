/** Where the server's program is, and how it gets there: a Python environment that belongs to this extension. */

import { execFile, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import * as vscode from "vscode";
import { expanded } from "./server";

const run = promisify(execFile);
const WINDOWS = process.platform === "win32";

/** The setting, else what is on the PATH, else what was installed here; undefined if there is none. */
export function findProgram(context: vscode.ExtensionContext): string | undefined {
  const chosen = expanded(vscode.workspace.getConfiguration("midfill").get("command", ""));
  if (chosen) {
    return chosen;
  }
  const name = WINDOWS ? "midfill.exe" : "midfill";
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  return [...folders.map((folder) => join(folder, name)), programOf(environment(context))].find((each) => existsSync(each));
}

/** Whether the models of the default roles are there. */
export async function hasModels(program: string): Promise<boolean> {
  try {
    await run(program, ["models", "path", "complete"]);
    await run(program, ["models", "path", "edit"]);
    return true;
  } catch {
    return false;
  }
}

/** Install the package and fetch the models, with progress; the program, or undefined if the user was told why not. */
export async function install(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
): Promise<string | undefined> {
  const options = { location: vscode.ProgressLocation.Notification, title: "Midfill", cancellable: true };
  return vscode.window.withProgress(options, async (progress, token) => {
    try {
      const folder = environment(context);
      progress.report({ message: "looking for Python" });
      const python = await findPython();
      await step(log, token, python, ["-m", "venv", folder]);
      progress.report({ message: "installing the server; llama.cpp is built once, which takes about five minutes" });
      const pip = join(folder, WINDOWS ? "Scripts/python.exe" : "bin/python");
      await step(log, token, pip, ["-m", "pip", "install", "--progress-bar", "off", requirement(context)], (line) => {
        const built = /\[(\d+)\/(\d+)\]/.exec(line);
        if (built) {
          progress.report({ message: `building llama.cpp, step ${built[1]} of ${built[2]}` });
        }
      });
      const program = programOf(folder);
      await fetchModels(program, log, token, progress);
      return program;
    } catch (error) {
      if (!token.isCancellationRequested) {
        void tellFailure("Midfill could not be installed", error, log);
      }
      return undefined;
    }
  });
}

/** Fetch the models that are not there, with progress. */
export async function fetchMissing(program: string, log: vscode.LogOutputChannel): Promise<boolean> {
  const options = { location: vscode.ProgressLocation.Notification, title: "Midfill", cancellable: true };
  return vscode.window.withProgress(options, async (progress, token) => {
    try {
      await fetchModels(program, log, token, progress);
      return true;
    } catch (error) {
      if (!token.isCancellationRequested) {
        void tellFailure("The models could not be fetched", error, log);
      }
      return false;
    }
  });
}

function fetchModels(
  program: string,
  log: vscode.LogOutputChannel,
  token: vscode.CancellationToken,
  progress: vscode.Progress<{ message: string }>,
): Promise<void> {
  progress.report({ message: "fetching the models (1.6 GB)" });
  return step(log, token, program, ["models", "fetch"], (line) => {
    progress.report({ message: line.replace(/^midfill: /, "") });
  });
}

function environment(context: vscode.ExtensionContext): string {
  return join(context.globalStorageUri.fsPath, "environment");
}

function programOf(folder: string): string {
  return join(folder, WINDOWS ? "Scripts/midfill.exe" : "bin/midfill");
}

/** The package that came with the extension, else the one of the package index. */
function requirement(context: vscode.ExtensionContext): string {
  const folder = join(context.extensionPath, "server");
  const wheel = existsSync(folder) && readdirSync(folder).find((name) => name.endsWith(".whl"));
  return wheel ? join(folder, wheel) : "midfill";
}

/** Throws an error that says what to do. */
async function findPython(): Promise<string> {
  const chosen = expanded(vscode.workspace.getConfiguration("midfill").get("python", ""));
  const names = ["python3", "python", ...["13", "12", "11"].map((minor) => `python3.${minor}`)];
  const check = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
  for (const python of chosen ? [chosen] : names) {
    try {
      await run(python, ["-c", check]);
      return python;
    } catch {
      continue;
    }
  }
  const what = chosen ? `${chosen} is not` : "there is no";
  throw new Error(`${what} Python 3.11 or newer with venv. Install one, and set midfill.python to its path.`);
}

/** Run a program to its end, its output in the log; throws with its last line if it fails. */
function step(
  log: vscode.LogOutputChannel,
  token: vscode.CancellationToken,
  program: string,
  args: string[],
  onLine: (line: string) => void = () => {},
): Promise<void> {
  log.info([program, ...args].join(" "));
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    const cancelling = token.onCancellationRequested(() => child.kill());
    let last = "";
    const read = (chunk: Buffer): void => {
      for (const line of chunk.toString().split(/\r?\n/).filter((each) => each.trim())) {
        last = line.trim();
        log.info(last);
        onLine(last);
      }
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("error", reject);
    child.on("close", (code) => {
      cancelling.dispose();
      if (code === 0) {
        resolve();
      } else {
        reject(new Error(last || `${program} ended with ${code}`));
      }
    });
  });
}

async function tellFailure(what: string, error: unknown, log: vscode.LogOutputChannel): Promise<void> {
  const reason = error instanceof Error ? error.message : String(error);
  const chosen = await vscode.window.showErrorMessage(`${what}: ${reason}`, "Show Log");
  if (chosen) {
    log.show();
  }
}
