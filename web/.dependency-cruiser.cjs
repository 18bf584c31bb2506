/** Imports flow one way: app -> features -> ui -> lib. A feature knows itself, `ui` and `lib`, and is reached through its `index.ts` only. */
module.exports = {
  forbidden: [
    {
      name: "no-circular",
      severity: "error",
      comment: "A cycle means two files are one; split out what both need.",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "feature-knows-only-itself-ui-and-lib",
      severity: "error",
      from: { path: "^src/features/([^/]+)/" },
      to: { path: "^src/", pathNot: ["^src/features/$1/", "^src/ui/", "^src/lib/", "^src/testing/"] },
    },
    {
      name: "ui-knows-only-lib",
      severity: "error",
      from: { path: "^src/ui/" },
      to: { path: "^src/", pathNot: ["^src/ui/", "^src/lib/", "^src/testing/"] },
    },
    {
      name: "lib-knows-only-lib",
      severity: "error",
      from: { path: "^src/lib/" },
      to: { path: "^src/", pathNot: ["^src/lib/", "^src/testing/"] },
    },
    {
      name: "app-enters-a-feature-by-its-door",
      severity: "error",
      from: { path: "^src/app/" },
      to: { path: "^src/features/[^/]+/.+", pathNot: "^src/features/[^/]+/index\\.tsx?$" },
    },
    {
      name: "only-tests-import-testing",
      severity: "error",
      from: { path: "^src/", pathNot: ["\\.test\\.tsx?$", "^src/testing/"] },
      to: { path: "^src/testing/" },
    },
    {
      name: "wire-types-have-one-door",
      severity: "error",
      comment: "The generated schema is named once, in lib/api/types.ts and client.ts.",
      from: { path: "^src/", pathNot: "^src/lib/api/" },
      to: { path: "^src/lib/api/schema" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "require", "node", "default", "types"] },
  },
};
