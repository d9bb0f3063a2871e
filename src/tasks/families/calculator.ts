/**
 * Arithmetic of one, two or three operations in a sentence or two, for the calculator. Every number of a problem is of
 * its part, so a held-out problem has new numbers, new people and new things; one in four wordings is held out as well.
 */
import type { Draw } from '../draw.js';
import type { Family, Problem, Step } from '../family.js';
import { FIRST, THINGS } from '../names.js';

interface Told {
  readonly question: string;
  /** One call each; `_` stands for what the call before gave. */
  readonly calls: readonly string[];
}

/** What a wording may draw. */
interface Kit {
  readonly int: (low: number, high: number) => number;
  readonly who: string;
  readonly other: string;
  readonly things: string;
}

type Wording = (kit: Kit) => Told;

const ONE: readonly Wording[] = [
  ({ int, things }) => {
    const [a, b] = [int(12, 98), int(12, 98)];
    return {
      question: `A truck carries ${a} crates with ${b} ${things} in each. How many ${things} is that?`,
      calls: [`${a} * ${b}`],
    };
  },
  ({ int, who, things }) => {
    const [a, b] = [int(111, 899), int(111, 899)];
    return {
      question: `${who} has ${a} ${things} and buys ${b} more. How many ${things} does ${who} have now?`,
      calls: [`${a} + ${b}`],
    };
  },
  ({ int, who, things }) => {
    const [b, c] = [int(111, 480), int(111, 480)];
    const a = b + c;
    return { question: `Of ${a} ${things}, ${who} sold ${b}. How many ${things} are left?`, calls: [`${a} - ${b}`] };
  },
  ({ int, who, other, things }) => {
    const [a, b] = [int(200, 899), int(200, 899)];
    return {
      question: `${who} collected ${a} ${things}, ${other} collected ${b}. How many did they collect together?`,
      calls: [`${a} + ${b}`],
    };
  },
  ({ int, things }) => {
    const [b, c] = [int(8, 48), int(12, 60)];
    return {
      question: `${b * c} ${things} are packed in boxes of ${b}. How many boxes are needed?`,
      calls: [`${b * c} / ${b}`],
    };
  },
  ({ int, who, things }) => {
    const [a, b] = [int(12, 98), int(12, 98)];
    return {
      question: `One day ${who} makes ${a} ${things}. How many ${things} are that in ${b} days?`,
      calls: [`${a} * ${b}`],
    };
  },
  ({ int, who, other, things }) => {
    const [b, c] = [int(111, 480), int(111, 480)];
    return {
      question: `${who} owns ${b + c} ${things}, ${other} owns ${b}. How many more does ${who} own?`,
      calls: [`${b + c} - ${b}`],
    };
  },
  ({ int, who, things }) => {
    const [b, c] = [int(8, 48), int(12, 60)];
    return {
      question: `${who} shares ${b * c} ${things} equally among ${b} neighbours. How many does each get?`,
      calls: [`${b * c} / ${b}`],
    };
  },
];

const TWO: readonly Wording[] = [
  ({ int, who, things }) => {
    const [a, b, c] = [int(12, 78), int(12, 78), int(110, 480)];
    return {
      question:
        `${who} has ${a} bags with ${b} ${things} in each, ` + `and ${c} more ${things}. How many ${things} are that?`,
      calls: [`${a} * ${b}`, `_ + ${c}`],
    };
  },
  ({ int, who, things }) => {
    const [a, b, c] = [int(24, 78), int(24, 78), int(110, 480)];
    return {
      question:
        `A shop gets ${a} boxes of ${b} ${things}. ` +
        `${who} buys ${c} of the ${things}. How many are left in the shop?`,
      calls: [`${a} * ${b}`, `_ - ${c}`],
    };
  },
  ({ int, who, other, things }) => {
    const [a, b, c] = [int(110, 480), int(110, 480), int(12, 48)];
    return {
      question:
        `${who} packs ${a} ${things} and ${other} packs ${b} each day. ` +
        `How many do they pack together in ${c} days?`,
      calls: [`${a} + ${b}`, `_ * ${c}`],
    };
  },
  ({ int, who, things }) => {
    const [b, c, d] = [int(8, 48), int(12, 60), int(110, 480)];
    return {
      question:
        `${who} had ${b * c + d} ${things} and lost ${d}. ` +
        `The rest is put in bags of ${b}. How many bags are there?`,
      calls: [`${b * c + d} - ${d}`, `_ / ${b}`],
    };
  },
  ({ int, who, other, things }) => {
    const [a, b, c] = [int(110, 480), int(110, 480), int(110, 480)];
    return {
      question:
        `In spring ${who} sells ${a} ${things}, in summer ${b}, ` +
        `and ${other} sells ${c} in autumn. How many are sold in all?`,
      calls: [`${a} + ${b}`, `_ + ${c}`],
    };
  },
  ({ int, who, things }) => {
    const [a, b, c] = [int(24, 78), int(24, 78), int(110, 480)];
    return {
      question:
        `For each of ${a} rooms ${who} orders ${b} ${things}; ` +
        `${c} of all these are broken. How many whole ones are there?`,
      calls: [`${a} * ${b}`, `_ - ${c}`],
    };
  },
];

const THREE: readonly Wording[] = [
  ({ int, who, other, things }) => {
    const [a, b, c, d] = [int(12, 78), int(12, 78), int(110, 480), int(12, 48)];
    return {
      question:
        `${who} has ${a} boxes with ${b} ${things} each and finds ${c} more. ` +
        `${other} pays ${d} cents for each. How many cents does ${who} get?`,
      calls: [`${a} * ${b}`, `_ + ${c}`, `_ * ${d}`],
    };
  },
  ({ int, who, things }) => {
    const [a, b, c, d] = [int(24, 78), int(24, 78), int(110, 480), int(110, 480)];
    return {
      question:
        `A market gets ${a} sacks of ${b} ${things}. It sells ${c}, ` +
        `then ${who} brings ${d} more. How many ${things} are there now?`,
      calls: [`${a} * ${b}`, `_ - ${c}`, `_ + ${d}`],
    };
  },
  ({ int, who, other, things }) => {
    const [a, b, c, d] = [int(110, 480), int(110, 480), int(12, 48), int(110, 480)];
    return {
      question:
        `Every day ${who} makes ${a} ${things} and ${other} makes ${b}. ` +
        `After ${c} days ${d} are given away. How many are left?`,
      calls: [`${a} + ${b}`, `_ * ${c}`, `_ - ${d}`],
    };
  },
  ({ int, who, things }) => {
    const [b, c, d, e] = [int(8, 48), int(12, 60), int(110, 480), int(12, 48)];
    return {
      question:
        `Of ${b * c + d} ${things}, ${d} are sold and the rest goes to ${b} schools in equal parts. ` +
        `${who}'s school had ${e} already. How many does it have now?`,
      calls: [`${b * c + d} - ${d}`, `_ / ${b}`, `_ + ${e}`],
    };
  },
];

/** Held-out problems are asked in every wording, the others not in every fourth. */
function mayAsk(draw: Draw, at: number): boolean {
  return draw.part === 'heldout' || at % 4 !== 3;
}

function problemOf(draw: Draw, operations: number, wordings: readonly Wording[]): Problem {
  const at = draw.pick(wordings.flatMap((_, each) => (mayAsk(draw, each) ? [each] : [])));
  const wording = wordings[at] as Wording;
  const [who = '', other = ''] = draw.some(draw.own(FIRST), 2);
  const kit: Kit = { int: (low, high) => draw.int(low, high), who, other, things: draw.pick(draw.own(THINGS)) };
  let told = wording(kit);
  // A product is of this part by chance.
  while (!(told.question.match(/\d+/g) ?? []).every((number) => draw.has(Number(number)))) told = wording(kit);
  let last = 0;
  const steps = told.calls.map((call): Step => {
    const expression = call.replace('_', String(last));
    last = valueOf(expression);
    return { tool: 'calculator', arguments: { expression }, result: String(last) };
  });
  const seen = at % 4 === 3 ? '-new' : '';
  return { question: told.question, reference: String(last), steps, wording: `${operations}-${at + 1}${seen}` };
}

/** Of one operation between whole numbers. */
function valueOf(expression: string): number {
  const [left = '', sign = '', right = ''] = expression.split(' ');
  const [a, b] = [Number(left), Number(right)];
  return sign === '+' ? a + b : sign === '-' ? a - b : sign === '*' ? a * b : a / b;
}

const family = (operations: 1 | 2 | 3, words: string, wordings: readonly Wording[]): Family => ({
  name: `calculator-${operations}`,
  about: `arithmetic of ${words} in a sentence or two`,
  tools: ['calculator'],
  instruction: 'Answer the question. Use the calculator for the arithmetic.',
  // As many as the paper's for mathematics.
  steps: 10,
  open: (draw) => ({ documents: [], problem: () => problemOf(draw, operations, wordings) }),
});

export const calculatorFamilies: readonly Family[] = [
  family(1, 'one operation', ONE),
  family(2, 'two operations', TWO),
  family(3, 'three operations', THREE),
];
