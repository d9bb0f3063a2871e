/** Conversations in the shape of the conventions: every kind of message, and redaction inside every text. */
import { expect, it } from 'vitest';

import type { PolicyRequest } from '../../src/core/policy.js';
import { redactorOf } from '../../src/core/text/redact.js';
import { CapturedContent } from '../../src/telemetry/content.js';

const REQUEST: PolicyRequest = {
  model: 'base',
  toolChoice: 'auto',
  sampling: { stop: 'END-42' },
  tools: [
    { name: 'find', description: 'finds 42', parameters: { type: 'object', properties: { n: { enum: [42, 'x42'] } } } },
  ],
  messages: [
    { role: 'system', content: 'first rule' },
    { role: 'developer', content: [{ type: 'text', text: 'second rule' }] },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'what is 42?' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
      ],
    },
    {
      role: 'assistant',
      content: null,
      reasoning: 'hm, 42',
      tool_calls: [
        { id: 'c1', type: 'function', function: { name: 'find', arguments: '{"n":42,"deep":["a42"]}' } },
        { id: 'c2', type: 'function', function: { name: 'find', arguments: 'not json 42' } },
      ],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'found 42' },
    { role: 'system', content: 'a late rule' },
  ],
};
const parsed = (contents: CapturedContent): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(contents.ofRequest(REQUEST)).map(([name, value]) => [
      name,
      typeof value === 'string' ? (JSON.parse(value) as unknown) : value,
    ]),
  );

it('tells every kind of message by its parts, instructions apart, and of an image only that it was there', () => {
  expect(parsed(new CapturedContent(undefined))).toEqual({
    'gen_ai.system_instructions': [
      { type: 'text', content: 'first rule' },
      { type: 'text', content: 'second rule' },
    ],
    'gen_ai.input.messages': [
      { role: 'user', parts: [{ type: 'text', content: 'what is 42?' }, { type: 'image_url' }] },
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', content: 'hm, 42' },
          { type: 'tool_call', id: 'c1', name: 'find', arguments: { n: 42, deep: ['a42'] } },
          { type: 'tool_call', id: 'c2', name: 'find', arguments: 'not json 42' },
        ],
      },
      { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', response: 'found 42' }] },
      { role: 'system', parts: [{ type: 'text', content: 'a late rule' }] },
    ],
    'gen_ai.tool.definitions': [
      {
        type: 'function',
        name: 'find',
        description: 'finds 42',
        parameters: { type: 'object', properties: { n: { enum: [42, 'x42'] } } },
      },
    ],
    'gen_ai.request.stop_sequences': ['END-42'],
  });
});

it('redacts inside texts, arguments, definitions and stop sequences, and breaks no JSON by it', () => {
  const contents = new CapturedContent(redactorOf(['42']));
  expect(JSON.stringify(parsed(contents))).not.toContain('42');
  expect(parsed(contents)['gen_ai.request.stop_sequences']).toEqual(['END-[redacted]']);
  const call = { id: 'c3', name: 'find', arguments: '{"n":42}' };
  expect(contents.ofTool(call, { content: 'it is 42', ms: 1 })).toEqual({
    'gen_ai.tool.call.arguments': '{"n":"[redacted]"}',
    'gen_ai.tool.call.result': 'it is [redacted]',
  });
  const action = {
    text: 'is 42',
    calls: [call],
    finishReason: 'tool_calls' as const,
    cut: false,
    usage: { prompt_tokens: 0, completion_tokens: 0, cached_tokens: 0, reasoning_tokens: 0 },
    timings: { startedAt: 0, totalMs: 0 },
  };
  expect(JSON.parse(String(contents.ofAnswer([action])['gen_ai.output.messages']))).toEqual([
    {
      role: 'assistant',
      parts: [
        { type: 'text', content: 'is [redacted]' },
        { type: 'tool_call', id: 'c3', name: 'find', arguments: { n: '[redacted]' } },
      ],
    },
  ]);
});
