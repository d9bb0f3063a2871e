import fc from 'fast-check';
import { expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { canonicalMessage, type Message } from '../../../src/core/message.js';
import type { FunctionSpec } from '../../../src/core/policy.js';
import { openStore } from '../../../src/store/file/db.js';
import { openLog } from '../../../src/store/log/log.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { stateOf } from '../../../src/store/read/state.js';
import { verify } from '../../../src/store/proof/verify.js';
import { answer, opening, opened, temporaryFolder, toolSays, user, type Answered, type Asked } from '../fixture.js';

const KEYS = ['key-a', 'key-b'];
const ids = fc.array(fc.nat({ max: 0xffff_ffff }), { maxLength: 12 });
const words = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.constantFrom('', 'yes', 'no'));

/** What happens next: a request in one of the talks so far or a new one, a restart, or a deletion. */
const event = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant('ask' as const),
      key: fc.constantFrom(...KEYS),
      /** Which earlier answer to go on from; beyond the last begins anew. */
      from: fc.nat({ max: 12 }),
      says: words,
      turns: fc.array(
        fc.record({ text: words, server: fc.array(words, { maxLength: 2 }), prompt: fc.option(ids), sampled: ids }),
        { minLength: 1, maxLength: 3 },
      ),
      clientCalls: fc.nat({ max: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'restart' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('remove' as const), which: fc.nat({ max: 12 }) }) },
);

/** An answer with the history it gave each side, kept by the test instead of the store. */
interface Known {
  readonly key: string;
  readonly client: readonly Message[];
  readonly policy: readonly Message[];
  readonly answered: Answered;
  gone: boolean;
}

const canonical = (messages: readonly Message[]): unknown[] => messages.map(canonicalMessage);
const tip = (messages: readonly Message[]): string => JSON.stringify(canonical(messages));

test('any talks with any branches, restarts and deletions come back exactly as they were', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 14 }), async (events) => {
      const folder = temporaryFolder();
      let store = openStore(folder);
      let log = openLog(store);
      const known: Known[] = [];
      let calls = 0;
      try {
        for (const next of events) {
          if (next.type === 'restart') {
            store.close();
            store = openStore(folder);
            log = openLog(store);
            continue;
          }
          const living = known.filter((one) => !one.gone);
          if (next.type === 'remove') {
            const victim = living[next.which];
            if (victim === undefined) continue;
            removeTrajectory(store.db, GYRE_POLICY, victim.answered.recording.trajectoryId);
            for (const one of known)
              if (one.answered.recording.trajectoryId === victim.answered.recording.trajectoryId) one.gone = true;
            continue;
          }
          const from = living.filter((one) => one.key === next.key)[next.from];
          const results =
            from?.answered.turn.tool_calls?.map((made) => toolSays(made.id, `result of ${made.id}`)) ?? [];
          const added = [...results, user(next.says)];
          const sent = [...(from?.client ?? []), ...added];
          const turns = next.turns.map((turn, at) => {
            const asks: Asked[] = turn.server.map((gives) => ({
              call: { id: `s${(calls += 1)}`, name: 'calculator', arguments: JSON.stringify({ expression: gives }) },
              gives,
            }));
            if (at === next.turns.length - 1)
              for (let own = 0; own < next.clientCalls; own += 1)
                asks.push({ call: { id: `c${(calls += 1)}`, name: 'weather', arguments: '{}' } });
            return {
              text: turn.text,
              asks,
              ...(turn.prompt === null ? {} : { prompt: turn.prompt, ids: turn.sampled }),
            };
          });
          const answered = await answer(log, opening(sent, { asker: { keyId: next.key, consent: true } }), turns);
          expect(answered.kept).toBe(true);
          // Equal words under one key may go on from any of their twins: the policy's history is one of theirs.
          const twins = living.filter(
            (one) => one.key === next.key && from !== undefined && tip(one.client) === tip(from.client),
          );
          const histories = from === undefined ? [tip(sent)] : twins.map((one) => tip([...one.policy, ...added]));
          expect(histories).toContain(tip(answered.recording.messages));
          const last = answered.steps.at(-1);
          known.push({
            key: next.key,
            client: [...sent, answered.turn],
            policy: [...(last?.messages ?? []), ...(last?.appended ?? [])],
            answered,
            gone: false,
          });
        }
        expect(verify(store.db).problems).toEqual([]);
        for (const { answered, gone } of known) {
          const read = readTrajectory(store.db, answered.recording.trajectoryId);
          expect(read === undefined).toBe(gone);
          for (const step of gone ? [] : answered.steps) {
            const state = stateOf(store.db, step.id);
            expect(canonical(state?.messages ?? [])).toEqual(canonical(step.messages));
            expect(state).toMatchObject({
              text: step.action?.text ?? '',
              calls: step.action?.calls ?? [],
              tools: step.tools as FunctionSpec[],
            });
            const view = read?.steps.find((one) => one.id === step.id);
            expect(view?.prompt_token_ids).toEqual(step.action?.promptTokenIds ?? null);
            expect(view?.token_ids).toEqual(step.action?.tokenIds ?? null);
            expect(view?.logprobs).toEqual(step.action?.logprobs ?? null);
            expect(view?.tool_calls.filter((made) => made.owner === 'server').map((made) => made.observation)).toEqual(
              step.calls.flatMap((made) => made.observation?.content ?? []),
            );
          }
        }
        for (const { answered } of known) removeTrajectory(store.db, GYRE_POLICY, answered.recording.trajectoryId);
        expect(verify(store.db).problems).toEqual([]);
        for (const table of ['messages', 'tool_sets', 'steps', 'responses', 'trajectories']) {
          expect(store.sqlite.prepare(`SELECT count(*) AS n FROM ${table}`).get(), table).toEqual({ n: 0 });
        }
      } finally {
        store.close();
      }
    }),
    { numRuns: 60, seed: 20261123 },
  );
}, 120_000);

test('words that are no words survive: halves of characters, zero bytes, very long lines', async () => {
  const { store, log } = opened();
  const odd = ['\ud800 half', 'zero \u0000 byte', '\u2028', 'é'.normalize('NFD'), 'x'.repeat(200_000)];
  const asked = await answer(log, opening(odd.map(user), { model: '\udfff', metadata: { note: '\ud800' } }), [
    { text: odd[0] ?? '' },
  ]);
  expect(asked.kept).toBe(true);
  expect(canonical(stateOf(store.db, asked.steps[0]?.id ?? '')?.messages ?? [])).toEqual(canonical(odd.map(user)));
  expect(verify(store.db).problems).toEqual([]);
});
