/**
 * The token tree of a batch as bytes: in JSON it is most of the batch, and says of nearly every token only that it
 * follows the one before it.
 */
import { deflateSync, inflateSync } from 'node:zlib';

import type { TokenTree } from '../../core/learning/batch.js';
import { packU32, unpackU32 } from '../file/tokens.js';

/** How many tokens; the tokens; then, of each that does not follow the one before it, its place and its parent + 1. */
export function packTree({ tokens, parent }: TokenTree): Buffer {
  const turns: number[] = [];
  parent.forEach((under, at) => {
    if (under !== at - 1) turns.push(at, under + 1);
  });
  return deflateSync(Buffer.concat([packU32([tokens.length]), packU32(tokens), packU32(turns)]));
}

export function unpackTree(bytes: Buffer): TokenTree {
  const [length = 0, ...rest] = unpackU32(inflateSync(bytes));
  const parent = Array.from({ length }, (_, at) => at - 1);
  for (let at = length; at + 1 < rest.length; at += 2) parent[rest[at] ?? 0] = (rest[at + 1] ?? 0) - 1;
  return { tokens: rest.slice(0, length), parent };
}
