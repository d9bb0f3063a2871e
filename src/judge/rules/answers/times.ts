/** Times of the day, and ratios, which are written alike: 3:30 pm. Pure. */
import type { Stated } from './marks.js';
import { plain } from './writing.js';

interface Clock {
  readonly hours: number;
  readonly minutes: number;
  readonly half: 'a' | 'p' | undefined;
}

const CLOCK = /(?<![\d:.])(\d{1,3}):(\d{1,3})(?![\d:])(?:\s*([ap])\.?m\b\.?)?/giu;

function clocksIn(text: string): readonly Clock[] {
  return [...text.matchAll(CLOCK)].map(([, hours, minutes, half]) => ({
    hours: Number(hours),
    minutes: Number(minutes),
    half: half?.toLowerCase() as Clock['half'],
  }));
}

/** A reference that is a time, or a ratio. */
export function asClock(reference: string): Clock | undefined {
  const written = plain(reference).trim();
  return new RegExp(`^${CLOCK.source}$`, 'iu').test(written) ? clocksIn(written)[0] : undefined;
}

/** Whether the time that is stated last is `wanted`: by 24 hours as well where one of them says which half it is. */
export function clockStated({ text }: Stated, wanted: Clock): boolean {
  const written = plain(text);
  const found = clocksIn(written);
  const stated = found.at(-1);
  if (stated === undefined || /\d\s*(?:or|-|to|,)\s*\d/iu.test(written)) return false;
  if (stated.minutes !== wanted.minutes) return false;
  if (stated.half === undefined || wanted.half === undefined)
    return stated.hours === wanted.hours || inDay(stated) === inDay(wanted);
  return inDay(stated) === inDay(wanted);
}

function inDay({ hours, half }: Clock): number {
  return half === undefined ? hours : (hours % 12) + (half === 'p' ? 12 : 0);
}
