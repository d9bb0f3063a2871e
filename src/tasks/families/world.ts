/** A generated world of people, companies, towns and rivers, each a document of a few sentences. */
import type { Draw } from '../draw.js';
import type { Document, Step } from '../family.js';
import { Names } from '../names.js';

interface Town {
  readonly name: string;
  readonly river: string;
  readonly province: string;
  readonly inhabitants: number;
  readonly founded: number;
}

interface Company {
  readonly name: string;
  readonly seat: Town;
  readonly founder: Person;
  readonly founded: number;
  readonly employees: number;
}

interface Person {
  readonly name: string;
  readonly birthplace: Town;
  readonly born: number;
  readonly job: string;
}

export interface World {
  readonly towns: readonly Town[];
  readonly companies: readonly Company[];
  /** Whoever works for a company. */
  readonly employed: readonly (Person & { readonly company: Company })[];
  readonly documents: readonly Document[];
  /** A search by a name, and the document that it leads to. */
  readonly search: (name: string, tool?: string) => Step;
}

const JOBS = 'accountant baker chemist designer driver engineer lawyer mechanic painter welder'.split(' ');

/** Collections of people and of places, or one of all. */
export type Collections = { readonly people: string; readonly places: string };

/** Made for so many problems; whatever is in it leads to no other world. */
export function worldOf(draw: Draw, size: number, { people, places }: Collections): World {
  const names = new Names(draw);
  const count = Math.max(8, Math.ceil(size / 2));
  const made = <T>(each: () => T, how: number): readonly T[] => Array.from({ length: how }, each);
  const provinces = made(() => names.town(), Math.max(3, Math.ceil(count / 6)));
  const rivers = made(() => names.river(), Math.max(4, Math.ceil(count / 3)));
  const towns = made(
    (): Town => ({
      name: names.town(),
      river: draw.pick(rivers),
      province: draw.pick(provinces),
      inhabitants: draw.int(2_000, 90_000),
      founded: draw.int(1_100, 1_890),
    }),
    count,
  );
  const person = (): Person => {
    const birthplace = draw.pick(towns);
    // Every third has the name of a town, which is then found in the wrong place.
    const name =
      people !== places && draw.pick([true, false, false]) ? names.namesake(draw.pick(towns).name) : names.person();
    return { name, birthplace, born: draw.int(1_930, 1_990), job: draw.pick(JOBS) };
  };
  const companies = made(
    (): Company => ({
      name: names.company(),
      seat: draw.pick(towns),
      founder: person(),
      founded: draw.int(1_995, 2_020),
      employees: draw.int(110, 990),
    }),
    count,
  );
  const employed = made(() => ({ ...person(), company: draw.pick(companies) }), count * 2);

  const documents: Document[] = [];
  const texts = new Map<string, { readonly path: string; readonly text: string }>();
  const write = (collection: string, name: string, text: string): void => {
    const path = `${name.toLowerCase().replace(/[^a-z]+/g, '-')}.md`;
    documents.push({ collection, path, text: `# ${name}\n\n${text}\n` });
    texts.set(name, { path: `${collection === '' ? 'documents' : collection}/${path}`, text });
  };
  for (const { name, river, province, inhabitants, founded } of towns)
    write(
      places,
      name,
      `${name} is a town on the river ${river}, in the province of ${province}. ` +
        `It has ${inhabitants} inhabitants and was founded in ${founded}.`,
    );
  for (const { name, seat, founder, founded, employees } of companies)
    write(
      people,
      name,
      `${name} is a company based in ${seat.name}. ` +
        `${founder.name} founded it in ${founded}. It employs ${employees} people.`,
    );
  for (const { founder } of companies)
    write(
      people,
      founder.name,
      `${founder.name}, born in ${founder.birthplace.name} in ${founder.born}, founds companies.`,
    );
  for (const { name, birthplace, born, job, company } of employed)
    write(people, name, `${name}, born in ${birthplace.name} in ${born}, works as a ${job} for ${company.name}.`);

  const search = (name: string, tool = 'search_documents'): Step => {
    const { path, text } = texts.get(name) ?? { path: '', text: '' };
    return { tool, arguments: { query: name }, result: `[1] ${path}: ${name}\n${text}` };
  };
  return { towns, companies, employed, documents, search };
}
