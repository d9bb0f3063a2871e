/** The rows as routes, keys and the learning clock's routes ask for them, each a call. */
import type { KeyRows } from '../../core/key.js';
import type { Reading } from '../../core/reading.js';
import type { LearningRows } from '../../learner/routes.js';
import type { LearningPart } from '../../learner/status.js';
import { type Ask, called, type Held } from './calls.js';
import { Counting } from './counting.js';

export function readingOf(ask: Ask): Reading {
  return {
    trajectories: (scope, given, filter, shown, signal) => ask('trajectories', [scope, given, filter, shown], signal),
    trajectory: (scope, id, shown, signal) => ask('trajectory', [scope, id, shown], signal),
    step: (scope, id, signal) => ask('step', [scope, id], signal),
    conversation: (keyId, id, signal) => ask('conversation', [keyId, id], signal),
    answers: (keyId, ids, signal) => ask('answers', [keyId, ids], signal),
    opening: (messages, signal) => ask('opening', [messages], signal),
    response: (keyId, id, signal) => ask('response', [keyId, id], signal),
    withdraw: (keyId, id, signal) => ask('withdraw', [keyId, id], signal),
    erase: (scope, id, signal) => ask('erase', [scope, id], signal),
    deletion: (scope, id, signal) => ask('deletion', [scope, id], signal),
    withdrawn: (ids, signal) => ask('withdrawn', [ids], signal),
    feedback: (scope, keyId, input, signal) => ask('feedback', [scope, keyId, input], signal),
    labels: {
      add: (list, who, signal) => ask('label', [list, who], signal),
      list: (query, signal) => ask('labels', [query], signal),
      next: (count, signal) => ask('labelQueue', [count], signal),
    },
  };
}

export function keyRowsOf(ask: Ask): KeyRows {
  return {
    keys: (seen) => ask('keys', [seen]),
    spent: (keyId, at) => ask('spent', [keyId, at]),
    count: (keyId, at, tokens) => ask('countUse', [keyId, at, tokens]),
  };
}

/** `warm` begins to count what is new in the log. */
export function learningRowsOf(ask: Ask, part: () => LearningPart): LearningRows & { warm(): void } {
  const counting = new Counting(() => ask('count', []));
  return {
    status: async (keyId, signal) => {
      await counting.soon();
      return ask('status', [part(), keyId], signal);
    },
    versions: (query, keyId, signal) => ask('versions', [query, keyId], signal),
    cycles: (query, keyId, signal) => ask('cycles', [query, keyId], signal),
    evaluations: (query, signal) => ask('evaluations', [query], signal),
    cycle: (id, keyId, signal) => ask('cycle', [id, keyId], signal),
    judges: (signal) => ask('judges', [], signal),
    // What is asked for the first time is read from the disk.
    warm: () =>
      void counting
        .soon()
        .then(() => ask('status', [part(), undefined]))
        .catch(() => undefined),
  };
}

/** Calls made at once, in this thread: for whoever has the store open and answers nobody beside. */
export function askHere(held: Held): Ask {
  return (name, args) =>
    new Promise((resolve) => {
      // What was called may throw, and then rejects.
      resolve(called(held, name, args) as never);
    });
}
