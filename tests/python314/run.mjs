// Runs the tests of sim/loop on the CPython of a Pyodide package.
// Usage: node run.mjs FOLDER_OF_PYODIDE REPOSITORY SITE_PACKAGES; the exit status is that of pytest.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, repository, sitePackages] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(join(folder, "pyodide.mjs")).href);
const python = await loadPyodide();
python.FS.mkdirTree("/repository");
python.FS.mount(python.FS.filesystems.NODEFS, { root: repository }, "/repository");
python.FS.mkdirTree("/site-packages");
python.FS.mount(python.FS.filesystems.NODEFS, { root: sitePackages }, "/site-packages");
let status = 2;
try {
  status = python.runPython(readFileSync(new URL("loop_tests.py", import.meta.url), "utf8"));
} catch (error) {
  console.error(error.message); // not the error itself: node would print a whole minified source line with it
}
process.exit(status);
