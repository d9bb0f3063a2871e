/**
 * Whether a server's refusal says that its model does not take pictures, sound or files at all. It must not be mistaken
 * for a word on one broken picture: a model that sees would be told of pictures in words from then on.
 */
import { type MediaKind, mediaKind } from '../../core/media.js';

const ALL: readonly MediaKind[] = ['image', 'audio', 'video', 'file'];

const NAMED: Readonly<Record<MediaKind, RegExp>> = {
  image: /image|vision|picture/i,
  audio: /audio|speech/i,
  video: /video/i,
  file: /\bfiles?\b|document|pdf/i,
};

/** vLLM's word for a model of text alone. */
const TEXT_MODEL = /not a multi-?modal model/i;

/** The type of a part that was refused; what follows may list those that are taken. */
const TYPE_OF_PART: readonly RegExp[] = [
  /(?:unsupported|unknown|unrecogni[sz]ed|invalid)[\w ]* (?:part|content)[\w ]* type[:.]? ['"`]?(\w+)/i,
  /unknown variant ['"`]?(\w+)/i,
];

/** Nothing but such a model says this. */
const LACKS: readonly RegExp[] = [
  /at most 0 (?:image|audio|video|file)/i,
  /missing data required for image input/i,
  /no endpoints found that support/i,
  /only .?text.? (?:content|is|parts?|input|messages?)/i,
  /(?:should|must) be a (?:valid )?string/i,
  /(?:did not match|invalid type).{0,80}string/i,
];
const SENSE = 'image|audio|video|file|vision|multi-?modal|media';
const UNSUPPORTED: readonly RegExp[] = [
  new RegExp(
    `(?:does not|doesn't|do not|don't|cannot|can't) (?:support|accept|take|handle|process|read)[^.]{0,40}(?:${SENSE})`,
    'i',
  ),
  new RegExp(`(?:${SENSE})[\\w ]{0,40} (?:is|are) not (?:supported|enabled|available|allowed)`, 'i'),
  /not (?:a|support) (?:vision|multi-?modal|image)/i,
];
/** What is said of one picture and not of all of them. */
const THIS_ONE = new RegExp(
  'format|\\b(?:png|jpe?g|webp|gif|bmp|tiff|svg|mime|wav|mp3|docx?)\\b|' +
    'corrupt|decod|too (?:large|big)|base64|resolution|download|domain',
  'i',
);

export function refusedKinds(says: string, present: ReadonlySet<MediaKind>): readonly MediaKind[] {
  if (TEXT_MODEL.test(says)) return ALL;
  const type = TYPE_OF_PART.map((words) => words.exec(says)?.[1]).find((named) => named !== undefined);
  const kind = type === undefined ? undefined : mediaKind({ type });
  if (kind !== undefined) return [kind];
  const lacks =
    LACKS.some((words) => words.test(says)) || (UNSUPPORTED.some((words) => words.test(says)) && !THIS_ONE.test(says));
  if (!lacks) return [];
  const named = [...present].filter((kind) => NAMED[kind].test(says));
  return named.length > 0 ? named : [...present];
}

/** OpenAI: "Image URLs are only allowed for messages with role 'user', but this message with role 'tool' ..." */
export function refusesInTools(says: string): boolean {
  return /\brole\b.{0,20}\btool\b|\btool\b.{0,20}\b(?:message|role|result)/i.test(says);
}
