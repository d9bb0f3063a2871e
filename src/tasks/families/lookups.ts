/**
 * Questions over a generated collection: chains of two or three lookups, lookups and arithmetic together, and questions
 * of which only one of two collections has the answer. No name or number of one part is in another.
 */
import type { Draw } from '../draw.js';
import type { Family, Problem, Step } from '../family.js';
import { type Collections, type World, worldOf } from './world.js';

type Asked = Omit<Problem, 'wording'>;
type Wording = (world: World, draw: Draw) => Asked;

const ALL: Collections = { people: '', places: '' };
const APART: Collections = { people: 'people', places: 'places' };

const TWO: readonly Wording[] = [
  ({ employed, search }, draw) => {
    const { name, company } = draw.pick(employed);
    const question = `In which town is the company based that ${name} works for?`;
    return { question, reference: company.seat.name, steps: [search(name), search(company.name)] };
  },
  ({ employed, search }, draw) => {
    const { name, company } = draw.pick(employed);
    const question = `Who founded the company that ${name} works for?`;
    return { question, reference: company.founder.name, steps: [search(name), search(company.name)] };
  },
  ({ employed, search }, draw) => {
    const { name, birthplace } = draw.pick(employed);
    const question = `On which river does the town lie where ${name} was born?`;
    return { question, reference: birthplace.river, steps: [search(name), search(birthplace.name)] };
  },
  ({ employed, search }, draw) => {
    const { name, birthplace } = draw.pick(employed);
    const question = `What is the province of ${name}'s place of birth?`;
    return { question, reference: birthplace.province, steps: [search(name), search(birthplace.name)] };
  },
  ({ companies, search }, draw) => {
    const { name, founder } = draw.pick(companies);
    const question = `In which town was the founder of ${name} born?`;
    return { question, reference: founder.birthplace.name, steps: [search(name), search(founder.name)] };
  },
];

const THREE: readonly Wording[] = [
  ({ employed, search }, draw) => {
    const { name, company } = draw.pick(employed);
    const question = `On which river does the town lie where the company of ${name} is based?`;
    return {
      question,
      reference: company.seat.river,
      steps: [name, company.name, company.seat.name].map((each) => search(each)),
    };
  },
  ({ employed, search }, draw) => {
    const { name, company } = draw.pick(employed);
    const question = `In which province is the company based that ${name} works for?`;
    return {
      question,
      reference: company.seat.province,
      steps: [name, company.name, company.seat.name].map((each) => search(each)),
    };
  },
  ({ employed, search }, draw) => {
    const { name, company } = draw.pick(employed);
    const question = `Where was the founder of the company born that ${name} works for?`;
    return {
      question,
      reference: company.founder.birthplace.name,
      steps: [name, company.name, company.founder.name].map((each) => search(each)),
    };
  },
  ({ companies, search }, draw) => {
    const { name, founder } = draw.pick(companies);
    const question = `Which river flows through the birthplace of the founder of ${name}?`;
    return {
      question,
      reference: founder.birthplace.river,
      steps: [name, founder.name, founder.birthplace.name].map((each) => search(each)),
    };
  },
];

const calculated = (expression: string, value: number): Step => ({
  tool: 'calculator',
  arguments: { expression },
  result: String(value),
});

const MIXED: readonly Wording[] = [
  ({ companies, search }, draw) => {
    const [a, b] = draw.some(companies, 2) as [World['companies'][number], World['companies'][number]];
    const sum = a.employees + b.employees;
    const question = `How many people do ${a.name} and ${b.name} employ together?`;
    return {
      question,
      reference: String(sum),
      steps: [search(a.name), search(b.name), calculated(`${a.employees} + ${b.employees}`, sum)],
    };
  },
  ({ companies, search }, draw) => {
    const [{ name, employees }, parts] = [draw.pick(companies), draw.int(12, 90)];
    const question = `Everybody who works for ${name} makes ${parts} parts a day. How many parts are made in a day?`;
    return {
      question,
      reference: String(employees * parts),
      steps: [search(name), calculated(`${employees} * ${parts}`, employees * parts)],
    };
  },
  ({ towns, search }, draw) => {
    const [a, b] = ([...draw.some(towns, 2)] as [World['towns'][number], World['towns'][number]]).sort(
      (one, other) => other.inhabitants - one.inhabitants,
    );
    const more = (a?.inhabitants ?? 0) - (b?.inhabitants ?? 0);
    const question = `How many more inhabitants does ${a?.name ?? ''} have than ${b?.name ?? ''}?`;
    const expression = `${a?.inhabitants ?? 0} - ${b?.inhabitants ?? 0}`;
    return {
      question,
      reference: String(more),
      steps: [search(a?.name ?? ''), search(b?.name ?? ''), calculated(expression, more)],
    };
  },
  ({ employed, search }, draw) => {
    const { name, born, company } = draw.pick(employed);
    const years = company.founded - born;
    const question = `How many years after the birth of ${name} was the company founded that ${name} works for?`;
    return {
      question,
      reference: String(years),
      steps: [search(name), search(company.name), calculated(`${company.founded} - ${born}`, years)],
    };
  },
];

const WHICH: readonly Wording[] = [
  ({ employed, search }, draw) => {
    const { name, born } = draw.pick(employed);
    return {
      question: `In which year was ${name} born?`,
      reference: String(born),
      steps: [search(name, 'search_people')],
    };
  },
  ({ towns, search }, draw) => {
    const { name, inhabitants } = draw.pick(towns);
    return {
      question: `How many inhabitants does ${name} have?`,
      reference: String(inhabitants),
      steps: [search(name, 'search_places')],
    };
  },
  ({ towns, search }, draw) => {
    const { name, founded } = draw.pick(towns);
    return {
      question: `In which year was ${name} founded?`,
      reference: String(founded),
      steps: [search(name, 'search_places')],
    };
  },
  ({ towns, search }, draw) => {
    const { name, river } = draw.pick(towns);
    return { question: `Which river flows through ${name}?`, reference: river, steps: [search(name, 'search_places')] };
  },
  ({ employed, search }, draw) => {
    const { name, company } = draw.pick(employed);
    return {
      question: `Which company does ${name} work for?`,
      reference: company.name,
      steps: [search(name, 'search_people')],
    };
  },
];

function family(
  name: string,
  about: string,
  tools: readonly string[],
  instruction: string,
  wordings: readonly Wording[],
  collections = ALL,
): Family {
  return {
    name,
    about,
    tools,
    instruction,
    // The paper's for questions; one more where the answer is still to be calculated.
    steps: tools.includes('calculator') ? 6 : 5,
    open(draw, size) {
      const world = worldOf(draw, size, collections);
      // One wording in four or five is of held-out problems alone.
      const asked = wordings.flatMap((_, at) => (draw.part === 'heldout' || at !== 3 ? [at] : []));
      return {
        documents: world.documents,
        problem: () => {
          const at = draw.pick(asked);
          const problem = (wordings[at] as Wording)(world, draw);
          return { ...problem, wording: `${name}-${at + 1}${at === 3 ? '-new' : ''}` };
        },
      };
    },
  };
}

const LOOK_UP = 'Answer the question with a name. Look up what you need in the documents, one name at a time.';

export const lookupFamilies: readonly Family[] = [
  family('lookup-2', 'chains of two lookups', ['search_documents'], LOOK_UP, TWO),
  family('lookup-3', 'chains of three lookups', ['search_documents'], LOOK_UP, THREE),
  family(
    'mixed',
    'lookups and arithmetic together',
    ['search_documents', 'calculator'],
    'Answer the question. Look up numbers in the documents, and use the calculator for the arithmetic.',
    MIXED,
  ),
  family(
    'which-tool',
    'one lookup in one of two collections; the other has names that look alike',
    ['search_people', 'search_places'],
    'Answer the question. Look it up in the collection that has it: people and companies, or places.',
    WHICH,
    APART,
  ),
];
