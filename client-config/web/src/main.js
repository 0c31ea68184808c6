/** Monaco in a page, with Midfill behind a WebSocket: monaco-languageclient does all that an editor has to do. */

import "./page.css";
import "@codingame/monaco-vscode-standalone-languages";
import { IAiEditTelemetryService } from "@codingame/monaco-vscode-api/vscode/vs/workbench/contrib/editTelemetry/browser/telemetry/aiEditTelemetry/aiEditTelemetryService.service";
import { MonacoLanguageClient } from "monaco-languageclient";
import { EditorApp } from "monaco-languageclient/editorApp";
import { MonacoVscodeApiWrapper } from "monaco-languageclient/vscodeApiWrapper";
import { useWorkerFactory, Worker } from "monaco-languageclient/workerFactory";
import { ProposedFeatures, State } from "vscode-languageclient/browser.js";
import { toSocket, WebSocketMessageReader, WebSocketMessageWriter } from "vscode-ws-jsonrpc";
import { samples } from "./samples.js";

const state = document.getElementById("state");
const language = document.getElementById("language");
const tell = (text) => { state.textContent = text; };

// The address that was opened has the token behind its #, where no request carries it.
const token = location.hash.slice(1);
const url = `ws://${location.host}/?token=${encodeURIComponent(token)}`;
const wanted = new URLSearchParams(location.search).get("language");
const chosen = wanted in samples ? wanted : "python";

language.replaceChildren(...Object.keys(samples).map((name) => new Option(name, name, false, name === chosen)));
language.addEventListener("change", () => { location.search = `?language=${language.value}`; });

async function start() {
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
    editorOptions: { automaticLayout: true, fontSize: 14, inlineSuggest: { enabled: true }, minimap: { enabled: false } },
  });
  await app.start(document.getElementById("editor"));
  const editor = app.getEditor();
  // For the browser's console.
  globalThis.editor = editor;
  const socket = new WebSocket(url);
  try {
    await new Promise((opened, failed) => Object.assign(socket, { onopen: opened, onerror: failed }));
  } catch {
    tell("no connection: open the address that `midfill serve --ws` printed, with all that is behind the #");
    return;
  }
  const connection = toSocket(socket);
  const client = new MonacoLanguageClient({
    name: "Midfill",
    clientOptions: { documentSelector: Object.keys(samples).map((name) => ({ language: name })) },
    messageTransports: { reader: new WebSocketMessageReader(connection), writer: new WebSocketMessageWriter(connection) },
  });
  // Inline completion, which vscode-languageclient 9 does not have by itself.
  client.registerFeatures(ProposedFeatures.createAll(client));
  await client.start();
  client.onDidChangeState(({ newState }) => {
    tell(newState === State.Running ? "ready" : "the server has gone: start it again, and open its new address");
  });
  tell("ready");
  document.getElementById("actions").addEventListener("click", () => {
    editor.focus();
    editor.trigger("page", "editor.action.quickFix");
  });
  editor.setPosition(editor.getModel().getFullModelRange().getEndPosition());
  editor.focus();
}

await start();
