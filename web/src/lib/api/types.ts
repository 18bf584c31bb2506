/** Every wire type, named once. Features import from here, never from the generated schema. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Problem = Schemas["Problem"];
export type User = Schemas["User"];
export type AuthState = Schemas["AuthState"];
export type SignedIn = Schemas["SignedIn"];
export type Key = Schemas["Key"];
export type KeyCreate = Schemas["KeyCreate"];
export type KeyCreated = Schemas["KeyCreated"];
export type UserCreate = Schemas["UserCreate"];
export type UserUpdate = Schemas["UserUpdate"];
export type AuditEntry = Schemas["AuditEntry"];
export type ModelCard = Schemas["ModelCard"];
export type ModelList = Schemas["ModelList"];
export type Deployment = Schemas["Deployment"];
export type DeploymentCreate = Schemas["DeploymentCreate"];
export type DeploymentUpdate = Schemas["DeploymentUpdate"];
export type DeploymentTest = Schemas["DeploymentTest"];
export type Collection = Schemas["Collection"];
export type CollectionCreate = Schemas["CollectionCreate"];
export type CollectionUpdate = Schemas["CollectionUpdate"];
export type Document = Schemas["Document"];
export type DocumentText = Schemas["DocumentText"];
export type SearchRequest = Schemas["SearchRequest"];
export type SearchResult = Schemas["SearchResult"];
export type Source = Schemas["Source"];
export type Citation = Schemas["Citation"];
export type Chat = Schemas["Chat"];
export type ChatSummary = Schemas["ChatSummary"];
export type ChatDetail = Schemas["ChatDetail"];
export type ChatUpdate = Schemas["ChatUpdate"];
export type CollectionRef = Schemas["CollectionRef"];
export type DocumentRef = Schemas["DocumentRef"];
export type Message = Schemas["Message"];
export type MessageCreate = Schemas["MessageCreate"];
export type MessagesCreated = Schemas["MessagesCreated"];
export type TraceSummary = Schemas["TraceSummary"];
export type Trace = Schemas["Trace"];
export type TraceDetail = Schemas["TraceDetail"];
export type Observation = Schemas["Observation"];
export type Status = Schemas["Status"];
export type StatusPart = Schemas["StatusPart"];

/** One page of a list: `next_cursor` is null on the last one. */
export type Page<Item> = { items: Item[]; next_cursor: string | null };
