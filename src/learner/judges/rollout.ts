/**
 * The judge `rollout`: what an action is worth is how often the present policy comes to the right end from there. Its
 * tools are run, where all of them are pure; then the policy finishes K times, and the reference scores the ends. So a
 * first of several calls has a worth of its own, which no rule can see in it. (Monte-Carlo values of steps:
 * Math-Shepherd, arXiv 2312.08935.)
 */
import { NO_REFERENCE } from '../../core/learning/deciding.js';
import type { Judge, Judgement, Subject } from '../../core/learning/judging.js';
import { assistantMessage, textOf, type Message, type ToolCall } from '../../core/message.js';
import type { Policy } from '../../core/policy.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';
import { againRunnable, type Toolbox } from '../../core/tool.js';
import { judgementOf, oneByOne } from '../../judge/one_by_one.js';
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
  /** Actions that may be judged in this process; the others are abstained from. */
  readonly budget?: number | undefined;
  readonly policy: Policy;
  readonly toolbox: Toolbox;
  readonly limits: LoopLimits;
  /** The policy whose ends count. */
  readonly head: () => Promise<{ readonly version: number; readonly model: string }>;
  /** Scores an end by the reference. */
  readonly reference: Pick<Judge, 'judge' | 'version'>;
}

export function rolloutJudge(options: RolloutOptions): Judge {
  const { name, ends, steps, temperature, reference, budget = Infinity } = options;
  const worths = new Map<string, Promise<Judgement>>();
  let spent = 0;

  const worthOf = async (subject: Subject, version: number, model: string, signal: AbortSignal): Promise<Judgement> => {
    const key = sha256(canonicalJson([version, subject.messages, subject.tools, subject.text, named(subject.calls)]));
    const known = worths.get(key);
    if (known !== undefined) return known;
    if (spent >= budget) return absent(`its budget of ${budget} actions is used up`);
    spent += 1;
    const worth = rolledOut(options, subject, { version, model }, signal);
    if (worths.size >= REMEMBERED) worths.clear();
    worths.set(key, worth);
    // What failed is tried again.
    worth.catch(() => worths.delete(key));
    return worth;
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
      const { version, model } = await options.head();
      return worthOf(subject, version, model, signal);
    }),
  };
}

/** Throws where the engine fails: then nothing is known. */
async function rolledOut(
  { ends, steps, temperature, policy, toolbox, limits, reference }: RolloutOptions,
  subject: Subject,
  head: { readonly version: number; readonly model: string },
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
      signal.throwIfAborted();
      if (fault !== undefined) throw fault;
      if (ending.stopReason === 'client_tools') return undefined;
      if (ending.outcome !== 'completed') return 0;
      const said = await judgementOf(reference, { ...subject, messages, text, calls: [] }, signal);
      return said.kind === 'verdict' ? said.score : undefined;
    }
  };
  const all = await Promise.all(Array.from({ length: ends }, end));
  const scores = all.filter((score) => score !== undefined);
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
