/** Judging: what is judged, by whom, and what comes of it. */
import type { Message, ToolCall } from '../message.js';
import type { FunctionSpec } from '../policy.js';
import type { AnswerMetric, Reference } from './task.js';

/** What a verdict is about: on a step or a sample it is process supervision, on a response outcome supervision. */
export type SubjectKind =
  /** One logged action in the state it was taken in. */
  | 'step'
  /**
   * The answer that a completed response ended with: its last step, where that calls no tool. Of several choices none
   * is the answer, and each is judged as a step only.
   */
  | 'response'
  /** The final answer of a trajectory, in verdicts of earlier builds; taken for its first completed response. */
  | 'trajectory'
  /** An action that a cycle drew at a logged state in order to train on it. */
  | 'sample';

/** Everything a judge may look at. `reference` is never shown to the policy. */
export interface Subject {
  readonly kind: SubjectKind;
  readonly id: string;
  /** The state the action was taken in. */
  readonly messages: readonly Message[];
  readonly tools: readonly FunctionSpec[];
  /** The action under judgement: its text and its calls. */
  readonly text: string;
  readonly calls: readonly ToolCall[];
  /** What its tools gave, and what the client said next. Nothing of a sample, which is never run. */
  readonly after?: readonly Message[] | undefined;
  /** What users said of it, in words. Of a logged step alone, and never of gold, which may have come of just that. */
  readonly feedback?: string | undefined;
  /** Index of this step in its trajectory, from 0. */
  readonly index: number;
  readonly reference?: Reference | undefined;
  /** How an answer is compared with the reference, where its task says so. */
  readonly metric?: AnswerMetric | undefined;
}

/** A judge's answer. `absent` means that it cannot tell: an answer of its own, which never becomes a number. */
export type Judgement = (
  | {
      readonly kind: 'verdict';
      readonly score: number;
      readonly good: boolean;
      /** How sure it is, from 0 to 1, where it says. */
      readonly confidence?: number | undefined;
      readonly rationale: string;
    }
  | { readonly kind: 'absent'; readonly reason: string }
) & { readonly cost?: JudgeCost | undefined };

/** What a judgement took, apart from what the policy takes. */
export interface JudgeCost {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly ms: number;
  /** In whatever currency its price is told; absent where none is. */
  readonly money?: number | undefined;
}

/** Of several that were taken together. */
export function costOfAll(costs: readonly JudgeCost[]): JudgeCost {
  const sum = (of: (cost: JudgeCost) => number): number => costs.reduce((all, cost) => all + of(cost), 0);
  return {
    promptTokens: sum(({ promptTokens }) => promptTokens),
    completionTokens: sum(({ completionTokens }) => completionTokens),
    ms: sum(({ ms }) => ms),
    ...(costs.some(({ money }) => money !== undefined) ? { money: sum(({ money = 0 }) => money) } : {}),
  };
}

export const JUDGE_KINDS = [
  /** Deterministic code of this repository: `src/judge/rules/`. */
  'rule',
  /** A model asked for an opinion: `src/judge/model/`. */
  'model',
  /** The policy itself, as far as it comes to the right end: `src/learner/judges/rollout.ts`. */
  'rollout',
  /** An adapter that was trained here on labels: `src/judge/learned/`. */
  'learned',
  /** Several of them as one: `src/judge/panel/`. */
  'panel',
  /** People: who labels steps (`person`), and who rates answers (`feedback`). Nobody asks them; their words come. */
  'person',
] as const;
export type JudgeKind = (typeof JUDGE_KINDS)[number];

/** What is known of a judge's failure. */
export interface Failure {
  readonly reason: string;
  /** What was taken all the same. */
  readonly cost?: JudgeCost | undefined;
  /** It need not be asked again before. */
  readonly retryAfterMs?: number | undefined;
  /** It is of this subject alone: of others the judge may be able to tell. */
  readonly alone?: true | undefined;
}

/** Why a judge could not be asked of one subject of several: no judgement, and it is asked again. */
export interface NotJudged extends Failure {
  readonly kind: 'fault';
}

/** One judge. `version` changes whenever the same subject could get another answer. */
export interface Judge {
  readonly name: string;
  readonly version: string;
  readonly kind: JudgeKind;
  /** Milliseconds it may take over a group, where a minute is not enough. */
  readonly patienceMs?: number | undefined;
  /** Whether it looks at what came after an action: of one that is drawn anew nothing did. */
  readonly seesAfter?: boolean | undefined;
  /** Whether it puts what was drawn in one state in order, so that its word depends on what stands beside. */
  readonly ranks?: boolean | undefined;
  /** Milliseconds, in all so far, in which a limit of its own held it back: no time that it takes. */
  readonly heldMs?: (() => number) | undefined;
  /**
   * What it says of each of a group: of one step, or of all actions that were drawn in one state. In their order. What
   * is thrown is said of none of them.
   */
  judge(subjects: readonly Subject[], signal: AbortSignal): Promise<readonly (Judgement | NotJudged)[]>;
}

/** A judgement as a row. Immutable; unique per subject, judge and judge version. */
export interface Verdict {
  readonly id: string;
  readonly subjectKind: SubjectKind;
  readonly subjectId: string;
  readonly judge: string;
  readonly judgeVersion: string;
  /** Undefined when the judge was absent. */
  readonly score?: number | undefined;
  readonly good?: boolean | undefined;
  /** How sure the judge is, from 0 to 1, where it says. */
  readonly confidence?: number | undefined;
  readonly rationale: string;
  readonly createdAt: number;
  /** Written beside a new verdict, where it took anything; not read with it. */
  readonly cost?: JudgeCost | undefined;
}

/** The number training uses, and the kind of judge it comes from. */
export interface Reward {
  /** From 0 to 1. */
  readonly value: number;
  /** `judge` is a model, `feedback` people. */
  readonly source: 'rule' | 'judge' | 'feedback';
}

/** A judge, as far as its verdicts name it. */
export type JudgeRef = Pick<Judge, 'name' | 'version'>;

/** A judge that was asked of a subject and could not answer, which is no verdict: it will be asked again. */
export interface JudgeFault extends Failure {
  readonly subjectKind: SubjectKind;
  readonly subjectId: string;
  /** The step it is about, or was drawn at. */
  readonly stepId: string;
  readonly judge: string;
  readonly judgeVersion: string;
}

/** What was said of a few subjects. */
export interface Judged {
  readonly verdicts: readonly Verdict[];
  readonly faults: readonly JudgeFault[];
  /** Ids of those subjects about which a judge that knows right from wrong has what it takes to tell. */
  readonly gradable?: ReadonlySet<string> | undefined;
}

/** A step, or the response that it ends, and the judges that have to look at it. */
export interface Unjudged {
  readonly kind: 'step' | 'response';
  readonly id: string;
  readonly stepId: string;
  /** Names. */
  readonly judges: readonly string[];
}

/** The next few subjects, and what the store has to know again when they are judged. */
export interface UnjudgedSlice {
  readonly subjects: readonly Unjudged[];
  readonly turn: JudgingTurn;
}

/** How far judging will have come with a slice. */
export interface JudgingTurn {
  /** Where it goes on in the log: behind this number, which is this step's as long as it is the same, or none's. */
  readonly reached?:
    { readonly judges: readonly JudgeRef[]; readonly seq: number; readonly stepId: string | null } | undefined;
  /** Steps that are not to be judged yet. */
  readonly late: readonly { readonly stepId: string; readonly keyId: string; readonly dueAt: number | null }[];
  /** Steps that were late and are so no more. */
  readonly noLongerLate: readonly string[];
  /** Attempts that were due. */
  readonly retried: readonly Omit<JudgeFault, 'stepId' | keyof Failure>[];
}
