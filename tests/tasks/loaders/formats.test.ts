import { expect, test } from 'vitest';

import { formatOf, load } from '../../../src/tasks/loaders/formats.js';

const first = (format: string, value: unknown): unknown =>
  load(formatOf(format), JSON.stringify(Array.isArray(value) ? value : [value]), 'f').rows[0];

test('GSM8K: the value behind the mark, without commas between thousands', () => {
  const rows = [
    { question: 'How much?', answer: 'He has <<2*600=1200>>1,200.\n#### 1,200' },
    { question: 'How cold?', answer: '#### -5' },
  ];
  const { rows: read } = load(formatOf('gsm8k'), rows.map((row) => JSON.stringify(row)).join('\n'), 'test.jsonl');
  expect(read.map(({ references }) => references)).toEqual([['1200'], ['-5']]);
  expect(() => first('gsm8k', { question: 'q', answer: '12' })).toThrow(/f entry 1, field "answer": .*"####"/);
});

test('HotPotQA: as the paper publishes it, and as it is redistributed', () => {
  const row = {
    _id: '5a7a',
    question: 'Who?',
    answer: 'Rome',
    type: 'bridge',
    level: 'hard',
    supporting_facts: [['A', 0]],
  };
  const wanted = {
    id: '5a7a',
    references: ['Rome'],
    passages: [{ title: 'A', text: 'One. Two.' }],
    metadata: { type: 'bridge', level: 'hard' },
  };
  expect(first('hotpotqa', { ...row, context: [['A', ['One.', ' Two.']]] })).toMatchObject(wanted);
  expect(first('hotpotqa', { ...row, context: { title: ['A'], sentences: [['One.', ' Two.']] } })).toMatchObject(
    wanted,
  );
  expect(first('hotpotqa', row)).toMatchObject({ passages: [] });
});

test('MuSiQue: aliases are accepted, and what cannot be answered is left out', () => {
  const row = {
    id: '2hop__1_2',
    question: 'When?',
    answer: '1894',
    answer_aliases: ['in 1894', '1894'],
    answerable: true,
    paragraphs: [{ idx: 0, title: 'Q', paragraph_text: 'In 1894.', is_supporting: true }],
  };
  const { rows, leftOut } = load(
    formatOf('musique'),
    [row, { ...row, answerable: false }].map((each) => JSON.stringify(each)).join('\n'),
    'f',
  );
  expect(leftOut).toBe(1);
  expect(rows).toEqual([
    {
      id: '2hop__1_2',
      question: 'When?',
      references: ['1894', 'in 1894'],
      passages: [{ title: 'Q', text: 'In 1894.' }],
      metadata: { hops: 2 },
    },
  ]);
});

test('BeerQA: a list in "data", with several answers', () => {
  const file = { version: '1', data: [{ id: 'b1', src: 'squad', question: 'Who?', answers: ['Rome', 'Roma'] }] };
  expect(load(formatOf('beerqa'), JSON.stringify(file), 'f').rows[0]).toMatchObject({
    id: 'b1',
    references: ['Rome', 'Roma'],
    metadata: { src: 'squad' },
  });
});

test('CofCA: a question with the passage that answers it, in a form that is guessed from the paper', () => {
  expect(first('cofca', { id: 3, question: 'Who?', answer: 'Rome', context: 'A text.' })).toMatchObject({
    id: '3',
    references: ['Rome'],
    passages: [{ title: 'Who?', text: 'A text.' }],
  });
});

test('a row in another form is an error with its place and its field', () => {
  expect(() => load(formatOf('musique'), '{"question": "q"}\n{}', 'f')).toThrow(/f line 1, field "answer"/);
  expect(() => load(formatOf('gsm8k'), '{"question"', 'f')).toThrow(/f line 1: not JSON/);
  expect(() => load(formatOf('gsm8k'), '', 'f')).toThrow(/holds no question/);
  expect(() => formatOf('hotpot')).toThrow(/Did you mean "hotpotqa"/);
});
