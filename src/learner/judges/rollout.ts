/**
 * The judge `rollout`: what an action is worth is how often the present policy comes to the right end from there. Its
 * tools are run, where all of them are pure; then the policy finishes K times, and the reference scores the ends. So a
 * first of several calls has a worth of its own, which no rule can see in it. (Monte-Carlo values of steps:
 * Math-Shepherd, arXiv 2312.08935.)
 */
import { NO_REFERENCE } from '../../core/learning/deciding.js';
import { GyreError } from '../../core/errors.js';
import type { Judge, JudgeCost, Judgement, NotJudged, Subject } from '../../core/learning/judging.js';
import { assistantMessage, textOf, type Message, type ToolCall } from '../../core/message.js';
import { addUsage, NO_USAGE, type Policy, type Usage } from '../../core/policy.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';
import { againRunnable, type Toolbox } from '../../core/tool.js';
import { Day } from '../../judge/day.js';
import { judgementOf, notJudged, oneByOne } from '../../judge/one_by_one.js';
import { absent } from '../../judge/rules/judgements.js';
import type { LoopLimits } from '../../loop/events.js';
import { execute } from '../../loop/execute.js';
import { run } from '../../loop/run.js';

/** Raised with every change of how ends are come to, or scored. */
const CODE = 1;
/** Tokens a step of an end may take. */
const MAX_TOKENS = 256;
/** Several ends of several steps each, on a machine that has others to come to. */
const PATIENCE_MS = 300_000;
/** Worths that are remembered: eight samples of a state are often three actions. */
const REMEMBERED = 10_000;

export interface RolloutOptions {
  readonly name: string;
  /** Ends that are come to from one action. */
  readonly ends: number;
  /** Steps that one end may take. */
  readonly steps: number;
  readonly temperature: number;
  /** Actions that may be judged in a day; the others wait for the next. */
  readonly budget?: number | undefined;
  /** How many it has come to ends from since a time, by the rows. */
  readonly spentSince?: ((at: number) => Promise<number>) | undefined;
  readonly policy: Policy;
  readonly toolbox: Toolbox;
  readonly limits: LoopLimits;
  /** The policy whose ends count. */
  readonly head: () => Promise<{ readonly version: number; readonly model: string }>;
  /** Scores an end by the reference. */
  readonly reference: Pick<Judge, 'judge' | 'version'>;
}

export function rolloutJudge(options: RolloutOptions): Judge {
  const { name, ends, steps, temperature, reference, budget: most } = options;
  const worths = new Map<string, Promise<Judgement>>();
  const usedSince = options.spentSince ?? (() => Promise.resolve(0));
  const day = new Day({ judge: name, most, unit: 'actions', usedSince });

  const worthOf = async (
    subject: Subject,
    head: { readonly version: number; readonly model: string },
    signal: AbortSignal,
  ): Promise<Judgement | NotJudged> => {
    const { messages, tools, text, calls } = subject;
    const key = sha256(canonicalJson([head.version, messages, tools, text, named(calls)]));
    // Whoever comes first pays.
    const paid: { bill?: Bill } = {};
    const within = async (): Promise<Judgement> => {
      const now = Date.now();
      await day.look(now);
      if (day.isUsedUp()) throw day.refusal(now);
      day.add(1);
      const bill = (paid.bill = new Bill());
      return rolledOut(options, subject, head, bill, signal);
    };
    let worth = worths.get(key);
    if (worth === undefined) {
      worth = within();
      if (worths.size >= REMEMBERED) worths.clear();
      worths.set(key, worth);
      // What failed is tried again.
      worth.catch(() => worths.delete(key));
    }
    try {
      const said = await worth;
      return paid.bill === undefined ? said : { ...said, cost: paid.bill.cost };
    } catch (thrown) {
      const failed = notJudged(thrown, paid.bill?.cost);
      // Of whatever takes no ends, or is known, it can tell all the same.
      return thrown instanceof GyreError && thrown.code === 'judge_budget' ? { ...failed, alone: true } : failed;
    }
  };

  return {
    name,
    version: sha256(canonicalJson({ CODE, ends, steps, temperature, reference: reference.version })).slice(3, 19),
    kind: 'rollout',
    patienceMs: PATIENCE_MS,
    judge: oneByOne(async (subject, signal) => {
      if (subject.reference === undefined) return absent(NO_REFERENCE);
      if (subject.calls.length === 0) return judgementOf(reference, subject, signal);
      const unknown = subject.calls.find((call) => options.toolbox.get(call.name)?.pure !== true);
      if (unknown !== undefined) return absent(`"${unknown.name}" is no tool that may be run to judge a call of it`);
      return worthOf(subject, await options.head(), signal);
    }),
  };
}

/** What the policy takes to come to the ends of one action. */
class Bill {
  readonly #began = performance.now();
  #usage = NO_USAGE;

  add(usage: Usage): void {
    this.#usage = addUsage(this.#usage, usage);
  }

  get cost(): JudgeCost {
    const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = this.#usage;
    return { promptTokens, completionTokens, ms: performance.now() - this.#began };
  }
}

/** Throws where the engine fails: then nothing is known. */
async function rolledOut(
  { ends, steps, temperature, policy, toolbox, limits, reference }: RolloutOptions,
  subject: Subject,
  head: { readonly version: number; readonly model: string },
  bill: Bill,
  signal: AbortSignal,
): Promise<Judgement> {
  const messages = [...subject.messages, ...(await taken(subject, toolbox, limits, signal))];
  const { serverTools, clientTools } = againRunnable(subject.tools, toolbox);
  const end = async (): Promise<number | undefined> => {
    const events = run(
      {
        model: head.model,
        policyVersion: head.version,
        messages,
        // Whoever calls one of these has come to an end that nobody can score.
        clientTools,
        serverTools,
        toolChoice: 'auto',
        sampling: { temperature, top_p: 1, max_tokens: MAX_TOKENS },
      },
      policy,
      { ...limits, steps },
      signal,
    );
    let text = '';
    for (;;) {
      const next = await events.next();
      if (next.done !== true) {
        if (next.value.type === 'step') text = textOf(next.value.visible.content);
        continue;
      }
      const { ending, fault } = next.value;
      bill.add(ending.usage);
      signal.throwIfAborted();
      if (fault !== undefined) throw fault;
      if (ending.stopReason === 'client_tools') return undefined;
      if (ending.outcome !== 'completed') return 0;
      const said = await judgementOf(reference, { ...subject, messages, text, calls: [] }, signal);
      return said.kind === 'verdict' ? said.score : undefined;
    }
  };
  // All of them, also where one fails: what they took is known then.
  const all = await Promise.allSettled(Array.from({ length: ends }, end));
  const failed = all.find((each) => each.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  const scores = all.flatMap((each) => (each.status === 'fulfilled' ? (each.value ?? []) : []));
  if (scores.length === 0) return absent('the policy came to no end that can be scored');
  const score = scores.reduce((sum, each) => sum + each, 0) / scores.length;
  return {
    kind: 'verdict',
    score,
    // A state is sound where the right end can be come to at all.
    good: score > 0,
    rationale: `${scores.filter((each) => each > 0).length} of ${scores.length} ends were right`,
  };
}

/** The action as messages, with what its tools gave. */
async function taken(
  { text, calls }: Subject,
  toolbox: Toolbox,
  limits: LoopLimits,
  signal: AbortSignal,
): Promise<readonly Message[]> {
  const observed = await Promise.all(
    calls.map(async (call): Promise<Message> => {
      const { content } = await execute(call, toolbox, limits.tool, signal);
      return { role: 'tool', tool_call_id: call.id, content };
    }),
  );
  signal.throwIfAborted();
  return [assistantMessage(text, calls), ...observed];
}

/** Ids of calls are drawn by chance. */
function named(calls: readonly ToolCall[]): readonly (readonly [string, string])[] {
  return calls.map((call) => [call.name, call.arguments]);
}
