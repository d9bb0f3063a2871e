/** Clients that ask in every way, and note each answer that they were given whole. */
import type { EngineRequest, Reply } from '../../tests/fakes/engine.js';
import type { Random } from './random.js';

/** An answer that its client was given to its end, and how many steps it must have. */
export interface Acknowledged {
  readonly id: string;
  readonly steps: number;
}

export interface Notes {
  readonly acknowledged: Acknowledged[];
  /** Requests that were refused with a status of an error. */
  refused: number;
}

interface Turn {
  readonly role: string;
  readonly content: string;
}

/** Whoever is told to compute calls the calculator first. */
export function script({ body }: EngineRequest): Reply {
  const last = body.messages.at(-1);
  const words = typeof last?.content === 'string' ? last.content : '';
  if (last?.role !== 'tool' && words.startsWith('compute'))
    return { calls: [{ name: 'calculator', arguments: '{"expression":"17*23"}' }] };
  return { text: last?.role === 'tool' ? 'It is 391.' : `I heard: ${words.slice(0, 200)}`, delayMs: 1 };
}

/** One client, until its gateway is gone. */
export async function client(url: string, name: string, random: Random, notes: Notes): Promise<void> {
  let turns: Turn[] = [];
  let previous: string | undefined;
  for (let at = 0; ; at += 1) {
    const tool = random.next() < 0.3;
    const filler = 'x'.repeat(Math.floor(random.between(0, 4_000)));
    const ask = `${tool ? 'compute' : 'say'} ${name} ${at} ${filler}`;
    const steps = tool ? 2 : 1;
    try {
      if (random.next() < 0.3) {
        const referred = random.next() < 0.5 ? previous : undefined;
        previous = await respond(url, { model: 'gyre', input: ask, previous_response_id: referred }, steps, notes);
        continue;
      }
      if (random.next() < 0.4) turns = [];
      turns.push({ role: 'user', content: ask });
      const said = await chat(url, { model: 'gyre', messages: turns, stream: random.next() < 0.5 }, steps, notes);
      if (said === undefined) turns = [];
      else turns.push({ role: 'assistant', content: said });
      if (turns.length > 12) turns = [];
    } catch {
      return; // the gateway was killed
    }
  }
}

async function post(url: string, path: string, body: unknown): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

async function respond(url: string, body: unknown, steps: number, notes: Notes): Promise<string | undefined> {
  const answer = await post(url, '/v1/responses', body);
  const { id } = (await answer.json()) as { readonly id: string };
  if (answer.ok) notes.acknowledged.push({ id, steps });
  else notes.refused += 1;
  return answer.ok ? id : undefined;
}

/** The words of the answer; undefined where it was refused. */
async function chat(
  url: string,
  body: { readonly stream: boolean; readonly [field: string]: unknown },
  steps: number,
  notes: Notes,
): Promise<string | undefined> {
  const answer = await post(url, '/v1/chat/completions', body);
  const text = await answer.text();
  if (!answer.ok) {
    notes.refused += 1;
    return undefined;
  }
  const events = body.stream ? text.split('\n\n').filter((event) => event.startsWith('data: {')) : [`data: ${text}`];
  let [id, said] = ['', ''];
  for (const event of events) {
    const data = JSON.parse(event.slice('data: '.length)) as {
      readonly id?: string;
      readonly choices?: readonly Record<'message' | 'delta', { readonly content?: string | null } | undefined>[];
    };
    id = data.id ?? id;
    said += (data.choices?.[0]?.message ?? data.choices?.[0]?.delta)?.content ?? '';
  }
  if (body.stream && !text.includes('data: [DONE]')) {
    notes.refused += 1; // it ended with an error
    return undefined;
  }
  notes.acknowledged.push({ id, steps });
  return said;
}
