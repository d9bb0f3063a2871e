/**
 * Messages as JSON in the shape OpenTelemetry's conventions give it. It is put together only where capturing
 * content was asked for.
 */
import { parseJson, writeJson } from '../core/text/json.js';
import { textOf, type Content, type Message, type ToolCall } from '../core/message.js';
import type { Action, PolicyRequest } from '../core/policy.js';
import type { Redactor } from '../core/text/redact.js';
import type { Observation } from '../core/tool.js';
import type { ContentAttributes } from './attributes.js';

type Part = Readonly<Record<string, unknown>>;

/** The attributes that tell a conversation, redacted where there is a redactor. Never throws: an answer goes on. */
export class CapturedContent {
  readonly #redactor: Redactor | undefined;

  constructor(redactor: Redactor | undefined) {
    this.#redactor = redactor;
  }

  ofRequest(request: PolicyRequest): ContentAttributes {
    const messages = this.#redactor?.messages(request.messages) ?? request.messages;
    const tools = this.#redactor?.tools(request.tools) ?? request.tools;
    const stop = this.#redactor?.value(request.sampling.stop) ?? request.sampling.stop;
    // The instructions come first; a system message further on is part of the history.
    const history = messages.findIndex(({ role }) => role !== 'system' && role !== 'developer');
    const instructions = history === -1 ? messages : messages.slice(0, history);
    return {
      'gen_ai.system_instructions':
        instructions.length === 0
          ? undefined
          : json(instructions.flatMap(({ content }) => partsOf(content)).filter(({ type }) => type === 'text')),
      'gen_ai.input.messages': json(messages.slice(instructions.length).map(messageOf)),
      'gen_ai.tool.definitions':
        tools.length === 0
          ? undefined
          : json(
              tools.map(({ name, description, parameters }) => ({ type: 'function', name, description, parameters })),
            ),
      'gen_ai.request.stop_sequences': typeof stop === 'string' ? [stop] : stop,
    };
  }

  ofAnswer(actions: readonly Action[]): ContentAttributes {
    return {
      'gen_ai.output.messages': json(
        actions
          .map((action) => this.#redactor?.action(action) ?? action)
          // Why each ended is on the span itself.
          .map(({ text, reasoning, calls }) => ({
            role: 'assistant',
            parts: [...reasoningParts(reasoning), ...partsOf(text), ...calls.map(callPart)],
          })),
      ),
    };
  }

  ofTool(call: ToolCall, observation: Observation): ContentAttributes {
    return {
      'gen_ai.tool.call.arguments': this.#redactor?.text(call.arguments) ?? call.arguments,
      'gen_ai.tool.call.result': this.#redactor?.text(observation.content) ?? observation.content,
    };
  }
}

function messageOf(message: Message): Part {
  switch (message.role) {
    case 'system':
    case 'developer':
      return { role: 'system', parts: partsOf(message.content) };
    case 'user':
      return { role: 'user', parts: partsOf(message.content) };
    case 'assistant': {
      const calls = (message.tool_calls ?? []).map(({ id, function: { name, arguments: args } }) =>
        callPart({ id, name, arguments: args }),
      );
      return {
        role: 'assistant',
        parts: [...reasoningParts(message.reasoning), ...partsOf(message.content), ...calls],
      };
    }
    case 'tool':
      return {
        role: 'tool',
        parts: [{ type: 'tool_call_response', id: message.tool_call_id, response: textOf(message.content) }],
      };
    default:
      return message satisfies never;
  }
}

/** Of parts that are not text only their kind is exported: an image would burst any span. */
function partsOf(content: Content | null): Part[] {
  if (content === null || content === '') return [];
  if (typeof content === 'string') return [textPart(content)];
  return content.map((part) => (part.text === undefined ? { type: part.type } : textPart(part.text)));
}

function textPart(text: string): Part {
  return { type: 'text', content: text };
}

function reasoningParts(reasoning: string | undefined): Part[] {
  return reasoning === undefined || reasoning === '' ? [] : [{ type: 'reasoning', content: reasoning }];
}

/** The arguments as the object they spell; as they are where they spell none. */
function callPart({ id, name, arguments: text }: ToolCall): Part {
  let value: unknown = text;
  try {
    const spelled = parseJson(text);
    // A bare number would be written in another form than the one that was redacted.
    if (typeof spelled === 'object' && spelled !== null) value = spelled;
  } catch {
    // A policy may have sampled anything.
  }
  return { type: 'tool_call', id, name, arguments: value };
}

/** Undefined for what is nested too deep to be written, as a policy's arguments may be. */
function json(value: unknown): string | undefined {
  try {
    return writeJson(value);
  } catch {
    return undefined;
  }
}
