#!/usr/bin/env bash
# Installs VS Code, as code-server serves it to a browser, and what drives that browser: install.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
cp "$here/package.json" .
# The packages' own scripts would fetch binaries of their own; the modules that VS Code needs are built here instead.
# They are built against the headers that came with Node, where those are, instead of fetched ones.
node=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
if [ -f "$node/include/node/node.h" ]; then
    export npm_config_nodedir="$node"
fi
quiet=(--ignore-scripts --legacy-peer-deps --no-audit --no-fund --loglevel=error)
npm install "${quiet[@]}"
npm rebuild argon2
cd node_modules/code-server/lib/vscode
npm install --omit=dev "${quiet[@]}"
npm rebuild @vscode/spdlog native-watchdog @parcel/watcher
cd extensions
npm install --omit=dev "${quiet[@]}"
# Its package would fetch it; VS Code finds the files of a folder with it.
mkdir -p ../node_modules/@vscode/ripgrep/bin
ln -sf "$(command -v rg)" ../node_modules/@vscode/ripgrep/bin/rg
