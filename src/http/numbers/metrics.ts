/**
 * What Prometheus reads. Counted on the hot path in plain numbers; names begin with `gyre_`. A label's value is
 * a word of this gateway, never one that a client or a policy made up: their number must be bounded.
 */
import { Counter, Gauge, Registry } from 'prom-client';

import type { Drift } from '../../core/judging/drift.js';
import type { WaitingJudge } from '../../core/learning/cycle.js';
import type { Update } from '../../core/learning/alarms.js';
import type { CanaryStatus } from '../../core/judging/live.js';
import type { LogState } from '../../core/log.js';
import type { Delivered } from '../../core/observe.js';
import type { Action } from '../../core/policy.js';
import type { Observation } from '../../core/tool.js';
import type { Ending } from '../../core/trajectory.js';
import { addDriftGauges, addWaitingGauge } from './judges.js';
import { Histogram } from './histogram.js';
import { addUpdateGauges } from './updates.js';

/** The learning clock in numbers. */
export interface LearningNumbers {
  /** The newest trained version. */
  readonly head: number;
  /** Cycles by their state. */
  readonly cycles: Readonly<Record<string, number>>;
  readonly update?: Update | undefined;
  readonly canary?: CanaryStatus | undefined;
  readonly drifts?: readonly Drift[] | undefined;
  readonly waiting?: readonly WaitingJudge[] | undefined;
}

/** Numbers that are kept elsewhere, read at each scrape. */
export interface Gauges {
  readonly logFailures: () => number;
  readonly log: () => LogState;
  readonly servingVersion: () => number;
  readonly inFlight: () => number;
  /** Requests answered at once at most. */
  readonly limit: number;
  /** Absent where nothing can learn. */
  readonly learning?: (() => LearningNumbers) | undefined;
}

const SHORT = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
const LONG = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const PER_TOKEN = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5];
/** The label of tools that do not exist: the policy makes their names up, any number of them. */
const NO_SUCH_TOOL = '(unknown)';

export class Metrics {
  readonly contentType: string;
  readonly #registry = new Registry();
  readonly #requests: Counter<'route' | 'status'>;
  readonly #endings: Counter<'outcome' | 'stop_reason'>;
  readonly #deliveries: Counter<'outcome'>;
  readonly #tokens: Counter<'kind'>;
  readonly #faults: Counter<'tool' | 'error'>;
  readonly #swaps: Counter;
  readonly #bugs: Counter;
  readonly #took = new Histogram({
    name: 'gyre_request_seconds',
    help: 'From the head of a request to the end of its answer, by route.',
    buckets: LONG,
    label: 'route',
  });
  readonly #overhead = new Histogram({
    name: 'gyre_overhead_seconds',
    help: 'Time of a request that neither policy nor tools used.',
    buckets: SHORT,
  });
  readonly #firstToken = new Histogram({
    name: 'gyre_time_to_first_token_seconds',
    help: 'From the request to its first visible token.',
    buckets: LONG,
  });
  readonly #perToken = new Histogram({
    name: 'gyre_time_per_output_token_seconds',
    help: 'Time per token of one policy call after its first.',
    buckets: PER_TOKEN,
  });
  readonly #commit = new Histogram({
    name: 'gyre_log_commit_wait_seconds',
    help: 'How long a finished answer waited for the log before its last frame.',
    buckets: SHORT,
  });
  readonly #tool = new Histogram({
    name: 'gyre_tool_seconds',
    help: 'Time of one tool call.',
    buckets: LONG,
    label: 'tool',
  });
  /**
   * prom-client hashes the labels of every increment: per request that would cost more than all else here, so sums wait
   * for the next scrape.
   */
  readonly #waiting = new Map<string, { readonly add: (sum: number) => void; sum: number }>();

  constructor(gauges: Gauges) {
    const registers = [this.#registry];
    this.contentType = this.#registry.contentType;
    const collect = (): void => this.#settle();
    this.#requests = new Counter({
      name: 'gyre_requests_total',
      help: 'Requests by route and status; 499: the client left before its first byte.',
      labelNames: ['route', 'status'],
      registers,
      collect,
    });
    this.#endings = new Counter({
      name: 'gyre_answers_total',
      help: 'Answers by outcome and stop reason of the run.',
      labelNames: ['outcome', 'stop_reason'],
      registers,
      collect,
    });
    this.#deliveries = new Counter({
      name: 'gyre_deliveries_total',
      help: 'Responses by what became of them on their way to the client.',
      labelNames: ['outcome'],
      registers,
      collect,
    });
    this.#tokens = new Counter({
      name: 'gyre_tokens_total',
      help: "Tokens as the engine counts them; cached ones are among the prompt's, reasoning among the completion's.",
      labelNames: ['kind'],
      registers,
      collect,
    });
    this.#faults = new Counter({
      name: 'gyre_tool_faults_total',
      help: 'Tool calls that gave an error, by tool and kind.',
      labelNames: ['tool', 'error'],
      registers,
      collect,
    });
    this.#swaps = new Counter({
      name: 'gyre_swaps_total',
      help: 'Times the alias was pointed at another version.',
      registers,
    });
    const gauge = (name: string, help: string, read: () => number): void => {
      const made: Gauge = new Gauge({ name, help, registers, collect: () => made.set(read()) });
    };
    gauge('gyre_in_flight', 'Requests being answered.', gauges.inFlight);
    gauge('gyre_in_flight_limit', 'Requests answered at once at most; more are refused with 429.', () => gauges.limit);
    this.#bugs = new Counter({
      name: 'gyre_internal_errors_total',
      help: 'Faults that are bugs of the gateway; its log has the reason of each.',
      registers,
    });
    gauge('gyre_serving_version', 'The version the alias points at.', gauges.servingVersion);
    const counter = (name: string, help: string, read: () => number): void => {
      const made: Counter = new Counter({
        name,
        help,
        registers,
        collect: () => {
          made.reset();
          made.inc(read());
        },
      });
    };
    counter('gyre_log_failures_total', 'Writes to the log that failed.', gauges.logFailures);
    gauge(
      'gyre_log_uncommitted_answers',
      'Answers that are recorded and not committed yet.',
      () => gauges.log().uncommitted.answers,
    );
    gauge(
      'gyre_log_waiting_seconds',
      'How long the log has waited for a lock, a full disk or the like to pass.',
      () => {
        const { wait } = gauges.log();
        return wait === undefined ? 0 : (Date.now() - wait.since) / 1000;
      },
    );
    gauge('gyre_log_wal_bytes', "Size of the database's write-ahead log.", () => gauges.log().wal.bytes);
    counter(
      'gyre_log_folds_held_up_total',
      'Times the write-ahead log could not be folded into the database because a reader stays.',
      () => gauges.log().wal.heldUp,
    );
    const { learning } = gauges;
    if (learning === undefined) return;
    gauge(
      'gyre_head_version',
      'The newest trained version, which sampling and training follow.',
      () => learning().head,
    );
    gauge(
      'gyre_canary_share',
      'Share of the conversations that a candidate answers; 0 without a canary.',
      () => learning().canary?.share ?? 0,
    );
    const conversations: Gauge<'arm'> = new Gauge({
      name: 'gyre_canary_conversations',
      help: 'Conversations of the canary that were read, of the candidate and of what serves.',
      labelNames: ['arm'],
      registers,
      collect: () => {
        const { candidate = 0, serving = 0 } = learning().canary?.read ?? {};
        conversations.set({ arm: 'candidate' }, candidate);
        conversations.set({ arm: 'serving' }, serving);
      },
    });
    addUpdateGauges(this.#registry, () => learning().update);
    addDriftGauges(this.#registry, () => learning().drifts ?? []);
    addWaitingGauge(this.#registry, () => learning().waiting ?? []);
    const cycles: Gauge<'state'> = new Gauge({
      name: 'gyre_learning_cycles',
      help: 'Learning cycles by state.',
      labelNames: ['state'],
      registers,
      collect: () => {
        for (const [state, count] of Object.entries(learning().cycles)) cycles.set({ state }, count);
      },
    });
  }

  request(route: string, status: number): void {
    this.#add(`r ${route} ${status}`, 1, () => (sum) => this.#requests.inc({ route, status }, sum));
  }

  /** The end of a request to the policy, answered or refused. */
  took(route: string, seconds: number): void {
    this.#took.observe(seconds, route);
  }

  answer(
    { outcome, stopReason, usage }: Ending,
    seconds: { readonly overhead: number; readonly firstToken: number | undefined },
  ): void {
    this.#overhead.observe(seconds.overhead);
    if (seconds.firstToken !== undefined) this.#firstToken.observe(seconds.firstToken);
    this.#add(
      `e ${outcome} ${stopReason}`,
      1,
      () => (sum) => this.#endings.inc({ outcome, stop_reason: stopReason }, sum),
    );
    this.#token('prompt', usage.prompt_tokens);
    this.#token('completion', usage.completion_tokens);
    if (usage.cached_tokens > 0) this.#token('cached', usage.cached_tokens);
    if (usage.reasoning_tokens > 0) this.#token('reasoning', usage.reasoning_tokens);
  }

  /** Tokens of what an upstream answered beside conversations. */
  relayed(prompt: number, completion: number): void {
    if (prompt > 0) this.#token('prompt', prompt);
    if (completion > 0) this.#token('completion', completion);
  }

  /** A whole action: how fast its tokens came once they came. */
  action({ usage, timings }: Action): void {
    if (timings.firstTokenMs === undefined || usage.completion_tokens < 2) return;
    this.#perToken.observe((timings.totalMs - timings.firstTokenMs) / 1000 / (usage.completion_tokens - 1));
  }

  /** `tool` is the name of a tool the gateway has, undefined for any other. */
  tool(tool: string | undefined, { ms, error }: Observation): void {
    // A call that was refused at a limit never ran.
    if (tool !== undefined && error !== 'limit') this.#tool.observe(ms / 1000, tool);
    if (error !== undefined)
      this.#add(
        `f ${error} ${tool ?? NO_SUCH_TOOL}`,
        1,
        () => (sum) => this.#faults.inc({ tool: tool ?? NO_SUCH_TOOL, error }, sum),
      );
  }

  committed(seconds: number): void {
    this.#commit.observe(seconds);
  }

  delivered(outcome: Delivered): void {
    this.#add(`d ${outcome}`, 1, () => (sum) => this.#deliveries.inc({ outcome }, sum));
  }

  swapped(): void {
    this.#swaps.inc();
  }

  bug(): void {
    this.#bugs.inc();
  }

  async text(): Promise<string> {
    this.#settle();
    const counted = await this.#registry.metrics();
    return (
      counted +
      [this.#took, this.#overhead, this.#firstToken, this.#perToken, this.#commit, this.#tool]
        .map((each) => each.text())
        .join('\n')
    );
  }

  #token(kind: string, amount: number): void {
    this.#add(`t ${kind}`, amount, () => (sum) => this.#tokens.inc({ kind }, sum));
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
