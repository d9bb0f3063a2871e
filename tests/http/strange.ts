/** Strange requests: bodies that nearly fit a schema, and headers nobody asked for. */
import fc from 'fast-check';
import { z } from 'zod';

interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: fc.JsonValue;
  readonly enum?: readonly fc.JsonValue[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly not?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

/** Values that fit a schema, nearly: bounds of lengths are left to chance. */
function fitting(schema: Schema): fc.Arbitrary<unknown> {
  const options = schema.anyOf ?? schema.oneOf;
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (options !== undefined && schema.type === undefined) return fc.oneof(...options.map(fitting));
  if (typeof schema.type === 'object') return fc.oneof(...schema.type.map((type) => fitting({ ...schema, type })));
  switch (schema.type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({ min: Math.max(schema.minimum ?? -9, -9), max: Math.min(schema.maximum ?? 9, 9) });
    case 'number':
      return fc.double({
        min: schema.minimum ?? schema.exclusiveMinimum ?? -9,
        max: schema.maximum ?? 9,
        minExcluded: schema.exclusiveMinimum !== undefined,
        noNaN: true,
      });
    case 'string':
      return schema.pattern === undefined
        ? fc.string({ unit: 'binary', maxLength: 12 })
        : fc.constantFrom('gyre:calculator', 'gyre:none', 'calculator', 'lookup');
    case 'array':
      return fc.array(fitting(schema.items ?? {}), { maxLength: 3 });
    case 'object':
      return schema.properties === undefined
        ? fc.dictionary(
            fc.string({ unit: 'binary', maxLength: 6 }),
            fitting(typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {}),
            { maxKeys: 3 },
          )
        : fc.record(
            Object.fromEntries(Object.entries(schema.properties).map(([name, inner]) => [name, fitting(inner)])),
            { requiredKeys: [...(schema.required ?? [])] },
          );
    default:
      return schema.not === undefined ? fc.jsonValue({ maxDepth: 2 }) : fc.constant('nothing fits');
  }
}

/** A few fields of a body that fits, so that most get past the first look. */
export function bodyOf(
  shape: z.ZodType,
  sound: Readonly<Record<string, readonly unknown[]>>,
): fc.Arbitrary<string | Uint8Array> {
  const { properties = {} } = z.toJSONSchema(shape, { io: 'input' }) as Schema;
  const known = Object.fromEntries(Object.entries(sound).map(([name, values]) => [name, fc.constantFrom(...values)]));
  const field = fc.oneof(
    ...Object.entries(properties).map(([name, schema]) => fitting(schema).map((value) => [name, value] as const)),
  );
  const odd = fc.tuple(
    fc.oneof(fc.constantFrom(...Object.keys(properties), '__proto__', 'constructor'), fc.string()),
    fc.jsonValue({ maxDepth: 3 }),
  );
  const whole = fc
    .tuple(
      fc.record(known),
      fc.array(field, { maxLength: 3 }),
      fc.oneof({ weight: 7, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.tuple(odd) }),
    )
    .map(([base, fields, strange]) =>
      JSON.stringify({ ...base, ...Object.fromEntries(fields), ...Object.fromEntries(strange) }),
    );
  return fc.oneof(
    { weight: 12, arbitrary: whole },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.tuple(whole, fc.nat({ max: 200 })).map(([text, end]) => text.slice(0, end)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '',
        '{',
        'null',
        '[]',
        '"x"',
        '{"model":1e999}',
        '['.repeat(10_000),
        `{"a":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_001)}`,
        '{"model":"gyre","messages":[{"role":"user","content":"\\ud800"}]}',
      ),
    },
  );
}

const word = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 12,
});
export const headers = fc
  .dictionary(
    fc.constantFrom(
      'content-type',
      'content-encoding',
      'x-request-id',
      'x-gyre-train',
      'authorization',
      'x-api-key',
      'accept-encoding',
      'cookie',
    ),
    word,
    { maxKeys: 3 },
  )
  // Strange encodings are refused at the door, so few are enough.
  .map((made) =>
    'content-encoding' in made && (made['content-encoding']?.length ?? 0) > 2
      ? { ...made, 'content-encoding': 'identity' }
      : made,
  );

export const MESSAGES = [
  [{ role: 'user', content: 'hi' }],
  [
    { role: 'system', content: 's' },
    { role: 'user', content: [{ type: 'text', text: 'hi' }] },
  ],
  [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'ok' },
    { role: 'user', content: 'and?' },
  ],
  [
    { role: 'user', content: 'hi' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{' } }],
    },
    { role: 'tool', tool_call_id: 'c', content: '' },
  ],
];

export const TURNS = [
  [{ role: 'user', content: 'hi' }],
  [
    { role: 'user', content: [{ type: 'text', text: 'hi' }] },
    { role: 'assistant', content: [{ type: 'tool_use', id: 'c', name: 'f', input: {} }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c', content: 'x', is_error: true }] },
  ],
];
