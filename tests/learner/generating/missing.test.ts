/** Generation: so many trajectories a task, whoever stopped it meanwhile, and none of them twice. */
import { afterEach, expect, test } from 'vitest';

import type { Task } from '../../../src/core/learning/task.js';
import type { Progress } from '../../../src/learner/deps.js';
import { type GenerateOptions, generateMissing, type Generation } from '../../../src/learner/generating.js';
import type { EngineRequest, Reply } from '../../fakes/engine.js';
import { adder } from '../../fakes/gateway.js';
import { arithmetic, bench, type Bench, sum, tasks } from '../bench.js';

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const TWO = [sum('a', 11, 22), sum('b', 33, 44)];

async function start(list: readonly Task[] = TWO, script = arithmetic): Promise<Bench> {
  open = await bench({ script });
  tasks(open, list);
  return open;
}

const generate = (
  { learner }: Bench,
  list: readonly Task[] = TWO,
  more: Partial<GenerateOptions> = {},
): Promise<Generation> => generateMissing(learner, list, { each: 3, version: 0, ...more });

const whole = ({ store }: Bench): unknown =>
  store.sqlite
    .prepare("SELECT count(*) AS n FROM responses WHERE outcome IN ('completed', 'incomplete')")
    .pluck()
    .get();

test('each task is asked so often, and asked again only for what is missing', async () => {
  const made = await start();
  expect(await generate(made)).toMatchObject({ tasks: 2, there: 0, trajectories: 6, steps: 12, calls: 6, failures: 0 });
  const asked = made.engine.requests.length;
  expect(await generate(made)).toMatchObject({ there: 6, trajectories: 6, steps: 12 });
  expect(made.engine.requests).toHaveLength(asked);
  expect(await generate(made, TWO, { each: 4 })).toMatchObject({ there: 6, trajectories: 8 });
});

test('another version, a task that says something else, other tools and another cap are asked anew', async () => {
  const made = await start();
  await generate(made);
  expect(await generate(made, TWO, { version: 1 })).toMatchObject({ there: 0, trajectories: 6 });
  expect(await generate(made, [{ ...sum('a', 11, 22), reference: '34' }])).toMatchObject({ there: 0 });
  expect(await generate(made, TWO, { steps: 5 })).toMatchObject({ there: 0 });
  expect(await generate(made, TWO, { tools: [] })).toMatchObject({ there: 0 });
});

test.each([3, 7, 10])('stopped at its request number %i it goes on where it was, without doubling', async (stop) => {
  let number = 0;
  const made = await start(TWO, (request) => {
    number += 1;
    if (number === stop) made.stopping.abort(new Error('stopped'));
    return arithmetic(request);
  });
  await expect(generate(made, TWO, { each: 4, parallel: 2 })).rejects.toThrow('stopped');
  const before = whole(made);
  expect(before).toBeLessThan(8);
  const told: (readonly [number, number])[] = [];
  const learner = {
    ...made.learner,
    signal: new AbortController().signal,
    progress: ({ done, total }: Progress) => void told.push([done, total]),
  };
  const rest = await generateMissing(learner, TWO, { each: 4, version: 0, parallel: 2 });
  expect(rest).toMatchObject({ there: before, trajectories: 8 });
  // What was there counts from the first word, and each that comes is told once.
  const left = 8 - Number(before);
  expect(told).toEqual(Array.from({ length: left + 1 }, (_, at) => [Number(before) + at, 8]));
  expect(whole(made)).toBe(8);
});

test('tasks that ask the same are asked once, and equal trajectories are named with what they equal', async () => {
  const made = await start();
  const again = { ...sum('c', 11, 22), messages: [{ role: 'user' as const, content: 'what is 11 PLUS 22' }] };
  const { sameQuestion, trajectories, duplicates } = await generate(made, [...TWO, again]);
  expect([sameQuestion, trajectories]).toEqual([1, 6]);
  expect(duplicates).toHaveLength(4);
  const ids = made.store.sqlite.prepare('SELECT id FROM trajectories').pluck().all();
  for (const { id, of } of duplicates) expect(ids.includes(id) && ids.includes(of) && id !== of).toBe(true);
});

test('trajectories that call otherwise are no duplicates, whatever the ids of their calls', async () => {
  let number = 0;
  const made = await start([sum('a', 11, 22)], ({ body }) => {
    number += 1;
    if (body.messages.at(-1)?.role === 'tool') return { text: 'It is 33.' };
    const expression = number < 3 ? '11+22' : '22+11';
    return { calls: [{ id: `call_${number}`, name: 'calculator', arguments: JSON.stringify({ expression }) }] };
  });
  const { duplicates } = await generate(made, [sum('a', 11, 22)], { parallel: 1 });
  expect(duplicates).toHaveLength(1);
});

test("a task's own cap ends its trajectories, and the one that is asked for goes before it", async () => {
  let number = 0;
  const script = (): Reply => {
    number += 1;
    return { calls: [{ name: 'calculator', arguments: `{"expression":"${number}+1"}` }] };
  };
  const capped = { ...sum('a', 11, 22), metadata: { max_steps: 2 } };
  const made = await start([capped], script);
  expect(await generate(made, [capped], { each: 1 })).toMatchObject({ trajectories: 1, calls: 2 });
  expect(await generate(made, [capped], { each: 1, steps: 4 })).toMatchObject({ trajectories: 1, calls: 4 });
});

test('several tools that are asked for are offered instead of the own ones', async () => {
  const made = await start();
  const toolbox = new Map([...made.learner.toolbox, ['other', adder] as const]);
  const more = { each: 1, version: 0, tools: ['calculator', 'other'] };
  await generateMissing({ ...made.learner, toolbox }, TWO.slice(0, 1), more);
  expect(made.engine.requests[0]?.body.tools).toHaveLength(2);
  await expect(generate(made, TWO, { tools: ['nothing'] })).rejects.toThrow('"nothing", which does not exist');
});

test('while clients are answered one is asked at a time, and else as many as may be', async () => {
  let [now, most] = [0, 0];
  const script = async (request: EngineRequest): Promise<Reply> => {
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setTimeout(resolve, 5));
    now -= 1;
    return arithmetic(request);
  };
  const made = await start();
  made.engine.script = script;
  await generate(made, TWO, { busy: () => Promise.resolve(true) });
  expect(most).toBe(1);
  await generate(made, TWO, { each: 9, parallel: 4 });
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(4);
});

test('a server that has too much is left alone for a while, and then asked again', async () => {
  const made = await start();
  let refused = 0;
  made.engine.script = (request) => {
    refused += 1;
    return refused < 3 ? { status: 429, headers: { 'retry-after': '1' } } : arithmetic(request);
  };
  expect(await generate(made, TWO, { each: 1, parallel: 1 })).toMatchObject({ trajectories: 2, failures: 0 });
});

test('a task that cannot be answered is a failure and no end, and after many in a row no more are asked', async () => {
  const made = await start();
  made.engine.script = (request) =>
    JSON.stringify(request.body.messages).includes('33 plus') ? { status: 400 } : arithmetic(request);
  expect(await generate(made, TWO, { each: 2, parallel: 1 })).toMatchObject({ trajectories: 2, failures: 2 });
  made.engine.script = () => ({ status: 400 });
  const asked = made.engine.requests.length;
  const none = await generate(made, TWO, { each: 50, parallel: 1 });
  expect(none).toMatchObject({ trajectories: 2, failures: 8 });
  expect(none.lastFailure).toBeDefined();
  expect(made.engine.requests.length - asked).toBe(8);
});
