export { TracePage } from "./components/TracePage";
export { TracesPage } from "./components/TracesPage";
