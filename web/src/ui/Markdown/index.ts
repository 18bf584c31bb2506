export { Markdown } from "./Markdown";
export { safeHref } from "./links";
