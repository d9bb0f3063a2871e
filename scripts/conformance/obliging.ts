/**
 * What the engine of a suite says: it calls the tool that the last user's turn may want, answers a schema by a value of
 * it, stops at the limit, and else says a few words.
 */
import type { ChatBody, EngineRequest, Reply, Script } from '../../tests/fakes/engine.js';

type Json = Readonly<Record<string, unknown>>;

const WORDS = ['Hello', ' there', ',', ' my', ' friend', '.'];

/** A limit below this is meant to be met. */
const SHORT = 64;

/** `reasons`: whether it thinks before it says something, unless it is told not to. */
export function obliging(reasons: boolean): Script {
  return (request, number) => ({ promptTokenIds: PROMPT, ...replyTo(request, number, reasons) });
}

/** As long as a template makes a short conversation. */
const PROMPT = Array.from({ length: 37 }, (_, at) => at);

function replyTo({ body }: EngineRequest, number: number, reasons: boolean): Reply {
  const limit = body.max_tokens ?? (body['max_completion_tokens'] as number | undefined);
  const template = body['chat_template_kwargs'] as { enable_thinking?: boolean } | undefined;
  const thought =
    reasons && template?.enable_thinking !== false && body['include_reasoning'] !== false && (limit ?? SHORT) >= SHORT
      ? THOUGHT
      : {};
  // What it must call does not fit.
  const must = body.tool_choice !== undefined && body.tool_choice !== 'auto' && body.tool_choice !== 'none';
  if (must && (limit ?? SHORT) < 16) return { text: limit === 1 ? [] : ['Hello'], finish: 'length' };
  const calls = callsOf(body);
  if (calls.length > 0) return { ...thought, calls };
  const text = constrained(body, number) ?? known(body);
  if (text !== undefined) return { ...thought, text: [text] };
  return { ...thought, ...limited(limit) };
}

const THOUGHT: Reply = { reasoning: ['They', ' greet', ' me', '.'], usage: { reasoning: 4 } };

function limited(limit = SHORT): Reply {
  if (limit >= SHORT) return { text: WORDS };
  const text = (from: number): string[] => Array.from({ length: limit }, (_, at) => WORDS[(at + from) % 6] ?? '');
  const variants = [0, 1, 2, 3, 4].map((from) => ({ text: text(from) }));
  return { text: text(0), variants, finish: 'length', usage: { completion: limit } };
}

/** Calls what the words or the choice ask for, once in a conversation's turn. */
function callsOf(body: ChatBody): readonly { readonly name: string; readonly arguments: string }[] {
  const tools = (body.tools ?? []) as readonly { function: { name: string; parameters?: Json } }[];
  const choice = body.tool_choice as string | { function?: { name?: string } } | undefined;
  if (choice === 'none' || body.messages.at(-1)?.role === 'tool') return [];
  const words = JSON.stringify(body.messages.at(-1)?.content ?? '').toLowerCase();
  const named = tools.filter(({ function: { name } }) =>
    typeof choice === 'object' ? name === choice.function?.name : words.includes(name.toLowerCase()),
  );
  // "What is the weather" is meant for `get_weather`.
  const meant = tools.filter(({ function: { name } }) =>
    name.split(/[_.]+/).some((word) => word.length > 3 && words.includes(word.toLowerCase())),
  );
  const wanted = named.length > 0 ? named : meant.length > 0 ? meant.slice(0, 1) : tools.slice(0, 1);
  if (named.length === 0 && meant.length === 0 && choice !== 'required') return [];
  return wanted.map(({ function: { name, parameters = {} } }) => ({
    name,
    arguments: JSON.stringify(valueOf(parameters, parameters)),
  }));
}

/** What suites ask to hear whether a conversation is whole. */
function known(body: ChatBody): string | undefined {
  const said = JSON.stringify(body.messages);
  const last = JSON.stringify(body.messages.at(-1)?.content ?? '');
  if (last.includes('13 * 24')) return '312. QED.';
  if (last.includes('Multiply the result by 2')) return '30. QED.';
  if (last.includes('1+1')) return '2';
  return last.includes('name again') ? [...said.matchAll(/name is (\w+)\./g)].at(-1)?.[1] : undefined;
}

/** What the engine's own grammar would let through; another value each time. */
function constrained(body: ChatBody, number: number): string | undefined {
  const outputs = body['structured_outputs'] as { choice?: string[]; regex?: string; json?: Json } | undefined;
  if (outputs?.choice !== undefined) return outputs.choice[number % outputs.choice.length];
  if (outputs?.regex !== undefined) return `192.168.0.${number % 200}`;
  if (outputs?.json !== undefined)
    return JSON.stringify(valueOf(outputs.json, outputs.json))
      .replaceAll(':2', `:${20 + (number % 30)}`)
      .replaceAll('Paris', `Paris ${number}`);
  const schema = schemaOf(body);
  return schema === undefined
    ? undefined
    : JSON.stringify(valueOf(schema, schema)).replaceAll('Paris', ['Paris', 'Rome', 'Oslo'][number % 3] ?? '');
}

function schemaOf(body: ChatBody): Json | undefined {
  const format = body['response_format'] as { type?: string; json_schema?: { schema?: Json } } | undefined;
  if (format?.type === 'json_schema') return format.json_schema?.schema ?? {};
  return format?.type === 'json_object' ? { type: 'object', properties: { result: { type: 'integer' } } } : undefined;
}

/** A value of a schema, as small as it may be. */
function valueOf(schema: Json, root: Json): unknown {
  const one = (schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf']) as readonly Json[] | undefined;
  if (typeof schema['$ref'] === 'string') return valueOf(at(root, schema['$ref']), root);
  if (schema['const'] !== undefined) return schema['const'];
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  if (one?.[0] !== undefined) return valueOf(one[0], root);
  switch (Array.isArray(schema['type']) ? (schema['type'] as unknown[])[0] : schema['type']) {
    case 'array':
      return Array.from({ length: Number(schema['minItems'] ?? 1) }, () =>
        valueOf((schema['items'] ?? {}) as Json, root),
      );
    case 'integer':
    case 'number':
      return schema['minimum'] ?? 2;
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'string':
      return 'Paris';
    default:
      return Object.fromEntries(
        Object.entries((schema['properties'] ?? {}) as Readonly<Record<string, Json>>).map(([name, each]) => [
          name,
          valueOf(each, root),
        ]),
      );
  }
}

function at(root: Json, pointer: string): Json {
  let found: unknown = root;
  for (const key of pointer.split('/').slice(1)) found = (found as Json | undefined)?.[key];
  return (found ?? {}) as Json;
}
