/** The judges that are configured, the same for whoever asks them and whoever writes down who decides. */
import type { Config } from '../core/config.js';
import { declaredJudges, type DeclaredJudge } from '../core/learning/deciding.js';
import type { Judge } from '../core/learning/judging.js';
import type { LearningStore } from '../core/ports.js';
import type { Toolbox } from '../core/tool.js';
import { modelJudge } from '../judge/model/judge.js';
import { ruleJudges } from '../judge/rules/rules.js';

export function declaredIn(config: Config): readonly DeclaredJudge[] {
  return declaredJudges({
    rewards: config['learning.rewards'],
    models: config.judges.map(({ name }) => name),
    // Nothing shows yet that a model can tell right from wrong: each filters.
    calibrated: new Set(),
  });
}

/** Rules and models. Throws an operator error where a prompt cannot be read. */
export function judgesIn(config: Config, toolbox: Toolbox, rows: Pick<LearningStore, 'verdicts'>): readonly Judge[] {
  const models = config.judges.map((each) =>
    modelJudge({
      name: each.name,
      url: each.url,
      model: each.model,
      apiKey: each.api_key,
      prompt: each.prompt,
      samples: each.samples,
      temperature: each.temperature,
      maxTokens: each.max_tokens,
      timeoutMs: each.timeout_seconds * 1_000,
      retries: each.retries,
      requestsAMinute: each.requests_per_minute,
      tokensAMinute: each.tokens_per_minute,
      tokensADay: each.tokens_per_day,
      spentSince: (at) => rows.verdicts.spent(each.name, at),
    }),
  );
  return [...ruleJudges(toolbox), ...models];
}
