import { expect, test } from 'vitest';

import { badRequest, internal } from '../../../src/core/errors.js';
import type { Judgement, Subject } from '../../../src/core/learning/judging.js';
import type { Tool, Toolbox } from '../../../src/core/tool.js';
import { judgementOf } from '../../../src/judge/one_by_one.js';
import { states } from '../../../src/judge/rules/answers/states.js';
import { followsObservationJudge } from '../../../src/judge/rules/follows_observation.js';
import { referenceJudge } from '../../../src/judge/rules/reference.js';
import { wellFormedJudge } from '../../../src/judge/rules/well_formed.js';

const spec = {
  name: 'calculator',
  parameters: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
};
/** A pure tool that knows three sums. */
const calculator: Tool = {
  spec,
  pure: true,
  run: (args) => {
    const known: Record<string, string> = { '2*3': '6', '2+3': '5', hello: 'hello world' };
    const value = known[(args as { expression: string }).expression];
    return value === undefined ? Promise.reject(badRequest('cannot parse')) : Promise.resolve(value);
  },
};
const effects: Tool = {
  spec: { name: 'mail' },
  pure: false,
  run: () => Promise.reject(new Error('a judge must never run this')),
};
const toolbox = new Map([
  ['calculator', calculator],
  ['mail', effects],
]);
const signal = new AbortController().signal;

const subject = (fields: Partial<Subject>): Subject => ({
  kind: 'sample',
  id: 's',
  messages: [{ role: 'user', content: 'q' }],
  tools: [spec],
  text: '',
  calls: [],
  index: 0,
  ...fields,
});
const call = (expression: string, name = 'calculator'): Subject['calls'] => [
  { id: 'c', name, arguments: JSON.stringify({ expression }) },
];
const said = (judgement: Judgement): boolean | 'absent' => (judgement.kind === 'absent' ? 'absent' : judgement.good);
const reference = async (fields: Partial<Subject>): Promise<boolean | 'absent'> =>
  said(await judgementOf(referenceJudge(toolbox), subject(fields), signal));

test.each([
  ['The answer is 1,234.', '1234', true],
  ['12 * 7 = 84', '84', true],
  ['It is 84 or 85', '84', false],
  ['about 84.00', '84', true],
  ['none', '84', false],
  ['-5 degrees', '-5', true],
  ['She lives in New York.', 'new york', true],
  ['She lives in New Yorkshire.', 'new york', false],
])('"%s" states %s: %s', (text, wanted, expected) => {
  expect(states(text, [wanted])).toBe(expected);
});

test.each([
  ['exact_match', 'the Rome.', 1, true],
  ['exact_match', 'The answer is Rome.', 0, false],
  ['f1', 'Rome', 1, true],
  ['f1', 'Ancient Rome', 2 / 3, true],
  // As many words that are wrong as are right.
  ['f1', 'city of Rome', 0.5, false],
  ['f1', 'Paris', 0, false],
  [undefined, 'The answer is Rome.', 1, true],
] as const)('by the metric %s the answer "%s" scores %d', async (metric, text, score, isGood) => {
  const judged = await judgementOf(
    referenceJudge(toolbox),
    subject({ text, metric, reference: ['Roma', 'Rome'] }),
    signal,
  );
  expect(judged).toMatchObject({ kind: 'verdict', score, good: isGood });
  expect(JSON.stringify(judged)).not.toMatch(/Roma/);
});

test('a metric says nothing of calls, and an empty answer is bad by any', async () => {
  expect(await reference({ calls: call('2*3'), reference: '6', metric: 'f1' })).toBe(true);
  expect(await reference({ text: ' ', reference: '6', metric: 'exact_match' })).toBe(false);
});

test('a call to an offered tool that is run elsewhere is not judged; one to a tool nobody offered is bad', async () => {
  const offered = { tools: [spec, { name: 'files__read' }], reference: '6' };
  expect(await reference({ ...offered, calls: call('x', 'files__read') })).toBe('absent');
  expect(await reference({ ...offered, calls: call('x', 'files__write') })).toBe(false);
});

test('a call that gives the reference is good, and one that gives something else may be the first of two', async () => {
  expect(await reference({ calls: call('2*3'), reference: '6' })).toBe(true);
  expect(await reference({ calls: call('2+3'), reference: '6' })).toBe('absent');
});

test('a call that certainly gives nothing is bad', async () => {
  expect(await reference({ calls: call('2 of 3'), reference: '6' })).toBe(false);
  expect(await reference({ calls: [{ id: 'c', name: 'calculator', arguments: '{oops' }], reference: '6' })).toBe(false);
  expect(await reference({ calls: [...call('2*3'), ...call('x', 'nope')], reference: '6' })).toBe(false);
});

test('several calls at once are not one good call, and no bad one', async () => {
  expect(await reference({ calls: [...call('2*3'), ...call('2+3')], reference: '6' })).toBe('absent');
});

test("a tool that is down is the judge's fault, and one that was not finished says nothing", async () => {
  const failing = (fault: Error): Toolbox =>
    new Map([['calculator', { spec, pure: true, run: () => Promise.reject(fault) }]]);
  const judged = (fault: Error): Promise<Judgement> =>
    judgementOf(referenceJudge(failing(fault)), subject({ calls: call('2*3'), reference: '6' }), signal);
  await expect(judged(new Error('the disk is gone'))).rejects.toThrow('the disk is gone');
  await expect(judged(internal('the calculator process did not start'))).rejects.toThrow('did not start');
  expect(said(await judged(badRequest('it takes longer than 2 s', 'expression', 'unfinished')))).toBe('absent');
});

test.each([
  ['no', 'There is no such city.', 'absent'],
  ['B', 'Vitamin B is good.', 'absent'],
  ['7', 'On 7 May 1990 he left.', 'absent'],
  ['1990', 'On 7 May 1990 he left.', true],
  ['9984', 'It has 9,984 inhabitants.', true],
  ['Rome', 'The city of Rome.', true],
  ['Rome', 'The city of Romeo.', 'absent'],
  [String.raw`\sqrt{2}`, '1.4142135623730951', true],
  ['1/4', '0.25', true],
])('the reference %s in the result %s: %s', async (wanted, result, expected) => {
  const tools = new Map<string, Tool>([['calculator', { spec, pure: true, run: () => Promise.resolve(result) }]]);
  const judged = judgementOf(referenceJudge(tools), subject({ calls: call('x'), reference: wanted }), signal);
  expect(said(await judged)).toBe(expected);
});

test('a tool with effects is never run by a judge', async () => {
  expect(await reference({ calls: call('x', 'mail'), reference: '6' })).toBe('absent');
});

test('a text result that lacks the reference may be a first hop, so the rule is absent', async () => {
  expect(await reference({ calls: call('hello'), reference: 'rome' })).toBe('absent');
  expect(await reference({ calls: call('hello'), reference: 'world' })).toBe(true);
});

test('any of several references is right', async () => {
  const either = ['391', 'three hundred'];
  expect(await reference({ text: 'It is 391.', reference: either })).toBe(true);
  expect(await reference({ text: 'Three hundred, about.', reference: either })).toBe(true);
  expect(await reference({ text: 'It is 392.', reference: either })).toBe(false);
  expect(await reference({ calls: call('2*3'), reference: ['5', '6'] })).toBe(true);
  expect(await reference({ calls: call('2*3'), reference: ['5', 'seven'] })).toBe('absent');
  expect(await reference({ calls: call('hello'), reference: ['rome', 'world'] })).toBe(true);
  expect(await reference({ calls: call('hello'), reference: ['rome', 'oslo'] })).toBe('absent');
});

test('without a reference the judge is absent, not zero', async () => {
  expect(await reference({ text: 'anything' })).toBe('absent');
});

test.each([
  ['an unknown tool', { calls: call('1', 'nope') }, false],
  ['arguments that are not JSON', { calls: [{ id: 'c', name: 'calculator', arguments: '{oops' }] }, false],
  ['a missing argument', { calls: [{ id: 'c', name: 'calculator', arguments: '{}' }] }, false],
  ['an invented argument', { calls: [{ id: 'c', name: 'calculator', arguments: '{"expression":"1","x":2}' }] }, false],
  ['a number where text is due', { calls: [{ id: 'c', name: 'calculator', arguments: '{"expression":5}' }] }, false],
  ['call markup in the text', { text: '<tool_call>{"name"' }, false],
  ['nothing at all', {}, false],
  ['plain text', { text: 'hello' }, true],
  ['a call that fits', { calls: call('1') }, true],
])('well formed: %s', async (_, fields, expected) => {
  expect(said(await judgementOf(wellFormedJudge, subject(fields), signal))).toBe(expected);
});

test('an answer follows the observation by value; where no tool spoke, or one failed, it is not judged', async () => {
  const after = (content: string, text: string): Promise<Judgement> =>
    judgementOf(
      followsObservationJudge,
      subject({
        messages: [
          { role: 'user', content: 'q' },
          { role: 'tool', tool_call_id: 'c', content },
        ],
        text,
      }),
      signal,
    );
  expect(said(await after('42', 'It is 42.'))).toBe(true);
  expect(said(await after('42', 'It is 43.'))).toBe(false);
  expect(said(await after('Error: cannot parse', 'It is 43.'))).toBe('absent');
  expect(said(await judgementOf(followsObservationJudge, subject({ text: 'hi' }), signal))).toBe('absent');
});

/** A conversation in which `2*3` was called and gave 6. */
const observed = (result = '6'): Subject['messages'] => [
  { role: 'user', content: 'q' },
  {
    role: 'assistant',
    content: null,
    tool_calls: [
      { id: 'c0', type: 'function', function: { name: 'calculator', arguments: '{ "expression": "2*3" }' } },
    ],
  },
  { role: 'tool', tool_call_id: 'c0', content: result },
];

test('a call that was made before, in whatever spelling, is bad, and one for what was found is not good', async () => {
  expect(await reference({ reference: '6', messages: observed(), calls: call('2*3') })).toBe(false);
  expect(await reference({ reference: '5', messages: observed(), calls: call('2*3') })).toBe(false);
  expect(await reference({ reference: '6', messages: observed(), calls: call('2+3') })).toBe('absent');
  expect(await reference({ reference: '5', messages: observed(), calls: call('2+3') })).toBe(true);
});

test('what failed may be called again, and so may what was called for another question', async () => {
  expect(
    await reference({ reference: '6', messages: observed('Error: no result within 1 s.'), calls: call('2*3') }),
  ).toBe(true);
  const again: Subject['messages'] = [...observed(), { role: 'user', content: 'and what is 2*3 then?' }];
  expect(await reference({ reference: '6', messages: again, calls: call('2*3') })).toBe(true);
});

test('a call that names the reference finds nothing new, unless that was said before', async () => {
  expect(await reference({ reference: '6', calls: call('2*3') })).toBe(true);
  expect(await reference({ reference: '5', calls: call('2+3') })).toBe(true);
  expect(await reference({ reference: 'hello', calls: call('hello') })).toBe('absent');
  const messages: Subject['messages'] = [{ role: 'user', content: 'Where does hello come from?' }];
  expect(await reference({ reference: 'hello', messages, calls: call('hello') })).toBe(true);
});
