/** Puts a learner together, the same way for the gateway, the learning clock's process and single verbs. */
import type { Config } from '../core/config.js';
import { GyreError } from '../core/errors.js';
import type { LearnedVersion } from '../core/judging/learned.js';
import type { Policy } from '../core/policy.js';
import { calibrationOf, type Calibration } from '../core/judging/calibration.js';
import { calibratedIn } from '../core/judging/standing.js';
import type { DeclaredJudge } from '../core/learning/deciding.js';
import type { Judge } from '../core/learning/judging.js';
import { GYRE_POLICY } from '../core/learning/policy_name.js';
import { adapterName } from '../core/learning/version.js';
import { goldHash } from '../learner/judges/gold.js';
import { BOUNDS, type Learner, type Progress } from '../learner/deps.js';
import type { Tokens } from '../judge/learned/judge.js';
import { servingJudge } from '../store/judges/judge_versions.js';
import { learningStore } from '../store/clock/open.js';
import { holdOutLive } from '../store/learning/held_out.js';
import type { Trainer } from '../train/client.js';
import type { Storage } from './storage/offline.js';
import { askable, boundsIn, declaredIn, judgesIn, learnedIn, modelsIn } from './judges/configured.js';
import { liveJudgeIn } from './judges/live.js';
import { calibrationsNow, presentOf, standingsIn } from './judges/present.js';
import type { Supply } from './supply.js';

export interface LearnerParts {
  readonly config: Config;
  readonly storage: Pick<Storage, 'db' | 'log' | 'tools' | 'toolServers'>;
  readonly policy: Policy;
  /** Tokens of a text, as the engine reads it. */
  readonly tokens: Tokens;
  /** Read at every use: the trainer may come later, go and come back. */
  readonly supply: () => Supply;
  readonly signal: AbortSignal;
  readonly decided: () => Promise<void>;
  readonly progress: (progress: Progress) => void;
}

export function learnerOf(parts: LearnerParts): Learner {
  const { config, storage, policy, tokens, supply, signal, decided, progress } = parts;
  let judges: readonly Judge[] = [];
  // A calibration may be made at any time, by another process: who may reward is read from the rows at every use.
  const declared = (): readonly DeclaredJudge[] =>
    declaredIn(config, calibratedIn(standingsIn(config, storage.db, judges.map(presentOf))));
  const rows = learningStore(storage.db, GYRE_POLICY, declared);
  holdOutLive(storage.db, config.gate.heldout);
  const calibrations = (): readonly Calibration[] => calibrationsNow(config, storage.db);
  const serving = (judge: string): LearnedVersion | undefined => servingJudge(storage.db, judge);
  const learned = learnedIn(config, policy, { tokens, serving });
  const asking = modelsIn(config, rows);
  judges = judgesIn(config, { toolbox: storage.tools, policy, rows, calibrations, learned, asking });
  return {
    rows,
    dataDir: config.data,
    config,
    log: storage.log,
    policy,
    toolbox: storage.tools,
    prepareTools: (names) => storage.toolServers.prepare(names),
    get judges() {
      return askable(judges);
    },
    learned: learned.length === 0 ? undefined : { judges: learned, tokens },
    calibrated: (judge, numbers, gold) => {
      const made = { gold: goldHash(gold), source: 'labels', numbers, bounds: boundsIn(config) } as const;
      return rows.judges.calibrated(calibrationOf(judge, made));
    },
    get declared() {
      return declared();
    },
    live: liveJudgeIn(config, judges, { verdicts: rows.verdicts, asking, calibrations }),
    get trainer() {
      return supply().trainer;
    },
    get templateHash() {
      return supply().health?.model.template_hash;
    },
    get contextLength() {
      return supply().health?.model.max_model_len;
    },
    bounds: BOUNDS,
    engineModel: adapterName,
    decided,
    progress,
    signal,
  };
}

export function needTrainer(trainer: Trainer | undefined): Trainer {
  if (trainer !== undefined) return trainer;
  throw noTrainer();
}

export function noTrainer(): GyreError {
  return new GyreError({
    side: 'trainer',
    status: 503,
    code: 'no_trainer',
    retryAfterMs: 2_000,
    message:
      'there is no trainer: it is still starting, it is down, or the engine was given by address and ' +
      'has none. GET /ready tells; try again when it is up.',
  });
}
