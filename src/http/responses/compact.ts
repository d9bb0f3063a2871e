/**
 * `POST /v1/responses/compact`: the policy sums a conversation up, and the client goes on with the sum in its place. It
 * is answered by the loop and logged like any other answer, without consent: nobody asked this question to learn from.
 */
import { type Message, textOf } from '../../core/message.js';
import type { LoopEvent } from '../../loop/events.js';
import type { Finish } from '../../loop/events.js';
import { GyreError } from '../../core/errors.js';
import type { AnswerHead, Delivery, Face } from '../protocol/face.js';
import { readFields, requiredField, requiredModel } from '../protocol/fields.js';
import type { AnswerRequest } from '../protocol/request.js';
import type { Exchange } from '../wire/exchange.js';
import { packSummary, SUMMARISE } from './compaction.js';
import { conversationOf, RESPONSES } from './face.js';
import { COMPACT_FIELDS } from './fields.js';
import { usageOf } from './object.js';
import { compactionId, refersOf } from './references.js';

/** Characters of the user's own words that are kept beside the summary, the newest first. */
const KEPT = 20_000;

export const COMPACT: Face = {
  id: 'resp',
  errors: RESPONSES.errors,
  refers: refersOf,
  parse(raw, past) {
    const { fields } = readFields(raw, COMPACT_FIELDS);
    if (fields.previous_response_id === undefined) requiredField(fields.input, 'input', ': send what to compact.');
    const messages = conversationOf(fields, past);
    return {
      request: requestOf(requiredModel(fields.model), messages),
      delivery: (exchange, head) => new Compaction(exchange, head, messages),
    };
  },
};

function requestOf(model: string, messages: readonly Message[]): AnswerRequest {
  return {
    model,
    messages: [...messages, { role: 'user', content: SUMMARISE }],
    stream: false,
    includeUsage: false,
    toolEvents: false,
    tools: [],
    toolChoice: 'none',
    parallelToolCalls: undefined,
    n: 1,
    topLogprobs: undefined,
    tokenIds: false,
    sampling: {},
    limitField: 'max_completion_tokens',
    forwarded: undefined,
    store: false,
    // Not to be read back or gone on from: its client has the window it made.
    asked: { store: false },
    metadata: undefined,
  };
}

class Compaction implements Delivery {
  readonly #exchange: Exchange;
  readonly #head: AnswerHead;
  readonly #messages: readonly Message[];
  #summary = '';

  constructor(exchange: Exchange, head: AnswerHead, messages: readonly Message[]) {
    this.#exchange = exchange;
    this.#head = head;
    this.#messages = messages;
  }

  event(event: LoopEvent): undefined {
    if (event.type === 'text') this.#summary += event.text;
  }

  finish({ fault, ending }: Finish): void {
    const { headers, id, created } = this.#head;
    if (ending.outcome === 'cancelled') return;
    const failed = fault ?? (this.#summary.trim() === '' ? noSummary() : undefined);
    if (failed !== undefined) return this.#exchange.fail(failed, headers, false);
    const compaction = {
      type: 'compaction',
      id: compactionId(id),
      encrypted_content: packSummary(this.#summary.trim()),
    };
    const body = {
      id,
      object: 'response.compaction',
      created_at: created,
      output: [...keptOf(this.#messages, id), compaction],
      usage: usageOf(ending),
    };
    this.#exchange.json(JSON.stringify(body), headers);
  }
}

/** What the user said, in their own words, as far as it is not long: the summary has the rest. */
function keptOf(messages: readonly Message[], id: string): readonly unknown[] {
  const kept: unknown[] = [];
  let length = 0;
  for (const [at, message] of [...messages.entries()].reverse()) {
    if (message.role !== 'user') continue;
    const text = textOf(message.content);
    length += text.length;
    if (text === '' || length > KEPT) break;
    kept.unshift({
      type: 'message',
      id: `msg_${id.slice(5)}_in${at}`,
      status: 'completed',
      role: 'user',
      content: [{ type: 'input_text', text }],
    });
  }
  return kept;
}

function noSummary(): GyreError {
  return new GyreError({
    side: 'engine',
    status: 502,
    code: 'no_summary',
    message: 'The policy wrote no summary. Send the conversation as it is.',
  });
}
