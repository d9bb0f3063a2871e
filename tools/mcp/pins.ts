/**
 * Pins: the definition of each tool of an MCP server as it was first seen, one file a tool in DATA/tools. Without a
 * pin a server could change what a tool claims to do after the operator came to trust it. A definition that differs
 * later is written beside the pin; accepting it is one rename, so that no two processes can disagree.
 */
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { operatorError, reasonOf } from '../../src/core/errors.js';
import { marked, parseJson, unmarked, writeJson } from '../../src/core/text/json.js';
import { canonicalJson, sha256, type Hash } from '../../src/core/text/hash.js';

/** What a policy sees of a tool. Nothing else of a server's announcement is kept. */
export interface Definition {
  readonly name: string;
  readonly description?: string | undefined;
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

export interface Pin {
  readonly server: string;
  readonly definition: Definition;
  readonly hash: Hash;
  /** When it was seen, as ISO time. */
  readonly at: string;
}

export interface PinState {
  /** The function name. */
  readonly name: string;
  readonly pinned: Pin;
  /** What its server announces instead; the tool is withdrawn while this is here. */
  readonly changed?: Pin | undefined;
}

/** Tools one server may ever announce: it must not be able to fill the disk. */
const MAX_PINS = 1_000;
const CHANGED = '.changed.json';

const folderOf = (dataDir: string): string => join(dataDir, 'tools');
const fileOf = (dataDir: string, name: string): string => join(folderOf(dataDir), `${name}.json`);
const changedOf = (dataDir: string, name: string): string => join(folderOf(dataDir), name + CHANGED);

export function pinOf(server: string, definition: Definition, at = new Date()): Pin {
  return { server, definition, hash: sha256(canonicalJson(definition)), at: at.toISOString() };
}

/**
 * The pin of a tool; `found` becomes it when there is none yet. Throws an operator error on a file that cannot be read
 * or made.
 */
export function pin(dataDir: string, name: string, found: Pin): Pin {
  const known = pinned(dataDir, name);
  if (known !== undefined) return isRounded(known, found) ? replaced(dataDir, name, found) : known;
  if (namesIn(dataDir).filter((other) => other.startsWith(`${found.server}__`)).length >= MAX_PINS) {
    throw operatorError(
      `the server "${found.server}" has announced more than ${MAX_PINS} tools; delete what is ` +
        `not wanted from ${folderOf(dataDir)}`,
    );
  }
  const draft = write(dataDir, name, found);
  try {
    // A link fails where there is a file: of two processes that see a tool first, one pins it.
    linkSync(draft, fileOf(dataDir, name));
    return found;
  } catch (thrown) {
    const winner = pinned(dataDir, name);
    if (winner === undefined) throw operatorError(`cannot write ${fileOf(dataDir, name)}: ${reasonOf(thrown)}`, thrown);
    return winner;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Earlier builds rounded integers beyond 2^53 in what they pinned: that is no change of its server's. */
function isRounded(known: Pin, { server, definition, hash }: Pin): boolean {
  if (known.hash === hash) return false;
  return known.hash === pinOf(server, JSON.parse(writeJson(definition)) as Definition).hash;
}

function replaced(dataDir: string, name: string, exact: Pin): Pin {
  renameSync(write(dataDir, name, exact), fileOf(dataDir, name));
  return exact;
}

export function pinned(dataDir: string, name: string): Pin | undefined {
  return read(fileOf(dataDir, name));
}

/** Puts a changed definition where the operator finds it. */
export function propose(dataDir: string, name: string, changed: Pin): void {
  if (read(changedOf(dataDir, name))?.hash === changed.hash) return;
  renameSync(write(dataDir, name, changed), changedOf(dataDir, name));
}

/** For a server that announces again what is pinned: there is nothing to accept any more. */
export function clearProposed(dataDir: string, name: string): void {
  rmSync(changedOf(dataDir, name), { force: true });
}

/** Every tool that was ever seen, by name. */
export function pins(dataDir: string): PinState[] {
  return namesIn(dataDir).flatMap((name) => {
    const known = pinned(dataDir, name);
    const changed = read(changedOf(dataDir, name));
    return known === undefined ? [] : [{ name, pinned: known, changed }];
  });
}

/** Takes a tool's changed definition from now on, and gives it back. Throws an operator error when there is none. */
export function accept(dataDir: string, name: string): Pin {
  // The name becomes part of a path.
  const known = /^[A-Za-z0-9_-]+$/.test(name) ? pinned(dataDir, name) : undefined;
  if (known === undefined)
    throw operatorError(`no tool "${name}" was ever announced by a server; "gyre tools list" shows those that were`);
  const changed = read(changedOf(dataDir, name));
  if (changed === undefined) throw operatorError(`the tool "${name}" has not changed: there is nothing to accept`);
  renameSync(changedOf(dataDir, name), fileOf(dataDir, name));
  return changed;
}

function namesIn(dataDir: string): string[] {
  try {
    return readdirSync(folderOf(dataDir))
      .filter((file) => file.endsWith('.json') && !file.endsWith(CHANGED))
      .map((file) => file.slice(0, -'.json'.length))
      .sort();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw thrown;
  }
}

/** A file of its own, to be linked or renamed into place whole. */
function write(dataDir: string, name: string, content: Pin): string {
  mkdirSync(folderOf(dataDir), { recursive: true });
  const draft = join(folderOf(dataDir), `${name}.${process.pid}.draft`);
  writeFileSync(draft, `${indented(content)}\n`);
  return draft;
}

/** For a person to read; integers with all their digits. */
function indented(content: Pin): string {
  return unmarked(JSON.stringify(marked(content), null, 2));
}

function read(path: string): Pin | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw operatorError(`cannot read ${path}: ${reasonOf(thrown)}`, thrown);
  }
  try {
    const found = parseJson(text) as Pin;
    if (found.hash === sha256(canonicalJson(found.definition))) return found;
  } catch {
    // Falls through to the error below, like a hash that does not fit.
  }
  throw operatorError(
    `${path} is not what was written there; delete it to take the tool as its server announces it now`,
  );
}
