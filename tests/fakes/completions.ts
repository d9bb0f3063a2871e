/** What the scripted engine replies on /v1/completions, chunk by chunk as vLLM makes them. */
import { type Reply, tokenId, words } from './replies.js';

export interface CompletionBody {
  readonly model: string;
  readonly prompt: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  readonly echo?: boolean;
  readonly logprobs?: number;
  readonly n?: number;
  readonly max_tokens?: number;
  readonly return_token_ids?: boolean;
  readonly stream?: boolean;
  readonly [field: string]: unknown;
}

interface Token {
  readonly id: number;
  readonly text: string;
}

/** The events of a stream. `reply.text` is what follows each prompt; `variants` are of the choices of one prompt. */
export function completionEvents(reply: Reply, body: CompletionBody): string[] {
  const events: string[] = [];
  const push = (data: unknown): void => void events.push(`data: ${JSON.stringify(data)}\n\n`);
  const ids = body.return_token_ids === true;
  const chunk = (choice: Record<string, unknown>): void =>
    push({ id: 'cmpl-engine', object: 'text_completion', created: 1, model: body.model, choices: [choice] });
  let [promptTokens, completionTokens] = [0, 0];
  const prompts = promptsOf(body.prompt);
  prompts.forEach((prompt, at) => {
    const read = tokensOf(prompt);
    promptTokens += read.length;
    for (let n = 0; n < (body.n ?? 1); n += 1) {
      const index = at * (body.n ?? 1) + n;
      const said = reply.variants?.[Math.min(n, reply.variants.length - 1)] ?? reply;
      const text = said.text ?? reply.text ?? ' ok';
      const sampled = (typeof text === 'string' ? words(text) : text).map((each) => ({
        id: tokenId(each),
        text: each,
      }));
      const end = { id: 2, text: '' };
      const only = body.max_tokens === 0;
      (only ? [sampled[0] ?? end] : [...sampled, end]).forEach((token, place, all) => {
        completionTokens += 1;
        const first = place === 0;
        const echoed = first && body.echo === true ? read : [];
        const shown = only ? echoed : [...echoed, token];
        const echoText = ids || !first || body.echo !== true ? '' : read.map((each) => each.text).join('');
        const last = place === all.length - 1;
        chunk({
          index,
          text: only ? echoText : echoText + token.text,
          logprobs: body.logprobs === undefined ? null : legacy(shown, echoed.length > 0, body.logprobs),
          finish_reason: last ? (only ? 'length' : (reply.finish ?? 'stop')) : null,
          stop_reason: null,
          ...(first && (ids || body.echo === true) ? { prompt_token_ids: read.map((each) => each.id) } : {}),
          ...(ids ? { token_ids: [token.id] } : {}),
        });
      });
    }
  });
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
  push({ id: 'cmpl-engine', object: 'text_completion', created: 1, model: body.model, choices: [], usage });
  events.push('data: [DONE]\n\n');
  return events;
}

function promptsOf(prompt: CompletionBody['prompt']): readonly (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  const list = prompt as readonly (string | number | readonly number[])[];
  const ids = list.filter((each) => typeof each === 'number');
  return ids.length > 0 ? [ids] : list.filter((each) => typeof each !== 'number');
}

function tokensOf(prompt: string | readonly number[]): Token[] {
  if (typeof prompt === 'string') return words(prompt).map((text) => ({ id: tokenId(text), text }));
  return prompt.map((id) => ({ id, text: ` t${id}` }));
}

function legacy(tokens: readonly Token[], fromPrompt: boolean, top: number): Record<string, unknown> {
  let offset = 0;
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map((_, at) => (fromPrompt && at === 0 ? null : -0.25 - at)),
    top_logprobs: tokens.map(({ text }, at) =>
      fromPrompt && at === 0
        ? null
        : Object.fromEntries<number>([
            [text, -0.25 - at],
            ...Array.from({ length: top }, (__, place): [string, number] => [`other${place}`, -1 - at - place]),
          ]),
    ),
    text_offset: tokens.map(({ text }) => (offset += text.length) - text.length),
  };
}
