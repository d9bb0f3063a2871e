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
  const { allowed_token_ids: allowed } = body;
  if (Array.isArray(allowed)) return preferred(body, allowed as readonly number[], reply.preference ?? 0);
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

/** One token, of which only two are allowed, with how likely each was. */
function preferred(body: CompletionBody, [first = 0, second = 0]: readonly number[], preference: number): string[] {
  const likely = 1 / (1 + Math.exp(-preference));
  const [token, logprob] = preference >= 0 ? [first, Math.log(likely)] : [second, Math.log(1 - likely)];
  const top = { [`token_id:${first}`]: Math.log(likely), [`token_id:${second}`]: Math.log(1 - likely) };
  const choice = {
    ...{ index: 0, text: ' word', finish_reason: 'length', stop_reason: null, token_ids: [token] },
    logprobs: { tokens: [`token_id:${token}`], token_logprobs: [logprob], top_logprobs: [top], text_offset: [0] },
    prompt_token_ids: promptsOf(body.prompt)[0],
  };
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  const head = { id: 'cmpl-engine', object: 'text_completion', created: 1, model: body.model };
  const events = [
    { ...head, choices: [choice] },
    { ...head, choices: [], usage },
  ];
  return [...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), 'data: [DONE]\n\n'];
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
