// Bundles the desktop page and JupyterLab's button into the Python package, and writes JupyterLab's
// catalogues from the words that both have.
import { execFileSync } from "node:child_process";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const PACKAGE = "jupyter_desktop_save";
// JupyterLab's name of a language, and ours. English is in the code.
const LOCALES = { fr_FR: "fr" };

const common = {
  bundle: true,
  format: "esm",
  // Nesting in style sheets is written out for browsers that are older than it.
  target: ["es2022", "chrome108", "firefox110", "safari16"],
  logLevel: "warning",
};

async function buildPage() {
  const from = "desktop_page";
  const to = `${PACKAGE}/static`;
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  await build({
    ...common,
    entryPoints: ["src/main.ts", "src/tools.ts", "style.css", "tools.css"].map((name) => `${from}/${name}`),
    outdir: to,
    entryNames: "[name]",
    minify: true,
    legalComments: "linked",
  });
  for (const name of ["index.html", "tools.html", "icon.svg"]) {
    await copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

// esbuild bundles our source as it does the page's; Jupyter's builder makes of it what JupyterLab
// loads (module federation), which shares JupyterLab's own packages.
async function buildLab() {
  await rm("build", { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: { index: "src/index.ts", style: "style/index.css" },
    outdir: "build",
    // JupyterLab has these.
    packages: "external",
  });
  const builder = "node_modules/@jupyter/builder/lib/build-labextension.js";
  const core = "node_modules/@jupyterlab/core-meta/core.package.json";
  const command = [builder, "--core-package-file", core, "."];
  execFileSync(process.execPath, command, { stdio: ["ignore", "ignore", "inherit"] });
  await copyFile("install.json", `${PACKAGE}/labextension/install.json`);
}

const readJson = async (path) => JSON.parse(await readFile(path, "utf8"));

// The key is the context: two keys may be the same sentence in English and not in French.
async function writeCatalogues() {
  await rm(`${PACKAGE}/locale`, { recursive: true, force: true });
  const english = await readJson("locale/en.json");
  const { version } = await readJson("package.json");
  for (const [locale, language] of Object.entries(LOCALES)) {
    const words = await readJson(`locale/${language}.json`);
    const plural_forms = "nplurals=2; plural=(n > 1);";
    const catalogue = { "": { domain: PACKAGE, language: locale.replace("_", "-"), plural_forms, version } };
    for (const [key, sentence] of Object.entries(english)) {
      catalogue[`${key}\u0004${sentence}`] = [words[key]];
    }
    const folder = `${PACKAGE}/locale/${locale}/LC_MESSAGES`;
    await mkdir(folder, { recursive: true });
    await writeFile(`${folder}/${PACKAGE}.json`, JSON.stringify(catalogue));
  }
}

await Promise.all([buildPage(), buildLab(), writeCatalogues()]);
