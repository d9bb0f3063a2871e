/** Labels: what people say of steps, and what they are asked about next. For admins: a person overrules every judge. */
import { Hono } from 'hono';
import type { z } from 'zod';

import { badRequest, quoted } from '../../core/errors.js';
import type { Keys } from '../../core/key.js';
import { MOST_LABELS, MOST_QUEUED, NewLabel, type NewLabel as Label, Withdrawal } from '../../core/judging/labels.js';
import { refuseUnknown } from '../../core/paging.js';
import type { Labels } from '../../core/reading.js';
import { givenOf } from '../../core/reading/filters.js';
import { requireAdmin } from '../callers/auth.js';
import { invalid } from '../protocol/fields.js';
import type { Bodies } from '../wire/bodies.js';
import type { NodeBindings } from '../wire/exchange.js';
import { jsonReply } from '../wire/reply.js';

const SOME = 10;

/** Mounted under `/gyre/v1`. */
export function labelRoutes(labels: Labels, keys: Keys, bodies: Bodies): Hono<{ Bindings: NodeBindings }> {
  const app = new Hono<{ Bindings: NodeBindings }>();
  app.post('/labels', async (c) => {
    const caller = await requireAdmin(keys, c.req.raw);
    const body = await bodies.json(c.env.incoming);
    const list = listOf(body);
    const added = await labels.add(list, caller.keyId, c.req.raw.signal);
    return c.json(Array.isArray(body) ? { data: added } : added[0]);
  });
  app.get('/labels', async (c) => {
    await requireAdmin(keys, c.req.raw);
    const given = givenOf(c.req.queries());
    const query = Object.fromEntries(
      Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    );
    return jsonReply(await labels.list(query, c.req.raw.signal));
  });
  app.get('/labels/next', async (c) => {
    await requireAdmin(keys, c.req.raw);
    const { count, ...others } = givenOf(c.req.queries());
    refuseUnknown(Object.keys(others), ['count']);
    return jsonReply(await labels.next(countOf(count), c.req.raw.signal));
  });
  return app;
}

function listOf(body: unknown): readonly (Label | Withdrawal)[] {
  if (!Array.isArray(body)) return [labelOf(body, [])];
  if (body.length === 0 || body.length > MOST_LABELS)
    throw badRequest(`A list of labels has 1 to ${MOST_LABELS} items, and this one has ${body.length}.`);
  return body.map((item, at) => labelOf(item, [`[${at}]`]));
}

function labelOf(body: unknown, prefix: readonly string[]): Label | Withdrawal {
  const schema: z.ZodType<Label | Withdrawal> =
    typeof body === 'object' && body !== null && 'withdraw' in body ? Withdrawal : NewLabel;
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw invalid(parsed.error, prefix, body);
  return parsed.data;
}

function countOf(text: string | undefined): number {
  const count = text === undefined ? SOME : /^[1-9]\d?$/.test(text) ? Number(text) : Number.NaN;
  if (!(count <= MOST_QUEUED))
    throw badRequest(`"count" must be a whole number from 1 to ${MOST_QUEUED}, not ${quoted(text)}.`, 'count');
  return count;
}
