/**
 * Redaction: what the operator's patterns match becomes a mark. It is done to everything textual before anything is
 * hashed or stored. Whatever a redactor is given comes back as the very same object where nothing matched.
 */
import {
  textOf,
  type AssistantMessage,
  type Content,
  type ContentPart,
  type Message,
  type ToolCall,
  type WireToolCall,
} from '../message.js';
import type { Action, FunctionSpec } from '../policy.js';
import type { OwnedCall, Step } from '../trajectory.js';

export const MARK = '[redacted]';

/** JSON inside of text that is deeper than this is not looked into: it goes whole. */
const MAX_DEPTH = 200;

type Field = readonly [name: string, value: unknown];

/** Undefined where there are no patterns: then nothing is done, and nothing costs anything. */
export function redactorOf(patterns: readonly string[]): Redactor | undefined {
  return patterns.length === 0 ? undefined : new Redactor(patterns);
}

export class Redactor {
  readonly #patterns: readonly RegExp[];
  readonly #known = new WeakMap<object, object>();

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns.map((pattern) => new RegExp(pattern, 'gu'));
  }

  text(said: string): string {
    // Escapes hide what they spell: as it is written, JSON would show less to a pattern than to whoever reads it.
    const opened = said.includes('\\') && /^\s*[[{"]/.test(said) ? this.#json(said) : said;
    try {
      return this.#patterns.reduce(
        (text, pattern) => text.replace(pattern, (match) => (match === '' ? '' : MARK)),
        opened,
      );
    } catch {
      return MARK; // too much for the engine of regular expressions: better nothing than the text
    }
  }

  /** Every text in a value of no known shape, names of fields included. */
  value<T>(value: T, depth = 0): T {
    if (typeof value === 'string') return this.text(value) as T;
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

  /**
   * A step as it may be logged, with the turn the client has. Token ids spell what they are ids of: a step in which
   * anything was redacted keeps none of them, nor their log-probabilities, and is not trained on. `tainted`: its
   * prompt holds more that matched, which is not logged.
   */
  step(step: Step, visible: AssistantMessage, tainted: boolean): readonly [step: Step, visible: AssistantMessage] {
    const shown = this.message(visible);
    const { stop } = step.sampling;
    const clean = {
      messages: this.messages(step.messages),
      appended: this.messages(step.appended),
      tools: this.#once(step.tools, () => each(step.tools, (spec) => this.#spec(spec))),
      toolChoice:
        typeof step.toolChoice === 'string'
          ? step.toolChoice
          : this.#fields(step.toolChoice, { name: this.text(step.toolChoice.name) }),
      sampling: stop === undefined ? step.sampling : this.#fields(step.sampling, { stop: this.value(stop) }),
      calls: each(step.calls, (call) => this.#owned(call)),
    };
    const action = step.action === undefined ? {} : { action: this.#action(step.action) };
    const same =
      shown === visible &&
      action.action === step.action &&
      Object.entries(clean).every(([field, value]) => value === step[field as keyof typeof clean]);
    if (same && !tainted) return [step, visible];
    return [
      {
        ...step,
        ...clean,
        ...(action.action === undefined ? {} : { action: withoutTokens(action.action) }),
        notTrainable: 'redacted',
      },
      shown,
    ];
  }

  /** Whether a sampled action spells what may not be kept. */
  touches({ text, calls }: { readonly text: string; readonly calls: readonly ToolCall[] }): boolean {
    return this.text(text) !== text || calls.some((call) => this.#call(call) !== call);
  }

  #field(field: Field, depth: number): Field {
    const [name, value] = field;
    const clean = [this.text(name), this.value(value, depth)] as const;
    return clean[0] === name && clean[1] === value ? field : clean;
  }

  #action(action: Action): Action {
    return this.#fields(action, {
      text: this.text(action.text),
      calls: each(action.calls, (call) => this.#call(call)),
      ...(action.reasoning === undefined ? {} : { reasoning: this.text(action.reasoning) }),
    });
  }

  #call<C extends ToolCall>(call: C): C {
    return this.#fields<ToolCall>(call, {
      id: this.text(call.id),
      name: this.text(call.name),
      arguments: this.text(call.arguments),
    }) as C;
  }

  #owned(call: OwnedCall): OwnedCall {
    const { observation } = call;
    return observation === undefined
      ? this.#call(call)
      : this.#fields(this.#call(call), {
          observation: this.#fields(observation, { content: this.text(observation.content) }),
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
      ...(spec.description === undefined ? {} : { description: this.text(spec.description) }),
      ...(spec.parameters === undefined ? {} : { parameters: this.value(spec.parameters) }),
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
          ...(message.tool_calls === undefined
            ? {}
            : { tool_calls: each(message.tool_calls, (call) => this.#wire(call)) }),
          ...(message.reasoning === undefined ? {} : { reasoning: this.text(message.reasoning) }),
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
          ...(message.name === undefined ? {} : { name: this.text(message.name) }),
        });
      default:
        return message satisfies never;
    }
  }

  /** Parts of text are one text, as where they are hashed: what a client has cut in two is found. */
  #content(content: Content): Content {
    if (typeof content === 'string') return this.text(content);
    if (!content.every((part) => part.type === 'text')) return each(content, (part) => this.#part(part));
    const whole = textOf(content);
    const clean = this.text(whole);
    return clean === whole ? content : clean;
  }

  #part(part: ContentPart): ContentPart {
    const { type, text, ...rest } = part;
    const clean = this.value(rest);
    const said = this.value(text);
    return clean === rest && said === text ? part : { type, text: said, ...clean };
  }

  #json(said: string): string {
    let value: unknown;
    try {
      value = JSON.parse(said);
    } catch {
      return said; // it only looked like JSON
    }
    const clean = this.value(value);
    return clean === value ? said : JSON.stringify(clean);
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

/** The items as `make` has them; the very list where each is what it was. */
function each<T>(items: readonly T[], make: (item: T) => T): readonly T[] {
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
