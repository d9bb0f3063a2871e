/** The judges that are configured, the same for whoever asks them and whoever writes down who decides. */
import type { Config, LearnedJudge as LearnedConfig, ModelJudge, PanelJudge, RolloutJudge } from '../../core/config.js';
import { GyreError } from '../../core/errors.js';
import { type Calibration, type CalibrationBounds, shownWhen } from '../../core/judging/calibration.js';
import type { LearnedVersion } from '../../core/judging/learned.js';
import { declaredJudges, type DeclaredJudge } from '../../core/learning/deciding.js';
import type { Judge } from '../../core/learning/judging.js';
import { adapterName } from '../../core/learning/version.js';
import type { Policy } from '../../core/policy.js';
import type { LearningStore } from '../../core/ports.js';
import type { Toolbox } from '../../core/tool.js';
import { type LearnedJudge, learnedJudge, type Tokens, UNTRAINED } from '../../judge/learned/judge.js';
import { Asking } from '../../judge/model/asking.js';
import { modelJudge, type ModelJudgeOptions } from '../../judge/model/judge.js';
import { askedOnce, panelJudge } from '../../judge/panel/judge.js';
import { referenceJudge } from '../../judge/rules/reference.js';
import { ruleJudges } from '../../judge/rules/rules.js';
import { rolloutJudge } from '../../learner/judges/rollout.js';
import { limitsOf } from '../../loop/budget.js';

/** `calibrated`: names of those that were shown to tell right from wrong. */
export function declaredIn(config: Config, calibrated: ReadonlySet<string>): readonly DeclaredJudge[] {
  return declaredJudges({ rewards: config['learning.rewards'], configured: config.judges, calibrated });
}

export function boundsIn(config: Config): CalibrationBounds {
  const { items, accuracy, false_accept: falseAccept } = config.calibration;
  return { items, accuracy, falseAccept, shown: shownWhen(config['learning.mode']) };
}

export interface Parts {
  readonly toolbox: Toolbox;
  readonly policy: Policy;
  readonly rows: Pick<LearningStore, 'verdicts' | 'versions'>;
  /** The newest of each version of each judge: what a member of a panel weighs. None where nobody says. */
  readonly calibrations?: (() => readonly Calibration[]) | undefined;
  /** Those that are trained here; without them none of these can be asked. */
  readonly learned?: readonly LearnedJudge[] | undefined;
  /** The models, where others ask them as well. */
  readonly asking?: ModelsAsked | undefined;
}

/** By the name of a judge: its endpoint and its limits, one for all who ask it in this process. */
export type ModelsAsked = ReadonlyMap<string, Asking>;

export function modelsIn(config: Config, rows: Pick<LearningStore, 'verdicts'>): ModelsAsked {
  return new Map(
    config.judges.flatMap((each) =>
      each.kind === 'model' ? [[each.name, new Asking(modelOptions(each, rows))] as const] : [],
    ),
  );
}

type Configured = Config['judges'][number];

const refuse = (_: Configured, thrown: unknown): never => {
  throw thrown;
};

/**
 * Rules, and those that are configured. Throws an operator error where a prompt cannot be read, unless `broken` takes
 * it: then that one is left out.
 */
export function judgesIn(
  config: Config,
  parts: Parts,
  broken: (judge: Configured, thrown: unknown) => void = refuse,
): readonly Judge[] {
  const panels = config.judges.filter((each): each is PanelJudge => each.kind === 'panel');
  const inPanels = new Set(panels.flatMap(({ of }) => of));
  const made = config.judges.flatMap((each): Judge[] => {
    if (each.kind === 'panel') return [];
    try {
      return [judgeIn(each, config, parts)];
    } catch (thrown) {
      broken(each, thrown);
      return [];
    }
  });
  const judges = [...ruleJudges(parts.toolbox), ...made].map((judge) =>
    inPanels.has(judge.name) ? askedOnce(judge) : judge,
  );
  return [
    ...judges,
    ...panels.flatMap((panel): Judge[] => {
      const members = judges.filter((judge) => panel.of.includes(judge.name));
      const missing = panel.of.find((name) => !members.some((member) => member.name === name));
      if (missing === undefined) return [panelIn(panel, members, parts)];
      broken(panel, new Error(`its member "${missing}" cannot be asked`));
      return [];
    }),
  ];
}

function panelIn({ name, rule }: PanelJudge, members: readonly Judge[], { rows, calibrations }: Parts): Judge {
  return panelJudge({
    name,
    rule,
    members,
    said: (kind, ids) => rows.verdicts.of(kind, ids),
    accuracies: () => {
      const known = calibrations?.() ?? [];
      return new Map(
        members.flatMap((member) => {
          const own = known.find((each) => each.judge === member.name && each.judgeVersion === member.version);
          return own === undefined ? [] : [[member.name, own.numbers.accuracy.accuracy] as const];
        }),
      );
    },
  });
}

function judgeIn(each: ModelJudge | RolloutJudge | LearnedConfig, config: Config, parts: Parts): Judge {
  const { toolbox, policy, rows, asking } = parts;
  if (each.kind === 'model') return modelJudge(modelOptions(each, rows), asking?.get(each.name));
  if (each.kind === 'learned')
    return parts.learned?.find(({ name }) => name === each.name) ?? learnedOf(each, policy, NO_ENGINE);
  const { name, ends, steps, temperature, budget } = each;
  return rolloutJudge({
    ...{ name, ends, steps, temperature, budget, policy, toolbox },
    spentSince: (at) => rows.verdicts.timesSpent(name, at),
    limits: limitsOf(config),
    reference: referenceJudge(toolbox),
    head: async () => {
      const version = await rows.versions.head();
      return { version, model: adapterName(version) };
    },
  });
}

/** Which engine reads the tokens of a judge that is trained here, and which version of one is asked now. */
export interface LearnedParts {
  readonly tokens: Tokens;
  readonly serving: (judge: string) => LearnedVersion | undefined;
}

/** Those that are trained here. */
export function learnedIn(config: Config, policy: Policy, parts: LearnedParts): readonly LearnedJudge[] {
  return config.judges.flatMap((each) => (each.kind === 'learned' ? [learnedOf(each, policy, parts)] : []));
}

/** Those that can be asked: of one that is trained here there may be no version yet. */
export function askable(judges: readonly Judge[]): readonly Judge[] {
  return judges.filter((judge) => judge.version !== UNTRAINED);
}

function learnedOf(
  { name, unsure, near }: LearnedConfig,
  policy: Policy,
  { tokens, serving }: LearnedParts,
): LearnedJudge {
  return learnedJudge({ ...{ name, unsure, near, policy, tokens }, current: () => serving(name) });
}

const NO_ENGINE: LearnedParts = {
  serving: () => undefined,
  tokens: () =>
    Promise.reject(
      new GyreError({ side: 'engine', status: 503, code: 'engine_unavailable', message: 'There is no engine to ask.' }),
    ),
};

export function modelOptions(judge: ModelJudge, rows: Pick<LearningStore, 'verdicts'>): ModelJudgeOptions {
  return {
    name: judge.name,
    url: judge.url,
    model: judge.model,
    apiKey: judge.api_key,
    prompt: judge.prompt,
    samples: judge.samples,
    temperature: judge.temperature,
    maxTokens: judge.max_tokens,
    timeoutMs: judge.timeout_seconds * 1_000,
    retries: judge.retries,
    requestsAMinute: judge.requests_per_minute,
    tokensAMinute: judge.tokens_per_minute,
    tokensADay: judge.tokens_per_day,
    price: judge.price,
    spentSince: (at) => rows.verdicts.spent(judge.name, at),
  };
}
