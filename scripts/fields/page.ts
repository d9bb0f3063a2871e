/**
 * The page of request fields, `docs/fields.md`: every field of every protocol, what it takes and what becomes of it.
 */
import { z } from 'zod';

import { type FieldRow, fieldRows } from '../../src/http/protocol/fields.js';
import { type Protocol, PROTOCOLS } from '../../src/http/protocols.js';

const INTRO = `# Request fields

Made by \`node scripts/fields.mjs\` from the schemas requests are checked with; do not edit it by hand.

What becomes of a field:

- *supported*: used; the gateway reads it, and it has its meaning in that protocol. Where some of it has no effect, that
  is said.
- *forwarded*: passed on to the engine or upstream as it came, once its type is right.
- *ignored*: noted and ignored; it is a hint, bookkeeping, or an edit that changes nothing here.
- *refused*: a 400 that names the field, with the reason given here; only where ignoring it would change the answer
  without the client knowing. Values that change nothing are accepted and ignored: \`null\`, and those under *takes*.

A parameter that is in no table is refused as unknown, with what it is called here or the nearest known name. In a
message, a part, a call or a tool, a field that is not known is dropped. \`null\` means the same as leaving a field out.

A request whose \`model\` is an upstream's name is checked by the same tables. The upstream is sent what the client
asked for of the supported and forwarded fields, vLLM's own among them, and refuses what it does not know in its own
words. It is asked for log-probabilities and token ids only when the client asks for them. Reasoning of earlier turns is
not sent to an upstream, but for a turn with calls whose chat client sends \`reasoning_content\` back.
`;

export function fieldsPage(protocols: readonly Protocol[] = PROTOCOLS): string {
  return [INTRO, ...protocols.map(section)].join('\n');
}

function section({ name, path, fields }: Protocol): string {
  const lines = fieldRows(fields).map((row) => {
    const cells = [`\`${row.field}\``, row.schema === undefined ? '' : takes(row.schema), fateOf(row, fields.required)];
    return `| ${cells.map(cell).join(' | ')} |`;
  });
  return [
    `## ${name}`,
    '',
    `\`POST ${path}\``,
    '',
    '| field | takes | what becomes of it |',
    '|---|---|---|',
    ...lines,
    '',
  ].join('\n');
}

function fateOf({ field, treatment, note }: FieldRow, required: readonly string[]): string {
  const text = note === '' ? treatment : `${treatment}${treatment === 'forwarded' ? ' ' : ': '}${note}`;
  return required.includes(field) ? `${text}, required` : text;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

interface Schema {
  readonly type?: string | readonly string[] | undefined;
  readonly const?: unknown;
  readonly enum?: readonly unknown[] | undefined;
  readonly anyOf?: readonly Schema[] | undefined;
  readonly oneOf?: readonly Schema[] | undefined;
  readonly not?: unknown;
  readonly properties?: Readonly<Record<string, Schema>> | undefined;
  readonly required?: readonly string[] | undefined;
  readonly additionalProperties?: boolean | Schema | undefined;
  readonly propertyNames?: Schema | undefined;
  readonly items?: Schema | undefined;
  readonly minItems?: number | undefined;
  readonly maxItems?: number | undefined;
  readonly minLength?: number | undefined;
  readonly maxLength?: number | undefined;
  readonly pattern?: string | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly exclusiveMinimum?: number | undefined;
}

function takes(schema: z.ZodType): string {
  return described(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema);
}

/** A schema in a few words. */
function described(schema: Schema): string {
  if (schema.not !== undefined) return 'nothing';
  if (schema.const !== undefined) return quoted(schema.const);
  if (schema.enum !== undefined) return oneOf(schema.enum.map(quoted));
  const options = schema.anyOf ?? schema.oneOf;
  if (options !== undefined) return oneOf(options.filter((option) => option.type !== 'null').map(described));
  const type = typeof schema.type === 'string' ? schema.type : schema.type?.find((each) => each !== 'null');
  switch (type) {
    case 'string':
      return schema.pattern === undefined ? `text${lengthOf(schema)}` : `text like \`${schema.pattern}\``;
    case 'boolean':
      return 'true or false';
    case 'integer':
    case 'number':
      return `${type}${bounds(schema)}`;
    case 'array':
      if (schema.maxItems === 0) return '`[]`';
      return (
        `list of ${described(schema.items ?? {})}` +
        (schema.maxItems === undefined ? '' : `, at most ${schema.maxItems}`) +
        (schema.minItems === undefined ? '' : `, at least ${schema.minItems}`)
      );
    case 'object':
      return object(schema);
    default:
      return 'anything';
  }
}

function object({ properties, required = [], additionalProperties, propertyNames }: Schema): string {
  if (properties !== undefined && Object.keys(properties).length === 0 && additionalProperties === false) return '`{}`';
  if (properties !== undefined) {
    const value = ({ const: only, pattern }: Schema): string =>
      only !== undefined ? `: ${JSON.stringify(only)}` : pattern !== undefined ? `: /${pattern}/` : '';
    const fields = Object.entries(properties).map(
      ([name, inner]) => `${name}${required.includes(name) ? '' : '?'}${value(inner)}`,
    );
    return `\`{${[...fields, ...(additionalProperties === false ? [] : ['...'])].join(', ')}}\``;
  }
  if (typeof additionalProperties !== 'object' || Object.keys(additionalProperties).length === 0) return 'object';
  return `object of any names${lengthOf(propertyNames ?? {})}, each ${described(additionalProperties)}`;
}

function bounds({ minimum = -Infinity, maximum = Infinity, exclusiveMinimum }: Schema): string {
  if (minimum > Number.MIN_SAFE_INTEGER && maximum < Number.MAX_SAFE_INTEGER) return ` from ${minimum} to ${maximum}`;
  const least =
    exclusiveMinimum !== undefined
      ? `above ${exclusiveMinimum}`
      : minimum > Number.MIN_SAFE_INTEGER
        ? `at least ${minimum}`
        : '';
  const most = maximum < Number.MAX_SAFE_INTEGER ? `at most ${maximum}` : '';
  return [least, most]
    .filter((bound) => bound !== '')
    .map((bound) => `, ${bound}`)
    .join('');
}

function lengthOf({ minLength, maxLength }: Schema): string {
  if (maxLength !== undefined) return ` of at most ${maxLength} characters`;
  return minLength === undefined ? '' : ', not empty';
}

function oneOf(options: readonly string[]): string {
  return [...new Set(options)].join(' or ');
}

function quoted(value: unknown): string {
  return `\`${JSON.stringify(value)}\``;
}
