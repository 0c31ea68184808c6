/** The page with Monaco in a real browser, with the real server and model behind its WebSocket. */

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const INSTALLED = process.env.MIDFILL_WEB ?? join(ROOT, "build/editors/web");
const PROGRAM = process.env.MIDFILL_PROGRAM ?? join(ROOT, ".venv/bin/midfill");
const SHOTS = join(ROOT, "build/editors/screenshots");
const { chromium } = createRequire(join(INSTALLED, "package.json"))("playwright-core");
// What a test waits for comes in a second or a few; a machine that is slow or busy is given this many ms.
const PATIENCE = 180_000;
const check = (name, body) => test(name, { timeout: 600_000 }, body);

// A host of its own, too, which ends with the tests.
const folder = mkdtempSync(join(tmpdir(), "midfill-web-"));
const own = { MIDFILL_CACHE: folder, MIDFILL_RUNTIME: folder, MIDFILL_LOGS: folder };
let server, address, browser;

async function open(url, { width = 1100, colours = "light" } = {}) {
  const page = await browser.newPage({ viewport: { width, height: 640 }, colorScheme: colours });
  page.setDefaultTimeout(PATIENCE);
  const foreign = [];
  const errors = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(address).origin) && !/^(blob|data|ws):/.test(request.url())) {
      foreign.push(request.url());
    }
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") errors.push(message.text()); });
  await page.goto(url);
  const state = (wanted) => page.waitForFunction(
    (text) => document.getElementById("state").textContent.includes(text), wanted);
  const holds = (condition, argument) => page.waitForFunction(condition, argument);
  return {
    page, foreign, errors, state, holds,
    text: () => page.evaluate(() => globalThis.editor.getValue()),
    /** Type `before`, and wait for ghost text behind it. What was suggested before the last key stands in another line. */
    async suggested(before) {
      await page.keyboard.type(before, { delay: 60 });
      const end = Date.now() + PATIENCE;
      for (;;) {
        const ghost = await page.waitForFunction((typed) => {
          const plain = (each) => each.textContent.replace(/\u00a0/g, " ");
          const marks = ".ghost-text, .ghost-text-decoration, .ghost-text-decoration-preview, .suggest-preview-text";
          const lines = Array.from(document.querySelectorAll(".view-line"));
          const line = lines.find((each) => each.querySelector(marks));
          const first = line && Array.from(line.querySelectorAll(marks), plain).join("");
          return line && plain(line).includes(typed + first) && first;
        }, before, { timeout: 20_000 }).then((found) => found.jsonValue(), () => "");
        if (ghost) {
          return ghost;
        }
        assert.ok(Date.now() < end, `no suggestion behind ${before}`);
        // On a busy machine it may come too late; then one goes on typing.
        await page.keyboard.press("Backspace");
        await page.keyboard.type(before.at(-1));
      }
    },
    async shot(name) {
      mkdirSync(SHOTS, { recursive: true });
      await page.screenshot({ path: join(SHOTS, `${name}.png`) });
    },
  };
}

before(async () => {
  // The model is there: after ten seconds nobody waits for a suggestion, and loading may take longer.
  const file = join(folder, "loaded.py");
  writeFileSync(file, "def double(number):\n    return number\n");
  await promisify(execFile)(PROGRAM, ["complete", `${file}:2:12`], { env: { ...process.env, ...own }, timeout: PATIENCE });
  const page = join(ROOT, "client-config/web/page");
  // A group of its own, so that all that it starts ends with it.
  server = spawn(PROGRAM, ["serve", "--ws", "--page", page], {
    env: { ...process.env, ...own },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  for await (const line of createInterface({ input: server.stdout })) {
    address = line;
    break;
  }
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
}, { timeout: 2 * PATIENCE });

after(() => browser?.close(), { timeout: 30_000 });

// However the tests end, nothing outlives them.
process.once("exit", () => {
  try {
    process.kill(-server.pid, "SIGKILL");
  } catch {
    // It has ended by itself, or was never started.
  }
  execFileSync(PROGRAM, ["host", "--stop"], { env: { ...process.env, ...own }, stdio: "ignore", timeout: 20_000 });
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => process.exit(1));
}

describe("Monaco in a page", { concurrency: false }, () => {
  check("typing shows ghost text that Tab accepts, and nothing is asked of any other place", async () => {
    const { page, ...web } = await open(address);
    await web.state("ready");
    const before = await web.text();
    const ghost = await web.suggested("return ");
    await web.shot("web-ghost-text");
    assert.equal(await web.text(), `${before}return `, "what is shown is not in the text");
    await page.keyboard.press("Tab");
    await web.holds((text) => globalThis.editor.getValue() !== text, `${before}return `);
    const accepted = await web.text();
    assert.ok(accepted.startsWith(`${before}return ${ghost}`), accepted);
    assert.deepEqual(web.foreign, []);
    assert.deepEqual(web.errors, []);
    await page.close();
  });

  check("a code action changes the text", async () => {
    const { page, ...web } = await open(`${address.replace("#", "?language=python#")}`);
    await web.state("ready");
    await page.evaluate(() => {
      globalThis.editor.setValue("def area(width, height):\n    result = width * height\n    return result\n");
      globalThis.editor.setPosition({ lineNumber: 1, column: 5 });
    });
    await page.click("#actions");
    const action = page.locator(".action-widget .monaco-list-row", { hasText: "docstring" });
    await action.waitFor();
    await web.shot("web-actions");
    // As by the arrow keys: a veil lies above the menu for the pointer's first moment.
    while (!(await action.getAttribute("class")).includes("focused")) {
      await page.keyboard.press("ArrowDown");
    }
    await page.keyboard.press("Enter");
    await web.holds(() => globalThis.editor.getValue().includes('"""'));
    const code = (await web.text()).split("\n").filter((line) => line.includes("result"));
    assert.ok(code.includes("    result = width * height") && code.includes("    return result"), code.join("\n"));
    await page.close();
  });

  check("an instruction, which the action asks for, changes the function at the cursor", async () => {
    const { page, ...web } = await open(address);
    await web.state("ready");
    await page.evaluate(() => {
      globalThis.editor.setValue("def area(width, height):\n    return width * height\n");
      globalThis.editor.setPosition({ lineNumber: 2, column: 5 });
    });
    await page.click("#actions");
    const action = page.locator(".action-widget .monaco-list-row", { hasText: "Refactor with AI" });
    await action.waitFor();
    while (!(await action.getAttribute("class")).includes("focused")) {
      await page.keyboard.press("ArrowDown");
    }
    await page.keyboard.press("Enter");
    await web.holds(() => document.activeElement.id === "instruction");
    await page.keyboard.type("add float type hints");
    await page.keyboard.press("Enter");
    await web.holds(() => globalThis.editor.getValue().includes("width: float"));
    await web.state("changed");
    await page.close();
  });

  for (const [width, colours] of [[1100, "dark"], [400, "light"], [400, "dark"]]) {
    check(`everything has its place, ${width} pixels wide, ${colours}`, async () => {
      const { page, ...web } = await open(address, { width, colours });
      await web.state("ready");
      await web.suggested("return ");
      await web.shot(`web-${width}-${colours}`);
      const { beyond, ground } = await page.evaluate(() => ({
        beyond: [...document.querySelectorAll("header *, form *, footer *, main")].filter((each) => {
          const { left, right, top, bottom } = each.getBoundingClientRect();
          return left < 0 || right > innerWidth || top < 0 || bottom > innerHeight;
        }).map((each) => each.outerHTML),
        ground: getComputedStyle(document.querySelector(".monaco-editor-background")).backgroundColor,
      }));
      assert.deepEqual(beyond, []);
      assert.equal(Number(/\d+/.exec(ground)[0]) < 128, colours === "dark", ground);
      await page.close();
    });
  }

  check("another language, after the page was loaded again", async () => {
    const { page, ...web } = await open(address);
    await web.state("ready");
    await page.selectOption("#language", "typescript");
    await page.waitForURL(/language=typescript/);
    await web.state("ready");
    await web.suggested("return ");
    await page.close();
  });

  check("without the token there is no connection, and the page says what to do", async () => {
    const { page, ...web } = await open(address.replace(/#.*/, "#wrong"));
    await web.state("No connection: open the whole address");
    await page.close();
  });

  check("a page of another origin cannot connect, though it has the token", async () => {
    const page = await browser.newPage();
    await page.goto("data:text/html,<p>elsewhere</p>");
    const [, host, token] = /http:\/\/(.*)\/#(.*)/.exec(address);
    const outcome = await page.evaluate((url) => new Promise((done) => {
      const socket = new WebSocket(url);
      socket.onopen = () => done("open");
      socket.onerror = () => done("refused");
    }), `ws://${host}/?token=${token}`);
    assert.equal(outcome, "refused");
    await page.close();
  });

  check("when the server goes, the page says so and keeps the text", async () => {
    const { page, ...web } = await open(address);
    await web.state("ready");
    await page.keyboard.type("return 1", { delay: 30 });
    const typed = await web.text();
    process.kill(-server.pid);
    await web.state("The server has gone");
    assert.equal(await web.text(), typed);
    await page.close();
  });
});
