/** The tools a policy may be offered: the only list of them. A new tool is a file of its own and a line here. */
import type { Tool, Toolbox } from '../src/core/tool.js';
import { createCalculator } from './calculator.js';
import { createSearchDocuments } from './search_documents.js';

export interface ToolOptions {
  /** The folder the operator's data lies in. */
  readonly dataDir: string;
  /** Starts what takes a second to start, so that the first call does not wait for it. */
  readonly warm?: boolean;
}

/** Every tool under its function name. Whoever creates them closes them. */
export function createTools({ dataDir, warm = false }: ToolOptions): Toolbox {
  const tools: readonly Tool[] = [createCalculator({ warm }), createSearchDocuments({ dataDir })];
  return new Map(tools.map((tool) => [tool.spec.name, tool]));
}
