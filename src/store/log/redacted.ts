/**
 * The log behind a redactor. What goes in is redacted, so that a conversation is known again by its redacted form;
 * the policy is asked with the words as they are, this time and every time. The log can give back only what it has:
 * a conversation in which anything was redacted goes on in its client's words, without the turns the client never
 * saw. Two conversations that differ only in what was redacted are one to the log, and neither may get the other's.
 */
import type { Opening, Thread } from '../../core/log.js';
import type { AssistantMessage, Message } from '../../core/message.js';
import type { Redactor } from '../../core/text/redact.js';
import { normaliseMessages } from '../../core/text/spelling.js';
import type { Ending, Step } from '../../core/trajectory.js';
import type { LocalLog } from './local.js';

export function redacting(log: LocalLog, redactor: Redactor): LocalLog {
  const threadOf = (asked: Opening, open: (clean: Opening) => Thread): Thread => {
    // The log spells all calls alike. It is done before, so that its messages are told from the client's by what was
    // redacted alone.
    const opening = { ...asked, messages: normaliseMessages(asked.messages) };
    const clean = cleaned(opening, redactor);
    return new RedactedThread(open(clean), opening, clean, redactor);
  };
  return {
    open: (opening) => threadOf(opening, (clean) => log.open(clean)),
    begin: (opening, trajectoryId) => threadOf(opening, (clean) => log.begin(clean, trajectoryId)),
    recall: (opening, trajectoryId) => threadOf(opening, (clean) => log.recall(clean, trajectoryId)),
    fail: (reason) => log.fail(reason),
    get failures(): number {
      return log.failures;
    },
    flush: () => log.flush(),
  };
}

/** Metadata and ids are in no prompt: redacting them taints no step. */
function cleaned(opening: Opening, redactor: Redactor): Opening {
  const { messages, metadata, taskId, requestId } = opening;
  return {
    ...opening,
    messages: normaliseMessages(redactor.messages(messages)),
    requestId: redactor.text(requestId),
    metadata: redactor.value(metadata),
    taskId: redactor.value(taskId),
  };
}

class RedactedThread implements Thread {
  readonly trajectoryId: string;
  readonly continued: boolean;
  readonly messages: readonly Message[];
  readonly #thread: Thread;
  readonly #redactor: Redactor;
  /** Whether the engine was sent something that is not logged and that matched: the prompt spells it. */
  readonly #tainted: boolean;

  constructor(thread: Thread, opening: Opening, clean: Opening, redactor: Redactor) {
    this.trajectoryId = thread.trajectoryId;
    this.continued = thread.continued;
    const said = new Map(clean.messages.map((message, at) => [message, opening.messages[at] ?? message]));
    this.messages =
      thread.messages === clean.messages
        ? opening.messages
        : thread.messages.map((message) => said.get(message) ?? message);
    this.#thread = thread;
    this.#redactor = redactor;
    this.#tainted = redactor.value(opening.forwarded) !== opening.forwarded;
  }

  step(step: Step, visible: AssistantMessage): Promise<boolean> {
    return this.#thread.step(...this.#redactor.step(step, visible, this.#tainted));
  }

  finish(ending: Ending): Promise<boolean> {
    return this.#thread.finish(ending);
  }
}
