import { expect, test } from 'vitest';

import { Questions } from '../../../src/core/learning/questions.js';

const BOTTLES = 'A truck carries 17 crates with 23 bottles in each crate. How many bottles is that?';
const QUESTIONS = new Questions([
  'What is 17 * 23?',
  'What is the capital city of France?',
  BOTTLES,
  'Capital of Greece?',
  'How many of 12,500 are left?',
  '首都是哪里？',
  'Why?',
  '2+2',
  '',
]);

test.each([
  'What is 17 * 23?',
  'what is 17 * 23?\n',
  '  WHAT IS 17*23',
  'what is 17 × 23 ?',
  'What is **17 * 23**?',
  'What\u200B is `17 * 23`',
  'Please answer this one for me: What is 17 * 23? It is for school, and 5 points depend on it.',
  'You are a tutor. The pupil asks "What is 17 * 23?" and you tell.',
  'What then is 17 * 23?',
  'What is the capital city of france',
  'What is the capital of France?',
  'Is it hot? What is the capital and city of France? I go there.',
  BOTTLES.replaceAll('\u0020', '\n'),
  `Context: none.\n\nQuestion: ${BOTTLES.toUpperCase()}\nAnswer:`,
  BOTTLES.replace('A truck carries', 'A big truck carries'),
  BOTTLES.replace('A truck', 'Truck'),
  '请告诉我首都是哪里好吗',
  'How much is (2+2)?'.replace('How much is ', ''),
  'What is *the* capital city of France?',
  'What is the *capital city of* France?',
  'What is the _capital city_ of France?',
  '*What is 17 * 23?*',
  'What is <b>17</b> * <i>23</i>?',
  '<p class="q">What is 17 * 23?</p>',
  'What is 17&nbsp;* 23?',
  'What is \\(17 \\times 23\\)?',
  'What is $17 \\cdot 23$?',
  'What is 17 \\* 23?',
  '> What is the capital\n> city of France?',
  '>> What is the capital city\n>> of France?',
  '# What is the capital\n# city of France?',
  '- What is the capital\n- city of France?',
  "How many of 12'500 are left?",
  'How many of 12_500 are left?',
  'how many of 12500 are left',
])('%j asks one of them', (text) => {
  expect(QUESTIONS.isIn(text) || QUESTIONS.isShort(text, true)).toBe(true);
});

test.each([
  'What is 17 * 24?',
  'What is 23 * 17?',
  'What is 17 + 23?',
  'What is 1.7 * 23?',
  'What is 17 * 23 * 2?',
  'What is 17 * 23 + (4 - 1)?',
  'What is the capital city of Greece?',
  'What is the capital?',
  BOTTLES.replace('17', '18'),
  'A truck carries 17 crates. How many is that?',
  '首都在哪里？',
  'What is 17*23*2?',
  'What is\n17\n+ 23?',
  'What is it: $17 * 23 or $5?',
  'What is 17 *23* 2?',
  'Is 17 < 23 and 23 > 17?',
  'How many of 12,501 are left?',
  'Why? Because.',
  'Why not?',
  '',
  'Hello',
])('%j asks none of them', (text) => {
  expect([QUESTIONS.isIn(text), QUESTIONS.isShort(text, true)]).toEqual([false, false]);
});

test('of few words a question is only one where nothing else is said', () => {
  expect([QUESTIONS.isShort('why', true), QUESTIONS.isIn('why')]).toEqual([true, false]);
  expect(QUESTIONS.isIn('I wonder why? Tell me')).toBe(false);
});

test('after something else was said one or two words are another question, and three are not', () => {
  expect(['Why?', 'capital of greece'].map((text) => QUESTIONS.isShort(text, false))).toEqual([false, true]);
});

test('where nothing is held out nothing is looked for', () => {
  const none = new Questions([]);
  expect([none.isIn('What is 17 * 23?'), none.isShort('', true)]).toEqual([false, false]);
});
