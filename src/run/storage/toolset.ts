/** The tools of a data folder, as the configuration has them. */
import { createTools, type Tools } from '../../../tools/index.js';
import type { Config } from '../../core/config.js';
import { proxiesOf } from '../../core/proxy.js';
import { limitsOf } from '../../loop/budget.js';

/**
 * `version` is the gateway's own, told to servers of tools; `warn` gets a line for the operator when one goes down or
 * comes up. Throws an operator error where the configuration names a tool that there is not.
 */
export function openToolset(config: Config, version: string, warn: (text: string) => void): Tools {
  return createTools(
    {
      dataDir: config.data,
      web: config.web,
      limits: limitsOf(config).tool,
      proxyFor: proxiesOf(process.env),
    },
    { servers: config.mcp, defaults: config['tools.default'], version, warn },
  );
}
