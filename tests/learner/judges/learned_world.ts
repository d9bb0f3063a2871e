/** A learned judge's world: a log with labels, the scripted engine, and a trainer that trains nothing. */
import { afterEach } from 'vitest';

import { parseConfig, type LearnedJudge as LearnedConfig } from '../../../src/core/config.js';
import { newId } from '../../../src/core/ids.js';
import type { CalibrationNumbers } from '../../../src/core/judging/calibration.js';
import type { LearnedVersion } from '../../../src/core/judging/learned.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { LearningStore } from '../../../src/core/ports.js';
import type { Learner } from '../../../src/learner/deps.js';
import { configuredIn, tendJudge } from '../../../src/learner/judges/learned.js';
import { openPolicy } from '../../../src/policy/engine/sample.js';
import { askable, declaredIn, judgesIn, learnedIn } from '../../../src/run/judges/configured.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { judgeVersionsOf, servingJudge } from '../../../src/store/judges/judge_versions.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { openTrainer } from '../../../src/train/client.js';
import { startEngine, tokenId, type Engine, type EngineRequest, type Reply } from '../../fakes/engine.js';
import { answer, call, opened, opening, user } from '../../store/fixture.js';
import { type FakeJudgeTrainer, startJudgeTrainer } from './judge_trainer.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Knows multiplication when it sees it, and answers by nothing else. */
export const knowing = ({ body }: EngineRequest): Reply => {
  const ids = (body as unknown as { prompt: readonly number[] }).prompt;
  const right = Array.from({ length: 400 }, (_, at) => tokenId(` {"expression":"${at}*7"}`));
  return { preference: right.some((id) => ids.includes(id)) ? 5 : -5 };
};

interface Steps {
  readonly wording?: (n: number) => string;
  /** Whose label they have; none where it is empty. */
  readonly by?: string;
  readonly consent?: boolean;
  readonly keyId?: string;
}

type Process = Pick<
  Learner,
  'rows' | 'config' | 'declared' | 'toolbox' | 'signal' | 'progress' | 'judges' | 'learned' | 'trainer' | 'calibrated'
>;

interface World {
  readonly engine: Engine;
  readonly trainer: FakeJudgeTrainer;
  readonly rows: LearningStore;
  readonly learner: Process;
  readonly judgeConfig: LearnedConfig;
  /** What came of each version against its gold. */
  readonly calibrated: readonly { readonly version: string; readonly numbers: CalibrationNumbers }[];
  readonly stopping: AbortController;
  /** Another process over the same rows. */
  process(): Process;
  /** Steps that call for `n` times 7, rightly in two of three; labelled by a person unless it is said otherwise. */
  steps(count: number, steps?: Steps): Promise<string[]>;
  label(stepId: string, good: boolean | undefined, by?: string): void;
  tend(as?: Process): Promise<boolean>;
  versions(): readonly LearnedVersion[];
  all(sql: string): unknown[];
}

/** With a fixed part that is held out, unless it is said otherwise. */
export async function world(
  judge: Partial<Record<keyof LearnedConfig, unknown>> = {},
  { script = knowing, calibration = {} }: { script?: (request: EngineRequest) => Reply; calibration?: object } = {},
): Promise<World> {
  const { store, log } = opened();
  const engine = await startEngine({ script });
  const trainer = await startJudgeTrainer(engine);
  const policy = openPolicy({ url: engine.url, timeoutMs: 10_000 });
  closing.push(engine.close, trainer.close, () => policy.close());
  const config = parseConfig({
    learning: { rewards: ['person', 'critic'] },
    judges: [{ name: 'critic', kind: 'learned', min_labels: 50, heldout: 0.3, ...judge }],
    calibration,
  });
  const [judgeConfig] = configuredIn({ config }) as readonly [LearnedConfig];
  const declared = declaredIn(config, new Set());
  const rows = learningStore(store.db, GYRE_POLICY, declared);
  const tokens = (text: string, signal: AbortSignal): Promise<readonly number[]> => policy.tokens(text, 'base', signal);
  const toolbox = new Map();
  const stopping = new AbortController();
  const calibrated: { readonly version: string; readonly numbers: CalibrationNumbers }[] = [];
  const process = (): Process => {
    const serving = (name: string): ReturnType<typeof servingJudge> => servingJudge(store.db, name);
    const learned = learnedIn(config, policy, { tokens, serving });
    const judges = judgesIn(config, { toolbox, policy, rows, learned });
    return {
      ...{ rows, config, declared, toolbox, signal: stopping.signal, progress: () => undefined },
      get judges() {
        return askable(judges);
      },
      learned: { judges: learned, tokens },
      trainer: openTrainer(trainer.url),
      calibrated: ({ version }: { version: string }, numbers: CalibrationNumbers): Promise<void> => {
        calibrated.push({ version, numbers });
        return Promise.resolve();
      },
    };
  };
  let said = 0;
  const steps = async (
    count: number,
    { wording = (n) => `What is ${n} times 7?`, by = 'person', consent = true, keyId = '' }: Steps = {},
  ): Promise<string[]> => {
    const ids: string[] = [];
    for (let at = 0; at < count; at += 1) {
      const n = (said += 1);
      const good = n % 3 > 0;
      const asked = opening([user(wording(n))], { asker: { keyId, consent } });
      const asks = [{ call: call('c1', good ? `${n}*7` : `${n}+7`), gives: '1' }];
      const { steps: made } = await answer(log, asked, [{ text: '', asks }]);
      const [{ id } = { id: '' }] = made;
      if (by !== '') label(id, good, by);
      ids.push(id);
    }
    return ids;
  };
  let clock = Date.now();
  const label = (stepId: string, good: boolean | undefined, by = 'person'): void =>
    saveVerdicts(store.db, [
      {
        ...{ id: newId('vrd'), subjectKind: 'step', subjectId: stepId, judge: by, judgeVersion: `v${(clock += 1)}` },
        ...(good === undefined ? {} : { score: Number(good), good }),
        ...{ rationale: '', createdAt: clock },
      },
    ]);
  const learner = process();
  return {
    ...{ engine, trainer, rows, learner, process, steps, label, judgeConfig, calibrated, stopping },
    tend: (as = learner) => tendJudge(as, judgeConfig),
    versions: () => judgeVersionsOf(store.db, 'critic'),
    all: (sql: string): unknown[] => store.sqlite.prepare(sql).all(),
  };
}
