/**
 * The log behind a redactor. Everything is redacted before it is logged, and a follow-up is recognised by its redacted
 * form; the policy is always asked with the original words. The log can give back only what it has: a conversation in
 * which anything was redacted continues with its client's messages alone, without the tool turns the client never saw.
 * To the log two conversations that differ only in what was redacted are the same, and neither may get words of the
 * other.
 */
import type { Opening, Recording } from '../../core/log.js';
import type { AssistantMessage, Message } from '../../core/message.js';
import type { Redactor } from '../../core/text/redact.js';
import { normaliseMessages } from '../../core/text/spelling.js';
import type { Ending, ServerToolUse, Step } from '../../core/trajectory.js';
import type { LocalLog } from './local.js';

export function redacting(log: LocalLog, redactor: Redactor): LocalLog {
  const recordingOf = (asked: Opening, open: (clean: Opening) => Recording): Recording => {
    // The log has all calls in one spelling. It is made before, so that its messages differ from the client's only in
    // what was redacted.
    const opening = { ...asked, messages: normaliseMessages(asked.messages) };
    const clean = cleaned(opening, redactor);
    return new RedactedRecording(open(clean), opening, clean, redactor);
  };
  return {
    open: (opening) => recordingOf(opening, (clean) => log.open(clean)),
    begin: (opening, trajectoryId) => recordingOf(opening, (clean) => log.begin(clean, trajectoryId)),
    reopen: (opening, trajectoryId) => recordingOf(opening, (clean) => log.reopen(clean, trajectoryId)),
    abandon: (trajectoryId) => log.abandon(trajectoryId),
    begins: () => log.begins(),
    fail: (reason) => log.fail(reason),
    get failures(): number {
      return log.failures;
    },
    get state() {
      return log.state;
    },
    get sealed() {
      return log.sealed;
    },
    refusal: () => log.refusal(),
    flush: () => log.flush(),
  };
}

/** Metadata, ids and what is told again are in no prompt: redacting them leaves the steps trainable. */
function cleaned(opening: Opening, redactor: Redactor): Opening {
  const { messages, metadata, taskId, requestId, asked } = opening;
  return {
    ...opening,
    messages: normaliseMessages(redactor.messages(messages)),
    requestId: redactor.text(requestId),
    metadata: redactor.value(metadata),
    asked: redactor.value(asked),
    taskId: redactor.value(taskId),
  };
}

class RedactedRecording implements Recording {
  readonly trajectoryId: string;
  readonly continued: boolean;
  readonly messages: readonly Message[];
  readonly past: Recording['past'];
  readonly #recording: Recording;
  readonly #redactor: Redactor;
  /** Whether a field matched that is sent to the engine and not logged: it may be in the prompt, and so in its ids. */
  readonly #tainted: boolean;

  constructor(recording: Recording, opening: Opening, clean: Opening, redactor: Redactor) {
    this.trajectoryId = recording.trajectoryId;
    this.continued = recording.continued;
    this.past = recording.past;
    const original = new Map(clean.messages.map((message, at) => [message, opening.messages[at] ?? message]));
    this.messages =
      recording.messages === clean.messages
        ? opening.messages
        : recording.messages.map((message) => original.get(message) ?? message);
    this.#recording = recording;
    this.#redactor = redactor;
    this.#tainted = redactor.value(opening.forwarded) !== opening.forwarded;
  }

  step(step: Step, visible: AssistantMessage): Promise<boolean> {
    return this.#recording.step(...this.#redactor.step(step, visible, this.#tainted));
  }

  finish(ending: Ending, number?: number): Promise<boolean> {
    return this.#recording.finish({ ...ending, toolUse: this.#toolUse(ending.toolUse) }, number);
  }

  /** Tools whose names are the same once they are redacted are counted as one. */
  #toolUse(toolUse: ServerToolUse): ServerToolUse {
    const counts = Object.entries(toolUse.by_tool);
    if (counts.every(([name]) => this.#redactor.text(name) === name)) return toolUse;
    const clean = new Map<string, number>();
    for (const [tool, count] of counts) {
      const name = this.#redactor.text(tool);
      clean.set(name, (clean.get(name) ?? 0) + count);
    }
    return { ...toolUse, by_tool: Object.fromEntries(clean) };
  }
}
