/**
 * Who decides about a subject: one fold over its verdicts, and the only one. What it gives is kept as a row
 * (`decided`) in the transaction that adds a verdict, so that no query decides anything. Pure.
 *
 * Each judge is heard with its newest word: what an earlier version of it said is withdrawn, also where it cannot tell
 * now. Judges are gone through in their order, and the first that could tell decides alone: verdicts are never
 * averaged. One that has to be heard and has not been ends the search: nobody after it decides in its place.
 */
import type { Judge, JudgeKind, Verdict } from './judging.js';

export type JudgeRole =
  /** Knows right from wrong: a reward comes of its word, and of no other's. */
  | 'decides'
  /** Knows something that a filter may go by, such as whether an answer says what its tool found. */
  | 'filters'
  /** Knows only what is no action at all. Bad is its last word, whatever the others think; good is a filter's. */
  | 'vetoes';

export interface DeclaredJudge extends Pick<Judge, 'name' | 'kind'> {
  readonly role: JudgeRole;
  /** Nobody after it decides while it has no word, because it was not asked, failed, or cannot tell. */
  readonly required?: boolean | undefined;
}

/** Whether a judge of this kind tells right from wrong by the reference of a task, and cannot without. */
export function needsReference({ kind }: Pick<Judge, 'kind'>): boolean {
  return kind === 'rule' || kind === 'rollout';
}

/** What one that needs a reference says where there is none. Rows of verdicts have it: it may not be worded anew. */
export const NO_REFERENCE = 'the task has no reference';

/** Kinds that go by a reference, or are people: what they say is right by what they are. */
const KNOWING: ReadonlySet<JudgeKind> = new Set<JudgeKind>(['rule', 'rollout', 'person']);

/** Whether a judge of this kind has an opinion, which has to be shown to be right before it rewards. */
export function needsCalibration({ kind }: Pick<Judge, 'kind'>): boolean {
  return !KNOWING.has(kind);
}

/** Whether somebody may reward who is asked and needs no reference: then it can be told of any action. */
export function anyOpinion(judges: readonly DeclaredJudge[]): boolean {
  return judges.some(({ kind, role }) => role === 'decides' && needsCalibration({ kind }));
}

/** Who may reward where nothing is configured, the one that decides before the other first. */
export const REWARDS = ['person', 'reference', 'feedback'] as const;
/** What knows nothing of right and wrong, or too little, and never rewards. */
export const NEVER_REWARD = ['follows_observation', 'signals', 'well_formed'] as const;
/**
 * Whose word is about what was done, and says nothing of what might be done in its place: it rewards recorded actions,
 * and opens no state to actions that are drawn anew.
 */
const PEOPLE: ReadonlySet<string> = new Set(['person', 'feedback']);

export interface Declaring {
  /** Names, the one that decides before all others first. */
  readonly rewards: readonly string[];
  /** Those that are configured, beside the rules, people and users that are always there. */
  readonly configured: readonly Pick<Judge, 'name' | 'kind'>[];
  /** Opinions that were shown to tell right from wrong; the others filter, whatever is configured. */
  readonly calibrated: ReadonlySet<string>;
}

/** Every judge there is, in the order in which they are gone through: a person first, unless it is said otherwise. */
export function declaredJudges({ rewards, configured, calibrated }: Declaring): readonly DeclaredJudge[] {
  const others = configured.map(({ name }) => name);
  const told = [...new Set([...(rewards.includes('person') ? [] : ['person']), ...rewards, ...others, 'feedback'])];
  const heard = told.map((name): DeclaredJudge => {
    const kind = PEOPLE.has(name) ? 'person' : (configured.find((each) => each.name === name)?.kind ?? 'rule');
    const mayReward = rewards.includes(name) && (!needsCalibration({ kind }) || calibrated.has(name));
    return { name, kind, role: mayReward ? 'decides' : 'filters' };
  });
  return [
    ...heard,
    { name: 'follows_observation', kind: 'rule', role: 'filters' },
    { name: 'signals', kind: 'rule', role: 'filters' },
    { name: 'well_formed', kind: 'rule', role: 'vetoes' },
  ];
}

/** Where nothing is configured. */
export const JUDGES: readonly DeclaredJudge[] = declaredJudges({
  rewards: REWARDS,
  configured: [],
  calibrated: new Set(),
});

/** What a verdict has that decides. */
type Word = Pick<Verdict, 'id' | 'judge' | 'score' | 'good' | 'rationale' | 'createdAt'>;

export interface Ruling<V extends Word = Verdict> {
  /** The verdict that decides; undefined where nobody could tell, or one that has to be heard was not. */
  readonly verdict: V | undefined;
  /** Its judge's place in the order, from 1; 0 for a veto. */
  readonly place: number | undefined;
  /** The word of the first that knows right from wrong, where it was that one's turn. No reward without. */
  readonly right: V | undefined;
  readonly rightKind: JudgeKind | undefined;
  /** Whether one that knows right from wrong was heard, though it could not tell, and none is waited for. */
  readonly heard: boolean;
  /** Whether it is no action at all. */
  readonly vetoed: boolean;
  /** Whether each judge that may veto calls it an action. */
  readonly wellFormed: boolean;
  /** Judges that said something and are not declared. They decide nothing, and whoever asks can say so. */
  readonly unknown: readonly string[];
}

/**
 * Whether somebody could tell right from wrong who could tell it of another action in the same place, too: not a
 * person, nor a user, who saw the one that was taken.
 */
export function couldTell(
  verdicts: readonly Word[],
  judges: readonly DeclaredJudge[] = JUDGES,
  failed: ReadonlySet<string> = new Set(),
): boolean {
  const others = judges.filter(({ kind }) => kind !== 'person');
  return deciding(verdicts, others, failed).right !== undefined;
}

/** `failed`: judges that were asked and could not answer; they will be asked again, and are waited for. */
export function deciding<V extends Word>(
  verdicts: readonly V[],
  judges: readonly DeclaredJudge[] = JUDGES,
  failed: ReadonlySet<string> = new Set(),
): Ruling<V> {
  const last = lastWords(verdicts);
  const said = (judge: DeclaredJudge): V | undefined => {
    const word = last.get(judge.name);
    return word?.good === undefined ? undefined : word;
  };
  const names = new Set(judges.map(({ name }) => name));
  const vetoes = judges.filter(({ role }) => role === 'vetoes');
  const veto = vetoes.map(said).find((word) => word?.good === false);
  const waits = (judge: DeclaredJudge): boolean => judge.required === true || failed.has(judge.name);
  const mayBeVetoed = veto === undefined && vetoes.some((judge) => waits(judge) && said(judge) === undefined);
  const first = mayBeVetoed ? undefined : firstTold(judges, said, waits);
  const deciders = judges.filter(({ role }) => role === 'decides');
  const right = mayBeVetoed ? undefined : firstTold(deciders, said, waits);
  return {
    verdict: veto ?? first?.word,
    place: veto !== undefined ? 0 : first === undefined ? undefined : judges.indexOf(first.judge) + 1,
    right: right?.word,
    rightKind: right?.judge.kind,
    heard:
      !mayBeVetoed &&
      deciders.some(({ name }) => last.has(name)) &&
      !deciders.some((judge) => waits(judge) && said(judge) === undefined),
    vetoed: veto !== undefined,
    wellFormed: vetoes.length > 0 && vetoes.every((judge) => said(judge)?.good === true),
    unknown: [...last.keys()].filter((name) => !names.has(name)),
  };
}

function firstTold<V>(
  judges: readonly DeclaredJudge[],
  said: (judge: DeclaredJudge) => V | undefined,
  waits: (judge: DeclaredJudge) => boolean,
): { readonly judge: DeclaredJudge; readonly word: V } | undefined {
  for (const judge of judges) {
    const word = said(judge);
    if (word !== undefined) return { judge, word };
    if (waits(judge)) return undefined;
  }
  return undefined;
}

/** The newest verdict of each judge. */
function lastWords<V extends Word>(verdicts: readonly V[]): ReadonlyMap<string, V> {
  const last = new Map<string, V>();
  for (const verdict of verdicts) {
    if (isFailure(verdict)) continue;
    const known = last.get(verdict.judge);
    if (known === undefined || isNewer(verdict, known)) last.set(verdict.judge, verdict);
  }
  return last;
}

function isNewer(a: Word, b: Word): boolean {
  return a.createdAt === b.createdAt ? a.id > b.id : a.createdAt > b.createdAt;
}

/** Earlier builds kept a judge's failure as a verdict without a word. It says nothing, and withdraws nothing. */
function isFailure({ good, rationale }: Word): boolean {
  return good === undefined && (rationale === 'cancelled' || rationale.startsWith('the judge failed:'));
}
