/** "Why (not)?": the explanation of the last suggestion in the active file, as a read-only page. */

import * as vscode from "vscode";
import { Pages } from "./pages";
import type { Server } from "./server";

/** What the server tells by `midfill/explain`; docs/protocol.md has the whole of it. */
interface Explanation {
  outcome: string;
  reason: string | null;
  message: string | null;
  source: string;
  text: string;
  raw: string;
  confidence: number;
  prompt: { text: string };
  millis: { total: number };
}

const REASONS: Record<string, string> = {
  disabled: "suggestions are off (setting midfill.enabled)",
  languageDisabled: "suggestions are off for this language (setting midfill.disabledLanguages)",
  denied: "the file may hold secrets",
  insideWord: "the cursor is inside a word",
  inComment: "the cursor is in a comment (setting midfill.inComments)",
  inString: "the cursor is in a string (setting midfill.inStrings)",
  finished: "the statement before the cursor is finished",
  unlikely: "the model was not sure enough (setting midfill.minConfidence)",
  late: "it would have come too late (setting midfill.latencyTargetMs)",
  empty: "the model had nothing to say",
  repeatsSuffix: "it would repeat what follows",
  breaksSyntax: "it would break the syntax",
  cancelled: "the editor withdrew the request, because you went on",
  superseded: "a newer request took its place",
  modelMissing: "the model is not on this machine",
  engineFailed: "the engine failed",
};

export async function showWhy(server: Server, pages: Pages): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  const here = document && !Pages.isOne(document);
  const uri = here && server.running?.code2ProtocolConverter.asUri(document.uri);
  const params = uri ? { textDocument: { uri } } : {};
  const explanation = await server.request<Explanation | null>("midfill/explain", params);
  if (explanation !== undefined) {
    await pages.show("Why (not)?", explained(explanation));
  }
}

/** A sentence, the texts, and the facts as JSON. */
function explained(explanation: Explanation | null): string {
  if (!explanation) {
    return "Midfill was not asked for a suggestion here yet. Type something, then ask again.\n";
  }
  const { text, raw, prompt, ...rest } = explanation;
  const { text: promptText, ...promptFacts } = prompt;
  const texts = [
    ["What the editor got", text],
    ["What the model wrote", raw === text ? "" : raw],
    ["The figures", JSON.stringify({ ...rest, prompt: promptFacts }, null, 2)],
    ["What the model was given", promptText],
  ];
  const parts = texts.filter(([, body]) => body).map(([title, body]) => `--- ${title} ---\n${body}`);
  return [sentence(explanation), ...parts].join("\n\n") + "\n";
}

function sentence({ outcome, reason, message, source, confidence, millis }: Explanation): string {
  if (outcome === "shown") {
    const sure = `${Math.round(confidence * 100)} % sure`;
    return `There was a suggestion, after ${Math.round(millis.total)} ms (from: ${source}; the model is ${sure}).`;
  }
  const because = reason ? (REASONS[reason] ?? reason) : outcome;
  return `There was no suggestion: ${because}.${message ? ` ${message}` : ""}`;
}
