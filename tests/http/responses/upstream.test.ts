/** What an upstream says in forms of its own, as the Responses API tells it. */
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { both, closeOpened } from '../../fakes/upstreams.js';

afterEach(closeOpened);

type Json = Readonly<Record<string, unknown>>;

async function ask(replies: readonly Reply[], path: string, body: Json): Promise<string> {
  const { gateway } = await both(inTurn(...replies));
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'big', ...body }),
  });
  return response.text();
}
const eventsOf = (text: string): Json[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => JSON.parse(line.slice('data: '.length)) as Json);
const respond = async (...replies: Reply[]): Promise<Json> =>
  JSON.parse(await ask(replies, '/v1/responses', { input: 'q' })) as Json;
const streamed = async (...replies: Reply[]): Promise<Json[]> =>
  eventsOf(await ask(replies, '/v1/responses', { input: 'q', stream: true }));

const REFUSED: Reply = {
  deltas: [{ refusal: "I can't" }, { refusal: ' do that.' }],
  finish: 'stop',
};
const cited = (url: string, start: number, end: number): Json => ({
  type: 'url_citation',
  url_citation: { url, title: 'T', start_index: start, end_index: end },
});
const CITED: Reply = {
  deltas: [
    { content: 'Rain ', annotations: [cited('https://a.example', 0, 4)] },
    { content: 'soon.', annotations: [cited('https://a.example', 0, 4), cited('https://b.example', 5, 9)] },
  ],
  finish: 'stop',
};
const FLAT = { type: 'url_citation', title: 'T', url: 'https://a.example', start_index: 0, end_index: 4 };

describe('a refusal of an upstream', () => {
  it('is a part of its own kind in a response', async () => {
    expect((await respond(REFUSED))['output']).toMatchObject([
      { type: 'message', status: 'completed', content: [{ type: 'refusal', refusal: "I can't do that." }] },
    ]);
  });

  it('ends a message as one, with its words', async () => {
    const body = { max_tokens: 9, messages: [{ role: 'user', content: 'q' }] };
    const end = { stop_reason: 'refusal', stop_details: { type: 'refusal' } };
    expect(JSON.parse(await ask([REFUSED], '/v1/messages', body))).toMatchObject({
      content: [{ type: 'text', text: "I can't do that." }],
      ...end,
    });
    const told = eventsOf(await ask([REFUSED], '/v1/messages', { ...body, stream: true }));
    expect(told.find(({ type }) => type === 'message_delta')).toMatchObject({ delta: end });
  });

  it('has its own events', async () => {
    const events = await streamed(REFUSED);
    const of = (type: string): Json[] => events.filter((event) => event['type'] === type);
    expect(of('response.content_part.added')).toMatchObject([
      { content_index: 0, part: { type: 'refusal', refusal: '' } },
    ]);
    expect(of('response.refusal.delta').map((event) => event['delta'])).toEqual(["I can't", ' do that.']);
    expect(of('response.refusal.done')).toMatchObject([{ refusal: "I can't do that." }]);
    expect(of('response.content_part.done')).toMatchObject([{ part: { refusal: "I can't do that." } }]);
    expect(of('response.output_text.done')).toEqual([]);
  });

  it('follows text as another part of the same message, and text follows it as a third', async () => {
    const mixed: Reply = {
      deltas: [{ content: 'Well. ' }, { refusal: 'No.' }, { content: ' Sorry.' }],
      finish: 'stop',
    };
    const events = await streamed(mixed);
    expect(
      events
        .filter(({ type }) => String(type).endsWith('.delta'))
        .map((event) => [event['type'], event['content_index']]),
    ).toEqual([
      ['response.output_text.delta', 0],
      ['response.refusal.delta', 1],
      ['response.output_text.delta', 2],
    ]);
    const { response } = events.at(-1) as { readonly response: Json };
    expect(response['output']).toMatchObject([
      { content: [{ text: 'Well. ' }, { refusal: 'No.' }, { text: ' Sorry.' }] },
    ]);
  });
});

describe('what an upstream cites', () => {
  it('is annotations of the text, each once', async () => {
    expect((await respond(CITED))['output']).toMatchObject([
      {
        content: [
          {
            text: 'Rain soon.',
            annotations: [FLAT, { ...FLAT, url: 'https://b.example', start_index: 5, end_index: 9 }],
          },
        ],
      },
    ]);
  });

  it('has its own events', async () => {
    const added = (await streamed(CITED)).filter(({ type }) => type === 'response.output_text.annotation.added');
    expect(added).toMatchObject([
      { content_index: 0, annotation_index: 0, annotation: FLAT },
      { content_index: 0, annotation_index: 1, annotation: { url: 'https://b.example' } },
    ]);
  });

  it('is left out where it is of another form, and the answer is whole', async () => {
    for (const annotations of [[null, 1, 'x', {}, { type: 'url_citation' }, { type: 'url_citation', url_citation: 1 }]])
      expect((await respond({ deltas: [{ content: 'ok', annotations }], finish: 'stop' }))['output']).toMatchObject([
        { content: [{ text: 'ok', annotations: [] }] },
      ]);
  });
});

const PNG = 'iVBORw0KGgo=';
const SHOWN: Reply = {
  deltas: [
    { content: 'A dog.', images: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } }] },
    { annotations: [{ type: 'file_path', file_id: 'f' }] },
  ],
  finish: 'stop',
};
const HEARD: Reply = { deltas: [{ audio: { id: 'a', data: 'UklGRg==', transcript: 'Hello.' } }], finish: 'stop' };
const LISTED: Reply = {
  deltas: [
    {
      content: 'Rain [1].',
      citations: ['https://a.example', 'https://b.example'],
      search_results: [{ title: 'A', url: 'https://a.example', snippet: 'It rains.' }],
    },
    { content: ' Soon.', citations: ['https://a.example', 'https://b.example'] },
  ],
  finish: 'stop',
};

describe('what else an upstream gives beside its text', () => {
  const post = async (reply: Reply, path: string, body: Json): Promise<Response> => {
    const { gateway } = await both(inTurn(reply));
    return fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'big', ...body }),
    });
  };
  const MESSAGE = { max_tokens: 9, messages: [{ role: 'user', content: 'q' }] };
  const message = async (reply: Reply): Promise<Response> => post(reply, '/v1/messages', MESSAGE);
  const location = (url: string, title: string, words: string): Json => ({
    type: 'web_search_result_location',
    url,
    title,
    cited_text: words,
    encrypted_index: '',
  });

  it('is a picture as an item of a response, whole and streamed, and what has no form is named', async () => {
    const whole = await post(SHOWN, '/v1/responses', { input: 'q' });
    expect(whole.headers.get('x-gyre-left-out')).toBe('annotations');
    const { output, gyre } = (await whole.json()) as { output: Json[]; gyre: unknown };
    const image = { type: 'image_generation_call', status: 'completed', result: PNG };
    expect(output).toMatchObject([{ type: 'message', content: [{ text: 'A dog.', annotations: [] }] }, image]);
    expect(String(output[1]?.['id'])).toMatch(/^ig_/);
    expect(gyre).toEqual({ left_out: ['annotations'] });
    const events = await streamed(SHOWN);
    expect(events.filter(({ type }) => type === 'response.output_item.done')).toMatchObject([
      { item: { type: 'message' } },
      { output_index: 1, item: image },
    ]);
    expect(events.at(-1)).toMatchObject({ response: { output: [{}, image], gyre: { left_out: ['annotations'] } } });
  });

  it('goes on with a picture among the items that come back, whole or referred to', async () => {
    const { gateway, upstream } = await both(inTurn(SHOWN, { text: 'A cat.' }));
    const respond = async (input: unknown): Promise<Json[]> =>
      (
        (await (
          await fetch(`${gateway.url}/v1/responses`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ model: 'big', input }),
          })
        ).json()) as { output: Json[] }
      ).output;
    const question = { role: 'user', content: 'q' };
    const output = await respond([question]);
    const references = output.map(({ id }) => ({ type: 'item_reference', id }));
    for (const items of [output, references]) {
      await respond([question, ...items, { role: 'user', content: 'And?' }]);
      expect(upstream.requests.at(-1)?.body.messages).toEqual([
        question,
        { role: 'assistant', content: 'A dog.' },
        { role: 'user', content: 'And?' },
      ]);
    }
  });

  it('is sources of a text in lists, each once, in a response and in a message', async () => {
    const [part] = (await respond(LISTED))['output'] as { content: { annotations: Json[] }[] }[];
    expect(part?.content[0]?.annotations.map(({ url, title }) => [url, title])).toEqual([
      ['https://a.example', 'A'],
      ['https://b.example', ''],
    ]);
    const whole = await message(LISTED);
    expect(whole.headers.get('x-gyre-left-out')).toBeNull();
    const citations = [location('https://a.example', 'A', 'It rains.'), location('https://b.example', '', '')];
    const { content } = (await whole.json()) as { content: Json[] };
    expect(content).toEqual([{ type: 'text', text: 'Rain [1]. Soon.', citations }]);
    const client = new Anthropic({ baseURL: (await both(inTurn(LISTED))).gateway.url, apiKey: 'any', maxRetries: 0 });
    const final = await client.messages
      .stream({ model: 'big', max_tokens: 9, messages: [{ role: 'user', content: 'q' }] })
      .finalMessage();
    expect(final.content).toEqual(content);
    expect((await (await message({ text: 'ok' })).json()) as Json).not.toHaveProperty('content.0.citations');
  });

  it('is sources in a message also where they have places', async () => {
    const { content } = (await (await message(CITED)).json()) as { content: Json[] };
    expect(content).toMatchObject([
      {
        text: 'Rain soon.',
        citations: [location('https://a.example', 'T', ''), location('https://b.example', 'T', '')],
      },
    ]);
  });

  it('is named where it is sound, and its words are the text', async () => {
    for (const [path, body] of [
      ['/v1/responses', { input: 'q' }],
      ['/v1/messages', MESSAGE],
    ] as const) {
      const answer = await post(HEARD, path, body);
      expect(answer.headers.get('x-gyre-left-out')).toBe('audio');
      const text = await answer.text();
      expect(text).toContain('Hello.');
      expect(JSON.parse(text)).toMatchObject({ gyre: { left_out: ['audio'] } });
      expect(await ask([HEARD], path, { ...body, stream: true })).toContain('"gyre":{"left_out":["audio"]}');
    }
  });

  it('is named in a message where it is a picture, and where no text is there to cite', async () => {
    expect((await message(SHOWN)).headers.get('x-gyre-left-out')).toBe('images, annotations');
    const uncited: Reply = { deltas: [{ citations: ['https://a.example'] }], finish: 'stop' };
    expect((await message(uncited)).headers.get('x-gyre-left-out')).toBe('citations');
    expect((await post(uncited, '/v1/responses', { input: 'q' })).headers.get('x-gyre-left-out')).toBe('citations');
  });
});
