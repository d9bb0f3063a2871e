/**
 * Pictures, sound and files on their way to a server. They are passed on; where the server says that it does not take
 * them, which it does before it samples anything, it is asked once more with a text in the place of each that says what
 * was there, and so from then on. What the newest turn of a user brings is not left out like that: it is refused.
 */
import { badRequest, GyreError } from '../../core/errors.js';
import { described, hasMedia, holdsMedia, type MediaKind, mediaKind, textOfFile } from '../../core/media.js';
import type { Content, ContentPart, Message } from '../../core/message.js';
import type { Action, Policy, PolicyEvent, PolicyRequest, TokenCounter } from '../../core/policy.js';
import { refusedKinds, refusesInTools } from './media_fault.js';

export function readingMedia(policy: Policy, media: Media): Policy {
  return {
    sample: (request, signal) =>
      hasMedia(request.messages) ? sample(policy, media, request, signal) : policy.sample(request, signal),
  };
}

export function countingMedia(counter: TokenCounter, media: Media): TokenCounter {
  return {
    async count(prompt, signal) {
      for (;;) {
        const messages = media.told(prompt.messages, prompt.newestMedia);
        try {
          return await counter.count({ ...prompt, messages }, signal);
        } catch (thrown) {
          if (!media.learns(thrown, messages)) throw thrown;
        }
      }
    },
  };
}

async function* sample(
  policy: Policy,
  media: Media,
  request: PolicyRequest,
  signal: AbortSignal,
): AsyncGenerator<PolicyEvent, readonly Action[]> {
  for (;;) {
    const messages = media.told(request.messages, request.newestMedia);
    const sampling = policy.sample({ ...request, messages }, signal);
    let first: IteratorResult<PolicyEvent, readonly Action[]>;
    try {
      first = await sampling.next();
    } catch (thrown) {
      if (!media.learns(thrown, messages)) throw thrown;
      continue;
    }
    try {
      if (first.done === true) return first.value;
      yield first.value.type === 'start' && messages !== request.messages ? { ...first.value, messages } : first.value;
      return yield* sampling;
    } finally {
      await sampling.return([]);
    }
  }
}

/** How long a server's word that it does not take something is believed: it may be started again with another model. */
const BELIEVED_MS = 10 * 60_000;

/** What one server is told of parts that are no text. */
export class Media {
  /** When each kind was refused. */
  readonly #refused = new Map<MediaKind, number>();
  /** OpenAI takes pictures from a user only, vLLM in the results of tools as well. */
  #inTools: boolean;
  readonly #known = new WeakMap<Message, { readonly as: string; readonly message: Message }>();

  constructor({ inTools }: { readonly inTools: boolean }) {
    this.#inTools = inTools;
  }

  /**
   * The messages as the server takes them; the very list where they are that already, and the same objects for the same
   * messages. Throws 400 where the newest turn of a user has what it does not take; `newestMedia` is how many parts of
   * the last message it brought that are no text, where the protocol can tell.
   */
  told(messages: readonly Message[], newestMedia?: number): readonly Message[] {
    const refused = this.#current();
    if (refused.length === 0 && this.#inTools) return messages;
    const newest = newestOfUser(messages, newestMedia !== undefined);
    const brought = newestMedia ?? Infinity;
    const told: Message[] = [];
    /** Of the tools' results before, to be shown by the user after them. */
    let moved: ContentPart[] = [];
    for (const [at, message] of messages.entries()) {
      if (moved.length > 0 && message.role !== 'tool') {
        told.push(
          message.role === 'user'
            ? this.#once(message, `${refused.join()} ${moved.length}`, () => ({
                ...message,
                content: [...moved, ...partsOf(this.#message(message, refused, at === newest ? brought : 0).content)],
              }))
            : this.#shown(messages[at - 1], moved),
        );
        moved = [];
        if (message.role === 'user') continue;
      }
      const next = this.#message(message, refused, at === newest ? brought : 0);
      if (next.role === 'tool' && !this.#inTools && holdsMedia(next.content)) {
        for (const part of next.content) if (mediaKind(part) !== undefined) moved.push(part);
        told.push(this.#once(next, 'moved', () => ({ ...next, content: plain(next.content, IN_NEXT) })));
      } else told.push(next);
    }
    if (moved.length > 0) told.push(this.#shown(messages.at(-1), moved));
    return told.every((message, at) => message === messages[at]) && told.length === messages.length ? messages : told;
  }

  /** Whether the fault says something new of what the server takes: then it may be asked again. */
  learns(fault: unknown, messages: readonly Message[]): boolean {
    if (!(fault instanceof GyreError) || (fault.status !== 400 && fault.code !== 'engine_error')) return false;
    const present = kindsIn(messages);
    if (present.size === 0) return false;
    if (
      this.#inTools &&
      refusesInTools(fault.message) &&
      messages.some((m) => m.role === 'tool' && holdsMedia(m.content))
    ) {
      this.#inTools = false;
      return true;
    }
    const now = Date.now();
    const kinds = refusedKinds(fault.message, present);
    for (const kind of kinds) this.#refused.set(kind, now);
    return kinds.some((kind) => present.has(kind));
  }

  #current(): readonly MediaKind[] {
    const since = Date.now() - BELIEVED_MS;
    for (const [kind, at] of this.#refused) if (at < since) this.#refused.delete(kind);
    return [...this.#refused.keys()].sort();
  }

  /** `brought`: how many of its parts that are no text, from the last one on, were just brought. */
  #message(message: Message, refused: readonly MediaKind[], brought: number): Message {
    if (!holdsMedia(message.content)) return message;
    const isRefused = (part: ContentPart): boolean => refused.some((kind) => kind === mediaKind(part));
    const { content } = message;
    if (!content.some(isRefused)) return message;
    if (brought > 0) {
      const media = content.filter((part) => mediaKind(part) !== undefined);
      const unread = media.slice(-brought).find((part) => isRefused(part) && textOfFile(part) === undefined);
      if (unread !== undefined) throw cannotRead(unread, refused);
    }
    return this.#once(message, refused.join(), () => ({
      ...message,
      content: plain(content, (part) => (isRefused(part) ? inWords(part, refused) : undefined)),
    }));
  }

  /** A user's message with what the results of tools before it show. */
  #shown(last: Message | undefined, parts: readonly ContentPart[]): Message {
    const made = (): Message => ({ role: 'user', content: parts });
    return last === undefined ? made() : this.#once(last, `shown ${parts.length}`, made);
  }

  #once(message: Message, as: string, make: () => Message): Message {
    const known = this.#known.get(message);
    if (known?.as === as) return known.message;
    const made = make();
    this.#known.set(message, { as, message: made });
    return made;
  }
}

/**
 * The place of the message that a user has just sent. One that follows results of tools is theirs, that being how
 * clients show what a tool gave, unless the protocol tells the two apart.
 */
function newestOfUser(messages: readonly Message[], toldApart: boolean): number {
  const last = messages.findLastIndex(({ role }) => role !== 'system' && role !== 'developer');
  return messages[last]?.role === 'user' && (toldApart || messages[last - 1]?.role !== 'tool') ? last : -1;
}

function kindsIn(messages: readonly Message[]): ReadonlySet<MediaKind> {
  return new Set(
    messages.flatMap(({ content }) =>
      holdsMedia(content) ? content.map(mediaKind).filter((kind) => kind !== undefined) : [],
    ),
  );
}

const partsOf = (content: Content | null): readonly ContentPart[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? []);

/** Parts with words in the place of some; one text, where words are all that is left. */
function plain(content: Content, words: (part: ContentPart) => string | undefined): Content {
  const parts = partsOf(content).map((part): ContentPart => {
    const text = words(part);
    return text === undefined ? part : { type: 'text', text };
  });
  return parts.every(({ type }) => type === 'text') ? parts.map(({ text }) => text ?? '').join('\n') : parts;
}

const IN_NEXT = (part: ContentPart): string | undefined =>
  mediaKind(part) === undefined ? undefined : `[${described(part)}, shown in the next message]`;

function inWords(part: ContentPart, refused: readonly MediaKind[]): string {
  const text = textOfFile(part);
  return text === undefined
    ? `[${described(part)}, not shown: this model ${lacking(part, refused)}]`
    : `[${described(part)}]\n${text}`;
}

/** A model that takes no pictures is one of text, whatever else it was not asked yet. */
function lacking(part: ContentPart, refused: readonly MediaKind[]): string {
  if (refused.includes('image')) return 'reads text only';
  const kind = mediaKind(part);
  return `takes no ${kind === 'file' || kind === 'video' ? `${kind}s` : (kind ?? 'such part')}`;
}

function cannotRead(part: ContentPart, refused: readonly MediaKind[]): GyreError {
  return badRequest(
    `The newest message has a part that this model cannot be shown (${described(part)}): it ` +
      `${lacking(part, refused)}. Send it as text, or ask a model that takes it.`,
    'messages',
    'unsupported_value',
  );
}
