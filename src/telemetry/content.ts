/**
 * What was said, as JSON in the shape OpenTelemetry's conventions give it. It is put together only where capturing
 * content was asked for.
 */
import { textOf, type Content as Said, type Message, type ToolCall } from '../core/message.js';
import type { Action, PolicyRequest } from '../core/policy.js';
import type { Observation } from '../core/tool.js';
import type { Content } from './attributes.js';

type Part = Readonly<Record<string, unknown>>;

/** `redact`: regular expressions; what they match is `[redacted]`, here as in the log. */
export class Contents {
  readonly #patterns: readonly RegExp[];

  constructor(redact: readonly string[]) {
    this.#patterns = redact.map((pattern) => new RegExp(pattern, 'gu'));
  }

  asked({ messages, tools, sampling: { stop } }: PolicyRequest): Content {
    // The instructions come first; a system message further on is part of the history.
    const history = messages.findIndex(({ role }) => role !== 'system' && role !== 'developer');
    const instructions = history === -1 ? messages : messages.slice(0, history);
    return {
      'gen_ai.system_instructions':
        instructions.length === 0
          ? undefined
          : JSON.stringify(instructions.flatMap(({ content }) => this.#said(content))),
      'gen_ai.input.messages': JSON.stringify(
        messages.slice(instructions.length).map((message) => this.#message(message)),
      ),
      'gen_ai.tool.definitions':
        tools.length === 0
          ? undefined
          : JSON.stringify(
              tools.map(({ name, description, parameters }) =>
                this.#deep({ type: 'function', name, description, parameters }),
              ),
            ),
      'gen_ai.request.stop_sequences':
        stop === undefined
          ? undefined
          : typeof stop === 'string'
            ? [this.#text(stop)]
            : stop.map((text) => this.#text(text)),
    };
  }

  answered(actions: readonly Action[]): Content {
    return {
      'gen_ai.output.messages': JSON.stringify(
        actions.map(({ text, reasoning, calls, finishReason }) => ({
          role: 'assistant',
          parts: [
            ...this.#thought(reasoning),
            ...(text === '' ? [] : [this.#part(text)]),
            ...calls.map((call) => this.#call(call)),
          ],
          finish_reason: finishReason === 'tool_calls' ? 'tool_call' : finishReason,
        })),
      ),
    };
  }

  tool(call: ToolCall, observation: Observation): Content {
    return {
      'gen_ai.tool.call.arguments': this.#text(call.arguments),
      'gen_ai.tool.call.result': this.#text(observation.content),
    };
  }

  #message(message: Message): Part {
    switch (message.role) {
      case 'system':
      case 'developer':
        return { role: 'system', parts: this.#said(message.content) };
      case 'user':
        return { role: 'user', parts: this.#said(message.content) };
      case 'assistant': {
        const calls = (message.tool_calls ?? []).map(({ id, function: { name, arguments: args } }) =>
          this.#call({ id, name, arguments: args }),
        );
        return {
          role: 'assistant',
          parts: [...this.#thought(message.reasoning), ...this.#said(message.content), ...calls],
        };
      }
      case 'tool':
        return {
          role: 'tool',
          parts: [
            { type: 'tool_call_response', id: message.tool_call_id, response: this.#text(textOf(message.content)) },
          ],
        };
      default:
        return message satisfies never;
    }
  }

  /** Of parts that are not text only their kind is told: an image would burst any span. */
  #said(content: Said | null): Part[] {
    if (content === null || content === '') return [];
    if (typeof content === 'string') return [this.#part(content)];
    return content.map((part) => (part.text === undefined ? { type: part.type } : this.#part(part.text)));
  }

  #part(text: string): Part {
    return { type: 'text', content: this.#text(text) };
  }

  #thought(reasoning: string | undefined): Part[] {
    return reasoning === undefined || reasoning === '' ? [] : [{ type: 'reasoning', content: this.#text(reasoning) }];
  }

  /** The arguments as the value they spell; as they are where they spell none. */
  #call({ id, name, arguments: text }: ToolCall): Part {
    let value: unknown = text;
    try {
      value = JSON.parse(text);
    } catch {
      // A policy may have sampled anything.
    }
    return { type: 'tool_call', id, name, arguments: this.#deep(value) };
  }

  /** Every text in a value; its keys are names. */
  #deep(value: unknown): unknown {
    if (typeof value === 'string') return this.#text(value);
    // A pattern that means a number means it as a number too.
    if (typeof value === 'number')
      return this.#text(String(value)) === String(value) ? value : this.#text(String(value));
    if (Array.isArray(value)) return value.map((each) => this.#deep(each));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, this.#deep(each)]));
  }

  #text(text: string): string {
    return this.#patterns.reduce((left, pattern) => left.replace(pattern, '[redacted]'), text);
  }
}
