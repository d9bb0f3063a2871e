/** A gateway that is told to stop: nobody new gets in, who is being answered is answered, and the log has it all. */
import { Agent, request } from 'undici';
import { afterEach, expect, it } from 'vitest';

import { inTurn } from '../fakes/engine.js';
import { startGateway, until, type Gateway } from '../fakes/gateway.js';

let gateway: Gateway;
afterEach(async () => gateway.close());

const ASK = { model: 'gyre', messages: [{ role: 'user' as const, content: 'hi' }] };

it('takes no new request, finishes those it has, whole and streamed, and logs them', async () => {
  gateway = await startGateway({ script: inTurn({ text: 'one two three', delayMs: 30 }) });
  const whole = gateway.post(ASK);
  const streamed = gateway.post({ ...ASK, stream: true });
  await until(() => gateway.engine.requests.length === 2, 'both requests');
  const stopped = gateway.stop(5_000);
  await expect(gateway.post(ASK)).rejects.toThrow();
  expect(await (await whole).json()).toMatchObject({
    choices: [{ message: { content: 'one two three' }, finish_reason: 'stop' }],
  });
  expect(await (await streamed).text()).toMatch(/"finish_reason":"stop"[^]*data: \[DONE\]\n\n$/);
  await stopped;
  expect(gateway.logged.map((entry) => entry.ending?.outcome)).toEqual(['completed', 'completed']);
});

it('ends at the deadline what is not over by then, tells the engine, and logs it as cancelled', async () => {
  gateway = await startGateway({ script: inTurn({ text: 'one two three', stall: 2 }) });
  const cut = gateway.post({ ...ASK, stream: true }).then((response) => response.text());
  cut.catch(() => undefined);
  await until(() => gateway.engine.requests.length === 1, 'the request');
  await gateway.stop(50);
  await expect(cut).rejects.toThrow();
  await until(() => gateway.engine.aborts === 1, 'the abort at the engine');
  expect(gateway.logged[0]?.ending?.outcome).toBe('cancelled');
  expect(gateway.logged[0]?.steps[0]?.outcome).toBe('cancelled');
});

it('lets no request in through a connection that is kept alive', async () => {
  gateway = await startGateway({ script: inTurn({ text: 'slow', delayMs: 40 }, { text: 'never' }) });
  const dispatcher = new Agent({ connections: 1, pipelining: 1 });
  const ask = async (): Promise<number> => {
    const answer = await request(`${gateway.url}/v1/chat/completions`, {
      dispatcher,
      method: 'POST',
      body: JSON.stringify(ASK),
      headers: { 'content-type': 'application/json' },
    });
    await answer.body.text();
    return answer.statusCode;
  };
  const first = ask();
  await until(() => gateway.engine.requests.length === 1, 'the first request');
  const second = ask().catch(() => 0); // waits for the connection, which may be gone by then
  const stopped = gateway.stop(5_000);
  expect(await first).toBe(200);
  expect([0, 503]).toContain(await second);
  await stopped;
  expect(gateway.engine.requests).toHaveLength(1);
  await dispatcher.destroy();
});
