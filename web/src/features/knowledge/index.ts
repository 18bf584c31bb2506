export { CollectionPage } from "./components/CollectionPage";
export { KnowledgePage } from "./components/KnowledgePage";
