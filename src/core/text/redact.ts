/**
 * Redaction: what the operator's patterns match becomes a mark. It is the one way anything textual takes out of a
 * conversation: rows of the log, spans, lines of the log on standard error, feedback. Patterns are held against every
 * text as it is written and as it is read ({@link Patterns}), parts of one message as one text, names as well as
 * values. Where a match cannot be told from what is around it, all of the text goes.
 *
 * Whatever a redactor is given comes back as the very same object where nothing matched.
 */
import { writeJson } from './json.js';
import { RAW_PROMPT } from '../message.js';
import type { AssistantMessage, Content, ContentPart, Message, ToolCall, WireToolCall } from '../message.js';
import type { Action, FunctionSpec, Sampling, TokenLogprob } from '../policy.js';
import type { OwnedCall, Step } from '../trajectory.js';
import type { Range } from './escapes.js';
import { type Edit, editsInJson, parsed } from './json_marks.js';
import { apart, looksLikeJson, Patterns } from './patterns.js';
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
      return looksLikeJson(clean) && this.#showsRespelled(clean) ? MARK : clean;
    } catch {
      return MARK; // it cannot be told what matches: better nothing than the text
    }
  }

  /** Every text in a value of no known shape, names of fields and numbers included. */
  value<T>(value: T, depth = 0): T {
    if (typeof value === 'string') return this.text(value) as T;
    if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' || value === null)
      return (this.text(String(value)) === String(value) ? value : MARK) as T;
    if (typeof value !== 'object') return value;
    if (depth > MAX_DEPTH) return MARK as T;
    const clean = Array.isArray(value)
      ? (each(value as readonly unknown[], (item) => this.value(item, depth + 1)) as T & object)
      : this.#eachField(value, depth + 1);
    return depth === 0 ? this.#asText(clean) : clean;
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
      native: this.value(action.native),
    });
  }

  /**
   * A step as it may be logged, with the turn the client has. Token ids spell what they are ids of: a step in which
   * anything was redacted keeps none of them, nor their log-probabilities, and is not trained on. `tainted`: its
   * prompt holds more that matched, which is not logged.
   */
  step(taken: Step, visible: AssistantMessage, tainted: boolean): readonly [step: Step, visible: AssistantMessage] {
    const step = this.#fields(taken, { told: this.#withoutMatches(taken.told) });
    const shown = this.message(visible);
    const { toolChoice, sampling, action } = step;
    const clean = this.#fields(step, {
      messages: this.messages(step.messages),
      appended: this.messages(step.appended),
      tools: this.tools(step.tools),
      toolChoice:
        typeof toolChoice === 'string' ? toolChoice : this.#fields(toolChoice, { name: this.text(toolChoice.name) }),
      sampling: this.sampling(sampling),
      calls: each(step.calls, (call) => this.#owned(call)),
      action: action && this.action(action),
      told: this.#told(step.told),
    });
    if (clean === step && shown === visible && !tainted) return [step, visible];
    // How it was told, and how it came, says again what was redacted, and would say it in the wrong places.
    const { told: _, ...rest } = clean;
    return [{ ...rest, action: clean.action && withoutTokens(clean.action), notTrainable: 'redacted' }, shown];
  }

  #told(told: Step['told']): Step['told'] {
    return (
      told &&
      each(told, (piece) =>
        piece.type === 'beside' ? this.#fields(piece, { fields: this.value(piece.fields) }) : piece,
      )
    );
  }

  /** Without log-probabilities among whose tokens one matches that may be in no answer: the step has none of it. */
  #withoutMatches(told: Step['told']): Step['told'] {
    const matches = (entry: Pick<TokenLogprob, 'token'>): boolean => this.text(entry.token) !== entry.token;
    return (
      told &&
      each(told, (piece) =>
        piece.type === 'text' &&
        piece.logprobs?.some((entry) => matches(entry) || entry.top_logprobs.some(matches)) === true
          ? this.#fields(piece, { logprobs: undefined })
          : piece,
      )
    );
  }

  /** Without the numbers that match: a mark can stand for none of them. */
  sampling(sampling: Sampling): Sampling {
    return this.#once(sampling, () => {
      const bias = sampling.logit_bias;
      const clean = this.#fields(sampling, {
        ...Object.fromEntries(
          Object.entries(sampling)
            .filter(([, field]) => typeof field === 'number' && this.value(field) !== field)
            .map(([name]) => [name, undefined]),
        ),
        stop: this.value(sampling.stop),
        logit_bias: bias && this.#unmatched(bias),
      });
      return this.#asText(clean) === clean ? clean : {};
    });
  }

  /** Whether a sampled action spells what may not be kept. */
  touches({ text, calls }: { readonly text: string; readonly calls: readonly ToolCall[] }): boolean {
    return this.text(text) !== text || calls.some((call) => this.call(call) !== call);
  }

  #maybe(original: string | undefined): string | undefined {
    return original === undefined ? undefined : this.text(original);
  }

  #eachField<T extends object>(value: T, depth: number): T {
    const fields: readonly Field[] = Object.entries(value);
    const clean = each(fields, (field) => this.#field(field, depth));
    return clean === fields ? value : (Object.fromEntries(clean) as T);
  }

  #field(field: Field, depth: number): Field {
    const [name, value] = field;
    const clean = [this.text(name), this.value(value, depth)] as const;
    return clean[0] === name && clean[1] === value ? field : clean;
  }

  #unmatched(numbers: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
    const fields = Object.entries(numbers);
    const kept = fields.filter(([name, number]) => this.text(name) === name && this.value(number) === number);
    return kept.length === fields.length ? numbers : Object.fromEntries(kept);
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
      const found = apart([
        ...this.#patterns.find(texts.join('')),
        ...texts.flatMap((text) => {
          const at = from;
          from += text.length;
          return this.#patterns.find(text).map(([start, end]): Range => [at + start, at + end]);
        }),
      ]);
      let at = 0;
      let next = 0;
      return texts.map((text) => {
        const [start, end] = [at, (at += text.length)];
        const here: Range[] = [];
        for (; (found[next]?.[0] ?? Infinity) < end; next += 1) {
          const [begins, ends] = found[next] ?? [0, 0];
          if (ends > start) here.push([begins - start, ends - start]);
          if (ends > end) break; // it goes on in the next part
        }
        return here.length === 0 ? text : marked(text, here);
      });
    } catch {
      return texts.map((_, at) => (at === 0 ? MARK : ''));
    }
  }

  #part(part: ContentPart, clean: string): ContentPart {
    const { type, text, ...rest } = part;
    // What ids spell cannot be looked at, so it may be anything.
    if (type === RAW_PROMPT && rest['token_ids'] !== undefined) return { type, text: MARK };
    const more = Object.keys(rest).length === 0 ? rest : this.value(rest);
    // `text` is the protocol's word, and what tells a text from all else.
    const kind = type === 'text' ? type : this.text(type);
    const cleanText = text === undefined ? undefined : clean;
    return kind === type && cleanText === text && more === rest ? part : { ...more, type: kind, text: cleanText };
  }

  /** What is parsed is written again with other spaces, escapes and order: whether that shows what this text hides. */
  #showsRespelled(text: string): boolean {
    const value = parsed(text);
    if (typeof value !== 'object' || value === null) return false;
    return [writeJson(value), normaliseArguments(text)].some((other) => other !== text && this.#shows(other));
  }

  /** A value whose texts are clean, so that it shows nothing as JSON either: a pattern may take in names of fields. */
  #asText<T extends object>(value: T): T {
    if (!this.#patterns.reachAcross) return value;
    try {
      let clean = value;
      for (const spelled of [writeJson, (object: T) => normaliseArguments(writeJson(object))]) {
        const text = spelled(clean);
        if (!this.#shows(text)) continue;
        const again = parsed(marked(text, this.#patterns.find(text)));
        if (typeof again !== 'object' || again === null) return nothingOf(value);
        clean = again as T;
      }
      if (clean === value) return value;
      const text = writeJson(clean);
      return this.#shows(text) || this.#showsRespelled(text) ? nothingOf(value) : clean;
    } catch {
      return nothingOf(value);
    }
  }

  /** Whether anything matches but marks, and the punctuation of JSON around them. */
  #shows(text: string): boolean {
    return this.#patterns.find(text).some(([from, to]) => {
      const begin = Math.max(0, from - MARK.length);
      const blank = text.slice(begin, to + MARK.length).replaceAll(MARK, ' '.repeat(MARK.length));
      const piece = text.slice(from, to);
      const rest = blank.slice(from - begin, to - begin);
      return rest === piece || /[^\s"\\,:[\]{}]/.test(rest);
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

/** The text with its matches marked, which are in order and apart; JSON stays JSON. */
function marked(text: string, found: readonly Range[]): string {
  let at = 0;
  let clean = '';
  for (const { from, to, text: mark } of editsInJson(text, found, MARK) ?? found.map(inText)) {
    clean += text.slice(at, Math.max(from, at)) + mark;
    at = to;
  }
  return clean + text.slice(at);
}

/** A range that begins before the text has its mark there already. */
function inText([from, to]: Range): Edit {
  return { from, to, text: from < 0 ? '' : MARK };
}

function nothingOf<T extends object>(value: T): T {
  return (Array.isArray(value) ? [MARK] : { [MARK]: MARK }) as T;
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
  delete bare.native;
  return bare;
}
