/** However the bytes of a stream are cut, the same events come out. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { SseParser } from '../../../src/policy/engine/sse.js';

function parse(pieces: readonly Buffer[]): string[] {
  const events: string[] = [];
  const parser = new SseParser((data) => events.push(data));
  for (const piece of pieces) parser.push(piece);
  parser.end();
  return events;
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const edges = [0, ...at.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

describe('a stream of events', () => {
  it('reads the same however it is cut, with LF or CR LF, inside characters and line ends', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify({ text })),
          { minLength: 1, maxLength: 8 },
        ),
        fc.boolean(),
        fc.array(fc.nat(), { maxLength: 20 }),
        (texts, crlf, at) => {
          const end = crlf ? '\r\n' : '\n';
          const bytes = Buffer.from(
            texts.map((text) => `: ping${end}${end}event: x${end}data: ${text}${end}${end}`).join(''),
          );
          expect(parse(cut(bytes, at))).toEqual(texts);
        },
      ),
    );
  });

  it('joins the lines of one event and skips names, ids, retries and comments', () => {
    expect(parse([Buffer.from('id: 1\nretry: 5\n: c\nevent: e\ndata: a\ndata:b\ndata:\n\n\n\ndata: c\n\n')])).toEqual([
      'a\nb\n',
      'c',
    ]);
  });

  it('counts the last event although its blank line, or even its line end, is missing', () => {
    expect(parse([Buffer.from('data: a\n\ndata: [DONE]')])).toEqual(['a', '[DONE]']);
  });

  it('gives up on an event that never ends', () => {
    const parser = new SseParser(() => undefined);
    const megabyte = Buffer.alloc(1024 * 1024, 'x');
    expect(() => {
      for (let at = 0; at < 20; at += 1) parser.push(megabyte);
    }).toThrow(RangeError);
  });
});
