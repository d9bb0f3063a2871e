/** What is answered where no route is: a method that a path does not take, or a path that is none. */
import type { GyreError } from '../core/errors.js';
import { errorsAt } from './protocols.js';
import { meantBy, type Route, routesAt } from './routes/meant.js';
import { type ErrorShape, methodNotAllowed, notFound } from './wire/failure.js';

export interface Unknown {
  /** `why` no upstream has it either, where it could have. */
  readonly error: (why?: string) => GyreError;
  readonly shape: ErrorShape;
  readonly headers: Readonly<Record<string, string>>;
}

/** `host` is what the client calls this gateway. */
export function unknownAt(method: string, path: string, host: string | undefined, routes: readonly Route[]): Unknown {
  const allowed = [...new Set(routesAt(path, routes).map((route) => route.method))];
  if (allowed.length > 0)
    return {
      error: () => methodNotAllowed(method, path, allowed),
      shape: errorsAt(path),
      headers: { allow: allowed.join(', ') },
    };
  const meant = meantBy(method, path, host, routes);
  return {
    error: (why) => notFound(method, path, meant?.hint, why),
    shape: errorsAt(meant?.path ?? path),
    headers: {},
  };
}
