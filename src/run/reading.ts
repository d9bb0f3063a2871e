/** The store's reading functions in the shape the HTTP routes ask for: a key sees its own rows, an admin everyone's. */
import type { Reading } from '../core/reading.js';
import type { Redactor } from '../core/text/redact.js';
import { answerOf, conversationOf } from '../store/read/conversation.js';
import type { Db } from '../store/file/db.js';
import { addFeedback } from '../store/read/feedback.js';
import { readStep } from '../store/read/lineage.js';
import { listTrajectories, showTrajectory } from '../store/read/listing.js';
import { hasTrajectory } from '../store/read/trajectories.js';
import { removeTrajectory, withdrawResponse } from '../store/read/remove.js';
import { loggedResponse } from '../store/read/response.js';

export function readingOf(db: Db, redactor?: Redactor): Reading {
  const logged = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : (redactor?.text(text) ?? text);
  return {
    hasTrajectory: ({ keyId }, id) => hasTrajectory(db, id, keyId),
    trajectories: ({ keyId }, page, filter, shown) => listTrajectories(db, page, { keyId, filter, shown }),
    trajectory: ({ keyId }, id, shown) => showTrajectory(db, id, shown, keyId),
    step: ({ keyId }, id) => readStep(db, id, keyId),
    conversation: (keyId, responseId) => conversationOf(db, keyId, responseId),
    answer: (keyId, responseId) => answerOf(db, keyId, responseId),
    response: (keyId, responseId) => loggedResponse(db, keyId, responseId),
    withdraw: (keyId, responseId) => withdrawResponse(db, responseId, keyId),
    erase: ({ keyId }, id) => removeTrajectory(db, id, keyId),
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
