/**
 * Which of a server's tools are offered, and as what. A tool is offered as it was pinned; one that its server has
 * changed since is withdrawn: it keeps its name, and every call to it says why it is not run, until the operator
 * accepts the change.
 */
import { badRequest, quoted, reasonOf } from '../../src/core/errors.js';
import { isObject, writeJson } from '../../src/core/text/json.js';
import type { Tool, ToolLimits } from '../../src/core/tool.js';
import { fault } from './faults.js';
import { functionName } from './names.js';
import { clearProposed, pin, pinned, pinOf, propose, type Definition, type Pin } from './pins.js';

export interface OfferingOptions {
  readonly server: string;
  /** Only these of the server's tools, by its own names; all without it. */
  readonly only: readonly string[] | undefined;
  readonly prefixes: readonly string[];
  readonly dataDir: string;
  readonly limits: ToolLimits;
  /** Where tools are put and taken away. */
  readonly toolbox: Map<string, Tool>;
  /** Runs a tool under the server's own name for it. */
  readonly call: (name: string, tool: string, args: Record<string, unknown>, signal: AbortSignal) => Promise<string>;
  readonly warn: (text: string) => void;
}

interface Held {
  /** As the operator knows it. */
  readonly pin: Pin;
  /** As the server announces it. */
  readonly announced: Pin;
  readonly tool: Tool;
}

/** Bytes a definition may have: it becomes part of every prompt that offers the tool. */
const MAX_DEFINITION = 32 * 1024;
/** Notes on tools that are shown at once. */
const SHOWN = 8;

export class Offering {
  readonly #options: OfferingOptions;
  readonly #held = new Map<string, Held>();
  #leftOut: readonly string[] = [];

  constructor(options: OfferingOptions) {
    this.#options = options;
  }

  get withdrawn(): string[] {
    return [...this.#held].filter(([, held]) => isWithdrawn(held)).map(([name]) => name);
  }

  /** For a person: how many tools there are, and what is wrong with some. */
  get detail(): string {
    const { size } = this.#held;
    const { withdrawn } = this;
    const parts = [`${size} ${size === 1 ? 'tool' : 'tools'}`];
    if (withdrawn.length > 0)
      parts.push(
        `withdrawn because their definition changed: ${firstFew(withdrawn).join(', ')} ("gyre tools list" shows how)`,
      );
    return [...parts, ...firstFew(this.#leftOut)].join('; ');
  }

  /** The server's list, as it is now. */
  apply(definitions: readonly Definition[]): void {
    const { server, only, prefixes, toolbox, warn } = this.#options;
    const leftOut: string[] = [];
    const present = new Set<string>();
    const named = definitions
      .filter(({ name }) => only === undefined || only.includes(name))
      .map((definition) => ({ name: functionName(server, definition.name, prefixes), definition }));
    // Where two tools would have one name, the one that is spelled so by the server gets it.
    const exact = (each: (typeof named)[number]): number => (each.name.endsWith(`__${each.definition.name}`) ? 0 : 1);
    for (const { name, definition } of [...named].sort((a, b) => exact(a) - exact(b))) {
      if (present.has(name) || (toolbox.has(name) && !this.#held.has(name)))
        leftOut.push(`${quoted(definition.name)} is left out: the name ${name} is taken`);
      else if (writeJson(definition).length > MAX_DEFINITION)
        leftOut.push(`${name} is left out: its definition is longer than ${MAX_DEFINITION} characters`);
      else {
        try {
          this.#hold(name, definition);
          present.add(name);
        } catch (thrown) {
          leftOut.push(`${name} is left out: ${reasonOf(thrown)}`);
        }
      }
    }
    for (const name of only ?? [])
      if (!definitions.some((definition) => definition.name === name))
        leftOut.push(`the server has no tool ${quoted(name)}`);
    for (const name of [...this.#held.keys()].filter((each) => !present.has(each))) this.#drop(name);
    for (const note of firstFew(leftOut.filter((each) => !this.#leftOut.includes(each))))
      warn(`tools of "${server}": ${note}`);
    this.#leftOut = leftOut;
  }

  /** Offers tools again whose changed definition the operator has accepted meanwhile. */
  takeAccepted(): void {
    for (const name of this.withdrawn) {
      const held = this.#held.get(name);
      try {
        if (held === undefined || pinned(this.#options.dataDir, name)?.hash !== held.announced.hash) continue;
        this.#hold(name, held.announced.definition);
        this.#options.warn(`the tool ${name} is offered again: its new definition was accepted`);
      } catch {
        // A file that cannot be read accepts nothing; the next list says what is wrong with it.
      }
    }
  }

  /** Throws, in a sentence for the policy, when a tool is not to be called. */
  require(name: string): void {
    const held = this.#held.get(name);
    if (held === undefined)
      throw fault(`the tool "${name}" is no longer there: its server does not offer it any more. Go on without it.`);
    if (isWithdrawn(held))
      throw fault(
        `the tool "${name}" is withdrawn: its server has changed its definition, and the operator has not ` +
          `accepted the change ("gyre tools accept ${name}"). Go on without it.`,
      );
  }

  clear(): void {
    for (const name of [...this.#held.keys()]) this.#drop(name);
  }

  #hold(name: string, definition: Definition): void {
    const { server, dataDir, toolbox, warn } = this.#options;
    const announced = pinOf(server, definition);
    const before = this.#held.get(name);
    if (before !== undefined && !isWithdrawn(before) && before.announced.hash === announced.hash) return;
    const known = pin(dataDir, name, announced);
    const tool = before?.pin.hash === known.hash ? before.tool : this.#tool(name, known.definition);
    const held: Held = { pin: known, announced, tool };
    if (!isWithdrawn(held)) clearProposed(dataDir, name);
    else {
      propose(dataDir, name, announced);
      if (before?.announced.hash !== announced.hash)
        warn(
          `the tool ${name} is withdrawn: its server has changed its definition. "gyre tools list" ` +
            `shows how, "gyre tools accept ${name}" takes it`,
        );
    }
    this.#held.set(name, held);
    if (toolbox.get(name) !== tool) toolbox.set(name, tool);
  }

  #drop(name: string): void {
    this.#held.delete(name);
    this.#options.toolbox.delete(name);
  }

  #tool(name: string, { name: tool, description, inputSchema }: Definition): Tool {
    const { call, limits } = this.#options;
    return {
      spec: { name, description, parameters: inputSchema },
      // Also where the server's annotations say that it only reads: no judge runs a tool that is not ours.
      pure: false,
      limits,
      run: async (args, signal) => {
        if (!isObject(args))
          throw badRequest(`${name} takes a JSON object as its arguments, not ${quoted(args)}`, 'arguments');
        return call(name, tool, args, signal);
      },
    };
  }
}

function isWithdrawn({ pin: known, announced }: Held): boolean {
  return known.hash !== announced.hash;
}

/** The first few: a server must not be able to fill the operator's log. */
function firstFew(texts: readonly string[]): string[] {
  return texts.length <= SHOWN ? [...texts] : [...texts.slice(0, SHOWN), `${texts.length - SHOWN} more`];
}
