/** What an upstream says in forms of its own, as the Responses API tells it. */
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
