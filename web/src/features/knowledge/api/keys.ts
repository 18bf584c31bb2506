/** Names of the cached answers of this feature. */
export const knowledgeKeys = {
  all: ["knowledge"] as const,
  collections: () => [...knowledgeKeys.all, "collections"] as const,
  collectionList: (name: string) => [...knowledgeKeys.collections(), "list", name] as const,
  collection: (id: string) => [...knowledgeKeys.collections(), "one", id] as const,
  documents: (collectionId: string) => [...knowledgeKeys.all, "documents", collectionId] as const,
  text: (documentId: string) => [...knowledgeKeys.all, "text", documentId] as const,
  uploads: (collectionId: string) => [...knowledgeKeys.all, "uploads", collectionId] as const,
};
