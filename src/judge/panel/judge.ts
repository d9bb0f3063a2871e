/**
 * Several judges as one: `panel`. What a member has said already is read from its rows, and what it is being asked at
 * the same time is waited for, so that nobody is asked twice.
 */
import type { Judge, Judgement, NotJudged, Subject, Verdict } from '../../core/learning/judging.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';
import { looksAt } from '../ask.js';
import { type PanelRule, together, type Voice } from './word.js';

/** Raised with every change of how their words become one. */
const CODE = 1;

export interface PanelOptions {
  readonly name: string;
  readonly members: readonly Judge[];
  readonly rule: PanelRule;
  /** What was said of subjects, by the rows. */
  readonly said: (kind: Subject['kind'], ids: readonly string[]) => Promise<ReadonlyMap<string, readonly Verdict[]>>;
  /** How often each member is right, by its calibration, where it has one. */
  readonly accuracies?: (() => ReadonlyMap<string, number>) | undefined;
}

/** Fails where a member fails: its word may change what comes of it. */
export function panelJudge({ name, members, rule, said, accuracies = () => new Map() }: PanelOptions): Judge {
  const weights = (): readonly (readonly [string, number])[] =>
    rule === 'weighted' ? [...accuracies()].filter(([of]) => members.some((member) => member.name === of)).sort() : [];
  return {
    name,
    kind: 'panel',
    seesAfter: members.some(({ seesAfter }) => seesAfter === true),
    ranks: members.some(({ ranks }) => ranks === true),
    get version() {
      const of = members.map((member) => [member.name, member.version]);
      return sha256(canonicalJson({ CODE, rule, of, weights: weights() })).slice(3, 19);
    },
    patienceMs: Math.max(...members.map(({ patienceMs = 0 }) => patienceMs)) || undefined,
    heldMs: () => members.reduce((sum, { heldMs = () => 0 }) => sum + heldMs(), 0),
    async judge(subjects, signal) {
      const known = new Map(weights());
      const rows = await said(
        subjects[0]?.kind ?? 'sample',
        subjects.map(({ id }) => id),
      );
      const words = await Promise.all(
        members.map((member) => wordsOf(member, subjects, (id) => rowOf(rows.get(id) ?? [], member), signal)),
      );
      return subjects.map((subject, at) => {
        const asked = members.flatMap((member, place) =>
          looksAt(member, subject) ? [{ member, word: words[place]?.[at] }] : [],
        );
        const failed = asked.find(({ word }) => word?.kind === 'fault');
        if (failed?.word?.kind === 'fault') {
          // What it took is on the member's own bill.
          const { cost: _, ...failure } = failed.word;
          return { ...failure, reason: `its member "${failed.member.name}" failed: ${failure.reason}` };
        }
        return together(
          asked.map(({ member, word }) => voiceOf(member.name, word, known.get(member.name))),
          rule,
        );
      });
    },
  };
}

type Said = Judgement | NotJudged;

/** What a member says of each subject: by its rows, else asked. */
async function wordsOf(
  member: Judge,
  subjects: readonly Subject[],
  rowOf: (id: string) => Verdict | undefined,
  signal: AbortSignal,
): Promise<readonly (Said | undefined)[]> {
  const words = subjects.map((subject) => saidBy(rowOf(subject.id)));
  const open = subjects.flatMap((subject, at) => (words[at] === undefined && looksAt(member, subject) ? [at] : []));
  if (open.length === 0) return words;
  const asked = await member.judge(
    open.map((at) => subjects[at] as Subject),
    signal,
  );
  for (const [place, at] of open.entries()) words[at] = asked[place];
  return words;
}

function saidBy(row: Verdict | undefined): Said | undefined {
  if (row === undefined) return undefined;
  const { good, score, rationale } = row;
  return good === undefined || score === undefined
    ? { kind: 'absent', reason: rationale }
    : { kind: 'verdict', good, score, rationale };
}

function voiceOf(judge: string, word: Said | undefined, accuracy: number | undefined): Voice {
  return word?.kind === 'verdict' ? { judge, good: word.good, score: word.score, accuracy } : { judge };
}

function rowOf(rows: readonly Verdict[], { name, version }: Judge): Verdict | undefined {
  return rows.find((row) => row.judge === name && row.judgeVersion === version);
}

/** The same judge, which is asked once of a subject by all that ask it. */
export function askedOnce(judge: Judge): Judge {
  const asked = new WeakMap<Subject, Promise<Said>>();
  return {
    name: judge.name,
    kind: judge.kind,
    get version() {
      return judge.version;
    },
    patienceMs: judge.patienceMs,
    seesAfter: judge.seesAfter,
    ranks: judge.ranks,
    heldMs: judge.heldMs,
    judge(subjects, signal) {
      const fresh = subjects.filter((subject) => !asked.has(subject));
      if (fresh.length > 0) {
        const words = judge.judge(fresh, signal);
        for (const [at, subject] of fresh.entries()) {
          const word = words.then((all) => all[at] ?? { kind: 'fault' as const, reason: 'it has not answered' });
          asked.set(subject, word);
          // What failed is asked again.
          const forget = (): boolean => asked.delete(subject);
          word.then(({ kind }) => kind === 'fault' && forget(), forget);
        }
      }
      return Promise.all(subjects.map((subject) => asked.get(subject) as Promise<Said>));
    },
  };
}
