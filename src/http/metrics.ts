/** What Prometheus reads. Counted on the hot path in plain numbers; names begin with `gyre_`. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

import type { Ending } from '../core/trajectory.js';

/** What only others know, read when Prometheus asks. */
export interface Gauges {
  readonly logFailures: () => number;
  readonly servingVersion: () => number;
  readonly inFlight: () => number;
}

const SHORT = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
const LONG = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

export class Metrics {
  readonly registry = new Registry();
  readonly #requests: Counter<'route' | 'status'>;
  readonly #overhead: Histogram;
  readonly #firstToken: Histogram;
  readonly #tool: Histogram<'tool'>;
  readonly #tokens: Counter<'kind'>;
  readonly #endings: Counter<'outcome' | 'stop_reason'>;
  /** prom-client hashes the labels of every increment: per request that would be the dearest line here, so sums wait for the next scrape. */
  readonly #waiting = new Map<string, { readonly add: (sum: number) => void; sum: number }>();

  constructor(gauges: Gauges) {
    const registers = [this.registry];
    const settle = (): void => this.#settle();
    this.#requests = new Counter({ name: 'gyre_requests_total', help: 'Requests by route and status.', labelNames: ['route', 'status'], registers, collect: settle });
    this.#overhead = new Histogram({ name: 'gyre_overhead_seconds', help: 'Time of a request that neither policy nor tools used.', buckets: SHORT, registers });
    this.#firstToken = new Histogram({ name: 'gyre_time_to_first_token_seconds', help: 'From the request to its first visible token.', buckets: LONG, registers });
    this.#tool = new Histogram({ name: 'gyre_tool_seconds', help: 'Time of one tool call.', labelNames: ['tool'], buckets: LONG, registers });
    this.#tokens = new Counter({ name: 'gyre_tokens_total', help: 'Tokens as the engine counts them.', labelNames: ['kind'], registers, collect: settle });
    this.#endings = new Counter({ name: 'gyre_answers_total', help: 'Answers by outcome and stop reason.', labelNames: ['outcome', 'stop_reason'], registers, collect: settle });
    const gauge = (name: string, help: string, read: () => number): void => {
      const made: Gauge = new Gauge({ name, help, registers, collect: () => made.set(read()) });
    };
    gauge('gyre_in_flight', 'Requests being answered.', gauges.inFlight);
    gauge('gyre_serving_version', 'The version the alias points at.', gauges.servingVersion);
    const failures = new Counter({ name: 'gyre_log_failures_total', help: 'Writes to the log that failed.', registers, collect: () => {
      failures.reset();
      failures.inc(gauges.logFailures());
    } });
  }

  request(route: string, status: number): void {
    this.#add(`r ${route} ${status}`, 1, () => (sum) => this.#requests.inc({ route, status }, sum));
  }

  answer(ending: Ending, seconds: { readonly overhead: number; readonly firstToken: number | undefined }): void {
    this.#overhead.observe(seconds.overhead);
    if (seconds.firstToken !== undefined) this.#firstToken.observe(seconds.firstToken);
    const { outcome, stopReason, usage } = ending;
    this.#add(`e ${outcome} ${stopReason}`, 1, () => (sum) => this.#endings.inc({ outcome, stop_reason: stopReason }, sum));
    this.#add('t prompt', usage.prompt_tokens, () => (sum) => this.#tokens.inc({ kind: 'prompt' }, sum));
    this.#add('t completion', usage.completion_tokens, () => (sum) => this.#tokens.inc({ kind: 'completion' }, sum));
  }

  /** `tool` must be a name the gateway offers, never one a policy made up: it becomes a label. */
  tool(tool: string, milliseconds: number): void {
    this.#tool.observe({ tool }, milliseconds / 1000);
  }

  async text(): Promise<string> {
    this.#settle();
    return this.registry.metrics();
  }

  #add(key: string, amount: number, make: () => (sum: number) => void): void {
    const known = this.#waiting.get(key);
    if (known !== undefined) known.sum += amount;
    else this.#waiting.set(key, { add: make(), sum: amount });
  }

  #settle(): void {
    for (const entry of this.#waiting.values()) {
      if (entry.sum > 0) entry.add(entry.sum);
      entry.sum = 0;
    }
  }
}
