/** Usage while an answer is streamed, for a client that wants it on every chunk. The last chunk has the true sum. */
import type { LoopEvent } from '../../loop/events.js';

export class RunningUsage {
  /** Of steps that are over. */
  #prompts = 0;
  #completions = 0;
  /** Of the step that is being sampled. */
  #prompt = 0;
  #tokens = 0;
  /** Pieces seen, which stand for tokens where the server names none. */
  #pieces = 0;

  saw(event: LoopEvent): void {
    switch (event.type) {
      case 'start':
        this.#prompt = event.promptTokenIds?.length ?? 0;
        break;
      case 'text':
        // A piece of reasoning or of a call has its tokens in an event of its own, without text.
        this.#tokens += event.tokenIds?.length ?? 0;
        if (event.text !== '') this.#pieces += 1;
        break;
      case 'reasoning':
      case 'arguments':
        this.#pieces += 1;
        break;
      case 'step':
        this.#prompts += event.step.action?.usage.prompt_tokens ?? 0;
        this.#completions += event.step.action?.usage.completion_tokens ?? 0;
        this.#prompt = this.#tokens = this.#pieces = 0;
        break;
      case 'call':
      case 'tool_started':
      case 'tool_finished':
        break;
      default:
        event satisfies never;
    }
  }

  /** As JSON text. */
  wire(): string {
    const prompt = this.#prompts + this.#prompt;
    const completion = this.#completions + (this.#tokens === 0 ? this.#pieces : this.#tokens);
    return `{"prompt_tokens":${prompt},"completion_tokens":${completion},"total_tokens":${prompt + completion}}`;
  }
}
