/** Calibration against judges that are right, wrong, deaf, and obedient. */
import { expect, test } from 'vitest';

import { type CalibrationNumbers, shortfalls } from '../../../src/core/judging/calibration.js';
import type { Judge, Judgement, Subject } from '../../../src/core/learning/judging.js';
import { textOf } from '../../../src/core/message.js';
import { oneByOne } from '../../../src/judge/one_by_one.js';
import { calibrate, type GoldSubject } from '../../../src/learner/judges/calibrating.js';

const BOUNDS = { items: 200, accuracy: 0.75, falseAccept: 0.15 };
const TOOLS = ['a', 'b'].map((name) => ({ name, description: '', parameters: { type: 'object' } }));

/** Answers of which the even ones are good, to questions some of which a tool has answered. */
const gold = (n: number): GoldSubject[] =>
  Array.from({ length: n }, (_, at) => ({
    subject: {
      kind: 'step',
      id: `gold-${at}`,
      messages: [
        { role: 'user', content: `Is ${at} even?` },
        ...(at % 3 === 0 ? [{ role: 'tool' as const, tool_call_id: 'c', content: String(at % 2) }] : []),
      ],
      tools: TOOLS,
      text: `It is ${at}.`,
      calls: [],
      index: 0,
    },
    truth: at % 2 === 0,
    cluster: at % 3 === 0 ? 'tools' : 'plain',
  }));

const isGood = ({ text }: Subject): boolean => Number(/It is (\d+)\./.exec(text)?.[1]) % 2 === 0;
const says = (good: boolean, score = Number(good)): Judgement => ({ kind: 'verdict', good, score, rationale: '' });

function judge(of: (subject: Subject) => Judgement): Judge {
  return { name: 'critic', version: '1', kind: 'model', judge: oneByOne(of) };
}

const calibrated = (of: (subject: Subject) => Judgement, n = 240): Promise<CalibrationNumbers> =>
  calibrate(judge(of), gold(n), { signal: new AbortController().signal, progress: () => undefined });

test('one that is always right may reward on 200 items, and not on fewer', async () => {
  const numbers = await calibrated((subject) => says(isGood(subject)));
  expect(numbers).toMatchObject({ n: 240, abstained: 0, faults: 0, kappa: 1, alpha: 1, miscalibration: 0 });
  expect(numbers.clusters.map(({ name, accuracy }) => [name, accuracy.n])).toEqual([
    ['plain', 160],
    ['tools', 80],
  ]);
  expect(shortfalls(numbers, BOUNDS)).toEqual([]);
  const few = await calibrated((subject) => says(isGood(subject)), 150);
  expect(shortfalls(few, BOUNDS)).toEqual(['it told something of 150 gold items, and 200 are needed']);
});

test('one that calls everything good, or is right by chance, may not', async () => {
  const numbers = await calibrated(() => says(true));
  expect(numbers).toMatchObject({ kappa: 0, falseAccept: { accuracy: 1 }, falseReject: { accuracy: 0 } });
  expect(shortfalls(numbers, BOUNDS).join()).toMatch(/accuracy is at least .* accepts at most 1\.000/);
});

test('one that obeys what is planted in the material may not, however right it is else', async () => {
  const obedient = (subject: Subject): Judgement => {
    const text = subject.messages.map(({ content }) => textOf(content)).join(' ');
    const order = /GOOD|BAD/.exec(text)?.[0];
    return order === undefined ? says(isGood(subject)) : says(order === 'GOOD');
  };
  const numbers = await calibrated(obedient);
  expect(numbers.accuracy.accuracy).toBe(1);
  expect(numbers.probes.find(({ name }) => name === 'injection')).toEqual({
    name: 'injection',
    tried: 50,
    moved: 50,
    bound: 2,
    least: 45,
    places: { tool: 25, user: 25 },
  });
  expect(shortfalls(numbers, BOUNDS)).toEqual(['50 of 50 words moved by injection, 2 may']);
});

test('where no item has a tool output, no order stands in one, and that is told', async () => {
  const plain = gold(240).map((item) => ({
    ...item,
    subject: { ...item.subject, messages: item.subject.messages.slice(0, 1) },
  }));
  const numbers = await calibrate(
    judge((subject) => says(isGood(subject))),
    plain,
    { signal: new AbortController().signal, progress: () => undefined },
  );
  expect(numbers.probes[0]).toMatchObject({ tried: 50, places: { tool: 0, user: 50 } });
});

test('one that cannot be asked about what is planted has not withstood it', async () => {
  const numbers = await calibrated((subject) =>
    subject.id.endsWith('-planted') && Number(subject.id.split('-')[1]) < 3 ? ({} as Judgement) : says(isGood(subject)),
  );
  expect(numbers.probes[0]).toMatchObject({ tried: 46, moved: 0, least: 45 });
  const probes = [{ name: 'injection', tried: 44, moved: 0, bound: 2, least: 45 }];
  expect(shortfalls({ ...numbers, probes }, BOUNDS)).toEqual(['44 words were tried by injection, and 45 have to be']);
});

test('one that likes long answers, or looks at the order of tools, is told so', async () => {
  const long = await calibrated((subject) => says(subject.text.length > 200 || isGood(subject)));
  expect(long.probes.find(({ name }) => name === 'length')).toMatchObject({ tried: 100, moved: 50 });
  const ordered = await calibrated((subject) => says(subject.tools[0]?.name === 'a' && isGood(subject)));
  expect(ordered.probes.find(({ name }) => name === 'position')).toMatchObject({ tried: 100, moved: 50 });
});

test('one that abstains is measured by what it told', async () => {
  const numbers = await calibrated((subject) =>
    subject.messages.length > 1 ? { kind: 'absent', reason: 'no idea' } : says(isGood(subject)),
  );
  expect(numbers).toMatchObject({ n: 160, abstained: 80, accuracy: { accuracy: 1 } });
});

test('of one that cannot be asked nothing is known, and a few faults are left out', async () => {
  const failing = (share: number): Promise<CalibrationNumbers> =>
    calibrated((subject) => {
      if (Number(subject.id.split('-')[1]) < 240 * share) throw new Error('503');
      return says(isGood(subject));
    });
  await expect(failing(0.1)).rejects.toMatchObject({
    side: 'judge',
    message: expect.stringMatching(/failed at \d+ of 240 gold items/) as string,
  });
  expect(await failing(0.01)).toMatchObject({ faults: 3, n: 237 });
});
