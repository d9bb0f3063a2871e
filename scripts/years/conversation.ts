/** Conversations as a gateway meets them: most are short, some are long loops with tools, some are an upstream's. */
import { assistantMessage, type Message, type ToolCall } from '../../src/core/message.js';
import { NO_USAGE } from '../../src/core/policy.js';
import type { Step } from '../../src/core/trajectory.js';
import type { Random } from '../chaos/random.js';

const WORDS = (
  'of the and a to in is you that it he was for on are as with his they at be this have from or one had by word but ' +
  'not what all were we when your can said there use an each which she do how their if will up other about out many ' +
  'then them these so some her would make like him into time has look two more write go see number no way could people'
).split(' ');
const TEXT = 1 << 20;
const TOOLS = ['calculator', 'search_documents', 'fetch_page'].map((name) => ({
  name,
  description: `Does what ${name} does.`,
  parameters: { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] },
}));

/** Pieces of one long text and of one long list of token ids, so that making them costs next to nothing. */
export class Words {
  readonly #text: string;
  readonly #tokens: readonly number[];
  readonly #logprobs: readonly number[];

  constructor(random: Random) {
    const words: string[] = [];
    for (let length = 0; length < TEXT; length += (words.at(-1)?.length ?? 0) + 1)
      words.push(WORDS[Math.floor(random.next() * WORDS.length)] ?? '');
    this.#text = words.join(' ');
    this.#tokens = Array.from({ length: TEXT }, () => Math.floor(random.next() * 49_152));
    this.#logprobs = Array.from({ length: TEXT }, () => Math.fround(-4 * random.next() * random.next()));
  }

  text(random: Random, least: number, most: number): string {
    const from = Math.floor(random.next() * (TEXT - most));
    return this.#text.slice(from, from + Math.floor(random.between(least, most)));
  }

  tokens(random: Random, least: number, most: number): { readonly ids: number[]; readonly logprobs: number[] } {
    const from = Math.floor(random.next() * (TEXT - most));
    const to = from + Math.floor(random.between(least, most));
    return { ids: this.#tokens.slice(from, to), logprobs: this.#logprobs.slice(from, to) };
  }
}

/** Of each turn: how many policy calls answer it. */
export function shapeOf(random: Random): readonly number[] {
  const kind = random.next();
  const list = (turns: number, calls: () => number): number[] => Array.from({ length: Math.floor(turns) }, calls);
  if (kind < 0.55) return [1];
  if (kind < 0.75) return [2];
  if (kind < 0.92) return list(random.between(2, 7), () => 1);
  if (kind < 0.99) return list(random.between(1, 4), () => Math.floor(random.between(3, 9)));
  return list(random.between(10, 30), () => Math.floor(random.between(1, 4)));
}

/** The policy's context as it grows with its steps. */
export class Context {
  #prompt: number[] = [];
  readonly #words: Words;
  readonly #random: Random;

  constructor(words: Words, random: Random) {
    this.#words = words;
    this.#random = random;
  }

  get prompt(): readonly number[] {
    return this.#prompt;
  }

  /** One policy call at the state `messages`; with tools it calls one, which answers. */
  step(
    id: string,
    messages: readonly Message[],
    { at, tools, version }: { readonly at: number; readonly tools: boolean; readonly version: number | undefined },
  ): { readonly step: Step; readonly turn: Message } {
    const [words, random] = [this.#words, this.#random];
    this.#prompt = [...this.#prompt, ...words.tokens(random, 30, 260).ids];
    const { ids, logprobs } = words.tokens(random, 12, 140);
    const calls: readonly ToolCall[] = tools
      ? [{ id: `call-${id}`, name: 'calculator', arguments: JSON.stringify({ input: words.text(random, 8, 40) }) }]
      : [];
    const text = tools ? '' : words.text(random, 60, 500);
    const turn = assistantMessage(text, calls);
    const observation = { content: words.text(random, 10, 200), ms: 3 };
    const usage = { ...NO_USAGE, prompt_tokens: this.#prompt.length, completion_tokens: ids.length };
    const sampled = version === undefined ? {} : { promptTokenIds: this.#prompt, tokenIds: ids, logprobs };
    const step: Step = {
      id,
      policyVersion: version,
      messages,
      tools: TOOLS,
      toolChoice: 'auto',
      sampling: { temperature: 1 },
      action: {
        text,
        calls,
        finishReason: tools ? 'tool_calls' : 'stop',
        cut: false,
        ...sampled,
        usage,
        timings: { startedAt: at, firstTokenMs: 30, totalMs: 700 },
      },
      calls: calls.map((call) => ({ ...call, owner: 'server', observation })),
      appended: [
        turn,
        ...calls.map((call): Message => ({ role: 'tool', tool_call_id: call.id, content: observation.content })),
      ],
      outcome: 'done',
      ...(version === undefined ? { notTrainable: 'upstream' as const } : {}),
      startedAt: at,
      ms: 700,
    };
    this.#prompt = [...this.#prompt, ...ids];
    return { step, turn };
  }
}
