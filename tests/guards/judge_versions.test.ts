/**
 * A verdict names the version of its judge, and what a newer version says replaces what an older one said. Numbers that
 * are raised by hand stand here beside the code that they stand for, so that nobody changes what a judge says and
 * forgets.
 */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';

import { FILES, read } from './tree.js';

interface Numbered {
  /** Whose words. */
  readonly judge: string;
  /** The number, and what finds it in its file. */
  readonly raise: string;
  readonly of: RegExp;
  readonly file: string;
  /** What its words are made by: files, or `FILE#NAME`, one function or constant of a file; `FOLDER/` all in it. */
  readonly parts: readonly string[];
  readonly number: string;
  readonly hash: string;
}

const CODE = { raise: 'CODE', of: /^const CODE = (\d+);$/m } as const;
const VERSION = { raise: '"version"', of: /^ {2,4}version: '(\d+)',$/m } as const;
const RULES = 'src/judge/rules';
const [MODEL, LEARNED, PANEL] = ['src/judge/model', 'src/judge/learned', 'src/judge/panel'];

const NUMBERED: readonly Numbered[] = [
  {
    judge: 'reference',
    ...VERSION,
    file: `${RULES}/reference.ts`,
    parts: [`${RULES}/reference.ts`, `${RULES}/judgements.ts`, `${RULES}/answers/`],
    number: '8',
    hash: 'df98882adb0a5cd3',
  },
  {
    judge: 'follows_observation',
    ...VERSION,
    file: `${RULES}/follows_observation.ts`,
    parts: [
      `${RULES}/follows_observation.ts`,
      `${RULES}/judgements.ts`,
      `${RULES}/reference.ts#questionOf`,
      `${RULES}/answers/`,
    ],
    number: '2',
    hash: '4fe91560fe73376d',
  },
  {
    judge: 'well_formed',
    ...VERSION,
    file: `${RULES}/well_formed.ts`,
    parts: [`${RULES}/well_formed.ts`, `${RULES}/judgements.ts`],
    number: '1',
    hash: '95d0db118596bc3a',
  },
  {
    judge: 'signals',
    raise: 'SIGNALS_VERSION',
    of: /^export const SIGNALS_VERSION = '(\d+)';$/m,
    file: 'src/core/judging/signals.ts',
    parts: ['src/core/judging/signals.ts'],
    number: '1',
    hash: '61437ac3c3fa9f8f',
  },
  {
    judge: 'a model',
    ...CODE,
    file: `${MODEL}/judge.ts`,
    parts: [
      `${MODEL}/material.ts`,
      `${MODEL}/prompt.ts#filled`,
      `${MODEL}/ranking.ts`,
      `${MODEL}/word.ts`,
      `${MODEL}/judge.ts#together`,
      `${MODEL}/judge.ts#shuffledPlaces`,
    ],
    number: '1',
    hash: 'b29b9ae477422f11',
  },
  {
    judge: 'a model that compares',
    ...CODE,
    file: `${MODEL}/compare.ts`,
    parts: [
      `${MODEL}/material.ts`,
      `${MODEL}/prompt.ts#filled`,
      `${MODEL}/compare.ts#LAST`,
      `${MODEL}/compare.ts#preferenceOf`,
    ],
    number: '1',
    hash: 'd2320d4fb6beedee',
  },
  {
    judge: 'one that is trained here',
    ...CODE,
    file: `${LEARNED}/judge.ts`,
    parts: [`${LEARNED}/judge.ts#learnedJudge`, `${LEARNED}/judge.ts#preferenceOf`],
    number: '1',
    hash: 'ac2985a33581aafe',
  },
  {
    judge: 'one that is trained here',
    raise: 'MATERIAL',
    of: /^export const MATERIAL = (\d+);$/m,
    file: `${LEARNED}/material.ts`,
    parts: [`${LEARNED}/material.ts`],
    number: '1',
    hash: '56de985ef3b26a58',
  },
  {
    judge: 'one that is trained here',
    raise: 'LIKENESS',
    of: /^export const LIKENESS = (\d+);$/m,
    file: `${LEARNED}/likeness.ts`,
    parts: [`${LEARNED}/likeness.ts`],
    number: '1',
    hash: '3092b2916f32fa0e',
  },
  {
    judge: 'rollout',
    ...CODE,
    file: 'src/learner/judges/rollout.ts',
    parts: ['src/learner/judges/rollout.ts#rolledOut', 'src/learner/judges/rollout.ts#taken'],
    number: '1',
    hash: '1fa3a41447cf54bb',
  },
  {
    judge: 'a panel',
    ...CODE,
    file: `${PANEL}/judge.ts`,
    parts: [
      `${PANEL}/word.ts`,
      `${PANEL}/judge.ts#panelJudge`,
      `${PANEL}/judge.ts#wordsOf`,
      `${PANEL}/judge.ts#voiceOf`,
      `${PANEL}/judge.ts#saidBy`,
    ],
    number: '1',
    hash: 'fbddd5fe6b0f73ff',
  },
];

/** Without what changes nothing: comments, and how it is laid out. Throws where there is no such part. */
function textOf(part: string): string {
  const [file = '', name] = part.split('#');
  if (file.endsWith('/')) {
    const all = FILES.filter((each) => each.startsWith(file));
    if (all.length === 0) throw new Error(`there is nothing in ${file}`);
    return all.map(textOf).join('\n');
  }
  const whole = read(file);
  const one = `^(?:export )?(?:(?:async )?function ${name ?? ''}\\b[\\s\\S]*?^}|const ${name ?? ''}\\b[\\s\\S]*?;)$`;
  const text = name === undefined ? whole : new RegExp(one, 'm').exec(whole)?.[0];
  if (text === undefined) throw new Error(`there is no ${part}: name here what a judge's words are made by now`);
  return text
    .replace(/^\s*\/\*\*[\s\S]*?\*\/$/gm, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/\s+/g, ' ');
}

it.each(NUMBERED)('what $judge says is of the number that its verdicts name: $raise', (numbered) => {
  const { judge, raise, of, file, parts, number, hash } = numbered;
  const now = of.exec(read(file))?.[1];
  const found = createHash('sha256').update(parts.map(textOf).join('\n')).digest('hex').slice(0, 16);
  if (now === number && found === hash) return;
  expect.unreachable(
    `What ${judge} says is made by other code than before. If the same subject could get another answer by it, raise ` +
      `${raise} in ${file}, which is ${now ?? 'not found'}. Then write in tests/guards/judge_versions.test.ts, ` +
      `for ${raise} of ${file}: number: '${now ?? ''}', hash: '${found}'`,
  );
});
