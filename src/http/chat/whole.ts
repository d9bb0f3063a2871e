/** The whole answer: a fold of the same events a stream shows, sent once everything is logged. */
import type { TokenLogprob } from '../../core/policy.js';
import type { Finish, LoopEvent } from '../../loop/events.js';
import {
  addBeside,
  extraContent,
  fingerprint,
  moreFields,
  wireLogprobs,
  wireReasoning,
  wireUsage,
} from './completion.js';
import { freeformText } from '../protocol/freeform.js';
import { type AnswerHead, type AnswerSettings, type Delivery, limitOf } from '../protocol/face.js';
import type { Exchange } from '../wire/exchange.js';

interface Choice {
  text: string;
  reasoning: string;
  readonly calls: {
    readonly id: string;
    readonly name: string;
    arguments: string;
    readonly own: Readonly<Record<string, unknown>> | undefined;
  }[];
  refusal: string;
  beside: Record<string, unknown> | undefined;
  readonly logprobs: TokenLogprob[];
  readonly tokenIds: number[];
}

export class WholeAnswer implements Delivery {
  readonly #exchange: Exchange;
  readonly #head: AnswerHead;
  readonly #settings: Pick<AnswerSettings, 'reasoningFields'>;
  /** Names of custom tools. */
  readonly #custom: ReadonlySet<string> | undefined;
  readonly #choices: Choice[] = [];
  #promptTokenIds: readonly number[] | undefined;

  constructor(
    exchange: Exchange,
    head: AnswerHead,
    settings: Pick<AnswerSettings, 'reasoningFields'>,
    custom?: ReadonlySet<string>,
  ) {
    this.#custom = custom;
    this.#exchange = exchange;
    this.#head = head;
    this.#settings = settings;
  }

  event(event: LoopEvent): undefined {
    switch (event.type) {
      case 'start':
        this.#promptTokenIds = event.promptTokenIds;
        return;
      case 'text': {
        const choice = this.#choice(event.index);
        if (event.refusal === true) choice.refusal += event.text;
        else choice.text += event.text;
        if (this.#head.logprobs) for (const each of event.logprobs ?? []) choice.logprobs.push(each);
        if (this.#head.tokenIds) for (const each of event.tokenIds ?? []) choice.tokenIds.push(each);
        return;
      }
      case 'reasoning':
        this.#choice(event.index).reasoning += event.text;
        return;
      case 'beside':
        addBeside((this.#choice(event.index).beside ??= {}), event.fields);
        return;
      case 'call':
        this.#choice(event.index).calls[event.position] = {
          id: event.id,
          name: event.name,
          arguments: '',
          own: event.own,
        };
        return;
      case 'arguments': {
        const call = this.#choice(event.index).calls[event.position];
        if (call !== undefined) call.arguments += event.text;
        return;
      }
      case 'tool_started':
      case 'tool_finished':
      case 'step':
        return;
      default:
        event satisfies never;
    }
  }

  finish(finish: Finish): void {
    if (finish.fault !== undefined) {
      this.#exchange.fail(finish.fault, this.#head.headers, finish.ending.toolUse.executed > 0);
      return;
    }
    if (finish.ending.outcome === 'cancelled') return;
    const { id, created, model, headers } = this.#head;
    const limit = limitOf(finish.ending);
    // Put together from text: building the same as objects first takes three times as long.
    let body =
      `{"id":"${id}","object":"chat.completion","created":${created},"model":${JSON.stringify(model)},` +
      `"system_fingerprint":${fingerprint(this.#head)},"choices":[`;
    finish.finishReasons.forEach(
      (reason, index) => (body += `${index === 0 ? '' : ','}${this.#wireChoice(index, reason)}`),
    );
    body += `],"usage":${wireUsage(finish.ending)}`;
    if (limit !== undefined) body += `,"gyre":${JSON.stringify(limit)}`;
    if (this.#head.tokenIds && this.#promptTokenIds !== undefined)
      body += `,"prompt_token_ids":[${this.#promptTokenIds.join(',')}]`;
    this.#exchange.json(`${body}}`, headers);
  }

  #choice(index: number): Choice {
    return (this.#choices[index] ??= {
      text: '',
      reasoning: '',
      calls: [],
      refusal: '',
      beside: undefined,
      logprobs: [],
      tokenIds: [],
    });
  }

  #wireChoice(index: number, reason: string): string {
    const { text, reasoning, calls, refusal, beside, logprobs, tokenIds } = this.#choice(index);
    const content = text === '' && (calls.length > 0 || refusal !== '') ? 'null' : JSON.stringify(text);
    const thoughts = reasoning === '' ? '' : `,${wireReasoning(reasoning, this.#settings)}`;
    const made = calls.length === 0 ? '' : `,"tool_calls":[${calls.map((call) => this.#wireCall(call)).join(',')}]`;
    const ids = this.#head.tokenIds ? `,"token_ids":[${tokenIds.join(',')}]` : '';
    return (
      `{"index":${index},"message":{"role":"assistant","content":${content},` +
      `"refusal":${refusal === '' ? 'null' : JSON.stringify(refusal)}${thoughts}` +
      `${made}${beside === undefined ? '' : moreFields(beside)}},` +
      `"logprobs":${this.#head.logprobs ? JSON.stringify(wireLogprobs(logprobs)) : 'null'},` +
      `"finish_reason":"${reason}"${ids}}`
    );
  }

  #wireCall({ id, name, arguments: args, own }: Choice['calls'][number]): string {
    const call = JSON.stringify(
      this.#custom?.has(name) === true
        ? { id, type: 'custom', custom: { name, input: freeformText(args) } }
        : { id, type: 'function', function: { name, arguments: args } },
    );
    return `${call.slice(0, -1)}${extraContent(own)}}`;
  }
}
