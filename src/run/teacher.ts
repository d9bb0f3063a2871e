/** An upstream as a teacher: it answers tasks in the policy's place, for as long as one verb runs. */
import type { Config } from '../core/config.js';
import { operatorError } from '../core/errors.js';
import { proxiesOf } from '../core/proxy.js';
import { nearest } from '../core/text/nearest.js';
import type { Teacher } from '../learner/attempt.js';
import { openUpstreams } from '../policy/serving/upstreams.js';

export interface OpenTeacher extends Teacher {
  close(): Promise<void>;
}

/** `from`: one of the models that `upstreams` names. Throws an operator error where none of them has the name. */
export function openTeacher(
  config: Config,
  from: string,
  env: Readonly<Record<string, string | undefined>>,
  warn: (text: string) => void,
): OpenTeacher {
  const upstreams = openUpstreams(config.upstreams, {
    timeoutMs: config['engine.timeout_seconds'] * 1000,
    answerBytes: config['limits.answer_bytes'],
    proxyFor: proxiesOf(env),
    warn,
  });
  const found = upstreams.models.find(({ id }) => id === from);
  if (found === undefined) {
    const names = upstreams.models.map(({ id }) => id);
    throw operatorError(
      `--from is "${from}"; it must be "policy" or a model of "upstreams"` +
        (names.length === 0
          ? ', of which the configuration has none'
          : `. Did you mean "${nearest(from, names)}"? There are: ${names.join(', ')}`),
    );
  }
  return {
    model: from,
    host: found.host,
    policy: found.policy({ tokenIds: false, limitField: 'max_tokens' }),
    close: () => upstreams.close(),
  };
}
