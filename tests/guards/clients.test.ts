/** The table in docs/clients.md: its rows and versions are those of the lock files, and every cell is a test. */
import { describe, expect, it } from 'vitest';

import { read } from './tree.js';

const CELLS = ['plain', 'streamed', 'server tool', 'own tool', 'mixed', 'image in history', 'error', 'cancel'];

interface Client {
  /** As the table calls it, before its API. */
  readonly name: string;
  readonly packages: readonly string[];
  readonly file: string;
  readonly apis: readonly string[];
}

const pythonFile = (name: string): string => `tests/clients/test_${name}.py`;
/** What a test file says it runs over. */
function apisOf(file: string): string[] {
  return [...(/^APIS = \[(.*)\]$/m.exec(read(file))?.[1] ?? '').matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? '');
}
const python = (name: string, packageName: string, module: string): Client => ({
  name,
  packages: [packageName],
  file: pythonFile(module),
  apis: apisOf(pythonFile(module)),
});

const NODE = 'tests/http/openai_sdk.test.ts';
const AI_SDK = 'tests/http/ai_sdk.test.ts';
const PYTHON = [
  python('openai (Python)', 'openai', 'openai'),
  python('LangChain', 'langchain-openai', 'langchain'),
  python('OpenAI Agents SDK', 'openai-agents', 'agents'),
  python('pydantic-ai', 'pydantic-ai-slim', 'pydantic_ai'),
  python('smolagents', 'smolagents', 'smolagents'),
  python('LiteLLM', 'litellm', 'litellm'),
];
const CLIENTS: readonly Client[] = [
  { name: 'openai (Node)', packages: ['openai'], file: NODE, apis: ['chat', 'responses'] },
  {
    name: 'Anthropic SDK (Node)',
    packages: ['@anthropic-ai/sdk'],
    file: 'tests/http/anthropic_sdk.test.ts',
    apis: ['messages'],
  },
  { name: 'AI SDK', packages: ['ai', '@ai-sdk/openai'], file: AI_SDK, apis: ['openai.chat', 'openai.responses'] },
  { name: 'AI SDK', packages: ['ai', '@ai-sdk/openai-compatible'], file: AI_SDK, apis: ['openai-compatible'] },
  { name: 'AI SDK', packages: ['ai', '@ai-sdk/anthropic'], file: AI_SDK, apis: ['anthropic'] },
  ...PYTHON,
];

const pins = new Map(
  [...read('tests/clients/requirements.lock').matchAll(/^([a-z0-9-]+)==(\S+)/gm)].map((match) => [
    match[1] ?? '',
    match[2] ?? '',
  ]),
);
const { packages: npm } = JSON.parse(read('package-lock.json')) as {
  packages: Readonly<Record<string, { readonly version?: string }>>;
};
const versionOf = ({ file, packages }: Client): string =>
  packages
    .map((name) => (file.endsWith('.py') ? pins.get(name) : npm[`node_modules/${name}`]?.version) ?? 'in no lock')
    .join(', ');

const [, table = ''] = /<!-- clients -->\n([\s\S]*?)<!-- \/clients -->/.exec(read('docs/clients.md')) ?? [];
const [head = [], , ...rows] = table
  .trim()
  .split('\n')
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

describe('the table of clients', () => {
  it('has the columns that are tested', () => {
    expect(head).toEqual(['client', 'version', ...CELLS]);
  });

  it('has a row for each client and API, with the versions of the locks', () => {
    expect(rows.map(([client, version]) => [client, version])).toEqual(
      CLIENTS.flatMap((client) => client.apis.map((api) => [`${client.name}, ${api}`, versionOf(client)])),
    );
  });

  it('has something to say in every cell', () => {
    expect(rows.flat().filter((cell) => cell === '')).toEqual([]);
    expect(
      rows.flatMap(([, , ...cells]) => cells).filter((cell) => !/^(yes|named|default|as text)$/.test(cell)),
    ).toEqual([]);
  });

  it.each(CLIENTS)('$name, $apis: each cell is a test that is not skipped', ({ name, file, apis }) => {
    const text = read(file);
    const isTested = (cell: string): boolean =>
      file.endsWith('.py')
        ? text.includes(`def test_${cell.replaceAll(' ', '_')}(`)
        : new RegExp(`\\bit(\\.each\\(.*\\))?\\('${cell}[' ]`).test(text);
    expect(CELLS.filter((cell) => !isTested(cell))).toEqual([]);
    expect(text).not.toMatch(/skip|xfail|todo/i);
    expect(apis.length).toBeGreaterThan(0);
    if (!file.endsWith('.py'))
      for (const api of apis) expect(text).toMatch(new RegExp(`'(${name}, )?${api}'|\\b${api}: \\{`));
    // Each test runs over all of its APIs, by a parameter or by a fixture that has it.
    else if (apis.length > 1) expect(text).toMatch(/params=APIS|\("api", APIS\)/);
  });
});

describe('each lock of Python packages', () => {
  it.each([
    'trainer/requirements.lock',
    'trainer/requirements-gpu.lock',
    'trainer/requirements-torch.lock',
    'trainer/requirements-torch-cpu.lock',
    'tests/clients/requirements.lock',
    'tests/clients/requirements-fuzz.lock',
    'tests/clients/conformance/requirements.lock',
  ])('%s pins everything by version and hash', (path) => {
    const blocks = read(path)
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .join('\n')
      .split(/\n(?=\S)/);
    expect(blocks.length).toBeGreaterThan(0);
    const whole = /^[a-z0-9-]+==\S+( \\\n {4}--hash=sha256:[0-9a-f]{64})+\s*$/;
    expect(blocks.filter((block) => !whole.test(block))).toEqual([]);
  });

  it("of the clients' has all that is asked for", () => {
    const asked = read('tests/clients/requirements.in')
      .split('\n')
      .flatMap((line) => /^[a-z-]+/.exec(line)?.[0] ?? []);
    expect(asked.filter((name) => !pins.has(name))).toEqual([]);
    expect(PYTHON.flatMap(({ packages }) => packages).filter((name) => !asked.includes(name))).toEqual([]);
  });

  it('has no release that stole, or is said to have stolen, credentials', () => {
    expect(['1.82.7', '1.82.8', '1.107.0']).not.toContain(pins.get('litellm'));
  });

  it('is for tests alone: nothing but `npm test` asks for it', () => {
    expect(['start', 'demo', 'bench'].filter((name) => read(`scripts/${name}.mjs`).includes('clients: '))).toEqual([]);
    expect(read('scripts/test.mjs')).toContain('const clients = chosen.some(');
  });
});
