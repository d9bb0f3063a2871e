/**
 * The policy: the model as actor. A request for one action goes in, events of that action come out
 * while it is sampled, and the whole action is the generator's return value.
 */
import type { AssistantMessage, Message, ToolCall } from './message.js';

/** A function the policy may call, as the engine is told of it. */
export interface FunctionSpec {
  readonly name: string;
  readonly description?: string | undefined;
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
  readonly strict?: boolean | undefined;
}

export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string };

/**
 * How actions are drawn, as the engine is told. Absent means the neutral default of an engine of ours (temperature 1,
 * top_p 1); an engine given by address may have another one.
 */
export interface Sampling {
  readonly temperature?: number | undefined;
  readonly top_p?: number | undefined;
  readonly top_k?: number | undefined;
  readonly min_p?: number | undefined;
  readonly presence_penalty?: number | undefined;
  readonly frequency_penalty?: number | undefined;
  readonly repetition_penalty?: number | undefined;
  readonly max_tokens?: number | undefined;
  readonly min_tokens?: number | undefined;
  readonly seed?: number | undefined;
  readonly stop?: string | readonly string[] | undefined;
  readonly logit_bias?: Readonly<Record<string, number>> | undefined;
  readonly ignore_eos?: boolean | undefined;
}

/** A prompt that no template makes: a text, or the ids of its tokens. */
export type RawPrompt = string | readonly number[];

/** Prompts instead of a conversation; each is a state of its own. */
export interface RawPrompts {
  readonly list: readonly RawPrompt[];
  /** Whether the answer begins with the prompt. The gateway can repeat a text; only the engine knows its tokens. */
  readonly echo: 'none' | 'gateway' | 'engine';
  /** Of a server that was not asked for ids: the prompt is in its text, and nobody can say where it ends. */
  readonly inText?: true | undefined;
}

/** What the policy is conditioned on, and how to draw from it. */
export interface PolicyRequest {
  /** The engine's name of the weights: `base` or an adapter name. */
  readonly model: string;
  readonly messages: readonly Message[];
  /** What the engine is sent instead of `messages`, which then only say so. The actions come prompt by prompt. */
  readonly raw?: RawPrompts | undefined;
  readonly tools: readonly FunctionSpec[];
  readonly toolChoice: ToolChoice;
  readonly parallelToolCalls?: boolean | undefined;
  readonly sampling: Sampling;
  /** Number of actions to draw at this one state; 1 in the loop, more only in plain pass-through and resampling. */
  readonly n?: number | undefined;
  /** Alternatives per token the client asked for; absent when it asked for none. */
  readonly topLogprobs?: number | undefined;
  /** Fields forwarded to the engine as they came, e.g. `chat_template_kwargs`, `response_format`. */
  readonly forwarded?: Readonly<Record<string, unknown>> | undefined;
  readonly requestId?: string | undefined;
  /** Bytes of the same answer that were sampled before this action: a server's bound is for all of them. */
  readonly bytesBefore?: number | undefined;
  /** Of turns that were sampled while this request is answered: how they came. Only an upstream is sent it. */
  readonly native?: ReadonlyMap<Message, NativeTurn> | undefined;
  /**
   * How many parts of the last message, from its last one on, are no text and were brought by the user's newest turn,
   * where the protocol puts other turns and results of tools in one with it.
   */
  readonly newestMedia?: number | undefined;
  /** Headers by which a trace goes on at the engine, e.g. `traceparent`; absent where nothing is traced. */
  readonly trace?: Readonly<Record<string, string>> | undefined;
}

/** Tokens, as the engine counts them. */
export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cached_tokens: number;
  readonly reasoning_tokens: number;
}

export const NO_USAGE: Usage = { prompt_tokens: 0, completion_tokens: 0, cached_tokens: 0, reasoning_tokens: 0 };

export function addUsage(a: Usage, b: Usage): Usage {
  return {
    prompt_tokens: a.prompt_tokens + b.prompt_tokens,
    completion_tokens: a.completion_tokens + b.completion_tokens,
    cached_tokens: a.cached_tokens + b.cached_tokens,
    reasoning_tokens: a.reasoning_tokens + b.reasoning_tokens,
  };
}

/** One token's entry as the protocol shows it. */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[] | null;
  readonly top_logprobs: readonly {
    readonly token: string;
    readonly logprob: number;
    readonly bytes: readonly number[] | null;
  }[];
}

/**
 * A turn in the words of the server that sampled it: its own fields by its own names (`reasoning_content`,
 * `reasoning_details`, a content that is a list), without which some servers refuse the turn after it.
 */
export interface NativeTurn {
  readonly message: Readonly<Record<string, unknown>>;
  /** By the id of the call, e.g. `extra_content` with the signature of a thought. */
  readonly calls: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** What was reasoned, of a turn that comes back from its client: its server has a name of its own for it. */
  readonly reasoning?: string | undefined;
}

/** What the log knows of the turns of a history beyond their words. */
export interface PastTurns {
  /** How turns came, by their place in the policy's history: those the upstream that is asked now took itself. */
  readonly native: readonly (readonly [at: number, turn: NativeTurn])[];
  /** Places, in the client's messages, of turns that somebody else took than who is asked now. */
  readonly foreign: readonly number[];
}

/** What a server says beside text, by the names Chat Completions has for it: `annotations`, `images`, `audio`, ... */
export type Beside = Readonly<Record<string, unknown>>;

/** A raw prompt as the engine read it. */
export interface ReadPrompt {
  readonly tokenIds: readonly number[] | undefined;
  /** Where it was to be echoed with its log-probabilities; that of its first token is no number. */
  readonly tokens?: readonly (Omit<TokenLogprob, 'logprob'> & { readonly logprob: number | null })[] | undefined;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/** What happens while one action is sampled, in the order the engine emits it. `index` numbers the choice. */
export type PolicyEvent =
  | {
      readonly type: 'start';
      readonly promptTokenIds?: readonly number[] | undefined;
      /** What the engine was told, where that is not word for word what it was to be asked with. */
      readonly messages?: readonly Message[] | undefined;
    }
  | {
      readonly type: 'text';
      readonly index: number;
      readonly text: string;
      readonly logprobs?: readonly TokenLogprob[] | undefined;
      readonly tokenIds?: readonly number[] | undefined;
      /** The server sent it as a refusal. */
      readonly refusal?: true | undefined;
      /** With the first text of a choice, where the prompt was a raw one and the engine says how it read it. */
      readonly prompt?: ReadPrompt | undefined;
    }
  | { readonly type: 'beside'; readonly index: number; readonly fields: Beside }
  | { readonly type: 'reasoning'; readonly index: number; readonly text: string }
  /**
   * A call began: its name is known, its arguments may follow in pieces. `position` counts calls of this choice from 0.
   */
  | {
      readonly type: 'call';
      readonly index: number;
      readonly position: number;
      readonly id: string;
      readonly name: string;
      /** What the server says of the call in fields of its own, as far as it came by then. */
      readonly own?: Readonly<Record<string, unknown>> | undefined;
    }
  | { readonly type: 'arguments'; readonly index: number; readonly position: number; readonly text: string };

/** What the policy emitted, whole. Token fields are absent when the engine did not report them; never guessed. */
export interface Action {
  readonly text: string;
  readonly reasoning?: string | undefined;
  readonly calls: readonly ToolCall[];
  readonly finishReason: FinishReason;
  /** True when the token limit ended it, whatever finish reason the engine named (vllm#58228). */
  readonly cut: boolean;
  /** The stop string that ended it, where one did and the engine says which. */
  readonly stopSequence?: string | undefined;
  readonly promptTokenIds?: readonly number[] | undefined;
  readonly tokenIds?: readonly number[] | undefined;
  /** ln probability of each sampled token, after temperature (`--logprobs-mode processed_logprobs`). */
  readonly logprobs?: readonly number[] | undefined;
  readonly tokenLogprobs?: readonly TokenLogprob[] | undefined;
  readonly usage: Usage;
  /** Present where the server has fields of its own and is to get them back. */
  readonly native?: NativeTurn | undefined;
  /** The engine's own id of the completion. */
  readonly engineId?: string | undefined;
  readonly timings: {
    readonly startedAt: number;
    readonly firstTokenMs?: number | undefined;
    readonly totalMs: number;
  };
}

/** The one door to an engine. Throws {@link GyreError} with the side `engine`; never retries. */
export interface Policy {
  sample(request: PolicyRequest, signal: AbortSignal): AsyncGenerator<PolicyEvent, readonly Action[]>;
  /**
   * The ids of all tokens of a conversation that ends with this turn, by the engine's own template; nothing is drawn.
   * Throws 501 where the engine cannot say. Absent where there is no engine to ask.
   */
  readonly render?:
    ((prompt: Prompt, turn: AssistantMessage, signal: AbortSignal) => Promise<readonly number[]>) | undefined;
}

/** What an engine renders into one prompt. */
export type Prompt = Pick<PolicyRequest, 'model' | 'messages' | 'tools' | 'forwarded' | 'requestId' | 'newestMedia'>;

/**
 * Counts the tokens of a prompt without drawing any. Throws {@link GyreError} with the side `engine`, 501 where the
 * engine cannot count.
 */
export interface TokenCounter {
  count(prompt: Prompt, signal: AbortSignal): Promise<number>;
}
