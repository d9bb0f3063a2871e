/** What a protocol is to the gateway: it reads a request, and tells the answer. It only translates. */
import type { IdKind } from '../../core/ids.js';
import type { AssistantMessage } from '../../core/message.js';
import type { Sampling } from '../../core/policy.js';
import type { Source } from '../../core/serving.js';
import type { Ending } from '../../core/trajectory.js';
import type { Finish, LoopEvent, LoopLimits } from '../../loop/events.js';
import type { Past, Refers } from './past.js';
import type { AnyExchange, Exchange } from '../wire/exchange.js';
import type { ErrorShape } from '../wire/failure.js';
import type { AnswerRequest } from './request.js';
import type { Seal } from './seal.js';

/** Where the events of one answer go. */
export interface Delivery {
  /** A promise means: wait, the client is slower than the policy. */
  event(event: LoopEvent): Promise<void> | undefined;
  /** The end. Called once, after the log has everything. */
  finish(finish: Finish): void;
}

/** Everything about an answer that is known before its first token. */
export interface AnswerHead {
  readonly id: string;
  /** Seconds. */
  readonly created: number;
  readonly model: string;
  /** Whose answer it is. */
  readonly source: Source;
  readonly headers: Readonly<Record<string, string>>;
  /** By what it is drawn: what the request asked for, and the defaults. */
  readonly sampling: Sampling;
  /** Whether the client asked for logprobs and for token ids: what the gateway asked for itself is never shown. */
  readonly logprobs: boolean;
  readonly tokenIds: boolean;
  /** Tools the request named that are not here. */
  readonly leftOut: readonly string[];
}

/** The header that names the version of the policy; none where an upstream answers. */
export function versionHeader(source: Source): Readonly<Record<string, string>> {
  return source.kind === 'policy' ? { 'x-gyre-policy-version': String(source.version) } : {};
}

/** The limit of the loop that ended the answer, where one did: `finish_reason` can only say "length". */
export function limitOf(ending: Ending): { readonly stop_reason: string } | undefined {
  switch (ending.stopReason) {
    case 'max_steps':
    case 'max_tool_calls':
    case 'deadline':
    case 'tool_errors':
    case 'repeated_call':
      return { stop_reason: ending.stopReason };
    default:
      return undefined;
  }
}

export interface AnswerSettings {
  readonly limits: LoopLimits;
  /** Names of the toolbox that are offered when a request names none. */
  readonly defaultTools: readonly string[];
  /** No answer without its record: 503 where the log can take nothing. */
  readonly logRequired: boolean;
  readonly keepaliveMs: number;
  readonly slowReaderMs: number;
  /** Under which names a chat message tells what was reasoned. */
  readonly reasoningFields: readonly string[];
  /** Knows the reasoning of this installation's own answers again. */
  readonly seal: Seal;
}

/** One request of a protocol in the words all protocols share, and how its answer is delivered. */
export interface ParsedRequest<E extends AnyExchange = Exchange> {
  readonly request: AnswerRequest;
  delivery(exchange: E, head: AnswerHead, settings: AnswerSettings): Delivery;
}

/** A protocol: it only translates. `E` is what carries its requests. */
export interface Face<E extends AnyExchange = Exchange> {
  /** What its answers' ids begin with. */
  readonly id: IdKind;
  readonly errors: ErrorShape;
  /** Throws 400 that names the field, 404 for a past that is not there. */
  parse(raw: unknown, past: Past): ParsedRequest<E>;
  /** The earlier answers a request refers to: they are looked up before it is parsed. Undefined where it has none. */
  refers?(raw: unknown, signal: AbortSignal): Refers | undefined | Promise<Refers | undefined>;
  /**
   * An answer's turn as its client will send it back, where the protocol cannot carry it word for word. The log knows
   * the conversation again by this form.
   */
  resent?(visible: AssistantMessage): AssistantMessage;
}
