/** Calls out of deltas, however an engine tells them apart. */
import { describe, expect, it } from 'vitest';

import { calls, chunk, finish, fold, one } from './chunks.js';

describe('tool calls in deltas', () => {
  const a = { name: 'a', arguments: '{"x":1}' };
  const b = { name: 'b', arguments: '{"y":2}' };

  it.each<[string, readonly string[]]>([
    [
      'by index, the name first',
      [
        calls({ index: 0, id: '1', function: { name: 'a' } }),
        calls({ index: 0, function: { arguments: '{"x"' } }),
        calls({ index: 0, function: { arguments: ':1}' } }),
        calls({ index: 1, id: '2', function: { name: 'b', arguments: '{"y":2}' } }),
      ],
    ],
    ['whole, in one chunk', [calls({ index: 0, id: '1', function: a }, { index: 1, id: '2', function: b })]],
    ['all with index 0', [calls({ index: 0, id: '1', function: a }), calls({ index: 0, id: '2', function: b })]],
    [
      'all with index 0, arguments following each',
      [
        calls({ index: 0, id: '1', function: { name: 'a' } }),
        calls({ index: 0, function: { arguments: '{"x":1}' } }),
        calls({ index: 0, id: '2', function: { name: 'b' } }),
        calls({ index: 0, function: { arguments: '{"y":2}' } }),
      ],
    ],
    [
      'without any index',
      [
        calls({ id: '1', function: { name: 'a', arguments: '{"x":' } }),
        calls({ function: { arguments: '1}' } }),
        calls({ id: '2', function: b }),
      ],
    ],
    [
      'with indexes that begin at 1 and leave gaps',
      [
        calls({ index: 1, id: '1', function: a }),
        calls({ index: 4, id: '2', function: { name: 'b' } }),
        calls({ index: 4, function: { arguments: '{"y":2}' } }),
      ],
    ],
    [
      'interleaved',
      [
        calls(
          { index: 0, id: '1', function: { name: 'a', arguments: '{"x"' } },
          { index: 1, id: '2', function: { name: 'b', arguments: '{"y"' } },
        ),
        calls({ index: 1, function: { arguments: ':2}' } }, { index: 0, function: { arguments: ':1}' } }),
      ],
    ],
    [
      'with the id repeated on every piece',
      [
        calls({ index: 0, id: '1', function: { name: 'a', arguments: '{"x"' } }),
        calls({ index: 0, id: '1', function: { arguments: ':1}' } }),
        calls({ index: 0, id: '2', function: b }),
      ],
    ],
    [
      'with the id after the name',
      [
        calls({ index: 0, function: { name: 'a' } }),
        calls({ index: 0, id: '1', function: { arguments: '{"x":1}' } }),
        calls({ index: 1, function: b }),
      ],
    ],
    [
      'without ids, the name repeated on every piece',
      [
        calls({ index: 0, function: { name: 'a', arguments: '{"x"' } }),
        calls({ index: 0, function: { name: 'a', arguments: ':1}' } }),
        calls({ index: 0, function: b }),
      ],
    ],
    [
      'with arguments as an object',
      [
        calls({ index: 0, id: '1', function: { name: 'a', arguments: { x: 1 } } }),
        calls({ index: 1, id: '2', function: { name: 'b', arguments: { y: 2 } } }),
      ],
    ],
    [
      'with the same id at two indexes',
      [
        calls({ index: 0, id: 'x', function: { name: 'a', arguments: '{"x"' } }),
        calls({ index: 1, id: 'x', function: { name: 'b', arguments: '{"y"' } }),
        calls({ index: 0, id: 'x', function: { arguments: ':1}' } }),
        calls({ index: 1, id: 'x', function: { arguments: ':2}' } }),
      ],
    ],
    [
      'with a new id on every piece',
      [
        calls({ index: 0, id: '1', function: { name: 'a', arguments: '{"x"' } }),
        calls({ index: 0, id: '2', function: { arguments: ':1}' } }),
        calls({ index: 1, id: '3', function: { name: 'b', arguments: '{"y"' } }),
        calls({ index: 1, id: '4', function: { arguments: ':2}' } }),
      ],
    ],
    [
      'without a name on the first piece of one',
      [
        calls({ index: 0, id: '1', function: {} }, { index: 1, id: '2', function: {} }),
        calls({ index: 0, function: { name: 'a', arguments: '{"x":1}' } }),
        calls({ index: 1, function: { name: 'b', arguments: '{"y":2}' } }),
      ],
    ],
  ])('%s are two calls', (_name, chunks) => {
    const { actions, events } = fold([...chunks, finish('tool_calls')]);
    expect(actions[0]?.calls.map(({ name, arguments: args }) => ({ name, arguments: args }))).toEqual([a, b]);
    const ids = actions[0]?.calls.map((call) => call.id) ?? [];
    expect(new Set(ids).size).toBe(2);
    expect(ids.every((id) => id !== '')).toBe(true);
    const streamed = [0, 1].map((position) =>
      events
        .filter((event) => event.type === 'arguments' && event.position === position)
        .map((event) => (event.type === 'arguments' ? event.text : ''))
        .join(''),
    );
    expect(streamed).toEqual([a.arguments, b.arguments]);
    expect(
      events
        .filter((event) => event.type === 'call')
        .map((event) => (event.type === 'call' ? [event.position, event.id] : [])),
    ).toEqual(ids.map((id, position) => [position, id]));
  });

  it('twice the same name with complete arguments, without ids, is two calls', () => {
    expect(
      one([calls({ index: 0, function: a }), calls({ index: 0, function: a }), finish('tool_calls')])?.calls,
    ).toHaveLength(2);
  });

  it.each<[string, readonly (Record<string, unknown> | null)[]]>([
    [
      'in pieces',
      [
        { index: 0, id: '1', function: { name: 'get_' } },
        { index: 0, function: { name: 'weather' } },
      ],
    ],
    [
      'in pieces, with the id',
      [
        { id: '1', function: { name: 'get_' } },
        { id: '1', function: { name: 'weather' } },
      ],
    ],
    [
      'longer each time',
      [
        { index: 0, function: { name: 'get_' } },
        { index: 0, function: { name: 'get_weather' } },
      ],
    ],
    [
      'again and again',
      [
        { index: 0, function: { name: 'get_weather' } },
        { index: 0, function: { name: 'get_weather' } },
      ],
    ],
    [
      'after nothing',
      [null, { index: 0, id: '1', function: { name: null } }, { index: 0, function: { name: 'get_weather' } }],
    ],
  ])('whose name comes %s are one', (_name, pieces) => {
    const { actions, events } = fold([
      ...pieces.map((piece) => calls(piece as Record<string, unknown>)),
      calls({ index: 0, function: { arguments: '{}' } }),
      finish('tool_calls'),
    ]);
    expect(actions[0]?.calls).toMatchObject([{ name: 'get_weather', arguments: '{}' }]);
    expect(events.filter(({ type }) => type === 'call')).toMatchObject([{ name: 'get_weather' }]);
  });

  it.each([[''], ['  '], [null], [undefined], [{}]])('without parameters, %j, have an empty object', (args) => {
    const { actions, events } = fold([
      calls({ index: 0, id: '1', function: { name: 'now', arguments: args } }),
      finish('tool_calls'),
    ]);
    expect(JSON.parse(actions[0]?.calls[0]?.arguments ?? '')).toEqual({});
    const told = events.map((event) => (event.type === 'arguments' ? event.text : '')).join('');
    expect(told).toBe(actions[0]?.calls[0]?.arguments);
  });

  it('in the legacy form are calls too', () => {
    const { actions } = fold([
      chunk({ delta: { function_call: { name: 'a', arguments: '{"x"' } } }),
      chunk({ delta: { function_call: { arguments: ':1}' } } }),
      finish('function_call'),
    ]);
    expect(actions[0]).toMatchObject({ finishReason: 'tool_calls', calls: [{ name: 'a', arguments: '{"x":1}' }] });
  });

  it('keep long integers of arguments that are an object', () => {
    const made = calls({ index: 0, function: { name: 'a' } }).replace(
      '"name":"a"',
      '"name":"a","arguments":{"id":12345678901234567890}',
    );
    expect(one([made, finish('stop')])?.calls[0]?.arguments).toBe('{"id":12345678901234567890}');
  });

  it('that never get a name are a fault', () => {
    expect(() => fold([calls({ index: 0, id: '1', function: { arguments: '{}' } }), finish('stop')])).toThrow(
      /without a name/,
    );
  });

  it('show a call only once its name is known, because the name says whose it is', () => {
    const { events } = fold([
      calls({ index: 0, id: '1', function: { arguments: '{' } }),
      calls({ index: 0, function: { name: 'a', arguments: '}' } }),
      finish('tool_calls'),
    ]);
    expect(events.map((event) => event.type)).toEqual(['start', 'call', 'arguments']);
  });
});
