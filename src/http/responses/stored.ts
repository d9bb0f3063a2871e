/** Responses that were answered: read back, deleted, and what they were answers to. A key sees its own alone. */
import { Hono } from 'hono';

import { badRequest, GyreError, missing, quoted } from '../../core/errors.js';
import type { Keys } from '../../core/key.js';
import type { LoggedResponse, Reading } from '../../core/reading.js';
import { turnFor } from '../../core/running/turns.js';
import { nearest } from '../../core/text/nearest.js';
import { callerOf } from '../callers/auth.js';
import { inPieces } from '../wire/answers.js';
import { type NodeBindings, requestIdOf } from '../wire/exchange.js';
import { failureOf } from '../wire/failure.js';
import { jsonReply } from '../wire/reply.js';
import { frameOf } from './answer.js';
import { INCLUDABLE } from './fields.js';
import { inputItems } from './input_items.js';
import { RESPONSE_ID } from './references.js';
import { lengthOf, replay, replayed } from './replay.js';

/** Mounted under `/v1`. */
export function responseRoutes(
  reading: Pick<Reading, 'response' | 'withdraw'>,
  keys: Keys,
  slowReaderMs: number,
): Hono<{ Bindings: NodeBindings }> {
  const app = new Hono<{ Bindings: NodeBindings }>();
  app.get('/responses', async (c) => {
    await callerOf(keys, c.req.raw);
    const { status, headers, body } = failureOf(noUpgrade(), requestIdOf(c.req.header('x-request-id')));
    return new Response(body, { status, headers: { ...headers, upgrade: 'websocket' } });
  });
  app.get('/responses/:id', async (c) => {
    const logged = await present(reading, keys, c.req.raw, c.req.param('id'));
    const { stream, starting_after: after } = c.req.query();
    checkIncluded(c.req.queries());
    if (!flag(stream, 'stream')) {
      if (after !== undefined)
        throw badRequest('"starting_after" is of a stream: ask with "stream=true".', 'starting_after');
      await turnFor(lengthOf(logged));
      return jsonReply(replay(logged));
    }
    if (after !== undefined && !/^\d{1,9}$/.test(after))
      throw badRequest(`"starting_after" must be the number of an event, not ${quoted(after)}.`, 'starting_after');
    const frames = framesOf(logged, after === undefined ? -1 : Number(after));
    return c.body(inPieces(frames, c.env.outgoing, slowReaderMs), 200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
    });
  });
  app.delete('/responses/:id', async (c) => {
    const [{ keyId }, id] = [await callerOf(keys, c.req.raw), c.req.param('id')];
    if (!RESPONSE_ID.test(id) || !(await reading.withdraw(keyId, id, c.req.raw.signal))) throw unknown(id);
    return c.json({ id, object: 'response.deleted', deleted: true });
  });
  app.get('/responses/:id/input_items', async (c) => {
    checkIncluded(c.req.queries());
    const logged = await present(reading, keys, c.req.raw, c.req.param('id'));
    return jsonReply(inputItems(logged, c.req.query()));
  });
  return app;
}

/** The events behind that number. Each of a long answer in a turn of its own: others are answered between. */
async function* framesOf(logged: LoggedResponse, after: number): AsyncGenerator<string> {
  const length = lengthOf(logged);
  for (const event of replayed(logged)) {
    if (event.sequence_number <= after) continue;
    const turn = turnFor(length);
    if (turn !== undefined) await turn;
    yield frameOf(event);
  }
}

async function present(
  reading: Pick<Reading, 'response'>,
  keys: Keys,
  request: Request,
  id: string,
): Promise<LoggedResponse> {
  const { keyId } = await callerOf(keys, request);
  const logged = RESPONSE_ID.test(id) ? await reading.response(keyId, id, request.signal) : undefined;
  if (logged === undefined) throw unknown(id);
  return logged;
}

function noUpgrade(): GyreError {
  return new GyreError({
    side: 'client',
    status: 426,
    code: 'upgrade_required',
    message: 'This opens a WebSocket. Without one, POST a request here, or GET a response by its id.',
  });
}

function unknown(id: string): GyreError {
  return missing('response', `Response with id ${quoted(id)} not found.`, 'response_id');
}

/** As when a response is made. What was to be included then is kept with it, and nothing more. */
function checkIncluded({ include = [], 'include[]': listed = [] }: Readonly<Record<string, readonly string[]>>): void {
  const unknown = [...include, ...listed].flatMap((value) => value.split(',')).find((value) => !isIncludable(value));
  if (unknown === undefined) return;
  throw badRequest(
    `"include" names ${quoted(unknown)}, which is not known; ` +
      `did you mean "${nearest(unknown.slice(0, 100), INCLUDABLE)}"?`,
    'include',
  );
}

function isIncludable(value: string): boolean {
  return value === '' || INCLUDABLE.includes(value);
}

function flag(value: string | undefined, name: string): boolean {
  if (value === undefined || value === 'false') return false;
  if (value === 'true') return true;
  throw badRequest(`"${name}" must be true or false, not ${quoted(value)}.`, name);
}
