/**
 * A conversation made short: what a compaction item carries, and how it comes back. The words are the policy's own
 * summary, readable to whoever decodes them; nothing of it is secret to the one who had the conversation.
 */
import { createHash } from 'node:crypto';

import { badRequest } from '../../core/errors.js';

const FORM = /^gyre1\.([A-Za-z0-9_-]+)\.([0-9a-f]{16})$/;

/** What `encrypted_content` of our compaction items is: the summary, and a hash by which a damaged one is known. */
export function packSummary(summary: string): string {
  return `gyre1.${Buffer.from(summary).toString('base64url')}.${hashOf(summary)}`;
}

/** What the policy is told of the conversation before. Throws 400 on what no compaction of ours is. */
export function unpackSummary(packed: string): string {
  const [, words = '', hash] = FORM.exec(packed) ?? [];
  const summary = Buffer.from(words, 'base64url').toString('utf8');
  if (hash === undefined || hashOf(summary) !== hash) {
    throw badRequest(
      'The "encrypted_content" of a compaction item is not one that POST /v1/responses/compact of this gateway gave. ' +
        'Send the conversation itself, or have it compacted here.',
      'input',
    );
  }
  return `${RECALL}\n\n${summary}`;
}

function hashOf(summary: string): string {
  return createHash('sha256').update(`compaction\n${summary}`).digest('hex').slice(0, 16);
}

const RECALL = 'The conversation before this was replaced by this summary of it. Go on from it.';

/** What the policy is asked for. */
export const SUMMARISE =
  'The conversation up to here will be replaced by a summary that you write now. Write down what is needed to go on ' +
  'without it: what is wanted, what was decided, what is known (names, numbers, files and words that matter), ' +
  'what was done, what came of it, what is still to be done. Write the summary and nothing else.';
