// One file of the extension and what it is made with, and one of the licences that come with that.

const fs = require("fs");
const path = require("path");
const esbuild = require("esbuild");

const { metafile } = esbuild.buildSync({
  entryPoints: ["src/extension.js"],
  outfile: "dist/extension.js",
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node18",
  external: ["vscode"],
  minify: true,
  metafile: true,
});

const inPackage = /^(node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)/;
const folders = new Set(Object.keys(metafile.inputs).map((input) => input.match(inPackage)?.[1]));
folders.delete(undefined);

const licences = [...folders].sort().map((folder) => {
  const { name, version, license } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
  const file = fs.readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  const text = file ? fs.readFileSync(path.join(folder, file), "utf8").trim() : license;
  return `${name} ${version}\n\n${text}\n`;
});
fs.writeFileSync("dist/licences.txt", licences.join(`\n${"-".repeat(80)}\n\n`));
