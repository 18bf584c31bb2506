// Runs dependency-cruiser and also asserts how many modules it saw: with an unsupported TypeScript it sees none and passes.
import { createRequire } from "node:module";
import { cruise } from "dependency-cruiser";
import extractTSConfig from "dependency-cruiser/config-utl/extract-ts-config";

const LEAST_MODULES = 40;
const config = createRequire(import.meta.url)("../.dependency-cruiser.cjs");
const result = await cruise(
  ["src"],
  { ...config.options, ruleSet: { forbidden: config.forbidden }, validate: true },
  undefined,
  { tsConfig: extractTSConfig("./tsconfig.json") },
);
const { modules, summary } = result.output;
const own = modules.filter((module) => module.source.startsWith("src/"));
for (const violation of summary.violations) {
  console.error(`${violation.rule.name}: ${violation.from} -> ${violation.to}`);
}
if (own.length < LEAST_MODULES) {
  console.error(`dependency-cruiser saw only ${own.length} modules of src (expected at least ${LEAST_MODULES})`);
  process.exit(1);
}
if (summary.error > 0) process.exit(1);
console.log(`imports: ${own.length} modules, no violation`);
