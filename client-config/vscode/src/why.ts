/** What the server tells by `midfill/explain`; see Midfill's README for the whole of it. */
export interface Explanation {
  text: string;
  raw: string;
  prompt: { text: string };
}

/** The facts as JSON, and below them the texts, which JSON would squeeze into one line each. */
export function explained(explanation: Explanation | null): string {
  if (!explanation) {
    return "Midfill was not asked for a suggestion here yet. Type something, then ask again.\n";
  }
  const { text, raw, prompt, ...rest } = explanation;
  const { text: promptText, ...promptFacts } = prompt;
  const facts = JSON.stringify({ ...rest, prompt: promptFacts }, null, 2);
  const texts = [
    ["What the editor got", text],
    ["What the model wrote", raw],
    ["What the model was given", promptText],
  ];
  return [facts, ...texts.map(([title, body]) => `--- ${title} ---\n${body}`)].join("\n\n") + "\n";
}
