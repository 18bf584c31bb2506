/** Every wire type, named once. Features import from here, never from the generated schema. */
import type { components, paths } from "./schema";

type Schemas = components["schemas"];

/**
 * What the server sends. It always sends every field, while OpenAPI calls those with a default optional (which they are in
 * what we send).
 */
export type Sent<Body> = Body extends (infer Item)[]
  ? Sent<Item>[]
  : Body extends object
    ? { [Field in keyof Body]-?: Sent<Exclude<Body[Field], undefined>> }
    : Body;

export type Problem = Sent<Schemas["Problem"]>;
export type User = Sent<Schemas["User"]>;
export type AuthState = Sent<Schemas["AuthState"]>;
export type SignedIn = Sent<Schemas["SignedIn"]>;
export type Key = Sent<Schemas["Key"]>;
export type KeyCreate = Schemas["KeyCreate"];
export type KeyCreated = Sent<Schemas["KeyCreated"]>;
export type KeyUpdate = Schemas["KeyUpdate"];
export type Scope = NonNullable<NonNullable<KeyCreate["scopes"]>[number]>;
export type Limits = Sent<Schemas["Limits-Output"]>;
export type LimitsBody = Schemas["Limits-Input"];
export type LimitState = Sent<Schemas["LimitState"]>;
export type SubjectLimits = Sent<Schemas["SubjectLimits"]>;
export type Group = Sent<Schemas["Group"]>;
export type GroupCreate = Schemas["GroupCreate"];
export type GroupUpdate = Schemas["GroupUpdate"];
export type UserCreate = Schemas["UserCreate"];
export type UserUpdate = Schemas["UserUpdate"];
export type AuditEntry = Sent<Schemas["AuditRecord"]>;
export type ModelCard = Sent<Schemas["ModelCard"]>;
export type ModelList = Sent<Schemas["ModelList"]>;
export type Deployment = Sent<Schemas["DeploymentCard"]>;
export type DeploymentCreate = Schemas["DeploymentCreate"];
export type DeploymentUpdate = Schemas["DeploymentPatch"];
export type DeploymentTest = Sent<Schemas["DeploymentTest"]>;
export type DeploymentOptions = Sent<Schemas["DeploymentOptions-Output"]>;
export type DeploymentOptionsBody = Schemas["DeploymentOptions-Input"];
export type DeploymentHealth = Sent<Schemas["DeploymentHealth"]>;
export type ModelGroup = Sent<Schemas["ModelGroupCard"]>;
export type ModelGroupCreate = Schemas["ModelGroupCreate"];
export type ModelGroupUpdate = Schemas["ModelGroupPatch"];
export type ModelGroupMember = Sent<Schemas["GroupMember"]>;
export type CachePolicy = Sent<Schemas["CachePolicy"]>;
export type CacheState = Sent<Schemas["CacheState"]>;
export type CacheRule = Sent<Schemas["CacheRule"]>;
export type Guardrail = Sent<Schemas["GuardrailCard"]>;
export type GuardrailCreate = Schemas["GuardrailCreate"];
export type GuardrailUpdate = Schemas["GuardrailPatch"];
export type GuardRule = Guardrail["rule"];
export type GuardRuleBody = GuardrailCreate["rule"];
export type GuardVerdict = Sent<Schemas["GuardVerdict"]>;
export type RuleTry = Schemas["RuleTry"];
export type Sensitive = Schemas["Sensitive"];
export type UsageRow = Sent<Schemas["StoredRow"]>;
export type UsageSums = Sent<Schemas["UsageSums"]>;
export type UsageSummary = Sent<Schemas["UsageSummary"]>;
export type UsageQuery = NonNullable<paths["/api/v1/usage/rows"]["get"]["parameters"]["query"]>;
export type LiveUsage = Sent<Schemas["LiveUsage"]>;
export type LocalModel = Sent<Schemas["LocalModelCard"]>;
export type LocalModelList = Sent<Schemas["LocalModelList"]>;
export type LocalMachine = Sent<Schemas["Machine"]>;
export type LocalModelCreate = Schemas["ModelCreate"];
export type KnownModel = Sent<Schemas["KnownModelCard"]>;
export type Pull = Sent<Schemas["PullCard"]>;
export type PullStart = Schemas["PullStart"];
export type RunningModel = Sent<Schemas["RunningCard"]>;
export type RunningList = Sent<Schemas["RunningList"]>;
export type Collection = Sent<Schemas["Collection"]>;
export type CollectionCreate = Schemas["CollectionCreate"];
export type CollectionUpdate = Schemas["CollectionUpdate"];
export type Document = Sent<Schemas["Document"]>;
/** Named by its route: the schema of this name is one of several. */
export type DocumentText = Sent<
  paths["/api/v1/knowledge/documents/{document_id}/text"]["get"]["responses"][200]["content"]["application/json"]
>;
export type SearchRequest = Schemas["SearchRequest"];
export type SearchResult = Sent<Schemas["SearchResult"]>;
export type Source = Sent<Schemas["Source"]>;
export type Citation = Sent<Schemas["Citation"]>;
export type Chat = Sent<Schemas["Chat"]>;
export type ChatSummary = Sent<Schemas["Chat"]>;
export type ChatDetail = Sent<Schemas["ChatDetail"]>;
export type ChatUpdate = Schemas["ChatUpdate"];
export type CollectionRef = Sent<Schemas["CollectionRef"]>;
export type DocumentRef = Sent<Schemas["DocumentRef"]>;
export type Message = Sent<Schemas["Message"]>;
export type MessageCreate = Schemas["MessageCreate"];
export type MessagesCreated = Sent<Schemas["Exchange"]>;
export type TraceSummary = Sent<Schemas["TraceSummary"]>;
export type Trace = Sent<Schemas["Trace"]>;
export type TraceDetail = Sent<Schemas["TraceDetail"]>;
export type Observation = Sent<Schemas["Observation"]>;
export type Status = Sent<Schemas["Status"]>;
export type StatusPart = Sent<Schemas["PartStatus"]>;

/** One page of a list: `next_cursor` is null on the last one. */
export type Page<Item> = { items: Item[]; next_cursor: string | null };
