/**
 * A gateway with every route that `gyre serve` has: the rows are real, the engine is scripted and the trainer trains
 * nothing.
 */
import type { Bodies } from '../../src/http/wire/bodies.js';
import { learningRowsOf, readingOf } from '../../src/run/reading/asked.js';
import { parseConfig } from '../../src/core/config.js';
import type { Cycle } from '../../src/core/learning/cycle.js';
import { newId } from '../../src/core/ids.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import { promote, restart, rollback } from '../../src/learner/promoting.js';
import { learningRoutes } from '../../src/learner/routes.js';
import { saveCycle } from '../../src/store/learning/cycles.js';
import { learningStore } from '../../src/store/clock/open.js';
import type { Db, Store } from '../../src/store/file/db.js';
import { saveVersion } from '../../src/store/learning/versions.js';
import { decide } from '../../src/store/learning/decisions.js';
import { openTrainer } from '../../src/train/client.js';
import { type Gateway, type GatewayOptions, startGateway } from './gateway.js';
import { askOver } from '../run/rows.js';
import { startTrainer } from './trainer.js';

const BY_TEST = 'asked for by a test';

export async function startWhole(options: Omit<GatewayOptions, 'depsOver'> = {}): Promise<Gateway> {
  const trainer = await startTrainer('http://127.0.0.1:9');
  const config = parseConfig(options.config ?? {});
  const extra = (store: Store, bodies: Bodies): ReturnType<typeof learningRoutes> => {
    const learner = { rows: learningStore(store.db, GYRE_POLICY), decided: () => Promise.resolve() };
    return learningRoutes({
      rows: learningRowsOf(askOver(store.db, config), () => ({ trainer: true, learn: config.learn })),
      start: () => Promise.resolve(cycle(store.db)),
      promote: (version) => promote(learner, version),
      rollback: () => rollback(learner, openTrainer(trainer.url), BY_TEST),
      restart: (version) => restart(learner, openTrainer(trainer.url), version, BY_TEST),
      allow: () => Promise.resolve({ keyId: undefined }),
      body: (incoming) => bodies.json(incoming, {}),
    });
  };
  const gateway = await startGateway({
    ...options,
    depsOver: (store) => ({ reading: readingOf(askOver(store.db)), extra: (bodies) => [extra(store, bodies)] }),
  });
  aPastOf(gateway.store.db);
  return {
    ...gateway,
    close: async () => {
      await gateway.close();
      await trainer.close();
    },
  };
}

/** A version that passed the gate, so that there is something to promote, and then to go back from. */
function aPastOf(db: Db): void {
  saveVersion(db, GYRE_POLICY, {
    version: 1,
    kind: 'trained',
    parent: 0,
    batchId: 'bat-1',
    metrics: {},
    createdAt: Date.now(),
  });
  decide(db, GYRE_POLICY, { kind: 'gate', version: 1, against: 0, passed: true, reason: 'better', numbers: {} });
}

function cycle(db: Db): Cycle {
  const at = Date.now();
  const begun: Cycle = {
    id: newId('cyc'),
    state: 'skipped',
    stage: 'filter',
    mode: 'resample',
    filter: 'prefix',
    baseVersion: 0,
    counts: { states: 0 },
    note: 'nothing to train on',
    startedAt: at,
    updatedAt: at,
  };
  saveCycle(db, GYRE_POLICY, begun);
  return begun;
}
