/**
 * Redaction: what the operator's patterns match becomes a mark. It is the one way anything textual takes out of a
 * conversation: rows of the log, spans, lines of the log on standard error, feedback. Patterns are held against every
 * text as it is written and as it is read ({@link Patterns}), parts of one message as one text, names as well as
 * values. Where a match cannot be told from what is around it, all of the text goes.
 *
 * Whatever a redactor is given comes back as the very same object where nothing matched.
 */
import type { AssistantMessage, Content, ContentPart, Message, ToolCall, WireToolCall } from '../message.js';
import type { Action, FunctionSpec } from '../policy.js';
import type { OwnedCall, Step } from '../trajectory.js';
import type { Range } from './escapes.js';
import { looksLikeJson, Patterns } from './patterns.js';
import { normaliseArguments } from './spelling.js';

export const MARK = '[redacted]';

/** What is nested deeper than this goes whole. */
const MAX_DEPTH = 200;

type Field = readonly [name: string, value: unknown];

/** Undefined where there are no patterns: then nothing is done, and nothing costs anything. */
export function redactorOf(patterns: readonly string[]): Redactor | undefined {
  return patterns.length === 0 ? undefined : new Redactor(patterns);
}

export class Redactor {
  readonly #patterns: Patterns;
  readonly #known = new WeakMap<object, object>();

  constructor(patterns: readonly string[]) {
    this.#patterns = new Patterns(patterns);
  }

  text(original: string): string {
    try {
      const found = this.#patterns.find(original);
      const clean = found.length === 0 ? original : marked(original, found);
      return looksLikeJson(original) ? this.#asJson(original, clean) : clean;
    } catch {
      return MARK; // it cannot be told what matches: better nothing than the text
    }
  }

  /** Every text in a value of no known shape, names of fields and numbers included. */
  value<T>(value: T, depth = 0): T {
    if (typeof value === 'string') return this.text(value) as T;
    if (typeof value === 'number') return (this.text(String(value)) === String(value) ? value : MARK) as T;
    if (typeof value !== 'object' || value === null) return value;
    if (depth > MAX_DEPTH) return MARK as T;
    if (Array.isArray(value)) return each(value as readonly unknown[], (item) => this.value(item, depth + 1)) as T;
    const fields: readonly Field[] = Object.entries(value);
    const clean = each(fields, (field) => this.#field(field, depth + 1));
    return clean === fields ? value : (Object.fromEntries(clean) as T);
  }

  /** The same object for the same message: the log knows by that what it has hashed. */
  message<M extends Message>(message: M): M {
    return this.#once(message, () => this.#message(message) as M);
  }

  messages(messages: readonly Message[]): readonly Message[] {
    return each(messages, (message) => this.message(message));
  }

  tools(specs: readonly FunctionSpec[]): readonly FunctionSpec[] {
    return this.#once(specs, () => each(specs, (spec) => this.#spec(spec)));
  }

  call<C extends ToolCall>(call: C): C {
    return this.#fields<ToolCall>(call, {
      id: this.text(call.id),
      name: this.text(call.name),
      arguments: this.text(call.arguments),
    }) as C;
  }

  /** What it says; not its tokens, which {@link step} takes away, nor the engine's id of it, which is not logged. */
  action(action: Action): Action {
    return this.#fields(action, {
      text: this.text(action.text),
      calls: each(action.calls, (call) => this.call(call)),
      reasoning: this.#maybe(action.reasoning),
    });
  }

  /**
   * A step as it may be logged, with the turn the client has. Token ids spell what they are ids of: a step in which
   * anything was redacted keeps none of them, nor their log-probabilities, and is not trained on. `tainted`: its
   * prompt holds more that matched, which is not logged.
   */
  step(step: Step, visible: AssistantMessage, tainted: boolean): readonly [step: Step, visible: AssistantMessage] {
    const shown = this.message(visible);
    const { toolChoice, sampling, action } = step;
    const clean = this.#fields(step, {
      messages: this.messages(step.messages),
      appended: this.messages(step.appended),
      tools: this.tools(step.tools),
      toolChoice:
        typeof toolChoice === 'string' ? toolChoice : this.#fields(toolChoice, { name: this.text(toolChoice.name) }),
      sampling: this.#fields(sampling, { stop: this.value(sampling.stop) }),
      calls: each(step.calls, (call) => this.#owned(call)),
      action: action && this.action(action),
    });
    if (clean === step && shown === visible && !tainted) return [step, visible];
    return [{ ...clean, action: clean.action && withoutTokens(clean.action), notTrainable: 'redacted' }, shown];
  }

  /** Whether a sampled action spells what may not be kept. */
  touches({ text, calls }: { readonly text: string; readonly calls: readonly ToolCall[] }): boolean {
    return this.text(text) !== text || calls.some((call) => this.call(call) !== call);
  }

  #maybe(original: string | undefined): string | undefined {
    return original === undefined ? undefined : this.text(original);
  }

  #field(field: Field, depth: number): Field {
    const [name, value] = field;
    const clean = [this.text(name), this.value(value, depth)] as const;
    return clean[0] === name && clean[1] === value ? field : clean;
  }

  #owned(call: OwnedCall): OwnedCall {
    const { observation } = call;
    return this.#fields(this.call(call), {
      observation: observation && this.#fields(observation, { content: this.text(observation.content) }),
    });
  }

  #wire(call: WireToolCall): WireToolCall {
    const { name, arguments: args } = call.function;
    return this.#fields(call, {
      id: this.text(call.id),
      function: this.#fields(call.function, { name: this.text(name), arguments: this.text(args) }),
    });
  }

  #spec(spec: FunctionSpec): FunctionSpec {
    return this.#fields(spec, {
      name: this.text(spec.name),
      description: this.#maybe(spec.description),
      parameters: this.value(spec.parameters),
    });
  }

  /**
   * A name or a reasoning is not logged with a message, but it is in the prompt: it makes another message of it too.
   */
  #message(message: Message): Message {
    switch (message.role) {
      case 'assistant':
        return this.#fields(message, {
          content: message.content === null ? null : this.#content(message.content),
          tool_calls: message.tool_calls && each(message.tool_calls, (call) => this.#wire(call)),
          reasoning: this.#maybe(message.reasoning),
        });
      case 'tool':
        return this.#fields(message, {
          tool_call_id: this.text(message.tool_call_id),
          content: this.#content(message.content),
        });
      case 'system':
      case 'developer':
      case 'user':
        return this.#fields(message, {
          content: this.#content(message.content),
          name: this.#maybe(message.name),
        });
      default:
        return message satisfies never;
    }
  }

  #content(content: Content): Content {
    if (typeof content === 'string') return this.text(content);
    const texts = this.#inParts(content.map((part) => part.text ?? ''));
    return each(content, (part, at) => this.#part(part, texts[at] ?? ''));
  }

  /** The texts of one message's parts: a match may begin in one and end in another, whatever stands between them. */
  #inParts(texts: readonly string[]): readonly string[] {
    if (texts.length === 1) return texts.map((text) => this.text(text));
    try {
      let from = 0;
      const found = [
        ...this.#patterns.find(texts.join('')),
        ...texts.flatMap((text) => {
          const at = from;
          from += text.length;
          return this.#patterns.find(text).map(([start, end]): Range => [at + start, at + end]);
        }),
      ].sort(([a], [b]) => a - b);
      let at = 0;
      return texts.map((text) => {
        const [start, end] = [at, (at += text.length)];
        return marked(
          text,
          found
            .filter((range) => range[0] < end && range[1] > start)
            .map((range) => [range[0] - start, range[1] - start]),
        );
      });
    } catch {
      return texts.map((_, at) => (at === 0 ? MARK : ''));
    }
  }

  #part(part: ContentPart, clean: string): ContentPart {
    const { type, text, ...rest } = part;
    const more = this.value(rest);
    // `text` is the protocol's word, and what tells a text from all else.
    const kind = type === 'text' ? type : this.text(type);
    const cleanText = text === undefined ? undefined : clean;
    return kind === type && cleanText === text && more === rest ? part : { ...more, type: kind, text: cleanText };
  }

  /**
   * `clean` as JSON still, where `original` is: a number or a bracket that went leaves none behind. What is parsed is
   * written again with other spaces, escapes and order, so those spellings must not show what this one hides.
   */
  #asJson(original: string, clean: string): string {
    const value = parsed(original);
    if (typeof value !== 'object' || value === null) return clean;
    const rebuilt =
      clean === original || parsed(clean) !== undefined ? clean : normaliseArguments(JSON.stringify(this.value(value)));
    const kept = rebuilt !== clean && this.#shows(rebuilt) ? clean : rebuilt;
    const again = parsed(kept);
    const spellings = again === undefined ? [] : [JSON.stringify(again), normaliseArguments(kept)];
    return spellings.some((other) => other !== kept && this.#shows(other)) ? MARK : kept;
  }

  /** Whether anything matches but the mark itself. */
  #shows(text: string): boolean {
    return this.#patterns.find(text).some(([from, to]) => {
      const mark = text.lastIndexOf(MARK, from);
      return mark === -1 || to > mark + MARK.length;
    });
  }

  /** The object with these fields; itself where it has them already. */
  #fields<T extends object>(object: T, clean: Partial<T>): T {
    return Object.entries(clean).every(([name, field]) => field === object[name as keyof T])
      ? object
      : { ...object, ...clean };
  }

  #once<T extends object>(source: T, make: () => T): T {
    let known = this.#known.get(source) as T | undefined;
    if (known === undefined) this.#known.set(source, (known = make()));
    return known;
  }
}

/** A range that begins before the text has its mark there already. */
function marked(text: string, found: readonly Range[]): string {
  let at = 0;
  let clean = '';
  for (const [from, to] of found) {
    if (to <= at) continue;
    clean += text.slice(at, Math.max(from, at)) + (from < at ? '' : MARK);
    at = to;
  }
  return clean + text.slice(at);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // it only looked like JSON
  }
}

/** The items as `make` has them; the very list where each is what it was. */
function each<T>(items: readonly T[], make: (item: T, at: number) => T): readonly T[] {
  const made = items.map(make);
  return made.every((item, at) => item === items[at]) ? items : made;
}

function withoutTokens(action: Action): Action {
  const bare: { -readonly [K in keyof Action]: Action[K] } = { ...action };
  delete bare.promptTokenIds;
  delete bare.tokenIds;
  delete bare.logprobs;
  delete bare.tokenLogprobs;
  return bare;
}
