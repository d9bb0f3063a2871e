/** What a client meant that asked for a path which is none: most often its base address is written otherwise. */

/** One route, its path as /openapi.json writes it: `/v1/models/{id}`. */
export interface Route {
  readonly method: string;
  readonly path: string;
  /** Its parameter may have slashes. */
  readonly deep?: boolean | undefined;
}

export interface Meant {
  readonly method: string;
  readonly path: string;
  /** What to say of it. */
  readonly hint: string;
  /** It is the path itself otherwise written, not a path that ends like one of ours. */
  readonly sure: boolean;
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
      route: best(method, routesAt(each, routes)),
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
    sure: found.each !== undefined,
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

/** The routes of a path: those of exactly this path, else those that take a part of it for a parameter. */
export function routesAt<R extends Route>(path: string, routes: readonly R[]): readonly R[] {
  const exact = routes.filter((route) => route.path === path);
  return exact.length > 0 ? exact : routes.filter((route) => isAt(path, route));
}

function isAt(path: string, { path: route, deep }: Route): boolean {
  const [parts, wanted] = [path.split('/'), route.split('/')];
  return (
    (parts.length === wanted.length || (deep === true && parts.length > wanted.length)) &&
    wanted.every((part, at) => (part.startsWith('{') ? parts[at] !== '' : part === parts[at]))
  );
}
