/** Everything a running gateway asks of rows. Each is one call into the store, made in a thread that has it open. */
import { dirname } from 'node:path';

import type { Config } from '../../core/config.js';
import type { LabelView, NewLabel, Withdrawal } from '../../core/judging/labels.js';
import { GYRE_POLICY } from '../../core/learning/policy_name.js';
import type { CopiedWeights } from '../../core/learning/version.js';
import type { AssistantMessage, Message } from '../../core/message.js';
import { normaliseMessages } from '../../core/text/spelling.js';
import { openingIn } from '../../store/log/opening.js';
import type { FeedbackInput, FeedbackView, JsonBytes, Query, Removal, Scope } from '../../core/reading.js';
import { pageOf } from '../../core/paging.js';
import { type Given, LIST_PARAMETERS, type Shown, type TrajectoryFilter } from '../../core/reading/filters.js';
import { writeJson } from '../../core/text/json.js';
import type { Redactor } from '../../core/text/redact.js';
import { followed, learningNews } from '../../store/clock/followed.js';
import { labelQueue } from '../../store/clock/label_queue.js';
import { cycleList, cycleShown, evaluationList, versionList } from '../../store/clock/lists.js';
import { ruleIn } from '../../learner/states.js';
import { type LearningPart, learningStatus, statusQuery } from '../../learner/status.js';
import { overviewOf } from '../../learner/judges/overview.js';
import { eraseSetAside } from '../../store/beside/erase.js';
import { statusFacts } from '../../store/clock/status_facts.js';
import type { Db } from '../../store/file/db.js';
import { wasDeleted } from '../../store/file/deletions.js';
import { driftsOf } from '../../store/judges/drifts.js';
import { judgeFacts } from '../../store/judges/facts.js';
import { countUse, keyList } from '../../store/keys/keys.js';
import { tokensUsed } from '../../store/keys/usage.js';
import { addLabels, listLabels } from '../../store/labels/labels.js';
import { headVersion } from '../../store/learning/decisions.js';
import { type LeaseName, releaseLease, takeLease } from '../../store/learning/leases.js';
import { copiedWeights, promotion, wayBack, waysOn } from '../../store/learning/steering.js';
import { saveRemovedWeights } from '../../store/learning/weights.js';
import { answerOf, conversationOf, responseOf } from '../../store/read/conversation.js';
import { deletionOf, isWithdrawn } from '../../store/read/deletion.js';
import { addFeedback } from '../../store/read/feedback.js';
import { readStep } from '../../store/read/lineage.js';
import { removeTrajectory, withdrawResponse } from '../../store/read/remove.js';
import { loggedResponse } from '../../store/read/response.js';
import { listTrajectories } from '../../store/read/listing.js';
import { fold } from '../../store/states/fold.js';
import { showTrajectory } from '../../store/read/showing.js';
import { hasTrajectory } from '../../store/read/trajectories.js';
import { presentJudges, standingsIn } from '../judges/present.js';

/** What a thread has open. */
export interface Held {
  readonly db: Db;
  readonly config: Config;
  readonly redactor: Redactor | undefined;
}

/** What an answer waits for: short, and never behind one that is long. */
const ANSWERING = {
  keys: ({ db }: Held, seen: string | undefined) => keyList(db, seen),
  spent: ({ db }: Held, keyId: string, at: number) => tokensUsed(db, keyId, at),
  conversation: ({ db }: Held, keyId: string, id: string) => conversationOf(db, keyId, id),
  answers: ({ db }: Held, keyId: string, ids: readonly string[]) => answersOf(db, keyId, ids),
  opening: ({ db, redactor }: Held, messages: readonly Message[]) =>
    openingIn(db, redactor?.messages(normaliseMessages(messages)) ?? messages),
  withdrawn: ({ db }: Held, ids: readonly string[]) => ids.filter((id) => isWithdrawn(db, id)),
  followed: ({ db }: Held) => followed(db, GYRE_POLICY),
};

/** What only reads, and may take its time. */
const READING = {
  trajectories: ({ db }: Held, { keyId }: Scope, given: Given, filter: TrajectoryFilter, shown: Shown) =>
    bytesOf(
      listTrajectories(
        db,
        pageOf(given, (id) => hasTrajectory(db, id, keyId), LIST_PARAMETERS),
        { keyId, filter, shown },
      ),
    ),
  trajectory: ({ db }: Held, { keyId }: Scope, id: string, shown: Shown) =>
    bytesOf(showTrajectory(db, id, shown, keyId)),
  step: ({ db }: Held, { keyId }: Scope, id: string) => bytesOf(readStep(db, GYRE_POLICY, id, keyId)),
  deletion: ({ db }: Held, { keyId }: Scope, id: string) => bytesOf(deletionOf(db, GYRE_POLICY, id, keyId)),
  response: ({ db }: Held, keyId: string, id: string) => loggedResponse(db, keyId, id),
  status: ({ db, config }: Held, part: LearningPart, keyId: string | undefined) =>
    bytesOf(
      learningStatus(statusFacts(db, GYRE_POLICY, statusQuery(config, keyId)), config, {
        ...part,
        judges: presentJudges(config, db),
      }),
    ),
  judges: ({ db, config }: Held) =>
    bytesOf(
      overviewOf({
        config,
        standings: standingsIn(config, db),
        facts: judgeFacts(db),
        drifts: driftsOf(db, GYRE_POLICY),
      }),
    ),
  versions: ({ db }: Held, query: Query, keyId?: string) => bytesOf(versionList(db, GYRE_POLICY, query, keyId)),
  cycles: ({ db }: Held, query: Query, keyId?: string) => bytesOf(cycleList(db, GYRE_POLICY, query, keyId)),
  cycle: ({ db }: Held, id: string, keyId?: string) => bytesOf(cycleShown(db, GYRE_POLICY, id, keyId)),
  evaluations: ({ db }: Held, query: Query) => bytesOf(evaluationList(db, GYRE_POLICY, query)),
  news: ({ db }: Held) => learningNews(db, GYRE_POLICY),
  labels: ({ db }: Held, query: Query) => bytesOf(listLabels(db, query)),
  labelQueue: ({ db }: Held, count: number) => bytesOf({ data: labelQueue(db, count) }),
};

/** What is done a little at a time, and waits for the database's lock. */
const COUNTING = {
  /** Counts what is new in the log. Whether there is more. */
  count: ({ db, config }: Held) => fold(db, GYRE_POLICY, ruleIn(config, headVersion(db, GYRE_POLICY))),
};

/** What waits for the database's lock, where another program holds it. */
const WRITING = {
  feedback: (held: Held, scope: Scope, keyId: string, input: FeedbackInput) => rated(held, scope, keyId, input),
  label: (held: Held, list: readonly (NewLabel | Withdrawal)[], who: string) => labelled(held, list, who),
  erase: (held: Held, { keyId }: Scope, id: string) => erased(held, id, keyId),
  withdraw,
  countUse: ({ db }: Held, keyId: string, at: number, tokens: number) => countUse(db, keyId, at, tokens),
  promotion: ({ db }: Held, version: number) => promotion(db, GYRE_POLICY, version),
  wayBack: ({ db }: Held) => wayBack(db, GYRE_POLICY),
  weightsRemoved: ({ db }: Held, version: number, reason: string) =>
    saveRemovedWeights(db, GYRE_POLICY, { version, reason, createdAt: Date.now() }),
  waysOn: ({ db }: Held) => waysOn(db, GYRE_POLICY),
  copied: ({ db }: Held, copy: CopiedWeights, reason: string) => copiedWeights(db, GYRE_POLICY, copy, reason),
  takeLease: ({ db }: Held, name: LeaseName, what: string) => takeLease(db, GYRE_POLICY, name, what),
  releaseLease: ({ db }: Held, name: LeaseName, token: string) => releaseLease(db, GYRE_POLICY, name, token),
};

export type Lane = 'answering' | 'reading' | 'counting' | 'writing';

type Calls = typeof ANSWERING & typeof READING & typeof COUNTING & typeof WRITING;
export type CallName = keyof Calls;
type Arguments<N extends CallName> = Calls[N] extends (held: Held, ...args: infer A) => unknown ? A : never;
export type Result<N extends CallName> = ReturnType<Calls[N]>;

/** One call: its promise rejects with what it throws, and where `signal` fires before it was its turn. */
export type Ask = <N extends CallName>(name: N, args: Arguments<N>, signal?: AbortSignal) => Promise<Result<N>>;

const ALL = { ...ANSWERING, ...READING, ...COUNTING, ...WRITING } as Readonly<
  Record<CallName, (held: Held, ...args: readonly unknown[]) => unknown>
>;

export function called(held: Held, name: CallName, args: readonly unknown[]): unknown {
  return ALL[name](held, ...args);
}

export function laneOf(name: CallName): Lane {
  if (name in ANSWERING) return 'answering';
  if (name in READING) return 'reading';
  return name in COUNTING ? 'counting' : 'writing';
}

function bytesOf(value: object): JsonBytes;
function bytesOf(value: object | undefined): JsonBytes | undefined;
function bytesOf(value: object | undefined): JsonBytes | undefined {
  return value === undefined ? undefined : new TextEncoder().encode(writeJson(value));
}

/** Up to the first that is not there. */
function answersOf(db: Db, keyId: string, ids: readonly string[]): readonly (AssistantMessage | undefined)[] {
  const found: (AssistantMessage | undefined)[] = [];
  for (const id of ids) {
    const answer = answerOf(db, keyId, id);
    found.push(answer);
    if (answer === undefined) break;
  }
  return found;
}

function erased({ db }: Held, id: string, keyId: string | undefined): Removal | undefined {
  const removed = removeTrajectory(db, GYRE_POLICY, id, keyId);
  if (removed !== undefined) eraseSetAside(dirname(db.$client.name), id);
  return removed;
}

/** With the last response of a trajectory all of it is deleted, wherever it is. */
function withdraw({ db }: Held, keyId: string, id: string): boolean {
  const trajectoryId = responseOf(db, keyId, id)?.trajectoryId;
  const is = withdrawResponse(db, id, keyId);
  if (is && trajectoryId !== undefined && wasDeleted(db, trajectoryId))
    eraseSetAside(dirname(db.$client.name), trajectoryId);
  return is;
}

function rated({ db, redactor }: Held, scope: Scope, keyId: string, input: FeedbackInput): FeedbackView | undefined {
  const { response_id: responseId, value, step, comment, demonstration } = input;
  const logged = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : (redactor?.text(text) ?? text);
  return addFeedback(db, {
    responseId,
    keyId,
    within: scope.keyId,
    value: typeof value === 'boolean' ? (value ? 1 : -1) : value,
    step,
    comment: logged(comment),
    demonstration: logged(demonstration),
  });
}

/** What people write is logged as what clients write is. */
export function labelled(
  { db, redactor }: Pick<Held, 'db' | 'redactor'>,
  list: readonly (NewLabel | Withdrawal)[],
  who: string,
): readonly LabelView[] {
  return addLabels(
    db,
    redactor === undefined
      ? list
      : list.map((label) => ('withdraw' in label ? label : { ...label, ...redactedIn(label, redactor) })),
    who,
  );
}

function redactedIn({ comment, demonstration }: NewLabel, redactor: Redactor): Partial<NewLabel> {
  return {
    ...(comment === undefined ? {} : { comment: redactor.text(comment) }),
    ...(demonstration === undefined ? {} : { demonstration: redactor.value(demonstration) }),
  };
}
