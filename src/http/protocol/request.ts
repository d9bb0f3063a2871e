/** A request in the words all protocols share. */
import { badRequest } from '../../core/errors.js';
import type { Message } from '../../core/message.js';
import type { RawPrompts, Sampling } from '../../core/policy.js';
import type { LimitField, SamplingDefaults, Source } from '../../core/serving.js';
import type { NotTrainable } from '../../core/trajectory.js';

/** A function of the client's, as the chat protocol writes it. */
interface FunctionTool {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string | null | undefined;
    readonly parameters?: Readonly<Record<string, unknown>> | null | undefined;
    readonly strict?: boolean | null | undefined;
  };
}

/** A server tool by name: `gyre:calculator`. */
interface ServerTool {
  readonly type: string;
}

/**
 * A tool that is run by whoever made its protocol, e.g. `web_search`: here one of ours that does the same, or none.
 */
export interface HostedTool {
  /** Its type, as the client wrote it. */
  readonly hosted: string;
  /** The server tool that does the same, where it is in the toolbox and the key's. */
  readonly as?: string | undefined;
}

/** One tool of a request, named. */
export type ToolName =
  (Pick<FunctionTool, 'type'> & { readonly function: { readonly name: string } }) | ServerTool | HostedTool;

/** Only these may be called; the others are not declared to the policy. */
interface AllowedTools {
  readonly allowed: readonly ToolName[];
  readonly mode: 'auto' | 'required';
}

/** Which tool the policy must, may or may not call. */
type ToolChoiceField = 'none' | 'auto' | 'required' | ToolName | AllowedTools;

/** Messages of one conversation. Each is hashed and looked up by the log, one after the other. */
const MAX_MESSAGES = 20_000;

/** Throws 400 on a conversation longer than any that could be answered. */
export function requireSaneLength({ messages }: Pick<AnswerRequest, 'messages'>): void {
  if (messages.length > MAX_MESSAGES)
    throw badRequest(
      `The conversation has ${messages.length} messages; at most ${MAX_MESSAGES} are answered. Send its newest part.`,
      'messages',
      'too_many_messages',
    );
}

export interface AnswerRequest {
  readonly model: string;
  readonly messages: readonly Message[];
  /** Prompts instead of a conversation; `messages` has one for each, as the log is to have it. */
  readonly raw?: RawPrompts | undefined;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly toolEvents: boolean;
  readonly tools: readonly (FunctionTool | ServerTool | HostedTool)[];
  /** Names of functions among `tools` that are custom tools to their client. */
  readonly freeform?: ReadonlySet<string> | undefined;
  readonly toolChoice: ToolChoiceField | undefined;
  readonly parallelToolCalls: boolean | undefined;
  readonly n: number;
  /** Alternatives per token; undefined when no logprobs were asked for. */
  readonly topLogprobs: number | undefined;
  readonly tokenIds: boolean;
  readonly sampling: Sampling;
  /** The name the client gave the bound of an action: an upstream is sent the bound under the same name. */
  readonly limitField: LimitField;
  readonly forwarded: Readonly<Record<string, unknown>> | undefined;
  /** By what name its client gave `response_format`, where that is another. */
  readonly formField?: string | undefined;
  /** Whether the policy is to reason before it answers, where the client says so. */
  readonly thinks?: boolean | undefined;
  /** How many parts of the last message are no text and of the newest turn, where a message has several turns. */
  readonly newestMedia?: number | undefined;
  /** An upstream's own fields that come back with calls of the history, by the id of the call. */
  readonly callFields?: ReadonlyMap<string, Readonly<Record<string, unknown>>> | undefined;
  /** Bound of the tool calls of this answer, under the gateway's own. */
  readonly maxToolCalls?: number | undefined;
  readonly store: boolean;
  /** What the log is to keep of the request, where the protocol tells its answers again. */
  readonly asked?: Readonly<Record<string, unknown>> | undefined;
  readonly metadata: Readonly<Record<string, string>> | undefined;
}

/**
 * What goes to the engine unread. Templates of models that reason, or not, as they are told know `enable_thinking`, and
 * others do not mind it; other people's servers refuse what they do not know.
 */
export function forwardedTo(
  { kind }: Source,
  { forwarded, thinks }: Pick<AnswerRequest, 'forwarded' | 'thinks'>,
): AnswerRequest['forwarded'] {
  if (thinks === undefined || kind === 'upstream') return forwarded;
  const own = forwarded?.['chat_template_kwargs'];
  return {
    ...forwarded,
    chat_template_kwargs: { enable_thinking: thinks, ...(typeof own === 'object' ? own : {}) },
  };
}

const SAMPLING = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'presence_penalty',
  'frequency_penalty',
  'repetition_penalty',
  'min_tokens',
  'seed',
  'stop',
  'logit_bias',
  'ignore_eos',
] as const satisfies readonly (keyof Sampling)[];

/** Fields of sampling under the names of Chat Completions; other protocols' are renamed to them. */
type SamplingFields = {
  readonly [K in (typeof SAMPLING)[number] | 'max_tokens']?: Sampling[K] | undefined;
} & { readonly max_completion_tokens?: number | undefined };

export function samplingOf(fields: SamplingFields): Sampling {
  const sampling: Record<string, unknown> = {};
  for (const name of SAMPLING) if (fields[name] !== undefined) sampling[name] = fields[name];
  const limit = Math.min(fields.max_tokens ?? Infinity, fields.max_completion_tokens ?? Infinity);
  if (limit !== Infinity) sampling['max_tokens'] = limit;
  return sampling;
}

/** What a request asks for, and for the rest the defaults. */
export function sampledBy(asked: Sampling, defaults: SamplingDefaults | undefined): Sampling {
  if (defaults === undefined) return asked;
  const sampling = { ...defaults.sampling, ...asked };
  // A bound nobody asked for gives way to one that somebody did.
  if (asked.max_tokens === undefined && (asked.min_tokens ?? 0) > (sampling.max_tokens ?? Infinity))
    return { ...sampling, max_tokens: undefined };
  return sampling;
}

/** Why what is drawn this way cannot be trained on, where that lies in what was left to the engine. */
export function untoldSampling(sampling: Sampling, defaults: SamplingDefaults | undefined): NotTrainable | undefined {
  return defaults?.hosted === true && sampling.temperature === undefined ? 'unknown_sampling' : undefined;
}
