/**
 * A judge that is a model: any OpenAI endpoint, asked with a versioned prompt. It sees everything before the step, the
 * step, and what came after it as far as that is known; never the reference. It explains, then says GOOD or BAD
 * (SWiRL, arXiv 2504.04736, section 3.2). What it says and cannot be understood is an abstention; what cannot be asked
 * is a fault, with what was taken until then.
 */
import { randomBytes } from 'node:crypto';

import type { Judge, Judgement, NotJudged, Subject } from '../../core/learning/judging.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';
import { notJudged, oneByOne } from '../one_by_one.js';
import { Asking, type AskingOptions, type Bill } from './asking.js';
import { materialOf, materialOfAll } from './material.js';
import { filled, readPrompt } from './prompt.js';
import { rankingOf } from './ranking.js';
import { type Word, wordOf } from './word.js';

/** Raised with every change of what it is shown, or of how its answer is read. */
const CODE = 1;
/** Actions that are put in order by one call. */
const MOST_RANKED = 16;
/** Tokens of an explanation and a word. */
export const MAX_TOKENS = 768;
/** Several opinions are drawn so; one is asked for greedily. */
const VARIED = 0.7;

export interface ModelJudgeOptions extends AskingOptions {
  /** `process`, `reward`, `outcome`, `ranking`, or the path of a file. */
  readonly prompt: string;
  /** Opinions, of which the majority counts. */
  readonly samples?: number | undefined;
  readonly temperature?: number | undefined;
  readonly maxTokens?: number | undefined;
}

type Opinion = { readonly word: Word } | { readonly unclear: string };

/** `asking`: what others ask as well, and share its limits with. */
export function modelJudge(options: ModelJudgeOptions, asking: Asking = new Asking(options)): Judge {
  const { name, model, samples = 1, maxTokens = MAX_TOKENS } = options;
  const prompt = readPrompt(options.prompt);
  const temperature = options.temperature ?? (samples > 1 ? VARIED : 0);
  const graded = /^\s*SCORE:/m.test(prompt.system);
  const ranks = /^\s*ORDER:/m.test(prompt.system);
  const sampling = { temperature, maxTokens };
  const secret = randomBytes(16).toString('hex');

  const opinion = async (subject: Subject, signal: AbortSignal, bill: Bill): Promise<Opinion> => {
    const answer = await asking.ask(filled(prompt, materialOf(subject, secret)), sampling, signal, bill);
    if (answer.cut) return { unclear: cutOff(maxTokens) };
    return wordOf(answer.text, graded, answer.tokens);
  };
  /** Of a group that is put in order. */
  const order = async (subjects: Group, turn: number, signal: AbortSignal, bill: Bill): Promise<readonly Opinion[]> => {
    const places = shuffledPlaces(subjects, turn);
    const shown = places.map((at) => subjects[at] as Subject) as unknown as Group;
    const answer = await asking.ask(filled(prompt, materialOfAll(shown, secret)), sampling, signal, bill);
    const read = answer.cut ? { unclear: cutOff(maxTokens) } : rankingOf(answer.text, subjects.length);
    if ('unclear' in read) return subjects.map(() => read);
    return subjects.map((_, at): Opinion => {
      const ranked = read.ranked[places.indexOf(at)] as (typeof read.ranked)[number];
      return { word: { ...ranked, rationale: read.rationale } };
    });
  };

  const judged = async (subject: Subject, signal: AbortSignal): Promise<Said> => {
    const bill = asking.bill();
    const asked = await allOf(Array.from({ length: samples }, () => opinion(subject, signal, bill)));
    return 'thrown' in asked ? notJudged(asked.thrown, bill.costOfNone) : { ...together(asked.all), cost: bill.cost };
  };
  const ranked = async (subjects: readonly Subject[], signal: AbortSignal): Promise<readonly Said[]> => {
    if (!isGroup(subjects)) return [];
    const bill = asking.bill();
    const asked = await allOf(Array.from({ length: samples }, (_, turn) => order(subjects, turn, signal, bill)));
    // What the group took is the first one's.
    if ('thrown' in asked)
      return subjects.map((_, at) => notJudged(asked.thrown, at === 0 ? bill.costOfNone : undefined));
    const { cost } = bill;
    return subjects.map((_, at) => ({
      ...together(asked.all.map((opinions) => opinions[at] as Opinion)),
      ...(at === 0 ? { cost } : {}),
    }));
  };

  return {
    name,
    version: sha256(canonicalJson({ CODE, prompt, model, samples, temperature, maxTokens, graded })).slice(3, 19),
    kind: 'model',
    seesAfter: `${prompt.system}${prompt.user}`.includes('{{after}}'),
    ranks,
    patienceMs: asking.patienceMs,
    heldMs: () => asking.heldMs(),
    judge: ranks ? inGroupsOf(MOST_RANKED, ranked) : oneByOne(judged),
  };
}

type Said = Judgement | NotJudged;
type Group = readonly [Subject, ...Subject[]];

function isGroup(subjects: readonly Subject[]): subjects is Group {
  return subjects.length > 0;
}

function cutOff(maxTokens: number): string {
  return `its answer was cut off after ${maxTokens} tokens`;
}

/** More than one call can put in order is asked in several; a place then tells of those beside it only. */
function inGroupsOf(
  most: number,
  judge: (subjects: readonly Subject[], signal: AbortSignal) => Promise<readonly Said[]>,
): Judge['judge'] {
  return async (subjects, signal) => {
    const groups = Array.from({ length: Math.ceil(subjects.length / most) }, (_, at) =>
      subjects.slice(at * most, (at + 1) * most),
    );
    return (await Promise.all(groups.map((group) => judge(group, signal)))).flat();
  };
}

/** Places of a group as they are shown in a turn: neither their order nor two turns' is the same. */
function shuffledPlaces(subjects: Group, turn: number): readonly number[] {
  const keys = subjects.map(({ id }) => sha256(`${turn} ${id}`));
  return subjects.map((_, at) => at).sort((a, b) => ((keys[a] ?? '') < (keys[b] ?? '') ? -1 : 1));
}

/** When all have come to an end: what the others took is known then, too. */
async function allOf<T>(
  asked: readonly Promise<T>[],
): Promise<{ readonly all: readonly T[] } | { readonly thrown: unknown }> {
  const ends = await Promise.allSettled(asked);
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) return { thrown: failed.reason };
  return { all: ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : [])) };
}

/** What most of them say; where they are split, or most cannot be understood, it cannot tell. */
function together(opinions: readonly Opinion[]): Judgement {
  const words = opinions.flatMap((each) => ('word' in each ? [each.word] : []));
  const goods = words.filter(({ good }) => good);
  const bads = words.filter(({ good }) => !good);
  const most = goods.length >= bads.length ? goods : bads;
  const unclear = opinions.flatMap((each) => ('unclear' in each ? [each.unclear] : []));
  const [first] = most;
  if (first === undefined || 2 * words.length <= opinions.length)
    return { kind: 'absent', reason: unclear[0] ?? 'it said nothing' };
  if (goods.length === bads.length)
    return { kind: 'absent', reason: `${goods.length} of its opinions are good, and as many are bad` };
  const score = words.reduce((sum, word) => sum + word.score, 0) / words.length;
  return {
    kind: 'verdict',
    good: first.good,
    score,
    confidence: opinions.length > 1 ? most.length / words.length : first.confidence,
    rationale: first.rationale,
  };
}
