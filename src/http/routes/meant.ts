/** What a client meant that asked for a path which is none: most often its base address is written otherwise. */

interface Route {
  readonly method: string;
  readonly path: string;
}

export interface Meant {
  readonly method: string;
  readonly path: string;
  /** What to say of it. */
  readonly hint: string;
}

/** Undefined where nothing here is like it. `host` is what the client calls this gateway. */
export function meantBy(
  method: string,
  path: string,
  host: string | undefined,
  routes: readonly Route[],
): Meant | undefined {
  const bare = `/${path
    .replace(/%2f/gi, '/')
    .split('/')
    .filter((part) => part !== '')
    .join('/')}`;
  const once = bare.replace(/^(?:\/v1)+(?=\/|$)/, '/v1');
  const candidates = [bare, once, `/v1${once}`];
  const found = candidates
    .map((each) => ({
      each,
      route: best(
        method,
        routes.filter((route) => isAt(each, route.path)),
      ),
    }))
    .find(({ route }) => route !== undefined) ?? {
    each: undefined,
    route: best(
      method,
      routes.filter((route) => endsAs(once, route.path)),
    ),
  };
  const { route } = found;
  if (route === undefined) return undefined;
  const meant = found.each ?? route.path;
  const address = `http://${host !== undefined && HOST.test(host) ? host : 'HOST:PORT'}`;
  // Anthropic's libraries put /v1 in front by themselves.
  const base = route.path.startsWith('/v1/messages') ? address : `${address}/v1`;
  const says = `Did you mean ${route.method} ${meant}?`;
  return {
    method: route.method,
    path: meant,
    hint: route.path.startsWith('/v1/') ? `${says} Set the base URL to ${base}` : says,
  };
}

const HOST = /^[\w.-]{1,255}(?::\d{1,5})?$|^\[[\da-f:.]{2,45}\](?::\d{1,5})?$/i;

/** Of routes at one path that of the method, else any. */
function best(method: string, routes: readonly Route[]): Route | undefined {
  return routes.find((route) => route.method === method) ?? routes[0];
}

/** A whole route behind something else: a proxy's prefix, or an address that was already that of the route. */
function endsAs(path: string, route: string): boolean {
  const tail = route.replace(/^\/v1/, '');
  return !route.includes('{') && route.startsWith('/v1/') && path.endsWith(tail);
}

/** Whether a path is one of the route's. */
export function isAt(path: string, route: string): boolean {
  const [parts, wanted] = [path.split('/'), route.split('/')];
  return (
    parts.length === wanted.length &&
    wanted.every((part, at) => (part.startsWith('{') ? parts[at] !== '' : part === parts[at]))
  );
}
