/** The extension in a real VS Code, with the real server and the real models. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { loaded, measured, serve, sleep, until, waited } from "./code.mjs";

const SHOP = `"""A shop and what is in it."""


def price_of(item):
    """The price of an item, with tax."""
    return item.net * (1 + item.tax)


def total(items):
    """The sum of the prices of all items."""
    `;

const AREA = `def area(width, height):
    result = width * height
    return result
`;

const SUM = `/** The sum of the prices of all items. */
function sumOfPrices(items) `;

describe("VS Code", { concurrency: false }, () => {
  let server;
  let vscode;
  before(async () => {
    server = await serve();
    await loaded();
    vscode = await server.open();
  }, { timeout: 600_000 });
  after(() => server?.close());

  /** A test that leaves a picture of what it failed at, and tells what the logs say. */
  const check = (name, body) =>
    test(name, { timeout: 600_000 }, async () => {
      try {
        await body();
      } catch (error) {
        console.log(`${await vscode.shot(`failed: ${name}`)}\n${server.logs()}`);
        await vscode.keys.press("Escape");
        throw error;
      }
    });

  const kept = () => {
    try {
      const { shown, accepted } = JSON.parse(readFileSync(join(server.cache, "accepted.json"), "utf8"));
      const sum = (counts) => counts.reduce((one, other) => one + other, 0);
      return [sum(shown), sum(accepted)];
    } catch {
      return [0, 0];
    }
  };

  check("typing shows ghost text; typing it keeps the rest; Tab accepts it", async () => {
    await vscode.edit("shop.py", SHOP, "all items.\"\"\"\n    ");
    await until(async () => (await vscode.status()).icon.includes("sparkle"), "the server is ready");
    const ghost = await vscode.suggested("return ");
    await vscode.shot("vscode-ghost-text");
    await vscode.holds("shop.py", (text) => text === `${SHOP}return `); // What is shown is not in the file.
    await vscode.keys.type(ghost[0]);
    await until(async () => (await vscode.suggestion(`return ${ghost[0]}`)) === ghost.slice(1), "the rest stays");
    await vscode.keys.press("Tab");
    await vscode.holds("shop.py", (text) => text === `${SHOP}return ${ghost}`);
    await until(() => kept()[1] >= 1 && kept()[0] >= 1, "the server has counted that");
  });

  check("the next word, and another suggestion", async () => {
    await vscode.edit("words.py", SHOP, "all items.\"\"\"\n    ");
    const ghost = await vscode.suggested("return ");
    await vscode.keys.press("Control+ArrowRight");
    const word = await until(async () => (await vscode.saved("words.py")).slice(`${SHOP}return `.length), "the word");
    assert.ok(ghost.startsWith(word), word);
    await vscode.keys.press("Escape");
    await until(async () => !(await vscode.ghost()), "the rest goes");
    await vscode.command("Trigger Inline Suggestion");
    await until(vscode.ghost, "another suggestion");
  });

  check("between braces that VS Code has closed, lines are shown and put there", async () => {
    await vscode.edit("sum.js", SUM, "sumOfPrices(items) ");
    await until(async () => (await vscode.status()).icon.includes("sparkle"), "the server is ready");
    await vscode.keys.type("{");
    await vscode.holds("sum.js", (text) => text === `${SUM}{}`);
    await until(vscode.ghost, "a block", 20_000).catch(async () => {
      await vscode.command("Trigger Inline Suggestion");
      await until(vscode.ghost, "a block");
    });
    await vscode.shot("vscode-braces");
    await vscode.keys.press("Tab");
    await vscode.holds("sum.js", (text) => {
      const [first, ...others] = text.slice(SUM.length).split("\n");
      return first === "{" && others.at(-1) === "}" && others.some((line) => line.includes("items"));
    });
  });

  check("a docstring from the menu of code actions", async () => {
    await vscode.edit("area.py", AREA, "def ar");
    // Until the server knows the file there are other actions, or none.
    const action = ".action-widget .monaco-list-row:has-text('Add docstring')";
    await until(async () => {
      await vscode.keys.press("Control+Period");
      const offered = await vscode.page.waitForSelector(action, { timeout: 10_000 }).catch(() => null);
      if (!offered) {
        await vscode.keys.press("Escape");
      }
      return offered;
    }, "the action");
    while (!(await vscode.page.getAttribute(action, "class")).includes("focused")) {
      await vscode.keys.press("ArrowDown");
    }
    await vscode.keys.press("Enter");
    let spins = false;
    await until(async () => {
      spins ||= (await vscode.status()).icon.includes("loading");
      return (await vscode.text()).includes('"""');
    }, "the docstring");
    assert.ok(spins, "the status bar spins meanwhile");
    await vscode.holds("area.py", (text) => text.endsWith(AREA.split("\n").slice(1).join("\n")));
  });

  check("a refactoring as told is shown as a difference, and applied when that is wanted", async () => {
    await vscode.edit("typed.py", AREA, "def ar");
    await vscode.command("Midfill: Refactor with AI");
    await vscode.page.waitForSelector(".quick-input-widget:has-text('What should change?') input");
    await vscode.keys.type("add float type hints");
    await vscode.shot("vscode-instruction");
    await vscode.keys.press("Enter");
    await vscode.page.waitForSelector(".monaco-diff-editor .line-insert");
    assert.equal(readFileSync(join(server.project, "typed.py"), "utf8"), AREA, "nothing is changed yet");
    await sleep(1000);
    await vscode.shot("vscode-preview");
    await vscode.button("Apply");
    await vscode.holds("typed.py", (text) => text.includes("width: float"));
  });

  check("a refactoring that is discarded leaves the file as it was", async () => {
    await vscode.edit("kept.py", AREA, "def ar");
    await vscode.command("Midfill: Refactor with AI");
    await vscode.page.waitForSelector(".quick-input-widget:has-text('What should change?') input");
    await vscode.keys.press("Control+A");
    await vscode.keys.type("add int type hints");
    await vscode.keys.press("Enter");
    await vscode.page.waitForSelector(".monaco-diff-editor .line-insert");
    await sleep(500);
    await vscode.button("Discard");
    await until(async () => !(await vscode.page.$(".monaco-diff-editor")), "the difference is closed");
    assert.equal(readFileSync(join(server.project, "kept.py"), "utf8"), AREA);
  });

  check("the menu turns suggestions off for a file, and says why there is none", async () => {
    await vscode.edit("off.py", "def double(number):\n    ", "    ");
    await vscode.menu();
    await vscode.shot("vscode-menu");
    await vscode.choose("for this file");
    await until(async () => (await vscode.status()).icon.includes("circle-slash"), "the status bar says off");
    await vscode.keys.type("return ", { delay: 60 });
    await sleep(1500);
    assert.equal(await vscode.ghost(), "");
    await vscode.holds("off.py", (text) => text === "def double(number):\n    return ");
    await vscode.menu();
    await vscode.choose("for this file");
    await until(async () => (await vscode.status()).icon.includes("sparkle"), "the status bar says on");
    await vscode.keys.press("Control+End");
    await vscode.command("Trigger Inline Suggestion");
    await until(vscode.ghost, "a suggestion");
    await vscode.keys.press("Escape");
    await vscode.command("Midfill: Why");
    await until(async () => (await vscode.text()).includes("There was a suggestion"), "the reason");
    await vscode.shot("vscode-why");
    await vscode.keys.press("Control+W");
  });

  check("the model is chosen from those that there are", async () => {
    await vscode.command("Midfill: Choose a model");
    await until(async () => (await vscode.choices()).some((each) => each.includes("completes")), "the roles");
    await vscode.keys.press("Enter");
    await until(async () => (await vscode.choices()).some((each) => each.includes("qwen2.5-coder-0.5b")), "the models");
    await vscode.shot("vscode-models");
    await vscode.keys.press("Escape");
  });

  check("from the server's answer to the ghost text takes at most 30 ms", async () => {
    const taken = [];
    const before = waited();
    for (let round = 0; round < 12; round++) {
      await vscode.edit(`typed${round}.py`, SHOP, "all items.\"\"\"\n    ");
      await vscode.page.evaluate(() => { globalThis.midfillGhosts.length = 0; });
      const typed = ["return ", "result = ", "for item in ", "prices = ["][round % 4];
      const shown = await vscode.suggested(typed, 5000).catch(() => "");
      const [at] = (await vscode.ghosts()).find(([, text]) => text) ?? [];
      const wire = server.wire().filter(({ ms }) => ms <= at);
      const asked = new Set(wire.filter(({ method }) => method === "textDocument/inlineCompletion").map(({ id }) => id));
      const answer = wire.filter(({ way, id, method }) => way === "out" && method === null && asked.has(id)).at(-1);
      if (shown && answer) {
        taken.push(at - answer.ms);
      }
    }
    taken.sort((one, other) => one - other);
    const median = taken[Math.floor(taken.length / 2)];
    measured(`VS Code, from the answer to the ghost text, n = ${taken.length}: median ${median?.toFixed(1)} ms, ` +
      `max ${taken.at(-1)?.toFixed(1)} ms`);
    // A delay of our own would be in every one of them; what other programs take of the same cores comes on top.
    const [ran, queued] = waited().map((now, index) => now - before[index]);
    const shared = 1 + queued / ran;
    assert.ok(taken.length >= 4 && taken[0] <= 30 * shared, `${taken}, on cores shared by ${shared.toFixed(1)}`);
  });

  check("a second window takes at most 80 MB for its server", async () => {
    const first = server.serving();
    const second = await server.open();
    await second.edit("second.py", SHOP, "all items.\"\"\"\n    ");
    await until(async () => (await second.status()).icon.includes("sparkle"), "the server is ready");
    await second.suggested("return ");
    const [pid] = server.serving().filter((each) => !first.includes(each));
    const [, kilobytes] = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
    measured(`VS Code, the server of a second window: ${(kilobytes / 1024).toFixed(0)} MB (PSS)`);
    assert.ok(kilobytes / 1024 <= 80);
    await second.page.close();
  });

  check("a server that dies is started again", async () => {
    await vscode.edit("again.py", SHOP, "all items.\"\"\"\n    ");
    const killed = Date.now();
    for (const pid of server.serving()) {
      process.kill(Number(pid), "SIGKILL");
    }
    const known = ({ ms, method }) => ms > killed && method === "textDocument/didOpen";
    await until(() => server.wire().some(known), "another one knows the file");
    await until(async () => (await vscode.status()).icon.includes("sparkle"), "it is ready again");
    await vscode.suggested("return ");
  });
});

describe("VS Code without a server", { concurrency: false }, () => {
  test("offers to install it, and says so in the status bar", { timeout: 600_000 }, async () => {
    const path = process.env.PATH.split(":").filter((each) => !each.includes(".venv")).join(":");
    const server = await serve({ machine: {}, env: { PATH: path } });
    try {
      const vscode = await server.open();
      await until(async () => (await vscode.notes()).some((note) => note.includes("is not on this machine")), "the offer");
      await until(async () => (await vscode.status()).icon.includes("error"), "the status bar says so");
      await vscode.shot("vscode-install");
    } finally {
      await server.close();
    }
  });

  test("a workspace that is not trusted cannot choose the program", { timeout: 600_000 }, async () => {
    const server = await serve({ trust: true });
    try {
      const mark = join(server.home, "started");
      writeFileSync(join(server.home, "evil.sh"), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
      execFileSync("mkdir", ["-p", join(server.project, ".vscode")]);
      writeFileSync(join(server.project, ".vscode/settings.json"), JSON.stringify({ "midfill.command": join(server.home, "evil.sh") }));
      const vscode = await server.open();
      await until(async () => (await vscode.status()).icon.includes("sparkle"), "the user's own server is ready");
      assert.throws(() => readFileSync(mark));
    } finally {
      await server.close();
    }
  });
});
