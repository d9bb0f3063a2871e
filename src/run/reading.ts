/** The store's reading functions in the shape the HTTP routes ask for: a key sees its own rows, an admin everyone's. */
import { dirname } from 'node:path';

import type { Reading } from '../core/reading.js';
import type { Redactor } from '../core/text/redact.js';
import { eraseSetAside } from '../store/beside/erase.js';
import { answerOf, conversationOf } from '../store/read/conversation.js';
import type { Db } from '../store/file/db.js';
import { deletionOf, isWithdrawn } from '../store/read/deletion.js';
import { addFeedback } from '../store/read/feedback.js';
import { readStep } from '../store/read/lineage.js';
import { hasTrajectory, listTrajectories, readTrajectory } from '../store/read/trajectories.js';
import { removeTrajectory, withdrawResponse } from '../store/read/remove.js';
import { loggedResponse } from '../store/read/response.js';

export function readingOf(db: Db, redactor?: Redactor): Reading {
  const logged = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : (redactor?.text(text) ?? text);
  return {
    hasTrajectory: ({ keyId }, id) => hasTrajectory(db, id, keyId),
    trajectories: ({ keyId }, page) => listTrajectories(db, page, keyId),
    trajectory: ({ keyId }, id) => readTrajectory(db, id, keyId),
    step: ({ keyId }, id) => readStep(db, id, keyId),
    conversation: (keyId, responseId) => conversationOf(db, keyId, responseId),
    answer: (keyId, responseId) => answerOf(db, keyId, responseId),
    response: (keyId, responseId) => loggedResponse(db, keyId, responseId),
    withdraw: (keyId, responseId) => withdrawResponse(db, responseId, keyId),
    erase({ keyId }, id) {
      const removed = removeTrajectory(db, id, keyId);
      if (removed !== undefined) eraseSetAside(dirname(db.$client.name), id);
      return removed;
    },
    deletion: ({ keyId }, id) => deletionOf(db, id, keyId),
    withdrawn: (responseId) => isWithdrawn(db, responseId),
    feedback: (scope, keyId, input) => {
      const { response_id: responseId, value, step, comment, demonstration } = input;
      return addFeedback(db, {
        responseId,
        keyId,
        within: scope.keyId,
        value: typeof value === 'boolean' ? (value ? 1 : -1) : value,
        step,
        comment: logged(comment),
        demonstration: logged(demonstration),
      });
    },
  };
}
