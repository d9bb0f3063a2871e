/** The completion as a stream of chunks, one finish reason a choice at the true end, and `[DONE]` once. */
import type { PolicyEvent } from '../../core/policy.js';
import { versionOf } from '../../core/serving.js';
import type { Finish, LoopEvent } from '../../loop/events.js';
import { aboutPrompt, ChoiceTeller, wireUsage } from './choice.js';
import type { CompletionRequest } from './request.js';
import type { AnswerHead, Delivery } from '../protocol/face.js';
import type { Exchange } from '../wire/exchange.js';
import { OPENAI } from '../wire/failure.js';
import { EventStream, type Pace } from '../wire/stream.js';

type Fields = Readonly<Record<string, unknown>>;

export class StreamedCompletion implements Delivery {
  readonly #exchange: Exchange;
  readonly #stream: EventStream;
  readonly #head: AnswerHead;
  readonly #request: CompletionRequest;
  readonly #tellers: ChoiceTeller[] = [];
  readonly #common: Fields;
  /** Tokens so far: of each prompt once, and of all choices. */
  readonly #prompts: number[] = [];
  #sampled = 0;

  constructor(exchange: Exchange, head: AnswerHead, request: CompletionRequest, pace: Pace) {
    this.#exchange = exchange;
    this.#stream = new EventStream(exchange, head.headers, pace);
    this.#head = head;
    this.#request = request;
    const version = versionOf(head.source);
    this.#common = {
      id: head.id,
      object: 'text_completion',
      created: head.created,
      model: head.model,
      system_fingerprint: version === undefined ? null : `gyre-${version}`,
    };
  }

  event(event: LoopEvent): Promise<void> | undefined {
    if (event.type === 'text') this.#text(event);
    return this.#stream.full;
  }

  finish(finish: Finish): void {
    this.#stream.stop();
    if (this.#stream.gone) return;
    if (finish.fault !== undefined) {
      const fault = aboutPrompt(finish.fault);
      if (this.#stream.begun) this.#stream.end(`data: ${OPENAI.envelope(fault, this.#exchange.requestId)}\n\n`);
      else this.#exchange.fail(fault, this.#head.headers, false);
      return;
    }
    if (finish.ending.outcome === 'cancelled') return;
    const ends = finish.finishReasons.map((reason, index) =>
      this.#chunk({ index, text: '', logprobs: null, finish_reason: reason }),
    );
    if (this.#request.includeUsage) ends.push(frame({ ...this.#common, choices: [], usage: wireUsage(finish.ending) }));
    this.#stream.end(`${ends.join('')}data: [DONE]\n\n`);
  }

  #text(event: Extract<PolicyEvent, { type: 'text' }>): void {
    const { index } = event;
    const prompt = Math.floor(index / this.#request.n);
    const teller = (this.#tellers[index] ??= new ChoiceTeller(this.#request.raw, prompt, this.#head.logprobs));
    const { text, logprobs, promptTokenIds, tokenIds } = teller.tell(event);
    if (promptTokenIds !== undefined) this.#prompts[prompt] = promptTokenIds.length;
    this.#sampled += tokenIds.length;
    const shown = this.#head.tokenIds && (promptTokenIds !== undefined || tokenIds.length > 0);
    if (text === '' && logprobs === undefined && !shown) return;
    const ids = shown
      ? { ...(promptTokenIds === undefined ? {} : { prompt_token_ids: promptTokenIds }), token_ids: tokenIds }
      : {};
    this.#stream.write(this.#chunk({ index, text, logprobs: logprobs ?? null, finish_reason: null, ...ids }));
  }

  #chunk(choice: Fields): string {
    return frame({ ...this.#common, choices: [choice], ...this.#usage() });
  }

  #usage(): Fields {
    if (this.#request.continuousUsage) {
      const prompt = this.#prompts.reduce((sum, tokens) => sum + tokens, 0);
      const usage = {
        prompt_tokens: prompt,
        completion_tokens: this.#sampled,
        total_tokens: prompt + this.#sampled,
      };
      return { usage };
    }
    return this.#request.includeUsage ? { usage: null } : {};
  }
}

function frame(chunk: Fields): string {
  return `data: ${JSON.stringify(chunk)}\n\n`;
}
