/** The judges that are configured, the same for whoever asks them and whoever writes down who decides. */
import type { Config, LearnedJudge as LearnedConfig, ModelJudge } from '../core/config.js';
import { GyreError } from '../core/errors.js';
import type { LearnedVersion } from '../core/judging/learned.js';
import { declaredJudges, type DeclaredJudge } from '../core/learning/deciding.js';
import type { Judge } from '../core/learning/judging.js';
import { adapterName } from '../core/learning/version.js';
import type { Policy } from '../core/policy.js';
import type { LearningStore } from '../core/ports.js';
import type { Toolbox } from '../core/tool.js';
import { type LearnedJudge, type LearnedJudges, learnedJudge, type Tokens, UNTRAINED } from '../judge/learned/judge.js';
import { modelJudge } from '../judge/model/judge.js';
import { referenceJudge } from '../judge/rules/reference.js';
import { ruleJudges } from '../judge/rules/rules.js';
import { rolloutJudge } from '../learner/judges/rollout.js';
import { limitsOf } from '../loop/budget.js';

export function declaredIn(config: Config): readonly DeclaredJudge[] {
  return declaredJudges({
    rewards: config['learning.rewards'],
    configured: config.judges,
    // Nothing shows yet that a model can tell right from wrong: each filters.
    calibrated: new Set(),
  });
}

interface Parts {
  readonly toolbox: Toolbox;
  readonly policy: Policy;
  readonly rows: Pick<LearningStore, 'verdicts' | 'versions'>;
  /** Of judges that are trained here: the engine's tokens, and which version is asked now. */
  readonly tokens?: Tokens | undefined;
  readonly serving?: ((judge: string) => LearnedVersion | undefined) | undefined;
}

/** Rules, and those that are configured. Throws an operator error where a prompt cannot be read. */
export function judgesIn(config: Config, parts: Parts): readonly Judge[] {
  const { toolbox, policy, rows } = parts;
  const configured = config.judges.map((each): Judge => {
    if (each.kind === 'model') return modelIn(each, rows);
    if (each.kind === 'learned') return learnedIn(each, parts);
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
  });
  return [...ruleJudges(toolbox), ...configured];
}

/** Those of them that are trained here; undefined where none is configured. */
export function learnedAmong(judges: readonly Judge[], tokens: Tokens): LearnedJudges | undefined {
  const learned = judges.filter((judge): judge is LearnedJudge => judge.kind === 'learned');
  return learned.length === 0 ? undefined : { judges: learned, tokens };
}

/** Those that can be asked: of one that is trained here there may be no version yet. */
export function askable(judges: readonly Judge[]): readonly Judge[] {
  return judges.filter((judge) => judge.version !== UNTRAINED);
}

function learnedIn({ name, unsure, near }: LearnedConfig, { policy, tokens, serving }: Parts): LearnedJudge {
  return learnedJudge({
    ...{ name, unsure, near, policy },
    tokens: tokens ?? noTokens,
    current: () => serving?.(name),
  });
}

const noTokens: Tokens = () =>
  Promise.reject(
    new GyreError({ side: 'engine', status: 503, code: 'engine_unavailable', message: 'There is no engine to ask.' }),
  );

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
