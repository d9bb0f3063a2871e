/**
 * Bytes of a real vLLM, cut anywhere: the contract of ids, logprobs and usage holds, and its known lies are seen
 * through.
 */
import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Action, PolicyEvent } from '../../../src/core/policy.js';
import { Accumulator, type ReplyOptions } from '../../../src/policy/engine/accumulate.js';
import { statusFault } from '../../../src/policy/engine/fault.js';
import { SseParser } from '../../../src/policy/engine/sse.js';

const golden = (name: string): Buffer => readFileSync(new URL(`../../golden/sse/${name}`, import.meta.url));

function read(
  bytes: Buffer,
  asked: Partial<ReplyOptions> = {},
  at: readonly number[] = [],
): { readonly actions: readonly Action[]; readonly events: readonly PolicyEvent[] } {
  const events: PolicyEvent[] = [];
  const accumulator = new Accumulator({ tokenLogprobs: false, maxBytes: 1e6, ...asked });
  const parser = new SseParser((data) => {
    if (data !== '[DONE]') accumulator.push(data, events);
  });
  const edges = [0, ...at.map((place) => place % bytes.length).sort((a, b) => a - b), bytes.length];
  edges.slice(1).forEach((edge, index) => parser.push(bytes.subarray(edges[index], edge)));
  parser.end();
  return { actions: accumulator.finish({ startedAt: 0, totalMs: 0 }), events };
}

describe('a stream of real vLLM', () => {
  it.each(['plain', 'tool-call', 'tool-call-cut', 'named-choice', 'two-choices'])(
    '%s has an id and a logprob for every token it bills, however its bytes are cut',
    (name) => {
      const bytes = golden(`${name}.sse`);
      const whole = read(bytes);
      const sampled = whole.actions.reduce((sum, action) => sum + (action.tokenIds?.length ?? 0), 0);
      expect(sampled).toBe(whole.actions.reduce((sum, action) => sum + action.usage.completion_tokens, 0));
      for (const action of whole.actions) {
        expect(action.logprobs).toHaveLength(action.tokenIds?.length ?? -1);
        expect(action.promptTokenIds).toHaveLength(whole.actions[0]?.usage.prompt_tokens ?? -1);
      }
      expect(whole.events.flatMap((event) => (event.type === 'text' ? (event.tokenIds ?? []) : []))).toHaveLength(
        sampled,
      );
      fc.assert(
        fc.property(fc.array(fc.nat(), { maxLength: 30 }), (at) => {
          expect(read(bytes, {}, at)).toEqual(whole);
        }),
        { numRuns: 30 },
      );
      // Whoever asks for the entries gets the same numbers the long way round.
      const parsed = read(bytes, { tokenLogprobs: true });
      expect(
        parsed.actions.map(({ tokenLogprobs, ...action }) => [action, tokenLogprobs?.map((entry) => entry.logprob)]),
      ).toEqual(whole.actions.map((action) => [action, action.logprobs]));
    },
  );

  it('makes one call of the calculator, its markup nowhere in the text', () => {
    const [action] = read(golden('tool-call.sse')).actions;
    expect(action).toMatchObject({
      text: '',
      finishReason: 'tool_calls',
      cut: false,
      calls: [{ name: 'calculator', arguments: '{"expression": "14+23"}' }],
    });
    expect(action?.tokenIds?.at(-1)).toBe(2);
  });

  it('says tool_calls for an action its token limit cut, and is not believed', () => {
    const bytes = golden('tool-call-cut.sse');
    expect(bytes.toString()).toContain('"finish_reason":"tool_calls"');
    expect(read(bytes, { maxTokens: 14 }).actions[0]).toMatchObject({ cut: true, finishReason: 'length' });
  });

  it('says stop after a named choice, although it made a call', () => {
    const bytes = golden('named-choice.sse');
    expect(bytes.toString()).toContain('"finish_reason":"stop"');
    expect(read(bytes, { maxTokens: 40 }).actions[0]).toMatchObject({ cut: false, finishReason: 'tool_calls' });
  });
});

describe('a refusal of real vLLM', () => {
  it.each([
    ['prompt-too-long.json', 400, { status: 400, code: 'context_length_exceeded', param: 'messages' }],
    ['max-tokens-too-large.json', 400, { status: 400, code: 'invalid_value', param: 'max_tokens' }],
    ['unknown-model.json', 404, { status: 502, code: 'engine_weights_missing' }],
  ])('%s is understood', (name, status, expected) => {
    expect(statusFault(status, golden(name).toString(), undefined)).toMatchObject(expected);
  });
});
