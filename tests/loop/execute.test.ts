/** Whatever a tool does, an observation comes back. */
import { describe, expect, it } from 'vitest';

import { badRequest } from '../../src/core/errors.js';
import type { Observation, Tool } from '../../src/core/tool.js';
import { execute } from '../../src/loop/execute.js';

const LIMITS = { timeoutMs: 50, maxBytes: 200 };
const never = new AbortController().signal;
const made = (run: Tool['run']): Map<string, Tool> => new Map([['t', { spec: { name: 't' }, pure: true, run }]]);
const call = (args: string, name = 't'): { id: string; name: string; arguments: string } => ({
  id: '1',
  name,
  arguments: args,
});
const observe = (run: Tool['run'], args = '{}', signal: AbortSignal = never): Promise<Observation> =>
  execute(call(args), made(run), LIMITS, signal);

describe('a tool call', () => {
  it('gets its arguments parsed, an empty text as none', async () => {
    const echo: Tool['run'] = (args) => Promise.resolve(JSON.stringify(args));
    expect(await observe(echo, '{"a":[1]}')).toMatchObject({ content: '{"a":[1]}' });
    expect(await observe(echo, ' ')).toMatchObject({ content: '{}' });
  });

  it('with arguments that are not JSON is told so and not run', async () => {
    const seen = await observe(() => Promise.reject(new Error('was run')), '{"a":');
    expect(seen.error).toBe('bad_arguments');
    expect(seen.content).toContain('not valid JSON');
  });

  it('of a name that does not exist is told which do', async () => {
    expect(
      await execute(
        call('{}', 'x'),
        made(() => Promise.resolve('')),
        LIMITS,
        never,
      ),
    ).toMatchObject({ error: 'unknown_tool', content: 'Error: there is no tool "x". There are: t.' });
  });

  it('that throws, at once or later, anything at all, is a failure', async () => {
    expect(
      await observe(() => {
        throw new Error('at once');
      }),
    ).toMatchObject({ error: 'failed', content: 'Error: at once' });
    expect(await observe(() => Promise.reject(new Error('later')))).toMatchObject({
      error: 'failed',
      content: 'Error: later',
    });
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- tools from outside do
    expect(await observe(() => Promise.reject('text'))).toMatchObject({ error: 'failed', content: 'Error: text' });
    expect(await observe(() => Promise.reject(badRequest('give a number', 'n')))).toMatchObject({
      error: 'bad_arguments',
      content: 'Error: give a number',
    });
  });

  it('that hangs is given up, and its signal fires', async () => {
    let fired = false;
    const seen = await observe(
      (_args, signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            fired = true;
            reject(new Error('too late to matter'));
          }),
        ),
    );
    expect(seen).toMatchObject({ error: 'timeout' });
    expect(fired).toBe(true);
    expect(await observe(() => new Promise(() => undefined))).toMatchObject({ error: 'timeout' });
  });

  it('is cancelled by the caller, before and while it runs', async () => {
    const abort = new AbortController();
    const running = observe(() => new Promise(() => undefined), '{}', abort.signal);
    abort.abort();
    expect((await running).error).toBe('cancelled');
    let ran = false;
    expect((await observe(() => Promise.resolve(String((ran = true))), '{}', abort.signal)).error).toBe('cancelled');
    expect(ran).toBe(false);
  });

  it('that floods is cut between characters, with a mark that says how much there was', async () => {
    const { content } = await observe(() => Promise.resolve('é'.repeat(10_000)));
    expect(Buffer.byteLength(content)).toBeLessThanOrEqual(LIMITS.maxBytes);
    expect(content).not.toContain('\ufffd');
    expect(content).toContain('[truncated: this result has 20000 bytes, the limit is 200]');
    expect((await observe(() => Promise.resolve('x'.repeat(200)))).content).toHaveLength(200);
  });

  it('may return what it should not: it becomes text', async () => {
    expect((await observe((() => Promise.resolve({ a: 1 })) as never)).content).toBe('{"a":1}');
    expect((await observe((() => Promise.resolve(undefined)) as never)).content).toBe('');
  });
});
