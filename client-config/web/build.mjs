/** Bundles the page into `page/`: node build.mjs */

import { cpSync, rmSync } from "node:fs";
import { build } from "esbuild";

rmSync("page", { recursive: true, force: true });
await build({
  entryPoints: {
    main: "src/main.js",
    // Monaco computes differences and links beside the page.
    "editor.worker": "@codingame/monaco-vscode-editor-api/esm/vs/editor/editor.worker.js",
  },
  bundle: true,
  minify: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  outdir: "page",
  loader: { ".ttf": "file", ".svg": "dataurl", ".png": "dataurl", ".html": "file", ".mp3": "empty", ".wasm": "file" },
  logLevel: "error",
});
cpSync("src/index.html", "page/index.html");
