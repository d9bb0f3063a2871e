/** The whole completion, sent once everything is logged. */
import type { PolicyEvent } from '../../core/policy.js';
import { versionOf } from '../../core/serving.js';
import type { Finish, LoopEvent } from '../../loop/events.js';
import { aboutPrompt, append, ChoiceTeller, noLogprobs, wireUsage } from './choice.js';
import type { CompletionRequest } from './request.js';
import type { AnswerHead, Delivery } from '../protocol/face.js';
import type { Exchange } from '../wire/exchange.js';

interface Choice {
  readonly teller: ChoiceTeller;
  text: string;
  readonly logprobs: ReturnType<typeof noLogprobs>;
  promptTokenIds: readonly number[] | undefined;
  readonly tokenIds: number[];
}

export class WholeCompletion implements Delivery {
  readonly #exchange: Exchange;
  readonly #head: AnswerHead;
  readonly #request: CompletionRequest;
  readonly #choices: Choice[] = [];

  constructor(exchange: Exchange, head: AnswerHead, request: CompletionRequest) {
    this.#exchange = exchange;
    this.#head = head;
    this.#request = request;
  }

  event(event: LoopEvent): undefined {
    if (event.type === 'text') this.#text(event);
  }

  finish(finish: Finish): void {
    if (finish.fault !== undefined) {
      this.#exchange.fail(aboutPrompt(finish.fault), this.#head.headers, false);
      return;
    }
    if (finish.ending.outcome === 'cancelled') return;
    const { id, created, model, headers, source } = this.#head;
    const version = versionOf(source);
    const body = {
      id,
      object: 'text_completion',
      created,
      model,
      system_fingerprint: version === undefined ? null : `gyre-${version}`,
      choices: finish.finishReasons.map((reason, index) => this.#wireChoice(index, reason)),
      usage: wireUsage(finish.ending),
    };
    this.#exchange.json(JSON.stringify(body), headers);
  }

  #text(event: Extract<PolicyEvent, { type: 'text' }>): void {
    const choice = this.#choice(event.index);
    const { text, logprobs, promptTokenIds, tokenIds } = choice.teller.tell(event);
    choice.text += text;
    if (logprobs !== undefined) append(choice.logprobs, logprobs);
    choice.promptTokenIds ??= promptTokenIds;
    for (const id of tokenIds) choice.tokenIds.push(id);
  }

  #choice(index: number): Choice {
    return (this.#choices[index] ??= {
      teller: new ChoiceTeller(this.#request.raw, Math.floor(index / this.#request.n), this.#head.logprobs),
      text: '',
      logprobs: noLogprobs(),
      promptTokenIds: undefined,
      tokenIds: [],
    });
  }

  #wireChoice(index: number, reason: string): Readonly<Record<string, unknown>> {
    const { text, logprobs, promptTokenIds, tokenIds } = this.#choice(index);
    return {
      index,
      text,
      logprobs: this.#head.logprobs ? logprobs : null,
      finish_reason: reason,
      ...(this.#head.tokenIds ? { prompt_token_ids: promptTokenIds ?? null, token_ids: tokenIds } : {}),
    };
  }
}
