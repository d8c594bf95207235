// Bundles the desktop page into the Python package.
import { copyFile, mkdir, rm } from "node:fs/promises";
import { build } from "esbuild";

const from = "desktop_page";
const to = "jupyter_desktop_save/static";

await rm(to, { recursive: true, force: true });
await mkdir(to, { recursive: true });
await build({
  entryPoints: [`${from}/src/main.ts`, `${from}/style.css`],
  outdir: to,
  entryNames: "[name]",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "linked",
  logLevel: "warning",
});
for (const name of ["index.html", "icon.svg"]) {
  await copyFile(`${from}/${name}`, `${to}/${name}`);
}
