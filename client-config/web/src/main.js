/** Monaco in a page, with Midfill behind a WebSocket: monaco-languageclient does most of what an editor has to do. */

import "./page.css";
import "@codingame/monaco-vscode-standalone-languages";
import { IAiEditTelemetryService } from "@codingame/monaco-vscode-api/vscode/vs/workbench/contrib/editTelemetry/browser/telemetry/aiEditTelemetry/aiEditTelemetryService.service";
import * as monaco from "@codingame/monaco-vscode-editor-api";
import { MonacoLanguageClient } from "monaco-languageclient";
import { EditorApp } from "monaco-languageclient/editorApp";
import { MonacoVscodeApiWrapper } from "monaco-languageclient/vscodeApiWrapper";
import { useWorkerFactory, Worker } from "monaco-languageclient/workerFactory";
import { commands } from "vscode";
import { CloseAction, ErrorAction, ProposedFeatures } from "vscode-languageclient/browser.js";
import { toSocket, WebSocketMessageReader, WebSocketMessageWriter } from "vscode-ws-jsonrpc";
import { samples } from "./samples.js";

const NO_CONNECTION = "No connection: open the whole address that `midfill serve --ws` printed, with what is behind the #.";
const GONE = "The server has gone: start it again, and open its new address. Your text is still here.";

const [state, language, actions, ask, instruction] = ["state", "language", "actions", "ask", "instruction"]
  .map((id) => document.getElementById(id));
const tell = (is, text) => { state.dataset.is = is; state.textContent = text; };

// The address that was opened has the token behind its #, where no request carries it.
const token = location.hash.slice(1);
const url = `ws://${location.host}/?token=${encodeURIComponent(token)}`;
const wanted = new URLSearchParams(location.search).get("language");
const chosen = wanted in samples ? wanted : "python";

language.replaceChildren(...Object.entries(samples).map(([id, { name }]) => new Option(name, id, false, id === chosen)));
language.addEventListener("change", () => { location.search = `?language=${language.value}`; });
addEventListener("hashchange", () => location.reload());

async function openEditor() {
  const api = new MonacoVscodeApiWrapper({
    $type: "classic",
    viewsConfig: { $type: "EditorService" },
    monacoWorkerFactory: (logger) => useWorkerFactory({
      logger,
      workerLoaders: {
        editorWorkerService: () => new Worker(new URL("./editor.worker.js", import.meta.url), { type: "module" }),
      },
    }),
    userConfiguration: { json: JSON.stringify({ "editor.wordBasedSuggestions": "off" }) },
    advanced: { loadExtensionServices: false },
    // VS Code would count suggestions for its maker by this; there is nothing behind it here.
    serviceOverrides: { [IAiEditTelemetryService.toString()]: { createSuggestionId: () => undefined, handleCodeAccepted() {} } },
  });
  await api.start();
  const { file, text } = samples[chosen];
  const app = new EditorApp({
    codeResources: { modified: { text, uri: `/workspace/${file}`, enforceLanguageId: chosen } },
    editorOptions: {
      automaticLayout: true,
      fixedOverflowWidgets: true,
      fontSize: 14,
      inlineSuggest: { enabled: true },
      lineNumbersMinChars: 3,
      minimap: { enabled: false },
      padding: { top: 10 },
      scrollBeyondLastLine: false,
      wordWrap: "on",
    },
  });
  await app.start(document.getElementById("editor"));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => monaco.editor.setTheme(dark.matches ? "vs-dark" : "vs");
  dark.addEventListener("change", paint);
  paint();
  return app.getEditor();
}

async function connect() {
  const socket = new WebSocket(url);
  await new Promise((opened, failed) => Object.assign(socket, { onopen: opened, onerror: failed }));
  const connection = toSocket(socket);
  const client = new MonacoLanguageClient({
    name: "Midfill",
    clientOptions: {
      documentSelector: Object.keys(samples).map((id) => ({ language: id })),
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue }),
        closed: () => {
          tell("wrong", GONE);
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
      middleware: {
        handleWorkDoneProgress(_, { kind, title, message, percentage }) {
          const done = percentage === undefined ? "" : ` ${percentage} %`;
          tell(kind === "end" ? "ready" : "busy", kind === "end" ? "ready" : `${message ?? title}${done}`);
        },
      },
    },
    messageTransports: { reader: new WebSocketMessageReader(connection), writer: new WebSocketMessageWriter(connection) },
  });
  // Inline completion, which vscode-languageclient 9 does not have by itself.
  client.registerFeatures(ProposedFeatures.createAll(client));
  client.registerFeature(asksForInstruction);
  await client.start();
  // Monaco alone has no place for messages.
  client.onNotification("window/showMessage", ({ type, message }) => tell(type <= 2 ? "wrong" : "ready", message));
  return client;
}

/** Tells the server that "Refactor with AI..." is to ask here for the instruction. */
const asksForInstruction = {
  fillClientCapabilities(capabilities) {
    capabilities.experimental = { ...capabilities.experimental, midfill: { askInstruction: true } };
  },
  initialize() {},
  getState: () => ({ kind: "static" }),
  clear() {},
};

async function start() {
  const editor = await openEditor();
  // For the browser's console.
  globalThis.editor = editor;
  let client;
  try {
    client = await connect();
  } catch {
    return tell("wrong", NO_CONNECTION);
  }
  tell("ready", "ready");
  actions.addEventListener("click", () => {
    editor.focus();
    editor.trigger("page", "editor.action.quickFix");
  });
  commands.registerCommand("midfill.askInstruction", () => instruction.focus());
  ask.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!instruction.value.trim()) {
      return instruction.focus();
    }
    const { startLineNumber, startColumn, endLineNumber, endColumn } = editor.getSelection();
    const range = {
      start: { line: startLineNumber - 1, character: startColumn - 1 },
      end: { line: endLineNumber - 1, character: endColumn - 1 },
    };
    const place = { uri: String(editor.getModel().uri), range, instruction: instruction.value };
    const made = await client.sendRequest("workspace/executeCommand", { command: "midfill.refactor", arguments: [place] });
    tell(made.applied ? "ready" : "wrong", made.applied ? "changed; Ctrl+Z takes it back" : made.reason);
    editor.focus();
  });
  editor.setPosition(editor.getModel().getFullModelRange().getEndPosition());
  editor.focus();
}

await start();
