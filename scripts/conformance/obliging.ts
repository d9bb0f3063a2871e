/**
 * What the engine of a suite says: it calls the tool that the last user's turn may want, answers a schema by a value of
 * it, stops at the limit, and else says a few words.
 */
import type { ChatBody, Reply, Script } from '../../tests/fakes/engine.js';

type Json = Readonly<Record<string, unknown>>;

const WORDS = ['Hello', ' there', ',', ' my', ' friend', '.'];

export const obliging: Script = ({ body }) => {
  const limit = body.max_tokens ?? (body['max_completion_tokens'] as number | undefined);
  const call = callOf(body);
  if (call !== undefined) return { calls: [call] };
  const schema = schemaOf(body);
  if (schema !== undefined) return { text: [JSON.stringify(valueOf(schema, schema))] };
  return limited(body['ignore_eos'] === true ? undefined : WORDS, limit);
};

function limited(words: readonly string[] | undefined, limit: number | undefined): Reply {
  if (limit === undefined || (words !== undefined && words.length < limit)) return { text: words ?? WORDS };
  return {
    text: Array.from({ length: limit }, (_, at) => WORDS[at % WORDS.length] ?? ''),
    finish: 'length',
  };
}

/** Calls the tool that was asked for; else the first, once in a conversation's turn. */
function callOf(body: ChatBody): { readonly name: string; readonly arguments: string } | undefined {
  const tools = (body.tools ?? []) as readonly { function: { name: string; parameters?: Json } }[];
  const choice = body.tool_choice as string | { function?: { name?: string } } | undefined;
  if (tools.length === 0 || choice === 'none' || body.messages.at(-1)?.role === 'tool') return undefined;
  const named = typeof choice === 'object' ? choice.function?.name : undefined;
  const words = JSON.stringify(body.messages.at(-1)?.content ?? '').toLowerCase();
  // What a suite's words ask for is in its tools' names: "what is the weather" and `get_weather`.
  const wanted = tools.find(({ function: { name } }) =>
    named !== undefined
      ? name === named
      : name.split(/[_.]+/).some((word) => word.length > 3 && words.includes(word.toLowerCase())),
  );
  const tool = wanted ?? (choice === 'required' ? tools[0] : undefined);
  if (tool === undefined) return undefined;
  const schema = tool.function.parameters ?? {};
  return { name: tool.function.name, arguments: JSON.stringify(valueOf(schema, schema)) };
}

function schemaOf(body: ChatBody): Json | undefined {
  const format = body['response_format'] as { type?: string; json_schema?: { schema?: Json } } | undefined;
  if (format?.type === 'json_schema') return format.json_schema?.schema ?? {};
  return format?.type === 'json_object' ? { type: 'object', properties: { answer: { type: 'string' } } } : undefined;
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
      return schema['minimum'] ?? 25;
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
