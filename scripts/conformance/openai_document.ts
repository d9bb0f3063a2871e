/**
 * OpenAI's published OpenAPI document (github.com/openai/openai-openapi): every answer and every event that the tests
 * of this checkout get from the routes it describes, errors and models included, must be what it says.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

import type { Exchange } from '../../tests/fakes/recording.js';
import type { Case, Suite } from './suite.js';

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const NAMES = ['openapi.json', 'openapi.yaml', 'openapi.yml'];
const ID = 'https://published.example/openapi';

type Json = Readonly<Record<string, unknown>>;
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses?: Json }>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
}
interface Judged {
  readonly name: string;
  readonly faults: string;
  readonly asked: string;
}

export const openAiDocument: Suite = {
  name: "OpenAI's OpenAPI document",
  mark: NAMES.join(' or '),
  recognises: (path) => fileOf(path) !== undefined,
  async run(path, more) {
    const [flag, given] = more;
    const folder = flag === '--recorded' && given !== undefined ? given : mkdtempSync(join(tmpdir(), 'gyre-record-'));
    try {
      if (folder !== given) await record(folder);
      const judge = judgeOf(parse(readFileSync(fileOf(path) ?? '', 'utf8'), withoutNullable) as Document);
      return casesOf(exchangesIn(folder).flatMap(judge));
    } finally {
      if (folder !== given) rmSync(folder, { recursive: true, force: true });
    }
  },
};

function fileOf(path: string): string | undefined {
  const files = statSync(path).isDirectory() ? NAMES.map((name) => join(path, name)) : [path];
  return files.find((file) => existsSync(file) && /^\s*"?openapi"?:/m.test(readFileSync(file, 'utf8').slice(0, 2_000)));
}

/** Runs the tests of the gateway and of the Python clients, and keeps what they exchange. */
async function record(folder: string): Promise<void> {
  const env = { ...process.env, GYRE_RECORD: folder };
  const run = async (command: string, args: readonly string[], cwd: string): Promise<void> => {
    await once(spawn(command, args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] }), 'exit');
  };
  await run(process.execPath, [join('node_modules', 'vitest', 'vitest.mjs'), 'run', '--reporter=dot'], ROOT);
  const python = join(ROOT, '.venv-clients', 'bin', 'python');
  if (existsSync(python)) await run(python, ['-m', 'pytest'], join(ROOT, 'tests', 'clients'));
}

function exchangesIn(folder: string): Exchange[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Exchange);
}

/** By kind of answer: how many there were, and the first of those that do not fit. */
function casesOf(judged: readonly Judged[]): Case[] {
  return [...grouped(judged)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, all]) => {
      const wrong = all.filter(({ faults }) => faults !== '');
      const [first] = wrong;
      if (first === undefined) return { name, status: 'passed', reason: `${all.length}` };
      const reason = `${wrong.length} of ${all.length}: ${first.faults} (asked: ${first.asked.slice(0, 160)})`;
      return { name, status: 'failed', reason };
    });
}

function grouped(judged: readonly Judged[]): ReadonlyMap<string, readonly Judged[]> {
  const groups = new Map<string, Judged[]>();
  for (const each of judged) groups.set(each.name, [...(groups.get(each.name) ?? []), each]);
  return groups;
}

function judgeOf(document: Document): (exchange: Exchange) => readonly Judged[] {
  // Its schemas use keywords of OpenAPI, and formats are hints.
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false, inlineRefs: false });
  ajv.addSchema({ ...document, $id: ID });
  const faultsOf = (pointer: string, value: unknown): string => {
    const check = ajv.getSchema(`${ID}#${pointer}`);
    if (check === undefined) return `the document has no ${pointer}`;
    if (check(value) === true) return '';
    const lines = (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ''}`);
    return [...new Set(lines)].slice(0, 6).join(', ');
  };
  const events = eventsOf(document);
  const eventFaults = (value: Json): string => {
    const schema = typeof value['type'] === 'string' ? events.get(value['type']) : undefined;
    return faultsOf(schema ?? '/components/schemas/ResponseStreamEvent', value);
  };

  return ({ method, path, asked, status, type, answer, whole }) => {
    const route = routeOf(document, path);
    const operation = route === undefined ? undefined : document.paths[route]?.[method.toLowerCase()];
    if (route === undefined || operation === undefined || status === 404 || !whole) return [];
    const name = `${method} ${route} ${status}`;
    if (status >= 400) return [{ name, asked, faults: faultsOf('/components/schemas/ErrorResponse', valueOf(answer)) }];
    const pointerTo = (media: string): string =>
      `/paths/${escaped(route)}/${method.toLowerCase()}/responses/200/content/${escaped(media)}/schema`;
    if (!type.includes('event-stream'))
      return answer === '' ? [] : [{ name, asked, faults: faultsOf(pointerTo('application/json'), valueOf(answer)) }];
    return dataOf(answer).map((value) => {
      const kind = typeof value['type'] === 'string' ? value['type'] : 'chunk';
      // A chat stream that breaks says so in place of a chunk.
      if ('error' in value && value['type'] === undefined)
        return { name: `${name} error`, asked, faults: faultsOf('/components/schemas/ErrorResponse', value) };
      const faults = route === '/responses' ? eventFaults(value) : faultsOf(chunkOf(document, route, pointerTo), value);
      return { name: `${name} ${kind}`, asked, faults };
    });
  };
}

/** A keyword of an older OpenAPI: the validator takes it only beside a type, and wants null among the values too. */
function withoutNullable(_key: unknown, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('nullable' in value)) return value;
  const { nullable, ...rest } = value as {
    readonly nullable: unknown;
    readonly type?: unknown;
    readonly enum?: unknown;
  };
  if (typeof nullable !== 'boolean') return value;
  const values = Array.isArray(rest.enum) && nullable ? { enum: [...(rest.enum as unknown[]), null] } : {};
  return { ...rest, ...values, ...('type' in rest ? { nullable } : {}) };
}

/** An answer that is no JSON is its own fault. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const escaped = (key: string): string => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));

/** Completions stream the very object they answer; chat has a schema of its own for it. */
function chunkOf(document: Document, route: string, pointerTo: (media: string) => string): string {
  const content = (document.paths[route]?.['post']?.responses?.['200'] as { content?: Json } | undefined)?.content;
  return pointerTo(content?.['text/event-stream'] === undefined ? 'application/json' : 'text/event-stream');
}

/** `/v1/responses/resp_1` is `/responses/{response_id}`; what is spelled out goes before what is a placeholder. */
function routeOf({ paths }: Document, path: string): string | undefined {
  const asked = path.replace(/^\/v1(?=\/)/, '');
  if (asked === path) return undefined;
  if (asked in paths) return asked;
  return Object.keys(paths).find((route) => new RegExp(`^${route.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(asked));
}

/** The schema of each event, by its type. */
function eventsOf({ components: { schemas } }: Document): ReadonlyMap<string, string> {
  const union = (schemas['ResponseStreamEvent']?.['anyOf'] ??
    schemas['ResponseStreamEvent']?.['oneOf'] ??
    []) as Json[];
  return new Map(
    union.flatMap(({ $ref }) => {
      const name = String($ref).split('/').at(-1) ?? '';
      const type = (schemas[name]?.['properties'] as { type?: { enum?: string[]; const?: string } } | undefined)?.type;
      const said = type?.const ?? type?.enum?.[0];
      return said === undefined ? [] : [[said, `/components/schemas/${name}`] as const];
    }),
  );
}

function dataOf(stream: string): Json[] {
  return stream.split(/\r?\n\r?\n/).flatMap((event) => {
    const data = event
      .split(/\r?\n/)
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5).trim())
      .join('\n');
    return data === '' || data === '[DONE]' ? [] : [JSON.parse(data) as Json];
  });
}
