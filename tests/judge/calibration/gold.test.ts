/** Gold files: both forms of an item, and what is wrong with others. */
import { expect, test } from 'vitest';

import { parseGold } from '../../../src/judge/calibration/gold.js';

const line = (item: object): string => JSON.stringify(item);
const messages = [{ role: 'user', content: 'What is 2+2?' }];

test('an item has the action itself, or names the step that has it', () => {
  const [whole, ofStep] = parseGold(
    [
      line({
        messages,
        calls: [{ name: 'calculator', arguments: '{"expression":"2+2"}' }],
        good: true,
        cluster: 'sums',
      }),
      '',
      line({ step_id: 'step-1', good: false, by: 'gyre' }),
    ].join('\r\n'),
    'gold.jsonl',
  );
  expect(whole).toMatchObject({
    good: true,
    cluster: 'sums',
    subject: { kind: 'step', messages, text: '', calls: [{ name: 'calculator', arguments: '{"expression":"2+2"}' }] },
  });
  expect(ofStep).toEqual({ stepId: 'step-1', good: false, by: 'gyre' });
});

test('the same item has the same name at every reading, and another has another', () => {
  const id = (text: string): string | undefined => {
    const [item] = parseGold(line({ messages, text, good: true }), 'gold.jsonl');
    return item !== undefined && 'subject' in item ? item.subject.id : undefined;
  };
  expect(id('4')).toBe(id('4'));
  expect(id('4')).not.toBe(id('5'));
});

test.each([
  ['no JSON', '{"good"', 'line 1 is not JSON'],
  ['no verdict', line({ messages, text: '4' }), 'field "good"'],
  ['a verdict that is no yes or no', line({ messages, text: '4', good: 'yes' }), 'field "good" is "yes"'],
  ['no action', line({ messages, good: true }), 'neither "text" nor "calls"'],
  ['no messages', line({ messages: [], text: '4', good: true }), 'field "messages"'],
  [
    'an unknown role',
    line({ messages: [{ role: 'judge' }], text: '4', good: true }),
    'field "messages.0.role" is "judge"',
  ],
  ['a field that there is not', line({ messages, text: '4', good: true, god: 1 }), 'god'],
  ['nothing in it', '\n\n', 'no gold items'],
])('a file with %s is refused with the line and the field', (_, text, words) => {
  expect(() => parseGold(text, 'gold.jsonl')).toThrow(words);
});
