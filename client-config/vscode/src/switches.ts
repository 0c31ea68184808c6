/** Where suggestions are off: everywhere, for a language, or for a file. */

import * as vscode from "vscode";

/** The files that are switched off in this window. */
const files = new Set<string>();

function configuration(): vscode.WorkspaceConfiguration {
  return vscode.workspace.getConfiguration("midfill");
}

function languagesOff(): string[] {
  return configuration().get<string[]>("disabledLanguages", []);
}

export function isFileOff(document: vscode.TextDocument): boolean {
  return files.has(document.uri.toString());
}

export function isLanguageOff(document: vscode.TextDocument): boolean {
  return languagesOff().includes(document.languageId);
}

export function isEverythingOff(): boolean {
  return !configuration().get("enabled", true);
}

export function isOff(document: vscode.TextDocument): boolean {
  return isEverythingOff() || isLanguageOff(document) || isFileOff(document);
}

export function toggleFile(document: vscode.TextDocument): void {
  const uri = document.uri.toString();
  if (!files.delete(uri)) {
    files.add(uri);
  }
}

export async function toggleLanguage({ languageId }: vscode.TextDocument): Promise<void> {
  const off = languagesOff();
  const others = off.filter((each) => each !== languageId);
  const wanted = others.length < off.length ? others : [...off, languageId];
  await configuration().update("disabledLanguages", wanted, vscode.ConfigurationTarget.Global);
}

export async function toggleEverything(): Promise<void> {
  await configuration().update("enabled", isEverythingOff(), vscode.ConfigurationTarget.Global);
}
