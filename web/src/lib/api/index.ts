export { api, dataOf } from "./client";
export { ApiProblem, canRetryFile, messageOf, problemOf, unreachable } from "./problem";
export { authStateQuery, useUser } from "./authState";
export { followEvents, type FollowOptions, type ServerEvent } from "./eventStream";
export { collectionsQuery, everyoneQuery, groupsQuery, guardrailsQuery, modelsQuery, myGroupsQuery, myLimitsQuery } from "./queries";
export { createQueryClient } from "./queryClient";
export { getCsrfToken, setCsrfToken, setSignedOutHandler } from "./session";
export { chatUploadUrl, collectionUploadUrl, documentFileUrl, uploadFile, type UploadOptions } from "./upload";
export type * from "./types";
