/**
 * The Responses API over a WebSocket: each `response.create` is a request of the same protocol, and the events of its
 * answer are messages. One is answered at a time; whoever wants to break an answer off closes the connection.
 */
import { z } from 'zod';

import { badRequest, quoted } from '../../core/errors.js';
import { newId } from '../../core/ids.js';
import { NO_USAGE } from '../../core/policy.js';
import type { Ending } from '../../core/trajectory.js';
import { type Admission, admitPlain, refusalOf } from '../callers/allowance.js';
import { callerIn, identify } from '../callers/auth.js';
import type { AnswerDeps } from '../protocol/deps.js';
import type { Face } from '../protocol/face.js';
import { settleOffer } from '../protocol/offer.js';
import { lookBack, Past, type Refers } from '../protocol/past.js';
import { sampledBy } from '../protocol/request.js';
import { jsonInTurns } from '../wire/body.js';
import { UNCOUNTED } from '../wire/room.js';
import type { Message as MessageBytes, SocketExchange } from '../wire/socket_exchange.js';
import { readRequest, RESPONSES } from '../responses/face.js';
import { ResponseFold } from '../responses/fold.js';
import { refersOf } from '../responses/references.js';
import type { Memory } from './memory.js';
import { messagesTo, SocketAnswer } from './answer.js';

/** How a connection has an exchange made for a message, and answered within the gateway's limits. */
export interface SocketDeps {
  /** A header of the request that opened the connection. */
  header(name: string): string | undefined;
  exchange(message: MessageBytes, envelope: Readonly<Record<string, unknown>>): SocketExchange;
  /** Answers by the loop. */
  answer(face: Face<SocketExchange>, exchange: SocketExchange): Promise<void>;
  /** Answers without it. */
  run(exchange: SocketExchange, answer: () => Promise<void>): Promise<void>;
}

const LANE = z.string().regex(/^[A-Za-z0-9_.-]{1,256}$/, 'must be 1 to 256 letters, digits, "_", "." or "-"');

/** What a message says around the fields of a request. */
interface Message {
  readonly type: unknown;
  readonly lane: string | undefined;
  /** Whether an answer is wanted; without, what is said is only remembered. */
  readonly generate: boolean;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What answers the messages of one connection. */
export function openResponses(deps: AnswerDeps, memory: Memory, socket: SocketDeps): (bytes: Buffer) => Promise<void> {
  return async (bytes) => {
    const isSmall = bytes.length <= UNCOUNTED;
    const message = await attempt(() => (isSmall ? read(bytes) : readLarge(bytes)));
    // Codex says so when it has read an answer. There is nothing to do.
    if (message.value?.type === 'response.processed' && isSmall) return;
    const lane = message.value?.lane;
    const envelope = lane === undefined ? {} : { stream_id: lane };
    const exchange = socket.exchange({ size: bytes.length, read: () => fieldsOf(message) }, envelope);
    const { generate = true, fields = {} } = message.value ?? {};
    const previous = fields['previous_response_id'];
    if (generate) await socket.answer(face(lane ?? '', envelope, previous), exchange);
    else await socket.run(exchange, () => remember(lane ?? '', envelope, exchange));
    if ((exchange.status ?? 0) >= 400) memory.forget(previous);
  };

  /** Nothing of it is looked at for who is not known any more, or may not ask now. */
  async function readLarge(bytes: Buffer): Promise<Message> {
    const { keyId, limits } = await identify(deps.keys, socket.header('authorization'), socket.header('x-api-key'));
    const refusal = limits === undefined ? undefined : await refusalOf(deps, keyId, limits);
    if (refusal !== undefined) throw refusal;
    const { room } = deps.bodies;
    room.enter();
    try {
      return await read(bytes);
    } finally {
      room.leave();
    }
  }

  /** What a request refers to that is not remembered, or not any more. */
  async function othersIn(raw: unknown, signal: AbortSignal): Promise<Refers | undefined> {
    const refers = refersOf(raw);
    await memory.forgetWithdrawn(refers, deps.past, signal);
    return memory.others(refers);
  }

  function face(lane: string, envelope: Readonly<Record<string, unknown>>, previous: unknown): Face<SocketExchange> {
    return {
      id: RESPONSES.id,
      errors: RESPONSES.errors,
      refers: (raw, signal) => othersIn(raw, signal),
      parse(raw, past) {
        const { fields, request } = readRequest(raw, memory.before(past));
        return {
          request,
          delivery: (exchange, head) =>
            new SocketAnswer(exchange, head, fields, envelope, (answer) => {
              if (answer === undefined) memory.forget(previous);
              else memory.keep(lane, head.id, [...request.messages, answer], request.asked, previous);
            }),
        };
      },
    };
  }

  /** `generate: false`: everything is checked and kept to be gone on from, and the answer has no items. */
  async function remember(
    lane: string,
    envelope: Readonly<Record<string, unknown>>,
    exchange: SocketExchange,
  ): Promise<void> {
    let admission: Admission | undefined;
    try {
      const caller = await callerIn(deps.keys, exchange);
      admission = admitPlain(deps, caller);
      const raw = await exchange.body(deps.bodies);
      const { signal } = exchange.clock;
      const refers = await othersIn(raw, signal);
      const earlier = refers === undefined ? undefined : await lookBack(deps, caller.keyId, refers, signal);
      const { fields, request } = readRequest(raw, memory.before(new Past(earlier)));
      const { leftOut } = settleOffer(request, deps.tools, deps.settings.defaultTools, caller.tools);
      const lease = await deps.serving.lease(request.model, signal);
      lease.release();
      const id = newId(RESPONSES.id, exchange.startedAt);
      memory.keep(lane, id, request.messages, request.asked, fields.previous_response_id);
      const head = {
        id,
        created: Math.floor(exchange.startedAt / 1000),
        model: request.model,
        sampling: sampledBy(request.sampling, lease.defaults),
        leftOut,
      };
      const fold = new ResponseFold(head, fields, messagesTo(exchange, envelope));
      fold.event({ type: 'start' });
      fold.end({ ending: NOTHING, at: Math.floor(Date.now() / 1000) });
    } catch (thrown) {
      exchange.fail(thrown, admission?.headers ?? {}, false);
    } finally {
      admission?.leave();
    }
  }
}

async function read(bytes: Buffer): Promise<Message> {
  return messageOf(await jsonInTurns(bytes));
}

const NOTHING: Ending = {
  outcome: 'completed',
  stopReason: 'stop',
  usage: NO_USAGE,
  toolUse: { requested: 0, executed: 0, by_tool: {} },
};

interface Attempt {
  readonly value?: Message;
  readonly thrown?: unknown;
}

async function attempt(read: () => Promise<Message>): Promise<Attempt> {
  try {
    return { value: await read() };
  } catch (thrown) {
    return { thrown };
  }
}

/** The fields of the request, or what is wrong with its message. */
function fieldsOf({ value, thrown }: Attempt): unknown {
  if (value === undefined) throw thrown;
  const { type, lane, fields } = value;
  if (type !== 'response.create')
    throw badRequest(`"type" must be "response.create", not ${quoted(String(type))}.`, 'type', 'invalid_value');
  if (lane !== undefined && !LANE.safeParse(lane).success)
    throw badRequest('"stream_id" must be 1 to 256 letters, digits, "_", "." or "-".', 'stream_id', 'invalid_value');
  return fields;
}

function messageOf(value: unknown): Message {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badRequest('A message must be a JSON object.', undefined, 'invalid_type');
  // A message is always streamed: what says so over HTTP says nothing here.
  const {
    type,
    stream_id: lane,
    generate,
    stream: _,
    stream_options: __,
    ...fields
  } = value as Record<string, unknown>;
  // Codex sends what is new since the answer it goes on from, which may be nothing.
  if (
    Array.isArray(fields['input']) &&
    fields['input'].length === 0 &&
    typeof fields['previous_response_id'] === 'string'
  )
    delete fields['input'];
  return {
    type,
    lane: typeof lane === 'string' ? lane : lane === undefined || lane === null ? undefined : '',
    generate: generate !== false,
    fields: { ...fields, stream: true },
  };
}
