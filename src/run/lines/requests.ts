/** One line of the operator's log for each request to the policy once it is over: names and numbers, never content. */
import type { GyreError } from '../../core/errors.js';
import type { Arrival, Delivered, Observer, Accepted, Watch } from '../../core/observe.js';
import type { Policy } from '../../core/policy.js';
import { versionOf } from '../../core/serving.js';
import type { Ending } from '../../core/trajectory.js';
import type { Fields } from './fields.js';

export function requestLines(write: (fields: Fields, text: string) => void): Observer {
  return { arrived: (arrival, route) => new RequestLine(write, arrival, route) };
}

/** Faults that are told in words of ours and of the system: other servers may quote the request in theirs. */
const OF_THE_SYSTEM: ReadonlySet<string> = new Set([
  'engine_unreachable',
  'engine_timeout',
  'engine_connection_lost',
  'log_waiting',
  'reading_failed',
]);

class RequestLine implements Watch {
  readonly #write: (fields: Fields, text: string) => void;
  readonly #began = performance.now();
  readonly #requestId: string;
  readonly #route: string;
  #answer: Accepted | undefined;
  #end: { readonly ending: Ending; readonly firstToken: number | undefined } | undefined;
  #fault: GyreError | undefined;

  constructor(write: (fields: Fields, text: string) => void, arrival: Arrival, route: string) {
    this.#write = write;
    this.#requestId = arrival.requestId;
    this.#route = route;
  }

  accepted(answer: Accepted): void {
    this.#answer = answer;
  }

  policy(policy: Policy): Policy {
    return policy;
  }

  tool(): void {
    // Counted in the ending.
  }

  refused(fault: GyreError): void {
    this.#fault = fault;
  }

  ended(ending: Ending, fault: GyreError | undefined, firstToken: number | undefined): void {
    this.#end = { ending, firstToken };
    this.#fault = fault;
  }

  closed(status: number | undefined, delivery: Delivered): void {
    const { ending, firstToken } = this.#end ?? {};
    const fault = this.#fault;
    const ms = Math.round((performance.now() - this.#began) * 10) / 10;
    const usage = ending?.usage;
    const source = this.#answer?.source;
    const fields: Fields = {
      request_id: this.#requestId,
      route: this.#route,
      status,
      model: this.#answer?.model,
      upstream: source?.kind === 'upstream' ? source.host : undefined,
      policy_version: source && versionOf(source),
      trajectory: this.#answer?.trajectoryId,
      outcome: ending?.outcome,
      stop_reason: ending?.stopReason,
      error: fault?.code,
      reason: fault !== undefined && OF_THE_SYSTEM.has(fault.code) ? fault.message : undefined,
      delivery,
      ms,
      first_token_ms: firstToken === undefined ? undefined : Math.round(firstToken * 10_000) / 10,
      prompt_tokens: usage?.prompt_tokens,
      completion_tokens: usage?.completion_tokens,
      cached_tokens: usage?.cached_tokens,
      tool_calls: ending?.toolUse.executed,
    };
    const how =
      ending === undefined
        ? `refused${fault === undefined ? '' : ` (${fault.code})`}`
        : `${ending.outcome} (${fault?.code ?? ending.stopReason}), ${ending.usage.prompt_tokens} + ` +
          `${ending.usage.completion_tokens} tokens`;
    this.#write(fields, `POST ${this.#route} ${status ?? 'unanswered'} ${ms} ms: ${how}, ${delivery}`);
  }
}
