/**
 * `gyre tools list` and `gyre tools accept NAME`: what servers of tools have announced, and what the operator takes of
 * it.
 */
import type { Config } from '../../core/config.js';
import { operatorError } from '../../core/errors.js';
import { shown } from '../../core/text/shown.js';
import { accept, pins, type Definition, type PinState } from '../../../tools/mcp/pins.js';
import { runningGateway } from '../../run/presence.js';
import { table, type Printer } from '../../run/print.js';

export function toolsVerb(config: Config, what: string, name: string | undefined, printer: Printer): void {
  switch (what) {
    case 'list': {
      const known = pins(config.data);
      return printer.result(
        known,
        known.length === 0
          ? ['no server has announced a tool yet']
          : [
              ...table([
                ['name', 'server', 'state', 'since'],
                ...known.map(({ name: tool, pinned, changed }) => [
                  tool,
                  pinned.server,
                  stateOf(config, pinned.server, changed !== undefined),
                  (changed ?? pinned).at,
                ]),
              ]),
              ...known.flatMap(difference),
            ],
      );
    }
    case 'accept': {
      if (name === undefined || name === '')
        throw operatorError('"gyre tools accept" needs a name: gyre tools accept NAME');
      const taken = accept(config.data, name);
      // A gateway on this folder sees the file within a second and offers the tool again.
      const gateway = runningGateway(config.data) === undefined ? '' : '; the running gateway takes it up at once';
      return printer.result({ name, ...taken }, [
        `accepted ${name} as its server announces it${gateway}:`,
        ...described(taken.definition),
      ]);
    }
    default:
      throw operatorError(`"gyre tools ${what}" is not known; it is list or accept`);
  }
}

/** Names of tools that are withdrawn until their new definition is accepted. */
export function withdrawnTools(config: Config): string[] {
  return pins(config.data)
    .filter(({ pinned, changed }) => changed !== undefined && config.mcp.some(({ name }) => name === pinned.server))
    .map(({ name }) => name);
}

function stateOf(config: Config, server: string, changed: boolean): string {
  if (!config.mcp.some((each) => each.name === server)) return 'its server is not configured';
  return changed ? 'withdrawn: changed' : 'accepted';
}

function difference({ name, pinned, changed }: PinState): string[] {
  if (changed === undefined) return [];
  return [
    '',
    `${name} was accepted as:`,
    ...described(pinned.definition),
    `and is now announced as ("gyre tools accept ${name}" takes it):`,
    ...described(changed.definition),
  ];
}

/** On lines of their own: it is a stranger's text. */
function described({ description = '(no description)', inputSchema }: Definition): string[] {
  return [...description.split('\n'), JSON.stringify(inputSchema)].map((line) => `  ${shown(line)}`);
}
