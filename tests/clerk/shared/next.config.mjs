// The folder is inside of another project's, whose lock files are no business of this one.
export default { turbopack: { root: import.meta.dirname }, outputFileTracingRoot: import.meta.dirname, devIndicators: false };
