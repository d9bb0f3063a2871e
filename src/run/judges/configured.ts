/** The judges that are configured, the same for whoever asks them and whoever writes down who decides. */
import type { Config, ModelJudge } from '../../core/config.js';
import type { CalibrationBounds } from '../../core/judging/calibration.js';
import { declaredJudges, type DeclaredJudge } from '../../core/learning/deciding.js';
import type { Judge } from '../../core/learning/judging.js';
import { adapterName } from '../../core/learning/version.js';
import type { Policy } from '../../core/policy.js';
import type { LearningStore } from '../../core/ports.js';
import type { Toolbox } from '../../core/tool.js';
import { modelJudge } from '../../judge/model/judge.js';
import { referenceJudge } from '../../judge/rules/reference.js';
import { ruleJudges } from '../../judge/rules/rules.js';
import { rolloutJudge } from '../../learner/judges/rollout.js';
import { limitsOf } from '../../loop/budget.js';

/** `calibrated`: names of those that were shown to tell right from wrong. */
export function declaredIn(config: Config, calibrated: ReadonlySet<string>): readonly DeclaredJudge[] {
  return declaredJudges({ rewards: config['learning.rewards'], configured: config.judges, calibrated });
}

export function boundsIn({ calibration: { items, accuracy, false_accept: falseAccept } }: Config): CalibrationBounds {
  return { items, accuracy, falseAccept };
}

export interface Parts {
  readonly toolbox: Toolbox;
  readonly policy: Policy;
  readonly rows: Pick<LearningStore, 'verdicts' | 'versions'>;
}

/** Rules, and those that are configured. Throws an operator error where a prompt cannot be read. */
export function judgesIn(config: Config, parts: Parts): readonly Judge[] {
  return [...ruleJudges(parts.toolbox), ...config.judges.map((each) => configuredJudge(config, each, parts))];
}

export function configuredJudge(
  config: Config,
  each: Config['judges'][number],
  { toolbox, policy, rows }: Parts,
): Judge {
  if (each.kind === 'model') return modelIn(each, rows);
  const { name, ends, steps, temperature, budget } = each;
  return rolloutJudge({
    ...{ name, ends, steps, temperature, budget, policy, toolbox },
    limits: limitsOf(config),
    reference: referenceJudge(toolbox),
    head: async () => {
      const version = await rows.versions.head();
      return { version, model: adapterName(version) };
    },
  });
}

function modelIn(judge: ModelJudge, rows: Pick<LearningStore, 'verdicts'>): Judge {
  return modelJudge({
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
    spentSince: (at) => rows.verdicts.spent(judge.name, at),
  });
}
