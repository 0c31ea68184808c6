/** A real VS Code in a real browser: code-server on loopback, Chromium without a screen. */

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, "../../..");
const PROGRAM = process.env.MIDFILL_PROGRAM ?? join(ROOT, ".venv/bin/midfill");
const INSTALLED = process.env.MIDFILL_EDITORS ?? join(ROOT, "build/editors/vscode");
const { chromium } = createRequire(join(INSTALLED, "package.json"))("playwright-core");
/** Where the screenshots go. */
export const SHOTS = join(ROOT, "build/editors/screenshots");
/** All tests share one process that runs the models, apart from the user's own. */
const RUN = mkdtempSync(join(tmpdir(), "midfill-run-"));
const SHARED = { MIDFILL_RUNTIME: RUN, MIDFILL_LOGS: RUN, MIDFILL_PROGRAM: PROGRAM };

/** The servers of VS Code that run: each leads a group of processes, and none outlives the tests. */
const groups = new Set();

function end(group) {
  groups.delete(group);
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

process.once("exit", () => {
  groups.forEach(end);
  execFileSync(PROGRAM, ["host", "--stop"], { env: { ...process.env, ...SHARED }, stdio: "ignore", timeout: 20_000 });
});
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => process.exit(1));
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** What a test waits for comes in a second or a few; a machine that is slow or busy is given this many ms. */
export const PATIENCE = 180_000;

/** Wait until `condition` gives something truthy, and return that. */
export async function until(condition, what, ms = PATIENCE) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`It did not happen within ${ms} ms: ${what}`);
    }
    await sleep(25);
  }
}

/** The model is there: after ten seconds nobody waits for a suggestion, and loading may take longer. */
export async function loaded() {
  const file = join(RUN, "loaded.py");
  writeFileSync(file, "def double(number):\n    return number\n");
  await promisify(execFile)(PROGRAM, ["complete", `${file}:2:12`], { env: { ...process.env, ...SHARED }, timeout: PATIENCE });
}

/** The milliseconds that this process has run, and those that it has waited for a core. */
export function waited() {
  return readFileSync("/proc/self/schedstat", "utf8").split(" ").slice(0, 2).map((nanoseconds) => nanoseconds / 1e6);
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** code-server with the extension installed. `settings` are the user's; `env` is added to its environment. */
export async function serve({ settings = {}, machine, env = {}, trust = false } = {}) {
  const home = mkdtempSync(join(tmpdir(), "midfill-vscode-"));
  const at = (...names) => join(home, ...names);
  const tap = at("tap.jsonl");
  mkdirSync(at("user/User"), { recursive: true });
  mkdirSync(at("user/Machine"), { recursive: true });
  mkdirSync(at("project"));
  writeFileSync(at("none.yaml"), "");
  const tapped = at("midfill");
  writeFileSync(tapped, `#!/bin/sh\nexec '${PROGRAM.replace(/midfill$/, "python")}' '${HERE}/tapped.py' "$@"\n`, { mode: 0o755 });
  const quiet = {
    "files.hotExit": "off",
    "workbench.startupEditor": "none",
    "security.workspace.trust.enabled": trust,
    "security.workspace.trust.startupPrompt": "never",
    "telemetry.telemetryLevel": "off",
    "editor.minimap.enabled": false,
    "extensions.ignoreRecommendations": true,
    "workbench.tips.enabled": false,
    "chat.commandCenter.enabled": false,
    "git.enabled": false,
    "editor.autoClosingBrackets": "never",
    "[javascript]": { "editor.autoClosingBrackets": "always" },
    // Tab belongs to the pop-up of words while that is open.
    "editor.wordBasedSuggestions": "off",
  };
  writeFileSync(at("user/User/settings.json"), JSON.stringify({ ...quiet, ...settings }));
  writeFileSync(at("user/Machine/settings.json"), JSON.stringify(machine ?? { "midfill.command": tapped }));
  const environment = { ...process.env, ...SHARED, MIDFILL_TAP: tap, MIDFILL_CACHE: at("cache"), ...env };
  const entry = join(INSTALLED, "node_modules/code-server/out/node/entry.js");
  const common = [entry, "--user-data-dir", at("user"), "--extensions-dir", at("extensions"), "--config", at("none.yaml")];
  const vsix = join(ROOT, "client-config/vscode/midfill.vsix");
  if (!existsSync(vsix)) {
    throw new Error("There is no extension yet: run `make vscode`.");
  }
  execFileSync("node", [...common, "--install-extension", vsix], { env: environment, stdio: "pipe", timeout: PATIENCE });
  const port = await freePort();
  const flags = ["--auth", "none", "--bind-addr", `127.0.0.1:${port}`, "--disable-telemetry", "--disable-update-check"];
  const log = openSync(at("code-server.log"), "w");
  const child = spawn("node", [...common, ...flags], { env: environment, stdio: ["ignore", log, log], detached: true });
  groups.add(child.pid);
  const url = `http://127.0.0.1:${port}/`;
  await until(() => fetch(`${url}healthz`).then((answer) => answer.ok, () => false), "code-server answers");
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
  return {
    home,
    project: at("project"),
    cache: environment.MIDFILL_CACHE,
    /** What went over the wire since the server was started. */
    wire: () =>
      readFileSync(tap, "utf8").trim().split("\n").map((line) => {
        const [seconds, way, method, id] = JSON.parse(line);
        return { ms: seconds * 1000, way, method, id };
      }),
    /** The ends of the logs, for whoever reads about a failed test. */
    logs: () =>
      [at("code-server.log"), ...readdirSync(RUN).filter((name) => name.endsWith(".log")).map((name) => join(RUN, name))]
        .map((file) => `${file}:\n${readFileSync(file, "utf8").slice(-2000)}`).join("\n"),
    /** The processes of Midfill's servers in the windows. */
    serving: () =>
      execFileSync("pgrep", ["-f", "midfill serve"]).toString().trim().split("\n").filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/environ`, "utf8").includes(environment.MIDFILL_CACHE)
            && !readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("tapped");
        } catch {
          return false; // It has ended meanwhile.
        }
      }),
    open: () => window(browser, `${url}?folder=${at("project")}`, at("project")),
    async close() {
      await browser.close();
      end(child.pid);
    },
  };
}

/** One window. */
async function window(browser, url, project) {
  const page = await browser.newPage({ viewport: { width: 1000, height: 640 } });
  page.setDefaultTimeout(PATIENCE);
  await page.addInitScript(noteGhostText);
  await page.goto(url);
  await page.waitForSelector(".monaco-workbench .part.statusbar");
  const keys = page.keyboard;
  const all = (selector) => page.$$eval(selector, (found) => found.map((each) => each.textContent.trim()).filter(Boolean));
  const self = {
    page,
    keys,
    async shot(name) {
      mkdirSync(SHOTS, { recursive: true });
      const path = join(SHOTS, `${name}.png`);
      await page.screenshot({ path, timeout: 20_000 });
      return path;
    },
    async command(title) {
      await keys.press("F1");
      await page.waitForSelector(".quick-input-widget:not([style*='display: none']) input");
      await keys.type(title, { delay: 5 });
      await until(async () => (await self.choices())[0]?.includes(title), `the command ${title}`);
      await keys.press("Enter");
      await until(async () => !(await self.choices()).some((choice) => choice.includes(title)), "the command is taken");
    },
    /** Write a file of the project and open it, with the cursor behind the text `at`. */
    async edit(name, text, at = "") {
      writeFileSync(join(project, name), text);
      const offered = async () => (await self.choices())[0]?.includes(name);
      // VS Code looks for files when it is asked, and may have looked before this one was there.
      await until(async () => {
        await keys.press("Control+P");
        await page.waitForSelector(".quick-input-widget:not([style*='display: none']) input");
        await keys.type(name, { delay: 10 });
        const found = await until(offered, name, 10_000).catch(() => false);
        await keys.press(found ? "Enter" : "Escape");
        return found;
      }, `the file ${name}`);
      await page.waitForSelector(`.tab.active[data-resource-name="${name}"]`);
      await page.waitForSelector(".monaco-editor.focused .view-line");
      const before = text.slice(0, text.indexOf(at) + at.length).split("\n");
      await self.goto(before.length, before.at(-1).length + 1);
    },
    async goto(line, column) {
      await keys.press("Control+G");
      await page.waitForSelector(".quick-input-widget:not([style*='display: none']) input");
      await keys.type(`${line}:${column}`);
      await keys.press("Enter");
      await until(async () => (await all("[id='status.editor.selection']"))[0] === `Ln ${line}, Col ${column}`, "the cursor is there");
    },
    /** Save the active file, and read it. */
    async saved(name) {
      await keys.press("Control+S");
      await page.waitForSelector(".tab.active:not(.dirty)");
      // VS Code may still be writing, and then there is nothing or a part.
      const read = () => readFileSync(join(project, name), "utf8");
      return until(async () => {
        const before = read();
        await sleep(150);
        return before === read() && before;
      }, `${name} is written`);
    },
    /** Wait until what is saved is right. */
    async holds(name, condition) {
      let text;
      const right = async () => condition((text = await self.saved(name)));
      await until(right, "the file is right").catch((error) => {
        throw new Error(`${error.message}; it is:\n${text}`);
      });
    },
    async menu() {
      await page.click("[id='midfill.midfill.midfill.status'] a");
      await until(async () => (await self.choices()).length > 8, "the menu");
    },
    choices: () => all(".quick-input-widget:not([style*='display: none']) .monaco-list-row"),
    /** Filter what the menu offers, and choose the first. */
    async choose(text) {
      await keys.type(text, { delay: 5 });
      await until(async () => (await self.choices())[0]?.includes(text), `the choice ${text}`);
      await keys.press("Enter");
      await page.waitForSelector(".quick-input-widget", { state: "hidden" });
    },
    status: async () =>
      page.$eval("[id='midfill.midfill.midfill.status']", (item) => ({
        text: item.textContent.trim(),
        icon: item.querySelector(".codicon")?.className ?? "",
        tooltip: item.querySelector("a")?.getAttribute("aria-label") ?? item.getAttribute("aria-label"),
      })).catch(() => undefined),
    /** What can be read in all editors. */
    text: async () => (await all(".view-lines")).join("\n").replace(/\u00a0/g, " "),
    notes: () => all(".notification-list-item-message"),
    ghost: async () => (await page.evaluate(() => globalThis.midfillGhost())).join("\n"),
    /** When ghost text came and what it was, by the wall's clock in ms. */
    ghosts: () => page.evaluate(() => globalThis.midfillGhosts),
    /** The ghost text behind `before`. What was suggested before the last key stands in another line. */
    suggestion: (before) =>
      page.evaluate((text) => {
        const ghost = globalThis.midfillGhost().join("\n");
        const lines = Array.from(document.querySelectorAll(".view-line"), (line) => line.textContent.replace(/\u00a0/g, " "));
        return lines.some((line) => line.includes(text + ghost.split("\n")[0])) ? ghost : "";
      }, before),
    /** Type to the end of `before`, and wait for a suggestion. On a busy machine it may come too late, and is asked for again. */
    async suggested(before, ms = PATIENCE) {
      await keys.type(before, { delay: 60 });
      const end = Date.now() + ms;
      for (;;) {
        const ghost = await until(() => self.suggestion(before), "a suggestion", Math.min(ms, 20_000)).catch(() => "");
        if (ghost) {
          return ghost;
        }
        assert.ok(Date.now() < end, `no suggestion behind ${before}`);
        await keys.press("Backspace");
        await keys.type(before.at(-1));
      }
    },
    async button(label) {
      await page.locator(`.notification-list-item .monaco-button:has-text("${label}")`).first().click();
    },
  };
  await until(self.status, "Midfill in the status bar");
  return self;
}

/** Runs in the page: notes each change of the ghost text in the frame that shows it. */
function noteGhostText() {
  const selector = ".ghost-text, .ghost-text-decoration, .ghost-text-decoration-preview, .suggest-preview-text";
  globalThis.midfillGhost = () => {
    // There is an element for each token: put together those of a line.
    const lines = new Map();
    for (const each of document.querySelectorAll(selector)) {
      const top = Math.round(each.getBoundingClientRect().top / 4);
      lines.set(top, (lines.get(top) ?? "") + each.textContent.replace(/\u00a0/g, " "));
    }
    return [...lines].sort(([one], [other]) => one - other).map(([, text]) => text).filter((text) => text.trim());
  };
  globalThis.midfillGhosts = [];
  let last = "";
  new MutationObserver(() => {
    const now = globalThis.midfillGhost().join("\n");
    if (now !== last) {
      last = now;
      globalThis.midfillGhosts.push([Date.now(), now]);
    }
  }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["class"] });
}

/** Keep what a test has measured. */
export function measured(line) {
  mkdirSync(SHOTS, { recursive: true });
  appendFileSync(join(SHOTS, "measured.txt"), `${line}\n`);
  console.log(line);
}
