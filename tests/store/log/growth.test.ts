import { expect, test } from 'vitest';

import type { Message } from '../../../src/core/message.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { verify } from '../../../src/store/proof/verify.js';
import { answer, call, opened, opening, system, user, type Opened } from '../fixture.js';

const COPIES = 6;
const DEPTHS = [1, 5, 10, 25, 50];

/** What rows and index entries hold, as SQLite counts it: page borders and free space left out. */
function bytes({ store }: Opened): number {
  return (store.sqlite.prepare('SELECT sum(payload) AS held FROM dbstat').get() as { held: number }).held;
}

/** Bytes that one more turn takes at each depth, averaged over conversations that grow side by side. */
async function growth(turn: (copy: number, depth: number) => Promise<void>, gyre: Opened): Promise<number[]> {
  const grown: number[] = [];
  for (let depth = 1; depth <= Math.max(...DEPTHS); depth += 1) {
    const before = DEPTHS.includes(depth) ? bytes(gyre) : 0;
    for (let copy = 0; copy < COPIES; copy += 1) await turn(copy, depth);
    if (DEPTHS.includes(depth)) grown.push((bytes(gyre) - before) / COPIES);
  }
  return grown;
}

test('a step takes no more bytes at depth 50 than at depth 5, when each turn is a request', async () => {
  const gyre = opened();
  const talks = Array.from({ length: COPIES }, (_, copy): { messages: Message[]; prompt: number[] } => ({
    messages: [system('be brief'), user(`start ${copy}`)],
    prompt: [1, 2, 3],
  }));
  const ids = Array.from({ length: 30 }, (_, at) => at + 100);
  const grown = await growth(async (copy, depth) => {
    const talk = talks[copy];
    if (talk === undefined) return;
    const answered = await answer(gyre.log, opening(talk.messages), [
      {
        text: '',
        asks: [{ call: call(`c${depth}`, `${copy}+${depth}`), gives: String(copy + depth) }],
        prompt: talk.prompt,
        ids,
      },
      { text: `answer ${copy} ${depth} `.repeat(8), prompt: [...talk.prompt, ...ids, 5, 6, 7], ids },
    ]);
    talk.messages = [...talk.messages, answered.turn, user(`question ${copy} ${depth} `.repeat(8))];
    talk.prompt = [...talk.prompt, ...ids, 5, 6, 7, ...ids, 8, 9];
  }, gyre);
  // The first turn also carries the trajectory; numbers gain a digit on the way.
  expect(Math.max(...grown)).toBeLessThan(Math.min(...grown) * 1.1);
  expect(gyre.store.sqlite.prepare('SELECT count(DISTINCT trajectory_id) AS n FROM steps').get()).toEqual({
    n: COPIES,
  });
  expect(
    readTrajectory(
      gyre.store.db,
      gyre.store.sqlite.prepare<[], { id: string }>('SELECT id FROM trajectories LIMIT 1').get()?.id ?? '',
    )?.steps.at(-1)?.prompt_token_ids,
  ).toHaveLength(3 + 49 * 65 + 33);
  expect(verify(gyre.store.db).problems).toEqual([]);
}, 120_000);

test('nor when all fifty steps answer one request and the client sees each of them', async () => {
  const sizes = await Promise.all(
    DEPTHS.map(async (depth) => {
      const alone = opened();
      const empty = bytes(alone);
      for (let copy = 0; copy < COPIES; copy += 1) {
        await answer(
          alone.log,
          opening([user(`q ${copy}`)]),
          Array.from({ length: depth }, (_, at) => ({
            text: `thought ${copy} ${at} `.repeat(20),
            ...(at < depth - 1 ? { asks: [{ call: call(`c${at}`, String(at)), gives: String(at) }] } : {}),
          })),
        );
      }
      return (bytes(alone) - empty) / COPIES / depth;
    }),
  );
  // The first step carries the trajectory and the response; the last turn is the only one that holds all the text.
  const [, five = 0, ten = 0, twentyFive = 0, fifty = 0] = sizes;
  expect(Math.max(ten, twentyFive, fifty)).toBeLessThan(five * 1.1);
}, 120_000);
