/**
 * A model that judges, asked within its limits: one endpoint and one budget for whoever asks it in this process, about
 * single actions, groups, or two answers. What a question takes is on its bill as soon as that is known.
 */
import type { JudgeCost } from '../../core/learning/judging.js';
import { Endpoint, type EndpointOptions, type JudgeAnswer, LONGEST_BACK_OFF_MS, type Took } from './endpoint.js';
import { type JudgeLimits, Spending } from './limits.js';
import type { Prompt } from './prompt.js';

/** About, to know beforehand what a question may take. */
const CHARS_PER_TOKEN = 4;
const TIMEOUT_MS = 30_000;
const RETRIES = 2;
const MILLION = 1_000_000;

/** Money for a million tokens, in whatever currency. */
export interface Price {
  readonly input: number;
  readonly output: number;
}

export interface AskingOptions extends JudgeLimits {
  readonly name: string;
  readonly url: string;
  readonly model: string;
  readonly apiKey?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly retries?: number | undefined;
  readonly price?: Price | undefined;
  readonly fetch?: EndpointOptions['fetch'];
  /** Tokens that it has used since a time, by the rows. */
  readonly spentSince?: ((at: number) => Promise<number>) | undefined;
}

/** What a question takes, with all that is sent for it. */
export class Bill {
  readonly #price: Price | undefined;
  readonly #began = performance.now();
  #promptTokens = 0;
  #completionTokens = 0;

  constructor(price: Price | undefined) {
    this.#price = price;
  }

  add({ promptTokens, completionTokens }: Took): void {
    this.#promptTokens += promptTokens;
    this.#completionTokens += completionTokens;
  }

  get cost(): JudgeCost {
    const [promptTokens, completionTokens] = [this.#promptTokens, this.#completionTokens];
    const price = this.#price;
    return {
      ...{ promptTokens, completionTokens, ms: performance.now() - this.#began },
      ...(price === undefined
        ? {}
        : { money: (promptTokens * price.input + completionTokens * price.output) / MILLION }),
    };
  }

  /** Undefined where nothing was taken. */
  get costOfNone(): JudgeCost | undefined {
    return this.#promptTokens + this.#completionTokens === 0 ? undefined : this.cost;
  }
}

export class Asking {
  readonly #endpoint: Endpoint;
  readonly #spending: Spending;
  readonly #price: Price | undefined;
  /** Milliseconds after which whoever asks has waited for every try, beside what a limit held back. */
  readonly patienceMs: number;

  constructor(options: AskingOptions) {
    const { name, url, model, apiKey, price, timeoutMs = TIMEOUT_MS, retries = RETRIES } = options;
    this.#endpoint = new Endpoint({ url, model, apiKey, timeoutMs, retries, fetch: options.fetch });
    this.#spending = new Spending(name, options, options.spentSince ?? (() => Promise.resolve(0)));
    this.#price = price;
    this.patienceMs = (retries + 1) * (timeoutMs + LONGEST_BACK_OFF_MS);
  }

  /** Milliseconds, in all so far, in which a limit held back whoever asks. */
  heldMs(): number {
    return this.#spending.heldMs();
  }

  bill(): Bill {
    return new Bill(this.#price);
  }

  /** Throws where it could not be asked; what was sent until then is on the bill. */
  ask(
    prompt: Prompt,
    sampling: { readonly temperature: number; readonly maxTokens: number },
    signal: AbortSignal,
    bill: Bill,
  ): Promise<JudgeAnswer> {
    const promptTokens = Math.ceil((prompt.system.length + prompt.user.length) / CHARS_PER_TOKEN);
    const turn = async (): Promise<(took: Took) => void> => {
      const ended = await this.#spending.begin(promptTokens + sampling.maxTokens, signal);
      return (took) => {
        bill.add(took);
        ended(took.promptTokens + took.completionTokens);
      };
    };
    return this.#endpoint.ask({ ...prompt, ...sampling, promptTokens }, turn, signal);
  }
}
