/** The rows that an operator decides by, as a running gateway reaches them: each is a call to a thread. */
import type { Steering } from '../../learner/promoting.js';
import type { Ask } from './calls.js';

export function steeringRowsOf(ask: Ask): Steering['rows'] {
  return {
    decisions: { promote: (version) => ask('promotion', [version]) },
    versions: {
      wayBack: () => ask('wayBack', []),
      waysOn: () => ask('waysOn', []),
      copied: (copy, reason) => ask('copied', [copy, reason]),
    },
    lock: {
      async take(name, what) {
        const token = await ask('takeLease', [name, what]);
        return () => ask('releaseLease', [name, token]);
      },
    },
  };
}
