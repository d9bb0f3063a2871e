/**
 * OpenAI's published OpenAPI document (github.com/openai/openai-openapi): every answer and every event that the tests
 * of this checkout get from the routes it describes, errors and models included, must be what it says.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

import { withoutGaps } from './gaps.js';
import { casesOf, type Json, type Judged, nameOf, recordedBy, type Said } from './recorded.js';
import type { Suite } from './suite.js';

const NAMES = ['openapi.json', 'openapi.yaml', 'openapi.yml'];
const ID = 'https://published.example/openapi';

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses?: Json }>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
}
export const openAiDocument: Suite = {
  name: "OpenAI's OpenAPI document",
  mark: NAMES.join(' or '),
  recognises: (path) => fileOf(path) !== undefined,
  async run(path, more) {
    const { said, gaps } = withoutGaps(await recordedBy(more));
    const judged = casesOf(
      said.flatMap(judgeOf(parse(readFileSync(fileOf(path) ?? '', 'utf8'), withoutNullable) as Document)),
    );
    return [...judged, ...gaps];
  },
};

function fileOf(path: string): string | undefined {
  const files = statSync(path).isDirectory() ? NAMES.map((name) => join(path, name)) : [path];
  return files.find((file) => existsSync(file) && /^\s*"?openapi"?:/m.test(readFileSync(file, 'utf8').slice(0, 2_000)));
}

function judgeOf(document: Document): (said: Said) => readonly Judged[] {
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

  return (said) => {
    const { method, path, kind, value, asked } = said;
    const route = routeOf(document, path);
    const verb = method === 'WEBSOCKET' ? 'post' : method.toLowerCase();
    const operation = route === undefined ? undefined : document.paths[route]?.[verb];
    if (route === undefined || operation === undefined) return [];
    const pointerTo = (media: string): string =>
      `/paths/${escaped(route)}/${verb}/responses/200/content/${escaped(media)}/schema`;
    const faults = (): string => {
      if (kind === 'error') return faultsOf('/components/schemas/ErrorResponse', value);
      if (kind === 'answer' && operation.responses?.['200'] === undefined) return 'no answer is described';
      // Of some answers it says only that they are there.
      if (kind === 'answer' && !('content' in (operation.responses?.['200'] as Json))) return '';
      if (kind === 'answer') return faultsOf(pointerTo('application/json'), value);
      return route.startsWith('/responses')
        ? eventFaults(value as Json)
        : faultsOf(chunkOf(document, route, pointerTo), value);
    };
    return [{ name: nameOf(said, route), asked, faults: faults() }];
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
  if (nullable && !('type' in rest)) return { anyOf: [rest, { type: 'null' }] };
  const values = Array.isArray(rest.enum) && nullable ? { enum: [...(rest.enum as unknown[]), null] } : {};
  if ('$ref' in rest && nullable) return { anyOf: [rest, { type: 'null' }] };
  return { ...rest, ...values, ...('type' in rest ? { nullable } : {}) };
}

const escaped = (key: string): string => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));

/** Completions stream the very object they answer; chat has a schema of its own for it. */
function chunkOf(document: Document, route: string, pointerTo: (media: string) => string): string {
  const content = (document.paths[route]?.['post']?.responses?.['200'] as { content?: Json } | undefined)?.content;
  return pointerTo(content?.['text/event-stream'] === undefined ? 'application/json' : 'text/event-stream');
}

/** `/responses/resp_1` is `/responses/{response_id}`; what is spelled out goes before what is a placeholder. */
function routeOf({ paths }: Document, asked: string): string | undefined {
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
