export { LimitsDialog } from "./LimitsDialog";
export { LimitsFields } from "./LimitsFields";
export { LimitStandings } from "./LimitStandings";
export { MyLimits } from "./MyLimits";
export { limitWords } from "./summary";
export { LIMIT_FIELDS, LIMIT_RULES, limitsBodyOf, type LimitsValues, limitsValuesOf } from "./values";
