/** Gold items: subjects of which a person, or who wrote them, says whether they are good. JSONL, one a line. */
import { z } from 'zod';

import { valueAt } from '../../core/check.js';
import { operatorError, quoted, reasonOf } from '../../core/errors.js';
import type { Subject } from '../../core/learning/judging.js';
import type { Message } from '../../core/message.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';

const Call = z.strictObject({ name: z.string().min(1), arguments: z.string().default('{}') });

/** A message is anything with a role: what stands in it is only shown to the judge. */
const Said = z.looseObject({ role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']) });

const Whole = z.strictObject({
  messages: z.array(Said).min(1),
  tools: z.array(z.looseObject({ name: z.string() })).default([]),
  text: z.string().default(''),
  calls: z.array(Call).default([]),
  after: z.array(Said).default([]),
  good: z.boolean(),
  /** What kind of traffic it stands for. */
  cluster: z.string().optional(),
  /** Which model took the action. */
  by: z.string().optional(),
});

const OfStep = z.strictObject({
  step_id: z.string().min(1),
  good: z.boolean(),
  cluster: z.string().optional(),
  by: z.string().optional(),
});

const FORM =
  'An item is {"step_id", "good"}, or {"messages", "text" or "calls", "good"} with "tools", "after", "cluster", "by".';

interface Labelled {
  readonly good: boolean;
  readonly cluster?: string | undefined;
  readonly by?: string | undefined;
}

/** With the action itself, or with the logged step that has it. */
export type GoldItem = Labelled & ({ readonly subject: Subject } | { readonly stepId: string });

/** Throws an operator error that names the line and the field. */
export function parseGold(text: string, file: string): readonly GoldItem[] {
  const items = text.split(/\r\n|[\r\n]/).flatMap((line, at): GoldItem[] => {
    if (line.trim() === '') return [];
    const where = `${file} line ${at + 1}`;
    let raw: unknown;
    try {
      raw = JSON.parse(line);
    } catch (cause) {
      throw operatorError(`${where} is not JSON (${reasonOf(cause)}). ${FORM}`, cause);
    }
    return [itemOf(raw, where)];
  });
  if (items.length === 0) throw operatorError(`${file} has no gold items in it. ${FORM}`);
  return items;
}

function itemOf(raw: unknown, where: string): GoldItem {
  const isOfStep = typeof raw === 'object' && raw !== null && 'step_id' in raw;
  if (isOfStep) {
    const { step_id: stepId, ...labelled } = read(OfStep, raw, where);
    return { stepId, ...labelled };
  }
  const { good, cluster, by, messages, tools, text, calls, after } = read(Whole, raw, where);
  if (text === '' && calls.length === 0)
    throw operatorError(`${where} has neither "text" nor "calls": there is no action to judge. ${FORM}`);
  const subject: Subject = {
    kind: 'step',
    id: `gold-${sha256(canonicalJson({ messages, tools, text, calls })).slice(-16)}`,
    messages: messages as unknown as readonly Message[],
    tools: tools,
    text,
    calls: calls.map((call, at) => ({ id: `call-${at}`, ...call })),
    after: after as unknown as readonly Message[],
    index: 0,
  };
  return { subject, good, cluster, by };
}

function read<T>(shape: z.ZodType<T>, raw: unknown, where: string): T {
  const parsed = shape.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path ?? [];
  const field = path.length === 0 ? '' : `, field "${path.join('.')}"`;
  throw operatorError(`${where}${field} is ${quoted(valueAt(raw, path))}: ${issue?.message ?? 'invalid'}. ${FORM}`);
}
