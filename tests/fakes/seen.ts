/** What the engine and the log saw of a client, which the client itself cannot know. */
import { expect } from 'vitest';

import { until, type Gateway } from './gateway.js';

export interface Seen {
  /** The tools the engine was last told of. */
  offered(): readonly string[];
  /** The messages it was last given. */
  roles(): readonly string[];
  /** Every call of the policy and whose it was. */
  calls(): readonly string[];
  /**
   * Fails unless all was said in one trajectory, both tools ran in one turn and the policy was given what its client
   * never saw.
   */
  isMixed(): void;
  /** Fails unless the policy, which reads no pictures, was told in words of one. */
  isToldOfPicture(): void;
  isCancelled(): Promise<void>;
}

export function seenBy(gateway: Gateway): Seen {
  const last = (): Gateway['engine']['requests'][number]['body'] | undefined => gateway.engine.requests.at(-1)?.body;
  const calls = (): readonly string[] =>
    gateway.logged
      .flatMap((entry) => entry.steps)
      .flatMap((step) => step.calls.map(({ name, owner }) => `${owner} ${name}`));
  return {
    offered: () => (last()?.tools ?? []).map((tool) => tool.function.name),
    roles: () => (last()?.messages ?? []).map((message) => message.role),
    calls,
    isMixed() {
      expect(calls()).toEqual(['server calculator', 'client weather']);
      expect(gateway.logged.map((entry) => entry.ending?.outcome)).toEqual(gateway.logged.map(() => 'completed'));
      expect(new Set(gateway.logged.map((entry) => entry.trajectoryId)).size).toBe(1);
    },
    isToldOfPicture() {
      const told = JSON.stringify(last()?.messages);
      expect(told).toContain('image/png');
      expect(told).not.toContain('image_url');
    },
    async isCancelled() {
      await until(() => gateway.engine.aborts === 1, 'the abort at the engine');
      await until(() => gateway.logged[0]?.ending?.outcome === 'cancelled', 'the end in the log');
      expect(gateway.logged[0]?.steps.map((step) => step.outcome)).toEqual(['cancelled']);
    },
  };
}
