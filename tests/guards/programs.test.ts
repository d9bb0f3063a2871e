/** The tables of programs in docs/clients.md: rows are what the classes of programs say, and every cell is a test. */
import { describe, expect, it } from 'vitest';

import { FILES, read } from './tree.js';

const CELLS = ['plain', 'streamed', 'server tool', 'own tool', 'mixed', 'image in history', 'error', 'cancel'];

/** What the programs' classes say of themselves; a class that stands on another has what that one says. */
const classes = ['agents', 'evaluation', 'frameworks', 'javascript']
  .map((file) => read(`tests/clients/programs/${file}.py`))
  .join('');
interface Class {
  readonly name: string;
  readonly package: string;
  readonly apis: readonly string[];
  readonly lacks: ReadonlyMap<string, string>;
}
function classOf(type: string): Class {
  const [, base = '', text = ''] = new RegExp(`class ${type}\\((\\w+)\\):([^]*?)(?=\\nclass |$)`).exec(classes) ?? [];
  const above = base !== '' && new RegExp(`class ${base}\\(`).test(classes) ? classOf(base) : undefined;
  const word = (field: string): string | undefined => new RegExp(`^ {4}${field} = "([^"]+)"`, 'm').exec(text)?.[1];
  const words = (field: string): string[] | undefined => {
    const list = new RegExp(`^ {4}${field} = \\(([^)]*)\\)`, 'm').exec(text)?.[1];
    return list === undefined ? undefined : quoted(list);
  };
  const lacks = /lacks: ClassVar = \{([^}]*)\}/.exec(text)?.[1];
  return {
    name: word('name') ?? above?.name ?? '',
    package: word('package') ?? above?.package ?? '',
    apis: words('apis') ?? above?.apis ?? [],
    lacks:
      lacks === undefined
        ? (above?.lacks ?? new Map<string, string>())
        : new Map(
            [...lacks.matchAll(/"(\w+(?:, \w+)?)": "([^"]+)"/g)].map(([, scene = '', why = '']) => [
              scene.replaceAll('_', ' '),
              why,
            ]),
          ),
  };
}
const quoted = (list: string): string[] => [...list.matchAll(/"([^"]+)"/g)].map(([, one = '']) => one);

interface Row {
  readonly name: string;
  readonly version: string;
  readonly cells: readonly string[];
}
const rowOf = (program: Class, api: string): Row => ({
  name: `${program.name}, ${api}`,
  version: pinnedBy(program.package),
  cells: CELLS.map(
    (cell) =>
      program.lacks.get(cell) ?? program.lacks.get(`${cell}, ${api}`) ?? (cell === 'server tool' ? 'default' : 'yes'),
  ),
});

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
/** What is installed of a program: by the lock of `npm test`, or in a folder of its own by what that one asks for. */
function pinnedBy(name: string): string {
  const place = 'tests/clients/programs';
  const { packages } = JSON.parse(read(`${place}/package-lock.json`)) as {
    packages: Readonly<Record<string, { readonly version?: string }>>;
  };
  const locked = packages[`node_modules/${name}`]?.version;
  if (locked !== undefined) return locked;
  if (FILES.includes(`${place}/others/${name}/package.json`)) {
    const { dependencies, optionalDependencies } = JSON.parse(read(`${place}/others/${name}/package.json`)) as Manifest;
    return [...new Set(Object.values(dependencies ?? optionalDependencies ?? {}))].join(', ');
  }
  const pins = [`${place}/${name}.lock`, `${place}/others/${name}.txt`].find((file) => FILES.includes(file));
  // Some are a set of packages, of which only the core is needed.
  return new RegExp(`^${name}(?:-core)?==(\\S+)`, 'm').exec(pins === undefined ? '' : read(pins))?.[1] ?? 'no lock';
}

function tableOf(mark: string): { columns: string[]; rows: Row[] } {
  const [, text = ''] = new RegExp(`<!-- ${mark} -->\\n([^]*?)<!-- /${mark} -->`).exec(read('docs/clients.md')) ?? [];
  const [columns = [], , ...lines] = text
    .trim()
    .split('\n')
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
  return { columns, rows: lines.map(([name = '', version = '', ...cells]) => ({ name, version, cells })) };
}

describe('the tables of programs', () => {
  const list = read('tests/clients/programs/__init__.py');
  const tested = [...list.matchAll(/^ {4}\((\w+)\(\), \(([^)]*)\)\),$/gm)].flatMap(([, type = '', apis = '']) =>
    quoted(apis).map((api) => rowOf(classOf(type), api)),
  );
  /** Those that `npm test` does without, by the files that have their classes. */
  const others = (...files: string[]): Row[] => {
    const text = files.map((file) => read(`tests/clients/programs/${file}.py`)).join('');
    return [...list.matchAll(/^ {4}(\w+)\(\),$/gm)]
      .flatMap(([, type = '']) => (new RegExp(`class ${type}\\(`).test(text) ? [classOf(type)] : []))
      .flatMap((program) => program.apis.map((api) => rowOf(program, api)))
      .filter(({ name }) => !tested.some((row) => row.name === name));
  };

  it.each([
    ['programs', tested],
    ['programs of npm', others('agents', 'javascript')],
    ['programs of Python', others('frameworks', 'evaluation')],
  ])('%s: a row for each, with the version that is installed and a cell for each scene', (mark, rows) => {
    const table = tableOf(mark);
    expect(table.columns).toEqual(['program', 'version', ...CELLS]);
    expect(table.rows).toEqual(rows);
    expect(rows.length).toBeGreaterThan(0);
  });

  it('has a test for each cell, and none is skipped', () => {
    const scenes = read('tests/clients/test_programs.py');
    expect(CELLS.filter((cell) => !scenes.includes(`def test_${cell.replaceAll(' ', '_')}(`))).toEqual([]);
    expect(scenes).not.toMatch(/xfail|todo/i);
    // Nothing is skipped but what has no binary for the machine at hand.
    expect(scenes.match(/skip/gi)).toEqual(['skip']);
  });
});
