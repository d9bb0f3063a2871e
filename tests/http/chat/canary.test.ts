/** A canary as clients see it: some conversations are answered by the candidate, each always by the same version. */
import { afterEach, expect, test } from 'vitest';

import { type Gateway, startGateway } from '../../fakes/gateway.js';

let gateway: Gateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

interface Turn {
  readonly role: string;
  readonly content: string;
}
const user = (content: string): Turn => ({ role: 'user', content });

async function answered(
  to: Gateway,
  messages: readonly Turn[],
  model = 'gyre',
): Promise<{ readonly version: string | null; readonly message: Turn }> {
  const answer = await to.post({ model, messages });
  expect(answer.status).toBe(200);
  const { choices } = (await answer.json()) as { choices: { message: Turn }[] };
  return {
    version: answer.headers.get('x-gyre-policy-version'),
    message: choices[0]?.message ?? expect.fail('no answer'),
  };
}

const scripted: NonNullable<Parameters<typeof startGateway>[0]>['script'] = ({ body }) => ({
  text: `This is ${body.model}.`,
});

test('each conversation stays with its version, and every answer says which that is', async () => {
  const made = (gateway = await startGateway({ script: scripted }));
  made.serving.setCanary({ id: 'can-1', version: 1, share: 0.4, salt: 's' });
  const counts = { 0: 0, 1: 0 };
  for (let at = 0; at < 40; at += 1) {
    const first = await answered(made, [user(`Question ${at}?`)]);
    const version = first.version === '1' ? 1 : 0;
    counts[version] += 1;
    expect(first.message.content).toBe(version === 1 ? 'This is gyre-v000001.' : 'This is base.');
    const second = await answered(made, [user(`Question ${at}?`), first.message, user('Why?')]);
    expect(second.version).toBe(first.version);
  }
  expect(counts[1]).toBeGreaterThan(5);
  expect(counts[0]).toBeGreaterThan(10);
  // Whoever names a version gets that one.
  for (let at = 0; at < 10; at += 1)
    expect((await answered(made, [user(`Question ${at}?`)], 'gyre@base')).version).toBe('0');
});

test('questions after the same worked examples are drawn each by itself, and stay in later turns', async () => {
  const made = (gateway = await startGateway({ script: scripted }));
  made.serving.setCanary({ id: 'can-1', version: 1, share: 0.5, salt: 's' });
  const examples: Turn[] = [user('What is 2+2?'), { role: 'assistant', content: '4' }];
  let drawn = 0;
  for (let at = 0; at < 20; at += 1) {
    const first = await answered(made, [...examples, user(`Question ${at}?`)]);
    drawn += Number(first.version);
    const later = [...examples, user(`Question ${at}?`), first.message, user('Why?')];
    const second = await answered(made, later);
    const third = await answered(made, [...later, second.message, user(`And what of question ${at + 1}?`)]);
    expect([second.version, third.version]).toEqual([first.version, first.version]);
  }
  expect(drawn).toBeGreaterThan(3);
  expect(drawn).toBeLessThan(17);
});

test('withdrawn in the midst of an answer, that answer comes to its end, and the next is by what serves', async () => {
  let go: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (go = resolve));
  const made = (gateway = await startGateway({
    script: async (request, number) => {
      if (number === 0) await held;
      return scripted(request, number);
    },
  }));
  made.serving.setCanary({ id: 'can-1', version: 1, share: 1, salt: 's' });
  const first = answered(made, [user('Hello')]);
  await expect.poll(() => made.serving.inFlight(1)).toBe(1);
  made.serving.setCanary(undefined);
  go();
  expect((await first).version).toBe('1');
  await made.serving.drained(1);
  expect((await answered(made, [user('Hello')])).version).toBe('0');
});

test('where the weights of the candidate cannot be had, what serves answers', async () => {
  const made = (gateway = await startGateway({ script: scripted }));
  // Nobody knows it.
  made.serving.setCanary({ id: 'can-1', version: 7, share: 1, salt: 's' });
  expect((await answered(made, [user('Hello')])).version).toBe('0');
});
