/** What shapes are made of. */
import { z } from 'zod';

export const text = z.string();
export const int = z.int();
export const number = z.number();
export const bool = z.boolean();
export const object = z.record(text, z.unknown());
export const ids = z.array(int);
/** Seconds since 1970, as everywhere in OpenAI's protocol. */
export const seconds = int;
export const functionCall = z.object({
  id: text,
  type: z.literal('function'),
  function: z.object({ name: text, arguments: text }),
});
